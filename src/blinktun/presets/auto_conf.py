"""auto-conf of 2.8.5 to 3.1: a list of presets drawn for each connection (section 13).

::

    client to server, once, and in front of each datagram:
        sid(2) || RC4(k, time(4)) || HMAC-MD5(k, the six bytes before)
    then the stream of the list number ``sid mod count``; k = MD5(b64(key) || b64(MD5(sid)))

The lists stand in a file that both ends have: ``[{"presets": [...]}, ...]``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher

from blinktun.config.explain import shown
from blinktun.config.model import PresetSpec
from blinktun.config.own_presets import from_folder
from blinktun.effects import Effect, Forward, Reject
from blinktun.errors import ConfigError, LocalError, RemoteError
from blinktun.presets.base import AddressingPreset, PresetContext, PresetMaker, Role, file_param

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from blinktun.address import Address
    from blinktun.effects import Chunk
    from blinktun.presets.pipeline import Pipeline

_HEADER = 2 + 4 + 16
_TOLERANCE = 30
"""Seconds that the clocks of both ends may differ."""


class Suite(Protocol):
    """One list of presets: call it for the pipeline of one connection.

    Attributes:
        without_datagrams: The presets, by name, for whose sake there is no UDP.
    """

    without_datagrams: tuple[str, ...]

    def __call__(self, context: PresetContext) -> Pipeline:
        """Make the pipeline of one connection."""


class AutoConf(AddressingPreset):
    """Stands for a whole list of presets.

    Servers remember what the presets of a list do: salts and IVs.
    """

    def __init__(self, suites: Sequence[Suite], context: PresetContext) -> None:
        self._suites = suites
        self._context = context
        self._target: Address | None = None
        self._header_due = context.role is Role.CLIENT
        self._pending = b""  # server: less than _HEADER
        self._sid = context.random(2) if context.role is Role.CLIENT else b""
        self._pipelines: dict[int, Pipeline] = {}

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Read ``suites``, a JSON file."""
        name = params.get("suites")
        if isinstance(name, str) and name.startswith(("http://", "https://")):
            fix = "download it, and write the path of the file at both ends"
            raise ConfigError("is not fetched", key="suites", value=shown(name), fix=fix)
        path, text = file_param(params, "suites", example='"suites.json"')
        try:
            lists = parse_suites(text, path.parent)
        except ValueError as error:
            fix = 'write [{"presets": [...]}, ...] into the file'
            raise ConfigError(str(error), key="suites", value=shown(name), fix=fix) from None
        return partial(
            cls,
            [cls.suite(specs, where=f"suites[{at}].presets") for at, specs in enumerate(lists)],
        )

    @classmethod
    @abstractmethod
    def suite(cls, specs: Sequence[PresetSpec], *, where: str) -> Suite:
        """Check a list of presets that is called ``where`` in messages.

        The registry knows which presets a list can name. It implements this method because it also
        names this class: an import of the registry here would be circular.

        Raises:
            ConfigError: the list cannot be used.
        """

    def set_target(self, target: Address) -> None:
        """Pass it to the presets of the list."""
        self._target = target
        if self._sid:
            self._pipeline().set_target(target)

    @property
    def holds_back(self) -> bool:
        """Whether a preset of the list does."""
        return any(pipeline.holds_back for pipeline in self._pipelines.values())

    def encode(self, data: Chunk) -> Iterable[Effect]:
        """Encode with the list; the header goes out with the first bytes."""
        if not self._sid:
            return (Reject("a server cannot speak before its client"),)
        effects = self._pipeline().encode(data)
        if not self._header_due:
            return effects
        for at, effect in enumerate(effects):
            if isinstance(effect, Forward):
                self._header_due = False
                effects[at] = Forward(b"".join((self._header(), effect.data)))
                break
        return effects

    def decode(self, data: Chunk) -> Iterable[Effect]:
        """Decode with the list that the header names, wherever that is cut."""
        if self._sid:
            return self._pipeline().decode(data)
        read = _HEADER - len(self._pending)
        head = self._pending + bytes(data[:read])
        if len(head) < _HEADER:
            self._pending = head
            return ()
        try:
            self._sid = self._read_header(head)
        except RemoteError as error:
            return (Reject(str(error)),)
        rest = data[read:]
        return self._pipeline().decode(rest) if rest else ()

    def decode_eof(self) -> Iterable[Effect]:
        """Ask the list; before there is one, somebody cut the stream."""
        return self._pipeline().decode_eof() if self._sid else (Reject("ended inside a header"),)

    def on_authenticated(self) -> Reject | None:
        """Pass it to the presets of the list, unless they have found out themselves."""
        return self._pipeline().authenticate() if self._sid else None

    def encode_datagram(self, data: bytes) -> bytes:
        """Encode with the list; to a server, a header is in front of each."""
        if self._target is None or not self._sid:
            raise LocalError("no client has said which presets to use")
        if self._context.role is Role.SERVER:
            return self._pipeline().encode_datagram(data, self._target)
        self._sid = self._sid_with_datagrams()
        return self._header() + self._pipeline().encode_datagram(data, self._target)

    def unpack_datagram(self, data: bytes) -> tuple[Address | None, bytes]:
        """Decode with the list; answers use that of the latest datagram."""
        if self._context.role is Role.CLIENT:
            return self._pipeline().decode_datagram(data)
        sid = self._read_header(data[:_HEADER])
        if self._suite(sid).without_datagrams:
            raise RemoteError("a datagram for presets that carry none")
        self._sid = sid
        return self._pipeline().decode_datagram(data[_HEADER:])

    def _pipeline(self) -> Pipeline:
        """The presets of the list in use; those of others stay, for late datagrams."""
        number = _number(self._sid) % len(self._suites)
        if number not in self._pipelines:
            self._pipelines[number] = self._suites[number](self._context)
        return self._pipelines[number]

    def _suite(self, sid: bytes) -> Suite:
        return self._suites[_number(sid) % len(self._suites)]

    def _sid_with_datagrams(self) -> bytes:
        """The identifier that was drawn, or the next one whose list carries datagrams."""
        for step in range(len(self._suites)):
            sid = ((_number(self._sid) + step) % 0x10000).to_bytes(2, "little")
            if not self._suite(sid).without_datagrams:
                return sid
        raise LocalError("no list of presets carries datagrams")

    def _header(self) -> bytes:
        key = self._header_key(self._sid)
        now = (int(self._context.clock()) % (1 << 32)).to_bytes(4, "little")
        head = self._sid + _rc4(key, now)
        return head + hmac.digest(key, head, "md5")

    def _read_header(self, head: bytes) -> bytes:
        """Return the identifier that a header names.

        Raises:
            RemoteError: it was not made with our password, or not now.
        """
        key = self._header_key(head[:2])
        if len(head) < _HEADER or not hmac.compare_digest(
            hmac.digest(key, head[:6], "md5"), head[6:]
        ):
            raise RemoteError("the signature of the header does not fit")
        sent = _number(_rc4(key, head[2:6]))
        if abs(self._context.clock() - sent) > _TOLERANCE:
            raise RemoteError(f"the header is more than {_TOLERANCE} s old, or a clock is wrong")
        return head[:2]

    def _header_key(self, sid: bytes) -> bytes:
        password = base64.b64encode(self._context.key.encode())
        return _md5(password + base64.b64encode(_md5(sid)))


def parse_suites(text: str, folder: Path) -> list[list[PresetSpec]]:
    """Read the text of a file of lists; paths of users' own presets start at ``folder``.

    Raises:
        ValueError: it is something else.
    """
    try:
        suites = json.loads(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if not isinstance(suites, list) or not suites:
        raise ValueError("holds no list of suites")
    return [_parse_suite(suite, folder) for suite in suites]


def _parse_suite(suite: object, folder: Path) -> list[PresetSpec]:
    presets = suite.get("presets") if isinstance(suite, dict) else None
    if not isinstance(presets, list):
        raise ValueError("holds a suite without presets")  # noqa: TRY004 - the file's fault
    specs: list[PresetSpec] = []
    for preset in presets:
        name = preset.get("name") if isinstance(preset, dict) else None
        params = preset.get("params", {}) if isinstance(preset, dict) else None
        if not isinstance(name, str) or not isinstance(params, dict) or name == "auto-conf":
            raise ValueError("holds a suite with something that is no preset of a suite")
        specs.append(PresetSpec(from_folder(name, folder), params))
    return specs


def _rc4(key: bytes, data: bytes) -> bytes:
    return Cipher(ARC4(key), None).encryptor().update(data)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
