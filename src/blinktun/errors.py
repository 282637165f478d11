"""Every error that blinktun raises on purpose, on one page.

::

    BlinktunError
    ├── ConfigError          a file, flag or URL asks for something that cannot be done
    ├── ProtocolError        bytes that break a protocol
    │   ├── LocalError       ... because we (or our caller) broke it: a bug
    │   └── RemoteError      ... because the peer broke it: a peer to drop, never a traceback
    ├── TransportError       the network said no, or a connection ended other than cleanly
    ├── LabError             this machine cannot have a lab, or refuses a part of it
    ├── AccessDenied         a rule forbids this source or this target
    └── InternalError        the compiled core failed: a bug of blinktun

Each class keeps its facts as attributes and builds its text from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class BlinktunError(Exception):
    """The root of everything that blinktun raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions copy themselves by their arguments alone, which keywords do not survive.
        return _restore, (type(self), self.args, vars(self).copy())


class ConfigError(BlinktunError):
    """A setting that cannot be used.

    Attributes:
        source: Where it was read: a file name, ``command line``, an environment variable.
        key: The setting, by the name its user wrote (``presets[0].params.method``); empty if it is
            the whole source.
        value: What was given, already fit to print (secrets masked); empty if nothing was.
        problem: What is wrong with it.
        fix: What to write instead.
    """

    def __init__(
        self, problem: str, *, fix: str, source: str = "", key: str = "", value: str = ""
    ) -> None:
        super().__init__(problem, fix, source, key, value)
        self.problem = problem
        self.fix = fix
        self.source = source
        self.key = key
        self.value = value

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.source, self.key) if part)
        shown = f" = {self.value}" if self.value else ""
        head = f"{where}{shown}: " if where else ""
        return f"{head}{self.problem}; {self.fix}"


class ProtocolError(BlinktunError):
    """Bytes that break a protocol."""


class LocalError(ProtocolError):
    """We, or the caller of a public function, broke the protocol."""


class RemoteError(ProtocolError):
    """The peer broke the protocol."""


class TransportError(BlinktunError):
    """A connection could not be made, or ended other than cleanly.

    Attributes:
        peer: The other end, as text; empty if unknown.
        reason: What happened.
    """

    def __init__(self, reason: str, *, peer: str = "") -> None:
        super().__init__(reason, peer)
        self.reason = reason
        self.peer = peer

    def __str__(self) -> str:
        return f"{self.peer}: {self.reason}" if self.peer else self.reason


class LabError(BlinktunError):
    """A lab cannot be made, or the system took a part of it away."""


class AccessDenied(BlinktunError):  # noqa: N818 - says what happened, like PermissionDenied
    """A rule forbids this source or this target."""


class InternalError(BlinktunError):
    """The compiled core failed: a bug of blinktun. All sessions of the event loop are over."""


def _restore(
    kind: type[BlinktunError], args: tuple[object, ...], facts: Mapping[str, object]
) -> BlinktunError:
    error = kind.__new__(kind, *args)
    vars(error).update(facts)
    return error
