"""Which peers a server serves.

``access`` applies the rules of a configuration. A peer is **unauthenticated** until it has named a
target with the right key (``unauthenticated``); ``redirect`` answers a peer that never does.

May import: ``errors``, ``address``, ``config``, ``net``, ``transports``, ``relay``.
"""
