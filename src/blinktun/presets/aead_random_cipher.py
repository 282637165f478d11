"""aead-random-cipher: sealed chunks with random padding between them (blinksocks wire, 5.5)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from blinktun.config.explain import shown
from blinktun.crypto.aead import AEAD_METHODS, AeadKey, AeadMethod
from blinktun.crypto.kdf import hkdf_sha1
from blinktun.errors import ConfigError
from blinktun.presets.base import PresetContext, PresetMaker, choose, text_param
from blinktun.presets.sealed_chunks import SealedChunks

if TYPE_CHECKING:
    from collections.abc import Mapping

_METHODS = {name: AEAD_METHODS[name] for name in ("aes-128-gcm", "aes-192-gcm", "aes-256-gcm")}
_MAX_FACTOR = 10


class AeadRandomCipher(SealedChunks):
    """Encryption with integrity, whose chunks have lengths that say less about the data.

    There is no form for datagrams: the original sends them in clear.
    """

    carries_datagrams: ClassVar[bool] = False

    def __init__(
        self,
        method: AeadMethod,
        info: bytes,
        factor: int,
        context: PresetContext,
    ) -> None:
        super().__init__(method, context, pad_factor=factor)
        self._key = context.key.encode()
        self._info = info

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Check ``method``, ``info`` (default bs-subkey) and ``factor`` (1..10, default 2)."""
        method = choose(params, "method", _METHODS)
        info = text_param(params, "info", default="bs-subkey")
        factor = params.get("factor", 2)
        if type(factor) is not int or not 1 <= factor <= _MAX_FACTOR:
            fix = f"write an integer 1..{_MAX_FACTOR}"
            raise ConfigError("is out of range", key="factor", value=shown(factor), fix=fix)
        return partial(cls, method, info.encode(), factor)

    def _subkey(self, salt: bytes) -> AeadKey:
        size = self._method.key_size
        return self._method.key(hkdf_sha1(salt=salt, ikm=self._key, info=self._info, size=size))
