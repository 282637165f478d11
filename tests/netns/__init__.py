"""Real programs on machines that do not exist: network namespaces, joined by cables.

| module | what it offers |
| --- | --- |
| `machine` | `Machine`: a namespace with addresses, a hosts file and a resolver of its own |
| `bed` | `Bed`: machines and the cables between them; `Routed`: client, router, server |
| `router` | what a router does to its traffic: a small MTU, nothing passed on, other ports |
| `programs` | the programs of `tests/interop`, each on its machine |
| `icmp` | a forged "fragmentation needed" |

It needs root, `ip` of iproute2 and `iptables` (`make peers`). README.md says how to use it.
"""
