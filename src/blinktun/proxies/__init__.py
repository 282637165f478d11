"""Sans-IO handshakes with the applications that use a client.

The nouns of the room: a **handshake** (``base``) gets what an application says and yields effects:
``Reply`` to the application, ``ConnectTo`` once it knows the target, ``Reject`` when the
conversation is over. Then its owner connects and says ``granted`` or ``refused``. ``detect`` picks
the handshake for an inbound. An **exchange** (``http_exchange``) is an HTTP request to be passed on
and its response: bytes from either side in, bytes for the other out; ``http_states`` says by tables
what each of them does with what comes, ``http_message`` what a proxy changes in them.
"""
