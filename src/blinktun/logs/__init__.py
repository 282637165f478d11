"""Log lines: what they look like, where they go, and how they get there.

``lines`` turns records into text that cannot be forged by a peer. A **destination**
(``destinations``) is a console or a file, as each program's settings say. Each has a **writer**
(``writer``): a bounded queue and a thread. A disk or a reader that is slow, full or gone costs log
lines, which are counted, and never holds up the service.
"""

from blinktun.logs.destinations import ROOT, set_up
from blinktun.logs.lines import printable

__all__ = ["ROOT", "printable", "set_up"]
