from __future__ import annotations

from itertools import product

import pytest

from blinktun.tunnel.mux_states import TABLE, Action, Input, State

OVER = {State.CLOSED, State.BROKEN}
NEXT = {
    (State.NEW, Input.SEND): State.CONNECTING,
    (State.NEW, Input.EOF): State.CONNECTING,
    (State.CONNECTING, Input.SETTLED): State.OPEN,
    (State.CONNECTING, Input.DATA): State.OPEN,
    (State.CONNECTING, Input.EOF): State.WAITING,
    (State.OPEN, Input.EOF): State.WAITING,
    (State.ACCEPTED, Input.EOF): State.CLOSED,
    (State.WAITING, Input.SILENCE): State.BROKEN,
}
"""Where inputs lead that do not mean the same in every state."""
SENDS = {State.NEW: Action.OPEN, State.CONNECTING: Action.DELAY}


def _after(state: State, given: Input) -> State:
    if given is Input.ABORT:
        return State.BROKEN
    if state in OVER:
        return state
    if given in {Input.LEAVE, Input.CLOSE}:
        return State.CLOSED
    return State.BROKEN if given is Input.LOST else NEXT.get((state, given), state)


def _actions(state: State, given: Input) -> set[Action]:
    actions = set()
    after = _after(state, given)
    if state not in OVER and after in OVER:
        actions.add(Action.FORGET)
        if state is not State.NEW and given not in {Input.CLOSE, Input.LOST}:
            actions.add(Action.TELL)  # the peer knows of it, and does not know of its end
    if given in {Input.LEAVE, Input.ABORT}:
        actions.add(Action.DROP)
    if given is Input.DATA and state not in OVER:
        actions.add(Action.KEEP)
    if after is State.WAITING and given in {Input.EOF, Input.DATA}:
        actions.add(Action.AWAIT)
    if given is Input.SEND:
        actions.add(Action.REFUSE if state in OVER else SENDS.get(state, Action.SEND))
    if given is Input.EOF and state in OVER:
        actions.add(Action.REFUSE)
    if given is Input.EOF and state is State.NEW:
        actions.add(Action.OPEN)
    return actions


@pytest.mark.parametrize(("state", "given"), list(product(State, Input)))
def test_every_state_with_every_input(state: State, given: Input) -> None:
    after, actions = TABLE[state, given]
    assert after is _after(state, given)
    assert len(set(actions)) == len(actions)
    assert set(actions) == _actions(state, given)
