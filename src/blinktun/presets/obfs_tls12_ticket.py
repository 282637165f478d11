"""obfs-tls1.2-ticket: looks like TLS 1.2 that resumes a session (blinksocks wire, 5.11).

An exchange first: the client's hello, the server's flight, the client's end of the handshake and,
right behind it, what it had to say. Then records in both directions. Nothing is encrypted.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from blinktun.config.explain import shown
from blinktun.effects import Effect, Forward, Reject, Reply
from blinktun.errors import ConfigError, RemoteError
from blinktun.presets.base import Preset, PresetContext, PresetMaker, Role
from blinktun.presets.tls12_flights import (
    client_finished,
    client_hello,
    finished_size,
    flight_size,
    hello_size,
    server_flight,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from blinktun.effects import Chunk

_HEADER_SIZE = 5
_DATA = b"\x17\x03\x03"
_MAX_SENT = 0x3FFF
_MAX_NAME = 255


class ObfsTls12Ticket(Preset):
    """A disguise. What its client sends first is kept until the server's flight has come."""

    comes_last: ClassVar[bool] = True
    client_params: ClassVar[tuple[str, ...]] = ("sni",)

    def __init__(self, names: Sequence[bytes], context: PresetContext) -> None:
        self._names = names
        self._context = context
        self._is_client = context.role is Role.CLIENT
        # What is still to come before the records: each tells its size, or None for "more".
        self._awaited: list[Callable[[bytes], int | None]] = (
            [flight_size] if self._is_client else [hello_size, finished_size]
        )
        self._kept: list[Chunk] = []  # client: for the end of the exchange
        self._pending = b""  # an incomplete part of the exchange, or header of a record
        self._left = 0  # bytes to come of the record that is being read

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Check ``sni``: a host name to show, or several to draw from; servers need none."""
        return partial(cls, _names(params) if params else ())

    @property
    def holds_back(self) -> bool:
        """Whether something is kept."""
        return bool(self._kept)

    def encode(self, data: Chunk) -> Iterable[Effect]:
        """Put data into records; until the exchange is done, a client says hello instead."""
        if not data:
            return ()
        if not (self._is_client and self._awaited):
            return (Forward(_in_records(data)),)
        if not self._names:  # a list of auto-conf does not know whose it is
            return (Reject("there is no sni to show"),)
        self._kept.append(data)
        if len(self._kept) > 1:
            return ()
        name = self._names[int.from_bytes(self._context.random(2), "big") % len(self._names)]
        return (Forward(client_hello(name, self._context)),)

    def decode(self, data: Chunk) -> Iterable[Effect]:
        """Take the exchange, and then the headers of records off, wherever they are cut."""
        effects: list[Effect] = []
        if self._awaited:
            try:
                data = self._exchange(self._pending + bytes(data), effects)
            except RemoteError as error:
                return (*effects, Reject(str(error)))
        plain = self._unwrap(memoryview(data))
        return (*effects, Forward(plain)) if plain else effects

    def decode_eof(self) -> Iterable[Effect]:
        """Refuse an end inside the exchange or a record."""
        if self._awaited:
            return (Reject("ended inside the handshake"),)
        return (Reject("ended inside a record"),) if self._pending or self._left else ()

    def _exchange(self, data: bytes, effects: list[Effect]) -> bytes:
        """Take what is complete of the exchange, answer it, and return what comes after."""
        while self._awaited:
            size = self._awaited[0](data)
            if size is None:
                self._pending = data
                return b""
            del self._awaited[0]
            data = data[size:]
            if self._is_client:
                kept, self._kept = b"".join(self._kept), []
                effects.append(Reply(client_finished(self._context) + _in_records(kept)))
            elif self._awaited:
                effects.append(Reply(server_flight(self._context)))
        self._pending = b""
        return data

    def _unwrap(self, view: memoryview) -> bytes:
        """Return what the records hold, complete or not: nothing vouches for them anyway."""
        parts: list[memoryview] = []
        while view:
            if self._left:
                parts.append(view[: self._left])
                self._left -= len(parts[-1])
                view = view[len(parts[-1]) :]
                continue
            missing = _HEADER_SIZE - len(self._pending)
            self._pending += bytes(view[:missing])
            view = view[missing:]
            if len(self._pending) == _HEADER_SIZE:
                self._left = int.from_bytes(self._pending[3:], "big")
                self._pending = b""
        return b"".join(parts)


def _in_records(data: Chunk) -> bytes:
    view = memoryview(data)
    parts: list[Chunk] = []
    for start in range(0, len(view), _MAX_SENT):
        piece = view[start : start + _MAX_SENT]
        parts += (_DATA, len(piece).to_bytes(2, "big"), piece)
    return b"".join(parts)


def _names(params: Mapping[str, object]) -> list[bytes]:
    value = params.get("sni")
    names = value if isinstance(value, list) else [value]
    try:
        encoded = [_ascii(name) for name in names]
    except ValueError:
        encoded = []
    if not encoded:
        problem = "is missing" if value is None else "is not a host name or a list of them"
        given = "" if value is None else shown(value)
        raise ConfigError(problem, key="sni", value=given, fix='use one like ["example.com"]')
    return encoded


def _ascii(name: object) -> bytes:
    if not isinstance(name, str):
        raise ValueError("no text")  # noqa: TRY004 - one error for all that is no name
    encoded = name.encode("ascii" if name.isascii() else "idna")
    if not 1 <= len(encoded) <= _MAX_NAME:
        raise ValueError("too short or too long")
    return encoded
