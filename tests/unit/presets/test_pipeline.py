from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blinktun.address import Address
from blinktun.config.model import PresetSpec
from blinktun.effects import ConnectTo, Effect, Forward, Reject, Reply
from blinktun.errors import LocalError
from blinktun.presets.base import Preset, PresetContext, PresetMaker, Role
from blinktun.presets.pipeline import Pipeline
from blinktun.presets.registry import PipelineMaker
from blinktun.presets.ss_base import SsBase
from blinktun.testing.pair import forwarded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from blinktun.effects import Chunk

TARGET = Address("example.com", 80)


class Letter(Preset):
    """Puts its letter behind everything; upper case encodes, lower case decodes."""

    def __init__(self, letter: str) -> None:
        self.letter = letter
        self.siblings: Sequence[Preset] = ()

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        return lambda _context: cls(str(params["letter"]))

    def attach(self, siblings: Sequence[Preset]) -> None:
        self.siblings = siblings

    def encode(self, data: Chunk) -> Iterable[Effect]:
        yield Forward(bytes(data) + self.letter.upper().encode())

    def decode(self, data: Chunk) -> Iterable[Effect]:
        yield Forward(bytes(data) + self.letter.lower().encode())

    def decode_eof(self) -> Iterable[Effect]:
        yield Forward(self.letter.lower().encode())


class Answering(Letter):
    """Answers both ways, besides passing data on."""

    def encode(self, data: Chunk) -> Iterable[Effect]:
        yield Forward(data)
        yield Reply(b"<")

    def decode(self, data: Chunk) -> Iterable[Effect]:
        yield Reply(b">")
        yield ConnectTo(TARGET)
        yield Forward(data)


class AnsweringDecode(Letter):
    """Answers once what comes from the wire."""

    answered = False

    def encode(self, data: Chunk) -> Iterable[Effect]:
        yield Forward(data)

    def decode(self, data: Chunk) -> Iterable[Effect]:
        if not self.answered:
            self.answered = True
            yield Reply(b"!")
        yield Forward(data)


class AnsweringEncode(Letter):
    """Answers what goes to the wire."""

    def encode(self, data: Chunk) -> Iterable[Effect]:
        yield Reply(b"?")
        yield Forward(data)

    def decode(self, data: Chunk) -> Iterable[Effect]:
        yield Forward(data)


class Rejecting(Letter):
    def decode(self, data: Chunk) -> Iterable[Effect]:
        yield Forward(data)
        yield Reject("no")
        yield Forward(b"never")


def test_order_of_presets() -> None:
    pipeline = Pipeline([Letter("a"), Letter("b"), Letter("c")])
    assert pipeline.encode(b"-") == [Forward(b"-ABC")]
    assert pipeline.decode(b"-") == [Forward(b"-cba")]


def test_presets_know_their_siblings() -> None:
    presets = [Letter("a"), Letter("b")]
    Pipeline(presets)
    assert list(presets[0].siblings) == presets


def test_replies_turn_round_where_they_arise() -> None:
    pipeline = Pipeline([Letter("a"), Answering("b"), Letter("c")])
    assert pipeline.encode(b"-") == [Forward(b"-AC"), Reply(b"<a")]
    assert pipeline.decode(b"-") == [Reply(b">C"), ConnectTo(TARGET), Forward(b"-ca")]


def test_a_reply_to_a_reply_goes_on_where_the_first_input_went() -> None:
    # b answers towards the wire, c answers that answer towards the application.
    pipeline = Pipeline([Letter("a"), AnsweringDecode("b"), AnsweringEncode("c"), Letter("d")])
    assert pipeline.decode(b"-") == [Forward(b"?a"), Reply(b"!D"), Forward(b"-da")]


def test_rejection_ends_everything() -> None:
    pipeline = Pipeline([Letter("a"), Rejecting("b"), Letter("c")])
    assert pipeline.decode(b"-") == [Forward(b"-ca"), Reject("no")]
    assert pipeline.decode(b"-") == []
    assert pipeline.encode(b"-") == []
    assert pipeline.decode_eof() == []


def test_the_end_passes_every_preset_from_the_wire_on() -> None:
    assert Pipeline([Letter("a"), Letter("b")]).decode_eof() == [Forward(b"ba"), Forward(b"a")]


def test_the_target_goes_to_the_preset_that_carries_it() -> None:
    pipeline = Pipeline([Letter("a"), SsBase(PresetContext(Role.CLIENT, "key"))])
    pipeline.set_target(TARGET)
    assert pipeline.encode(b"-") == [Forward(b"\x03\x0bexample.com\x00\x50-A")]


def test_without_such_a_preset() -> None:
    with pytest.raises(LocalError, match="no preset carries the target"):
        Pipeline([Letter("a")]).set_target(TARGET)


def test_a_target_alone_passes_the_presets_before_its_own() -> None:
    make = PipelineMaker([PresetSpec("obfs-random-padding"), PresetSpec("ss-base")])
    client = make(PresetContext(Role.CLIENT, "key"))
    server = make(PresetContext(Role.SERVER, "key"))
    client.set_target(TARGET)
    first = forwarded(client.encode(b""))
    assert server.decode(first) == [ConnectTo(TARGET)]
    assert forwarded(server.decode(forwarded(client.encode(b"hello")))) == b"hello"
