"""The states of a sub-connection of a shared connection, and the table of what inputs make of it.

The format has no half-close: CLOSE ends both directions at once. So the side that opened a
sub-connection says nothing at the end of its own direction, and waits for the peer's CLOSE behind
the answer. It gives up after some time, because a peer that has left looks like a slow one. The
other side closes.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(Enum):
    """How far a sub-connection is. Only one that is not over is known to its connection."""

    NEW = auto()  # opened here; the peer has not been told
    CONNECTING = auto()  # opened here; the peer gets time to connect to the target
    OPEN = auto()  # opened here; both directions are
    WAITING = auto()  # opened here; our direction has ended
    ACCEPTED = auto()  # opened by the peer
    CLOSED = auto()  # over; what has come can be read up to its end
    BROKEN = auto()  # over; what has come can be read, then there is an error


class Input(Enum):
    """What happens to a sub-connection."""

    SEND = auto()  # there are bytes for the peer; there may be none the first time
    SETTLED = auto()  # the peer has had time to connect
    EOF = auto()  # our direction ends
    LEAVE = auto()  # our side wants nothing more, behind what it has sent
    ABORT = auto()  # our side gives up
    DATA = auto()  # bytes of the peer have come
    CLOSE = auto()  # the peer has closed
    LOST = auto()  # the shared connection has ended
    SILENCE = auto()  # the peer has let us wait for too long


class Action(Enum):
    """What is to be done."""

    OPEN = auto()  # send NEW, with the first bytes behind it
    SEND = auto()  # send the bytes
    DELAY = auto()  # ask again when the state is another one
    REFUSE = auto()  # there is no way to the peer any more
    KEEP = auto()  # keep the bytes until they are read
    AWAIT = auto()  # from now on the peer's silence counts
    TELL = auto()  # send CLOSE
    FORGET = auto()  # frames with its id do not concern it any more
    DROP = auto()  # nobody reads what is unread, and our side's work for it is over


TABLE: Mapping[tuple[State, Input], tuple[State, tuple[Action, ...]]] = {
    (State.NEW, Input.SEND): (State.CONNECTING, (Action.OPEN,)),
    (State.NEW, Input.SETTLED): (State.NEW, ()),
    (State.NEW, Input.EOF): (State.CONNECTING, (Action.OPEN,)),
    (State.NEW, Input.LEAVE): (State.CLOSED, (Action.FORGET, Action.DROP)),
    (State.NEW, Input.ABORT): (State.BROKEN, (Action.FORGET, Action.DROP)),
    (State.NEW, Input.DATA): (State.NEW, (Action.KEEP,)),
    (State.NEW, Input.CLOSE): (State.CLOSED, (Action.FORGET,)),
    (State.NEW, Input.LOST): (State.BROKEN, (Action.FORGET,)),
    (State.NEW, Input.SILENCE): (State.NEW, ()),
    (State.CONNECTING, Input.SEND): (State.CONNECTING, (Action.DELAY,)),
    (State.CONNECTING, Input.SETTLED): (State.OPEN, ()),
    (State.CONNECTING, Input.EOF): (State.WAITING, (Action.AWAIT,)),
    (State.CONNECTING, Input.LEAVE): (State.CLOSED, (Action.TELL, Action.FORGET, Action.DROP)),
    (State.CONNECTING, Input.ABORT): (State.BROKEN, (Action.TELL, Action.FORGET, Action.DROP)),
    (State.CONNECTING, Input.DATA): (State.OPEN, (Action.KEEP,)),
    (State.CONNECTING, Input.CLOSE): (State.CLOSED, (Action.FORGET,)),
    (State.CONNECTING, Input.LOST): (State.BROKEN, (Action.FORGET,)),
    (State.CONNECTING, Input.SILENCE): (State.CONNECTING, ()),
    (State.OPEN, Input.SEND): (State.OPEN, (Action.SEND,)),
    (State.OPEN, Input.SETTLED): (State.OPEN, ()),
    (State.OPEN, Input.EOF): (State.WAITING, (Action.AWAIT,)),
    (State.OPEN, Input.LEAVE): (State.CLOSED, (Action.TELL, Action.FORGET, Action.DROP)),
    (State.OPEN, Input.ABORT): (State.BROKEN, (Action.TELL, Action.FORGET, Action.DROP)),
    (State.OPEN, Input.DATA): (State.OPEN, (Action.KEEP,)),
    (State.OPEN, Input.CLOSE): (State.CLOSED, (Action.FORGET,)),
    (State.OPEN, Input.LOST): (State.BROKEN, (Action.FORGET,)),
    (State.OPEN, Input.SILENCE): (State.OPEN, ()),
    (State.WAITING, Input.SEND): (State.WAITING, (Action.SEND,)),
    (State.WAITING, Input.SETTLED): (State.WAITING, ()),
    (State.WAITING, Input.EOF): (State.WAITING, (Action.AWAIT,)),
    (State.WAITING, Input.LEAVE): (State.CLOSED, (Action.TELL, Action.FORGET, Action.DROP)),
    (State.WAITING, Input.ABORT): (State.BROKEN, (Action.TELL, Action.FORGET, Action.DROP)),
    (State.WAITING, Input.DATA): (State.WAITING, (Action.KEEP, Action.AWAIT)),
    (State.WAITING, Input.CLOSE): (State.CLOSED, (Action.FORGET,)),
    (State.WAITING, Input.LOST): (State.BROKEN, (Action.FORGET,)),
    (State.WAITING, Input.SILENCE): (State.BROKEN, (Action.TELL, Action.FORGET)),
    (State.ACCEPTED, Input.SEND): (State.ACCEPTED, (Action.SEND,)),
    (State.ACCEPTED, Input.SETTLED): (State.ACCEPTED, ()),
    (State.ACCEPTED, Input.EOF): (State.CLOSED, (Action.TELL, Action.FORGET)),
    (State.ACCEPTED, Input.LEAVE): (State.CLOSED, (Action.TELL, Action.FORGET, Action.DROP)),
    (State.ACCEPTED, Input.ABORT): (State.BROKEN, (Action.TELL, Action.FORGET, Action.DROP)),
    (State.ACCEPTED, Input.DATA): (State.ACCEPTED, (Action.KEEP,)),
    (State.ACCEPTED, Input.CLOSE): (State.CLOSED, (Action.FORGET,)),
    (State.ACCEPTED, Input.LOST): (State.BROKEN, (Action.FORGET,)),
    (State.ACCEPTED, Input.SILENCE): (State.ACCEPTED, ()),
    (State.CLOSED, Input.SEND): (State.CLOSED, (Action.REFUSE,)),
    (State.CLOSED, Input.SETTLED): (State.CLOSED, ()),
    (State.CLOSED, Input.EOF): (State.CLOSED, (Action.REFUSE,)),
    (State.CLOSED, Input.LEAVE): (State.CLOSED, (Action.DROP,)),
    (State.CLOSED, Input.ABORT): (State.BROKEN, (Action.DROP,)),
    (State.CLOSED, Input.DATA): (State.CLOSED, ()),
    (State.CLOSED, Input.CLOSE): (State.CLOSED, ()),
    (State.CLOSED, Input.LOST): (State.CLOSED, ()),
    (State.CLOSED, Input.SILENCE): (State.CLOSED, ()),
    (State.BROKEN, Input.SEND): (State.BROKEN, (Action.REFUSE,)),
    (State.BROKEN, Input.SETTLED): (State.BROKEN, ()),
    (State.BROKEN, Input.EOF): (State.BROKEN, (Action.REFUSE,)),
    (State.BROKEN, Input.LEAVE): (State.BROKEN, (Action.DROP,)),
    (State.BROKEN, Input.ABORT): (State.BROKEN, (Action.DROP,)),
    (State.BROKEN, Input.DATA): (State.BROKEN, ()),
    (State.BROKEN, Input.CLOSE): (State.BROKEN, ()),
    (State.BROKEN, Input.LOST): (State.BROKEN, ()),
    (State.BROKEN, Input.SILENCE): (State.BROKEN, ()),
}
