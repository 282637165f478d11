"""A preset of one's own: each end says a word before anything else, and wants to hear it.

Copy it, and name the copy in ``presets`` of both ends::

    {"name": "greeting.py", "params": {"word": "good evening"}}

docs/guide/own-presets.md says what else a preset can do.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from blinktun.presets import Forward, Preset, Reject, RemoteError, text_param

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blinktun.presets import Chunk, Effect, PresetContext, PresetMaker


class Greeting(Preset):
    """Puts a word in front of each direction, and of each datagram."""

    def __init__(self, word: bytes, context: PresetContext) -> None:
        del context  # has the role, the password, randomness and the clock
        self._word = word
        self._to_say = word
        self._to_hear = word  # what is still missing of it

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Check the parameters, once, when the program starts."""
        word = text_param(params, "word", example='"good evening"')
        return partial(cls, word.encode())

    def encode(self, data: Chunk) -> Iterable[Effect]:
        """Take bytes on their way to the other end."""
        if not data:
            return ()
        said, self._to_say = self._to_say, b""
        return (Forward(b"".join((said, data))),)

    def decode(self, data: Chunk) -> Iterable[Effect]:
        """Take bytes from the other end; they may have been cut anywhere."""
        heard = bytes(data[: len(self._to_hear)])
        if not self._to_hear.startswith(heard):
            return (Reject("this is not the word"),)
        self._to_hear = self._to_hear[len(heard) :]
        rest = data[len(heard) :]
        return (Forward(rest),) if rest else ()

    def decode_eof(self) -> Iterable[Effect]:
        """Hear that the other end has ended its direction."""
        inside = 0 < len(self._to_hear) < len(self._word)
        return (Reject("ended inside the word"),) if inside else ()

    def encode_datagram(self, data: bytes) -> bytes:
        """Take a datagram; each stands alone."""
        return self._word + data

    def decode_datagram(self, data: bytes) -> bytes:
        """Take a datagram from the other end."""
        if not data.startswith(self._word):
            raise RemoteError("a datagram without the word")
        return data[len(self._word) :]
