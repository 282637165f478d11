"""Two hosts on this machine, and a link between them that can be bad: to try programs on.

The nouns of the room: a **link** is described in words, such as ``dsl loss=2%`` (`Link`, of the
core); a **host** is a network namespace with one network device (`Host`); a **lab** is two hosts,
client and server, and the emulator of the core that carries packets between them (`Lab`); a
**slot** is the number of a lab among those that run at the same time. It needs Linux and root.
"""

from __future__ import annotations

from blinktun._core import LINK_KEYS, LINKS, Link, LinkCounts, LinkPhase
from blinktun.lab.host import Host
from blinktun.lab.lab import Counts, Lab
from blinktun.lab.requirements import require

__all__ = [
    "LINKS",
    "LINK_KEYS",
    "Counts",
    "Host",
    "Lab",
    "Link",
    "LinkCounts",
    "LinkPhase",
    "require",
]
