"""The states of an HTTP exchange, and a table for each: what an input makes of it.

An exchange has two that do not depend on each other: how far its request has come, and how far its
response has. The connection to the origin, which carries one exchange after the other, has a third.

A peer causes ``SENT`` and ``ENDED``, in any state. The other inputs are what the exchange finds
while it does what a table says; what is not in the table cannot be found in that state.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, TypeVar

from blinktun.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Mapping


class RequestState(Enum):
    """What the origin has been sent of the request."""

    HEAD = auto()  # its head at most; there is more
    BODY = auto()  # a part of its body, too
    BARE = auto()  # all of it; it has no body
    WHOLE = auto()  # all of it, with its body


class ResponseState(Enum):
    """What the origin has said, and what the application has been sent of it.

    Behind a response that is ``LAST`` the origin reads nothing more.
    """

    SILENT = auto()  # the origin has said nothing
    HEARD = auto()  # the origin has said something, but not the head of the final response
    BEGUN = auto()  # the application has been sent a part of the final response
    BEGUN_LAST = auto()
    WHOLE = auto()  # the application has been sent all of it
    WHOLE_LAST = auto()
    REFUSED = auto()  # the application has been sent a response of ours instead
    SWITCHED = auto()  # both sides speak another protocol from here on


class OriginState(Enum):
    """What a connection to an origin is good for."""

    IDLE = auto()  # the next request
    BUSY = auto()  # the request that is on it, and the next
    LAST = auto()  # the request that is on it
    SPENT = auto()  # nothing more


class Input(Enum):
    """What happens to a request or a response."""

    SENT = auto()  # its sender, application or origin, has sent bytes
    ENDED = auto()  # its sender has ended its direction
    BODY = auto()  # bytes of its body have been read
    FINAL = auto()  # the head of the final response has been read
    FINAL_LAST = auto()  # the same, and the origin reads nothing more
    SWITCH = auto()  # the origin has switched protocols, as it was asked to
    WHOLE = auto()  # its end has been read
    REFUSE = auto()  # there will be no response of the origin


class Action(Enum):
    """What is to be done when something has happened."""

    NOTHING = auto()
    READ_HEADS = auto()  # the bytes are interim responses and the final one: pass them on
    READ_BODY = auto()  # the bytes belong to the body: pass them on
    END_BODY = auto()  # the body ends here, if it may
    HOLD = auto()  # the bytes come behind the message: keep them
    FAIL = auto()  # the message ends too early
    RETIRE = auto()  # the origin gets no further request
    COMPLETE = auto()  # the message is whole: if the other one is, too, the origin is free


class OriginInput(Enum):
    """What happens to a connection to an origin."""

    BEGIN = auto()  # a request is sent, or a part of it
    RETIRE = auto()  # no further request may be sent
    COMPLETE = auto()  # the request and its response are over


REQUEST_TABLE: Mapping[tuple[RequestState, Input], tuple[RequestState, Action]] = {
    (RequestState.HEAD, Input.SENT): (RequestState.HEAD, Action.READ_BODY),
    (RequestState.HEAD, Input.ENDED): (RequestState.HEAD, Action.FAIL),
    (RequestState.HEAD, Input.BODY): (RequestState.BODY, Action.NOTHING),
    (RequestState.HEAD, Input.WHOLE): (RequestState.BARE, Action.COMPLETE),
    (RequestState.BODY, Input.SENT): (RequestState.BODY, Action.READ_BODY),
    (RequestState.BODY, Input.ENDED): (RequestState.BODY, Action.FAIL),
    (RequestState.BODY, Input.BODY): (RequestState.BODY, Action.NOTHING),
    (RequestState.BODY, Input.WHOLE): (RequestState.WHOLE, Action.COMPLETE),
    (RequestState.BARE, Input.SENT): (RequestState.BARE, Action.HOLD),
    (RequestState.BARE, Input.ENDED): (RequestState.BARE, Action.NOTHING),
    (RequestState.WHOLE, Input.SENT): (RequestState.WHOLE, Action.HOLD),
    (RequestState.WHOLE, Input.ENDED): (RequestState.WHOLE, Action.NOTHING),
}


RESPONSE_TABLE: Mapping[tuple[ResponseState, Input], tuple[ResponseState, Action]] = {
    (ResponseState.SILENT, Input.SENT): (ResponseState.HEARD, Action.READ_HEADS),
    (ResponseState.SILENT, Input.ENDED): (ResponseState.SILENT, Action.FAIL),
    (ResponseState.SILENT, Input.REFUSE): (ResponseState.REFUSED, Action.NOTHING),
    (ResponseState.HEARD, Input.SENT): (ResponseState.HEARD, Action.READ_HEADS),
    (ResponseState.HEARD, Input.ENDED): (ResponseState.HEARD, Action.FAIL),
    (ResponseState.HEARD, Input.FINAL): (ResponseState.BEGUN, Action.NOTHING),
    (ResponseState.HEARD, Input.FINAL_LAST): (ResponseState.BEGUN_LAST, Action.RETIRE),
    (ResponseState.HEARD, Input.SWITCH): (ResponseState.SWITCHED, Action.NOTHING),
    (ResponseState.HEARD, Input.REFUSE): (ResponseState.REFUSED, Action.NOTHING),
    (ResponseState.BEGUN, Input.SENT): (ResponseState.BEGUN, Action.READ_BODY),
    (ResponseState.BEGUN, Input.ENDED): (ResponseState.BEGUN, Action.END_BODY),
    (ResponseState.BEGUN, Input.WHOLE): (ResponseState.WHOLE, Action.COMPLETE),
    (ResponseState.BEGUN_LAST, Input.SENT): (ResponseState.BEGUN_LAST, Action.READ_BODY),
    (ResponseState.BEGUN_LAST, Input.ENDED): (ResponseState.BEGUN_LAST, Action.END_BODY),
    (ResponseState.BEGUN_LAST, Input.WHOLE): (ResponseState.WHOLE_LAST, Action.COMPLETE),
    (ResponseState.WHOLE, Input.SENT): (ResponseState.WHOLE, Action.RETIRE),
    (ResponseState.WHOLE, Input.ENDED): (ResponseState.WHOLE, Action.RETIRE),
    (ResponseState.WHOLE_LAST, Input.SENT): (ResponseState.WHOLE_LAST, Action.RETIRE),
    (ResponseState.WHOLE_LAST, Input.ENDED): (ResponseState.WHOLE_LAST, Action.RETIRE),
    (ResponseState.REFUSED, Input.SENT): (ResponseState.REFUSED, Action.RETIRE),
    (ResponseState.REFUSED, Input.ENDED): (ResponseState.REFUSED, Action.RETIRE),
    (ResponseState.SWITCHED, Input.SENT): (ResponseState.SWITCHED, Action.HOLD),
    (ResponseState.SWITCHED, Input.ENDED): (ResponseState.SWITCHED, Action.NOTHING),
}


ORIGIN_TABLE: Mapping[tuple[OriginState, OriginInput], OriginState] = {
    (OriginState.IDLE, OriginInput.BEGIN): OriginState.BUSY,
    (OriginState.IDLE, OriginInput.RETIRE): OriginState.SPENT,
    (OriginState.IDLE, OriginInput.COMPLETE): OriginState.IDLE,
    (OriginState.BUSY, OriginInput.BEGIN): OriginState.BUSY,
    (OriginState.BUSY, OriginInput.RETIRE): OriginState.LAST,
    (OriginState.BUSY, OriginInput.COMPLETE): OriginState.IDLE,
    (OriginState.LAST, OriginInput.BEGIN): OriginState.LAST,
    (OriginState.LAST, OriginInput.RETIRE): OriginState.LAST,
    (OriginState.LAST, OriginInput.COMPLETE): OriginState.SPENT,
    (OriginState.SPENT, OriginInput.BEGIN): OriginState.LAST,
    (OriginState.SPENT, OriginInput.RETIRE): OriginState.SPENT,
    (OriginState.SPENT, OriginInput.COMPLETE): OriginState.SPENT,
}

_State = TypeVar("_State", RequestState, ResponseState)


def step(
    table: Mapping[tuple[_State, Input], tuple[_State, Action]], state: _State, given: Input
) -> tuple[_State, Action]:
    """Return what a state becomes, and what is to be done.

    Raises:
        LocalError: the table does not have this: a mistake of ours.
    """
    try:
        return table[state, given]
    except KeyError:
        raise LocalError(f"{given.name} of a message that is {state.name}") from None
