from __future__ import annotations

from itertools import product

import pytest

from blinktun.errors import LocalError
from blinktun.proxies.http_exchange import Origin
from blinktun.proxies.http_states import (
    ORIGIN_TABLE,
    REQUEST_TABLE,
    RESPONSE_TABLE,
    Action,
    Input,
    OriginInput,
    OriginState,
    RequestState,
    ResponseState,
    step,
)

FOUND = {
    RequestState.HEAD: {Input.BODY, Input.WHOLE},
    RequestState.BODY: {Input.BODY, Input.WHOLE},
    ResponseState.SILENT: {Input.REFUSE},
    ResponseState.HEARD: {Input.FINAL, Input.FINAL_LAST, Input.SWITCH, Input.REFUSE},
    ResponseState.BEGUN: {Input.WHOLE},
    ResponseState.BEGUN_LAST: {Input.WHOLE},
}
"""What an exchange can find in each state, beside what a peer does; in the others, nothing."""


@pytest.mark.parametrize(("state", "given"), list(product(RequestState, Input)))
def test_every_state_of_a_request_with_every_input(state: RequestState, given: Input) -> None:
    if given not in {Input.SENT, Input.ENDED, *FOUND.get(state, ())}:
        with pytest.raises(LocalError, match=f"{given.name} of a message that is {state.name}"):
            step(REQUEST_TABLE, state, given)
        return
    after, action = step(REQUEST_TABLE, state, given)
    whole = {RequestState.BARE, RequestState.WHOLE}
    assert (after in whole) is (state in whole or given is Input.WHOLE)
    match given:
        case Input.SENT:
            assert action is (Action.HOLD if state in whole else Action.READ_BODY)
        case Input.ENDED:
            assert action is (Action.NOTHING if state in whole else Action.FAIL)
        case _:
            assert action is (Action.COMPLETE if given is Input.WHOLE else Action.NOTHING)
    if state in {RequestState.BODY, RequestState.WHOLE}:
        assert after in {RequestState.BODY, RequestState.WHOLE}  # a body that was sent stays sent


@pytest.mark.parametrize(("state", "given"), list(product(ResponseState, Input)))
def test_every_state_of_a_response_with_every_input(state: ResponseState, given: Input) -> None:
    if given not in {Input.SENT, Input.ENDED, *FOUND.get(state, ())}:
        with pytest.raises(LocalError, match=f"{given.name} of a message that is {state.name}"):
            step(RESPONSE_TABLE, state, given)
        return
    after, action = step(RESPONSE_TABLE, state, given)
    if state not in FOUND:  # it is over
        assert after is state
        over = {Input.SENT: Action.RETIRE, Input.ENDED: Action.RETIRE}
        if state is ResponseState.SWITCHED:
            over = {Input.SENT: Action.HOLD, Input.ENDED: Action.NOTHING}
        assert action is over[given]
    elif given not in {Input.SENT, Input.ENDED}:
        ends = {Input.WHOLE: Action.COMPLETE, Input.FINAL_LAST: Action.RETIRE}
        assert action is ends.get(given, Action.NOTHING)
    last = {ResponseState.BEGUN_LAST, ResponseState.WHOLE_LAST}
    assert (after in last) is (state in last or given is Input.FINAL_LAST)
    assert (after is ResponseState.SILENT) is (
        state is ResponseState.SILENT and given is Input.ENDED
    )
    if given is Input.WHOLE:
        assert after in {ResponseState.WHOLE, ResponseState.WHOLE_LAST}


AFTER = {
    OriginState.IDLE: ("BUSY", "SPENT", "IDLE"),
    OriginState.BUSY: ("BUSY", "LAST", "IDLE"),
    OriginState.LAST: ("LAST", "LAST", "SPENT"),
    OriginState.SPENT: ("LAST", "SPENT", "SPENT"),
}
"""What follows on a beginning, a retirement and a completion."""


@pytest.mark.parametrize("state", OriginState)
def test_every_state_of_an_origin_with_every_input(state: OriginState) -> None:
    for given, after in zip(OriginInput, AFTER[state], strict=True):
        assert ORIGIN_TABLE[state, given].name == after
        origin = Origin()
        origin._state = state
        origin.take(given)
        assert origin.reusable is (after == "IDLE")
        assert origin.finished is (after in {"IDLE", "SPENT"})
