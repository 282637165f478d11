"""The roles: accept, dial, pair streams.

The nouns of the room: a **role** is one program's configuration at work, with ``start`` and
``stop``; a **relay** copies between two streams until both directions have ended. The blinksocks
roles see their link through a ``PresetStream``: a transport's stream with a pipeline of presets
around it. A client's streams to its server come from an **outbound** (``outbound``, ``mux_pool``),
a server's to targets from an **exit**; datagrams have **paths** and exits of their own (``udp_*``).
On a server a peer is a **stranger** until it has named a target by the presets (``strangers``,
``refusals``), and ``access`` holds everybody to the rules. ``connections`` owns the tasks of a
role.

May import every room but ``app`` and ``cli``.
"""
