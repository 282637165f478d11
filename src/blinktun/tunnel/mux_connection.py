"""A shared connection as its frames see it, without a socket, a clock or a task.

Its owner hands over what has come (``feed``, then ``receive`` for each frame) and what happens to a
sub-connection on its own side (``take``), sends ``closes``, and asks for ``next_event`` after each.

The format has no window: a receiver that does not read holds up the others, here after 4 MiB.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from blinktun.errors import RemoteError
from blinktun.presets.mux_frames import (
    Close,
    Data,
    Frame,
    FrameReader,
    New,
    pack_close,
    pack_new,
)
from blinktun.tunnel.mux_states import TABLE, Action, Input, State

if TYPE_CHECKING:
    from collections.abc import Collection

    from blinktun.address import Address
    from blinktun.effects import Chunk

_UNREAD = 4 << 20
"""Received bytes, of all sub-connections, from which on the shared one is not read."""
_MAX_STREAMS = 4096
"""Sub-connections of one connection that are open or still being worked for; more are refused."""
_MAX_CLOSES = 64 * 1024
"""Bytes of CLOSE frames that wait for the wire, from which on the shared connection is not read."""
_MAX_WAITING = 256
"""Sub-connections that may wait for the peer's end, of one connection; then the one whose peer has
been silent for longest breaks."""


class SubConnection:
    """One of the connections that share one.

    Attributes:
        cid: Its id in frames.
        state: How far it is.
        reason: Why it is broken, once it is.
    """

    __slots__ = ("_opening", "_unread", "cid", "reason", "state")

    def __init__(self, cid: bytes, opening: bytes = b"") -> None:
        self.cid = cid
        self.state = State.NEW if opening else State.ACCEPTED
        self.reason = ""
        self._opening = opening
        self._unread: list[bytes] = []

    @property
    def is_over(self) -> bool:
        """Whether nothing can be sent and nothing more comes."""
        return self.state in {State.CLOSED, State.BROKEN}

    @property
    def has_unread(self) -> bool:
        """Whether bytes can be read."""
        return bool(self._unread)

    def take_opening(self) -> bytes:
        """Return, once, the frame that opens it."""
        opening, self._opening = self._opening, b""
        return opening

    def keep(self, payload: bytes) -> None:
        """Keep bytes until they are read."""
        self._unread.append(payload)

    def take_unread(self) -> bytes:
        """Return, once, what has come."""
        unread, self._unread = self._unread, []
        return b"".join(unread) if len(unread) != 1 else unread[0]


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer has opened a sub-connection to a target."""

    sub: SubConnection
    target: Address


@dataclass(frozen=True, slots=True)
class Changed:
    """Bytes have come for a sub-connection, or it is over, and not by a word of its owner."""

    sub: SubConnection


Event: TypeAlias = Opened | Changed


