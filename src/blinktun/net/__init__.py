"""Sockets: names to addresses, listening, accepting, dialling.

``resolve`` finds the addresses of a host: by ``name_servers``, or by ``system_names`` for what only
the C library knows. ``listen`` binds, ``accept`` accepts, ``unix`` does both for UNIX sockets.
``dial`` connects, by ``happy_eyeballs`` to the first address that answers. ``udp`` has sockets for
datagrams, ``limits`` knows how much of the process may be spent on whom.

``own_addresses`` knows which addresses are those of the machine.
"""
