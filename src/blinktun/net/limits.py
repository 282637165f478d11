"""How many connections the process may spend on those who have not shown who they are."""

from __future__ import annotations

import resource

_MOST = 4096


def share_for_strangers() -> int:
    """A quarter of the descriptors, 4096 at most; a stranger may need a second one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else min(_MOST, soft // 4)
