"""obfs-http: HTTP heads in front of the first bytes of both directions (blinksocks wire, 5.10).

The heads come from a file: requests and their responses in turn, between lines that start with
``=`` or ``-``. Datagrams are untouched.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from blinktun.config.explain import shown
from blinktun.effects import Effect, Forward, Reject
from blinktun.errors import ConfigError
from blinktun.presets.base import Preset, PresetContext, PresetMaker, Role, file_param

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeAlias

    from blinktun.effects import Chunk

    Heads: TypeAlias = Sequence[tuple[bytes, bytes]]
    """Requests and what answers them."""

_LINE_END = re.compile(r"\r\n|\n|\r")


class ObfsHttp(Preset):
    """Looks like one request to one server; encrypts nothing."""

    def __init__(self, heads: Heads, context: PresetContext) -> None:
        self._heads = heads
        self._own_head = b""  # to be put in front of the first bytes
        if context.role is Role.CLIENT:
            chosen = int.from_bytes(context.random(4), "big") % len(heads)
            self._own_head = heads[chosen][0]
        self._role = context.role
        self._longest = max(len(head) for pair in heads for head in pair)
        self._awaiting_head = True
        self._pending = b""  # an incomplete head, shorter than the longest

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Read ``file``, a path."""
        path, text = file_param(params, "file", example='"heads.txt"')
        try:
            return partial(cls, parse_heads(text))
        except ValueError as error:
            fix = "write requests and responses in turn, and lines of = around each"
            raise ConfigError(str(error), key="file", value=shown(str(path)), fix=fix) from None

    def encode(self, data: Chunk) -> Iterable[Effect]:
        """Put a head in front of the first bytes."""
        if not data:
            return ()
        if self._own_head:
            data, self._own_head = b"".join((self._own_head, data)), b""
        return (Forward(data),)

    def decode(self, data: Chunk) -> Iterable[Effect]:
        """Take a head off: the first of the file that fits, wherever it is cut."""
        if not self._awaiting_head:
            return (Forward(data),)
        read = self._longest - len(self._pending)
        head = self._pending + bytes(data[:read])
        for request, response in self._heads:
            expected = request if self._role is Role.SERVER else response
            if head.startswith(expected):
                if self._role is Role.SERVER:
                    self._own_head = response
                self._awaiting_head, self._pending = False, b""
                rest = b"".join((head[len(expected) :], data[read:]))
                return (Forward(rest),) if rest else ()
            if expected.startswith(head):
                self._pending = head
                return ()
        return (Reject("no head of the file fits"),)

    def decode_eof(self) -> Iterable[Effect]:
        """Refuse an end inside a head."""
        return (Reject("ended inside a head"),) if self._pending else ()


def parse_heads(text: str) -> Heads:
    """Read the text of a file; what stands outside the first and last separator is ignored.

    Raises:
        ValueError: there are no pairs in it, or a request without a response.
    """
    blocks: list[list[str]] = []
    for line in _LINE_END.split(text):
        if line.startswith(("=", "-")):
            blocks.append([])
        elif blocks:
            blocks[-1].append(line)
    heads = [
        "".join(f"{line}\r\n" for line in (*block, "")).encode() for block in blocks[:-1] if block
    ]
    if not heads:
        raise ValueError("holds no heads between separators")
    if len(heads) % 2:
        raise ValueError(f"holds {len(heads)} heads, so a request has no response")
    return tuple(zip(heads[::2], heads[1::2], strict=True))


def _head(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()
