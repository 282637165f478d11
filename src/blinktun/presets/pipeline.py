"""The presets of one connection, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from blinktun.effects import ConnectTo, Effect, Forward, Reject, Reply
from blinktun.errors import LocalError
from blinktun.presets.base import AddressingPreset, Preset

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from blinktun.address import Address
    from blinktun.effects import Chunk


class Pipeline:
    """Runs presets 0..n-1 to encode and n-1..0 to decode, and folds what they ask for.

    The effects that come out: ``Forward`` leaves in the direction of the call, ``Reply`` leaves on
    the side where the call's input came from, ``ConnectTo`` and ``Reject`` are for the owner. A
    ``Reject`` is the last effect there is: everything after it yields nothing.
    """

    def __init__(self, presets: Sequence[Preset]) -> None:
        self._presets = tuple(presets)
        self._rejected = False
        self._is_authenticated = False
        carriers = (
            at for at, preset in enumerate(self._presets) if isinstance(preset, AddressingPreset)
        )
        self._carrier = next(carriers, 0)
        for preset in self._presets:
            preset.attach(self._presets)

    @property
    def holds_back(self) -> bool:
        """Whether a preset keeps what was encoded until the peer has answered: wait for that."""
        return any(preset.holds_back for preset in self._presets)

    @property
    def salts_datagrams(self) -> bool:
        """Whether two equal datagrams are copies: a preset draws bytes for each of them."""
        return any(preset.salts_datagrams for preset in self._presets)

    def set_target(self, target: Address) -> None:
        """Tell the addressing preset of a client where to connect; once, before any data.

        Raises:
            LocalError: no preset can carry this target.
        """
        self._addressing().set_target(target)

    def encode(self, data: Chunk) -> list[Effect]:
        """Take bytes to the wire; empty data sends only what must go out first.

        What goes out first is the target; presets nearer the application have no part in it.
        """
        return self._run(data, 0 if data else self._carrier, 1)

    def decode(self, data: Chunk) -> list[Effect]:
        """Take bytes from the wire."""
        return self._run(data, len(self._presets) - 1, -1)

    def decode_eof(self) -> list[Effect]:
        """Take the end of the wire's bytes."""
        effects: list[Effect] = []
        for index in reversed(range(len(self._presets))):
            effects += self._fold(self._presets[index].decode_eof(), index, -1)
        return effects

    def authenticate(self) -> Reject | None:
        """Say that the layers above have understood the peer, who has the key then.

        Returns:
            Why a preset refuses the peer all the same; only the first call asks them.
        """
        if self._is_authenticated:
            return None
        self._is_authenticated = True
        for preset in self._presets:
            if refusal := preset.on_authenticated():
                self._rejected = True
                return refusal
        return None

    def encode_datagram(self, data: bytes, target: Address) -> bytes:
        """Take a datagram to the wire: for ``target`` on a client, as if from it on a server.

        Raises:
            LocalError: no preset can carry this target.
        """
        self._addressing().set_target(target)
        for preset in self._presets:
            data = preset.encode_datagram(data)
        return data

    def decode_datagram(self, data: bytes) -> tuple[Address | None, bytes]:
        """Take a datagram from the wire; returns the address it names, if any, and its payload.

        Raises:
            RemoteError: the peer cannot have sent it. Others are not affected.
        """
        target: Address | None = None
        for preset in reversed(self._presets):
            if isinstance(preset, AddressingPreset):
                target, data = preset.unpack_datagram(data)
            else:
                data = preset.decode_datagram(data)
        return target, data

    def _addressing(self) -> AddressingPreset:
        for preset in self._presets:
            if isinstance(preset, AddressingPreset):
                return preset
        raise LocalError("no preset carries the target")

    def _run(self, data: Chunk, index: int, step: int) -> list[Effect]:
        """Take data through the presets from ``index`` on; step 1 encodes, -1 decodes."""
        if not 0 <= index < len(self._presets):
            return [Forward(data)]
        if self._rejected:
            return []
        preset = self._presets[index]
        return self._fold(preset.encode(data) if step > 0 else preset.decode(data), index, step)

    def _fold(self, effects: Iterable[Effect], index: int, step: int) -> list[Effect]:
        folded: list[Effect] = []
        for effect in effects:
            if self._rejected:
                break
            match effect:
                case Forward(data):
                    folded += self._run(data, index + step, step)
                case Reply(data):
                    # What leaves in the other direction is, seen from here, a reply.
                    folded += map(_turned, self._run(data, index - step, -step))
                case ConnectTo():
                    folded.append(self.authenticate() or effect)
                case Reject():
                    self._rejected = True
                    folded.append(effect)
                case _:
                    assert_never(effect)
        return folded


def _turned(effect: Effect) -> Effect:
    match effect:
        case Forward(data):
            return Reply(data)
        case Reply(data):
            return Forward(data)
    return effect
