"""Keys and ciphers by name, over the ``cryptography`` library.

``kdf`` turns passwords into keys, ``stream`` and ``aead`` are tables of methods by the names that
configurations use, ``xorshift`` is the generator that ShadowsocksR takes lengths from. Nothing here
knows a wire format, draws randomness or keeps a counter.
"""
