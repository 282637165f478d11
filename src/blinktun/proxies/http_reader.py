"""The messages that one peer sends on a connection, one behind the other."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from blinktun.proxies.http_body import body_of
from blinktun.proxies.http_framing import Nothing
from blinktun.proxies.http_head import HttpError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.effects import Chunk
    from blinktun.proxies.http_framing import Framing
    from blinktun.proxies.http_head import Field

MAX_HEAD = 65536
"""Bytes of a head, with its empty line."""

_EMPTY_LINES = re.compile(rb"(?:\r?\n)+")
_HEAD_END = re.compile(rb"\n\r?\n")


class Reader:
    """Cuts what a peer sends into heads and bodies.

    Call ``take_head`` until it returns one, then ``expect_body`` with its framing, then
    ``read_body`` until ``body_ended``, and so on.

    Args:
        strict: Refuse bodies that other readers could take for something else.
    """

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._held = bytearray()  # what has not been read yet
        self._searched = 0  # bytes of it that are known not to end a head
        self._body = body_of(Nothing(), strict=strict)
        self.body_begun = False

    @property
    def is_empty(self) -> bool:
        """Whether everything that came has been read."""
        return not self._held

    @property
    def body_ended(self) -> bool:
        """Whether the body of the last message, if there is one, has been read."""
        return self._body.ended

    @property
    def trailers(self) -> Sequence[Field]:
        """The fields behind the body that has ended."""
        return self._body.trailers

    def feed(self, data: Chunk) -> None:
        """Hold what has come."""
        self._held += data

    def take_head(self) -> bytes | None:
        """Return the next head with its empty line, if all of it has come.

        Raises:
            HttpError: it is too long.
        """
        held = self._held
        if not self._searched and (empty := _EMPTY_LINES.match(held)):
            del held[: empty.end()]
        match = _HEAD_END.search(held, self._searched)
        end = match.end() if match else len(held)
        if end > MAX_HEAD:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise HttpError(status, "the head is too long")
        if not match:
            self._searched = max(0, end - 2)
            return None
        self._searched = 0
        head = bytes(held[:end])
        del held[:end]
        return head

    def expect_body(self, framing: Framing) -> None:
        """Read what comes next as a body."""
        self._body = body_of(framing, strict=self._strict)
        self.body_begun = False

    def read_body(self, data: Chunk = b"") -> Chunk:
        """Return what has come of the body; what comes behind it is held.

        Raises:
            BodyError: it is malformed.
        """
        if self._body.ended:
            self._held += data
            return b""
        if self._held:
            self._held += data
            data = bytes(self._held)
            self._held.clear()
        self.body_begun = self.body_begun or bool(data)
        piece, rest = self._body.read(data)
        self._held += rest
        return piece

    def end(self) -> None:
        """Note that the peer has closed its connection.

        Raises:
            BodyError: that was too early.
        """
        self._body.end()

    def take_rest(self) -> bytes:
        """Return, once, what has been held."""
        rest = bytes(self._held)
        self._held.clear()
        self._searched = 0
        return rest
