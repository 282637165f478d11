"""The roles: accept, dial, pair streams.

A **role** is one program's configuration at work, with ``start`` and ``stop``. The blinksocks roles
see their link through a ``PresetStream``: a transport's stream with a pipeline of presets around
it.
A client's streams to its server come from an **outbound** (``outbound``, ``mux_pool``), a server's
to targets from an **exit**; datagrams have **paths** and exits of their own (``udp_*``).
A shared connection is a sans-IO ``mux_connection``, whose **sub-connections** go by the table of
``mux_states``; ``mux_session`` and ``mux_stream`` are the streams and tasks around it.
``connections`` owns the tasks of a role.
"""
