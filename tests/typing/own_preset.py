"""Presets of others in use. Only the type checker reads this file."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, assert_type

from blinktun.presets import (
    Address,
    AddressingPreset,
    Chunk,
    ConnectTo,
    Effect,
    Forward,
    Preset,
    PresetContext,
    PresetMaker,
    Reject,
    Reply,
    Role,
    choose,
    text_param,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class Plain(Preset):
    def __init__(self, word: str, factor: int, context: PresetContext) -> None:
        assert_type(context.role, Role)
        assert_type(context.key, str)
        assert_type(context.random(4), bytes)
        assert_type(context.clock(), float)
        self.word, self.factor = word, factor

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        factor = choose(params, "factor", {"one": 1, "two": 2}, default="one")
        return partial(cls, text_param(params, "word"), factor)

    def encode(self, data: Chunk) -> Iterator[Effect]:
        yield Forward(data)
        yield Reply(b"")

    def decode(self, data: Chunk) -> Iterable[Effect]:
        return (Forward(data),) if data else [Reject("empty")]


class Carrier(AddressingPreset):
    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        return lambda context: cls()

    def set_target(self, target: Address) -> None:
        assert_type(target.host, str)

    def encode(self, data: Chunk) -> Iterable[Effect]:
        return ()

    def decode(self, data: Chunk) -> Iterable[Effect]:
        return (ConnectTo(Address("example.com", 80)), Forward(data))

    def decode_datagram(self, data: str) -> bytes:  # type: ignore[override]
        return data.encode()


class Forgetful(Preset):
    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        return lambda context: Forgetful()  # type: ignore[abstract]