class MuxConnection:
    """The sub-connections of one connection.

    Bounds: see the constants. Events wait until the owner asks for them, which it does after each
    frame: there are as many as sub-connections at most.

    Args:
        accepts: Whether the peer may open sub-connections.

    Attributes:
        ended: Why nothing can be opened any more, once that is so.
        closes: CLOSE frames that wait for the wire. The owner takes them off.
    """

    def __init__(self, *, accepts: bool) -> None:
        self.ended = ""
        self.closes = bytearray()
        self._accepts = accepts
        self._subs: dict[bytes, SubConnection] = {}
        self._waiting: dict[SubConnection, None] = {}  # for the peer's end; last heard of, last
        self._held: set[SubConnection] = set()  # opened by the peer, and our side is not done
        self._unread = 0
        self._reader = FrameReader()
        self._events: deque[Event] = deque()

    def __len__(self) -> int:
        return len(self._subs)

    def __contains__(self, cid: bytes) -> bool:
        return cid in self._subs

    @property
    def is_stalled(self) -> bool:
        """Whether one stream is not read and the others wait for it, or the peer does not read."""
        return self._unread >= _UNREAD or len(self.closes) >= _MAX_CLOSES

    @property
    def inside_frame(self) -> bool:
        """Whether a frame has come in part."""
        return self._reader.inside_frame

    def open(self, cid: bytes, target: Address) -> SubConnection:
        """Begin a sub-connection; the peer hears of it with the first bytes.

        Args:
            cid: Its id, which no other has.
            target: Where it leads.

        Raises:
            LocalError: the target does not fit into a frame.
        """
        sub = self._subs[cid] = SubConnection(cid, pack_new(cid, target))
        return sub

    def take(self, sub: SubConnection, given: Input, reason: str = "") -> Collection[Action]:
        """Note what has happened to a sub-connection.

        Args:
            sub: The sub-connection.
            given: What has happened.
            reason: Why it is broken, if it is broken by this.

        Returns:
            What was to be done. What concerns the other sub-connections has been done.
        """
        was = sub.state
        sub.state, actions = TABLE[was, given]
        if sub.state is State.BROKEN and was is not State.BROKEN:
            sub.reason = reason
        for action in actions:
            match action:
                case Action.FORGET:
                    del self._subs[sub.cid]
                    self._waiting.pop(sub, None)
                case Action.TELL:
                    self._tell_closed(sub.cid)
                case Action.DROP:
                    self._held.discard(sub)
                    self.read(sub)
                case Action.AWAIT:
                    self._await(sub)
        return actions

    def read(self, sub: SubConnection) -> bytes:
        """Return, once, what has come for a sub-connection."""
        data = sub.take_unread()
        self._unread -= len(data)
        return data

    def feed(self, data: Chunk) -> list[Frame]:
        """Take bytes of the peer and return the frames that are complete, for ``receive``.

        Raises:
            RemoteError: the peer broke the protocol.
        """
        return self._reader.feed(data)

    def receive(self, frame: Frame) -> None:
        """Do what a frame says.

        Raises:
            RemoteError: the peer broke the protocol.
        """
        match frame:
            case New(cid, target):
                self._accept(cid, target)
            case Data(cid, payload):
                # One that we have closed may still be sent to for a while.
                if payload and (sub := self._subs.get(cid)):
                    self._keep(sub, payload)
            case Close(cid):
                if sub := self._subs.get(cid):
                    self.take(sub, Input.CLOSE)
                    self._events.append(Changed(sub))

    def end(self, reason: str) -> None:
        """Note that the shared connection is over: this breaks every sub-connection."""
        self.ended = self.ended or reason
        for sub in list(self._subs.values()):
            self.take(sub, Input.LOST, reason)
            self._events.append(Changed(sub))

    def next_event(self) -> Event | None:
        """Return what has happened, once, in order; None: nothing more."""
        return self._events.popleft() if self._events else None

    def _keep(self, sub: SubConnection, payload: bytes) -> None:
        was = sub.state
        if Action.KEEP in self.take(sub, Input.DATA):
            is_first = not sub.has_unread
            sub.keep(payload)
            self._unread += len(payload)
            if is_first or sub.state is not was:  # else the owner knows that there is something
                self._events.append(Changed(sub))

    def _accept(self, cid: bytes, target: Address) -> None:
        if not self._accepts:
            raise RemoteError("a server opened a sub-connection")
        if cid in self._subs:
            raise RemoteError("a sub-connection was opened twice")
        if len(self._held) >= _MAX_STREAMS:
            self._tell_closed(cid)
            return
        sub = self._subs[cid] = SubConnection(cid)
        self._held.add(sub)
        self._events.append(Opened(sub, target))

    def _await(self, sub: SubConnection) -> None:
        self._waiting.pop(sub, None)
        self._waiting[sub] = None
        if len(self._waiting) > _MAX_WAITING:
            oldest = next(iter(self._waiting))
            self.take(oldest, Input.SILENCE, "too many wait for an answer")
            self._events.append(Changed(oldest))

    def _tell_closed(self, cid: bytes) -> None:
        if not self.ended:
            self.closes += pack_close(cid)
