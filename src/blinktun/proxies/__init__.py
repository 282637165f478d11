"""Sans-IO handshakes with the applications that use a client.

The nouns of the room: a **handshake** (``base``) gets what an application says and yields effects:
``Reply`` to the application, ``ConnectTo`` once it knows the target, ``Reject`` when the
conversation is over. Then its owner connects and says ``granted`` or ``refused``. ``detect`` picks
the handshake for an inbound.

May import: ``errors``, ``address``, ``effects``, ``config.model``, ``presets.socks_address``.
"""
