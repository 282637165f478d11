"""Connections, and the schemes that make them.

The nouns of the room: a **stream** (``base``) is one connection, whatever carries it; a **dialer**
makes streams, a **listener** takes them in; the **registry** finds both by the transport that a
configuration names. A transport with a handshake stands on another one's streams (``upgrade``):
WebSocket and HTTP/2 on TLS, TLS on TCP; ``kcp`` stands on the sessions of the room of that name. A
new transport is one file here and one line in ``registry``.
"""
