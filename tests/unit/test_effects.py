from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from blinktun.address import Address
from blinktun.effects import ConnectTo, Effect, Forward, Reject, Reply

EXAMPLES: list[Effect] = [
    Forward(b"on"),
    Reply(b"back"),
    ConnectTo(Address("host", 1)),
    Reject("why"),
]


@pytest.mark.parametrize("effect", EXAMPLES, ids=lambda effect: type(effect).__name__)
def test_effects_are_values(effect: Effect) -> None:
    assert effect == dataclasses.replace(effect)
    assert effect not in [other for other in EXAMPLES if other is not effect]
    (field,) = dataclasses.fields(effect)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(effect, field.name, None)


def test_the_set_is_closed() -> None:
    assert {type(effect) for effect in EXAMPLES} == set(get_args(Effect))
