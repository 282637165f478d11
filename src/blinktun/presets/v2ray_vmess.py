"""v2ray-vmess: VMess without its newer headers (blinksocks wire, 5.8)."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from blinktun.effects import ConnectTo, Effect, Forward, Reject
from blinktun.errors import ConfigError, RemoteError
from blinktun.presets.base import AddressingPreset, PresetContext, PresetMaker, Role, choose
from blinktun.presets.vmess_chunks import (
    OPTIONS,
    SECURITIES,
    ChunkOpener,
    ChunkSealer,
    NoncesUsedUpError,
    Security,
)
from blinktun.presets.vmess_request import (
    AUTH_SIZE,
    RESPONSE_SIZE,
    Request,
    User,
    open_response,
    seal_response,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blinktun.address import Address
    from blinktun.effects import Chunk

_NUMBERED = {security.number: security for security in SECURITIES.values()}
_KNOWN_OPTIONS = 0x0F
_EXAMPLE = "c2485913-4e9e-41eb-8cc5-b2e7db8d3bc7"
_SHOWN_SKEW = 25
"""Seconds that the shown time is off ours at most: some less than the 30 that servers allow."""


class V2rayVmess(AddressingPreset):
    """The target, and encryption with integrity, under an id instead of the key.

    Client to server: a request, then chunks. Server to client: an answer, then chunks.
    """

    carries_datagrams: ClassVar[bool] = False

    def __init__(self, user: User, security: Security, context: PresetContext) -> None:
        self._user = user
        self._security = security  # of a server: what its client has chosen
        self._replays = context.replays
        self._context = context
        self._is_client = context.role is Role.CLIENT
        self._request: Request | None = None
        self._sealer: ChunkSealer | None = None
        self._opener: ChunkOpener | None = None
        self._pending: Chunk = b""  # an incomplete request, answer or chunk
        self._skip = 0  # client: bytes that belong to the answer

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Check ``id``, a uuid, and ``security`` (default aes-128-gcm)."""
        security = choose(params, "security", SECURITIES, default="aes-128-gcm")
        return partial(cls, User(_uuid(params)), security)

    def set_target(self, target: Address) -> None:
        """Keep the target for the request."""
        draw = self._context.random
        iv, key, check = draw(16), draw(16), draw(1)[0]
        self._request = Request(iv, key, check, OPTIONS, self._security.number, target)

    def encode(self, data: Chunk) -> Iterable[Effect]:
        """Seal in chunks as large as the format allows; a request goes out without data too."""
        request = self._request
        if request is None or not (data or (self._is_client and self._sealer is None)):
            return ()
        opening = b""
        if self._sealer is None:
            opening = self._seal_request(request) if self._is_client else seal_response(request)
            self._sealer = ChunkSealer(
                *self._direction(request, upwards=self._is_client), random=self._context.random
            )
        try:
            return (Forward(b"".join((opening, *self._sealer.seal(data)))),)
        except NoncesUsedUpError as error:
            return (Reject(str(error)),)

    def decode(self, data: Chunk) -> Iterable[Effect]:
        """Open every complete chunk; one that fails ends it, behind what came before."""
        view = memoryview(b"".join((self._pending, data)) if self._pending else data)
        effects: list[Effect] = []
        plain: list[Chunk] = []
        try:
            view = self._take_opening(view, effects)
            if self._opener is not None:
                view = view[self._opener.open(view, plain) :]
        except RemoteError as error:
            return (*effects, *_forward(plain), Reject(str(error)))
        self._pending = bytes(view)
        return (*effects, *_forward(plain))

    def decode_eof(self) -> Iterable[Effect]:
        """Refuse an end inside the request, the answer or a chunk: somebody cut the stream."""
        if self._opener is None:
            # A server that has nothing to say does not answer.
            inside = bool(self._pending) or not self._is_client
        else:
            inside = bool(self._pending or self._skip) or self._opener.inside_chunk
        return (Reject("ended inside a chunk or before the first"),) if inside else ()

    def _take_opening(self, view: memoryview, effects: list[Effect]) -> memoryview:
        """Take what comes before the chunks off, once it is complete."""
        if self._opener is None:
            size = self._open_answer(view) if self._is_client else self._open_request(view, effects)
            view = view[size:]
        if self._skip and self._opener is not None:
            skipped = min(self._skip, len(view))
            self._skip -= skipped
            view = view[skipped:]
        return view

    def _open_answer(self, view: memoryview) -> int:
        if len(view) < RESPONSE_SIZE:
            return 0
        if self._request is None:
            raise RemoteError("answered before it was asked")
        self._skip = open_response(self._request, bytes(view[:RESPONSE_SIZE]))
        self._opener = ChunkOpener(*self._direction(self._request, upwards=False))
        return RESPONSE_SIZE

    def _open_request(self, view: memoryview, effects: list[Effect]) -> int:
        if len(view) < AUTH_SIZE:
            return 0
        second = self._user.find(bytes(view[:AUTH_SIZE]), int(self._context.clock()))
        if second is None:
            raise RemoteError("no request of our id and time begins like this")
        found = self._user.open(view[AUTH_SIZE:], second)
        if found is None:
            return 0
        self._request, size = found
        self._check(self._request)
        self._opener = ChunkOpener(*self._direction(self._request, upwards=True))
        effects.append(ConnectTo(self._request.target))
        return AUTH_SIZE + size

    def _check(self, request: Request) -> None:
        """Refuse what we do not understand, and what somebody recorded and sends again."""
        security = _NUMBERED.get(request.security)
        if security is None:
            raise RemoteError(f"security {request.security} is not known")
        if request.options & ~_KNOWN_OPTIONS:
            raise RemoteError(f"options {request.options:#04x} are not known")
        # The time alone proves little: it is valid for two minutes, and clients share it.
        if not self._replays.is_new(request.iv + request.key):
            raise RemoteError("the request was made by an earlier connection")
        self._security = security

    def _seal_request(self, request: Request) -> bytes:
        draw = self._context.random
        padding = draw(draw(1)[0] % 16)
        skew = draw(1)[0] % (2 * _SHOWN_SKEW + 1) - _SHOWN_SKEW
        return self._user.seal(request, padding, max(int(self._context.clock()) + skew, 0))

    def _direction(self, request: Request, *, upwards: bool) -> tuple[Security, int, bytes, bytes]:
        if upwards:
            return self._security, request.options, request.key, request.iv
        return self._security, request.options, request.answer_key, request.answer_iv


def _uuid(params: Mapping[str, object]) -> bytes:
    value = params.get("id")
    try:
        if isinstance(value, str):
            return uuid.UUID(value).bytes
    except ValueError:
        pass
    # Not shown: it is the secret of this preset.
    problem = "is missing" if value is None else "is not a uuid"
    raise ConfigError(problem, key="id", fix=f'use one like "{_EXAMPLE}", but your own')


def _forward(plain: list[Chunk]) -> tuple[Effect, ...]:
    data = b"".join(plain)
    return (Forward(data),) if data else ()
