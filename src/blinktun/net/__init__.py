"""Sockets: names to addresses, listening, accepting, dialling.

``resolve`` finds the addresses of a host, ``accept`` listens and accepts, ``unix`` does the same
for UNIX sockets, ``happy_eyeballs`` connects to the first address that answers, ``udp`` has sockets
for datagrams, ``limits`` knows how many descriptors the process may use.

``own_addresses`` knows which addresses are those of the machine.

May import: ``errors``, ``address``, ``destination``, ``config``.
"""
