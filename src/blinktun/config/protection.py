"""What ciphers and presets protect: facts for warnings, for ``check`` and for the start line."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from blinktun.config.options_blinksocks import PRESETS, TLS_TRANSPORTS
from blinktun.config.own_presets import is_own_preset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blinktun.config.model import PresetSpec, ServerLink


class Level(Enum):
    """How well something is protected; the text is what the start line says."""

    NO = "no"
    WEAK = "weak"
    UNKNOWN = "as your own presets do it"
    YES = "yes"


CLEAR_CRYPTS = frozenset({"none", "null"})
AEAD_CRYPTS = frozenset({"aes-128-gcm"})
SMALL_BLOCKS = frozenset({"blowfish", "cast5", "3des", "xtea"})
"""Ciphers with blocks of 8 bytes."""

CARRIERS_THAT_ENCRYPT = frozenset(
    {"v2ray-vmess", "exp-base-auth-stream", "base-auth-stream", "auto-conf"}
)
"""Presets that carry the target and encrypt; of what auto-conf draws from, the best is thought."""
_AUTHENTICATING = frozenset({"ss-aead-cipher", "aead-random-cipher"})

DEFAULT_METHODS: Mapping[str, str] = {
    "ss-stream-cipher": "aes-256-ctr",
    "ss-aead-cipher": "aes-256-gcm",
    "base-auth": "sha1",
}
"""The method of a preset that names none."""


def integrity_of_crypt(crypt: str) -> Level:
    """Whether a change on the path is noticed."""
    return Level.YES if crypt in AEAD_CRYPTS else Level.NO


def replays_of_crypt(crypt: str) -> Level:
    """Whether recorded datagrams are refused; without a cipher anybody can make new ones."""
    return Level.NO if crypt in CLEAR_CRYPTS or crypt == "xor" else Level.YES


def integrity_of_link(link: ServerLink) -> Level:
    """Whether a change between a blinksocks client and its server is noticed."""
    if link.transport in TLS_TRANSPORTS:
        return Level.YES
    levels = [_integrity(preset) for preset in link.presets if not _is_left_out(preset, link)]
    if link.kcp:
        levels.append(integrity_of_crypt(link.kcp.kcp.crypt))
    return max(levels, key=list(Level).index, default=Level.NO)


def replays_of_link(link: ServerLink) -> Level:
    """Whether a recorded connection is refused."""
    names = {preset.name for preset in link.presets if encrypts(preset)}
    if link.transport in TLS_TRANSPORTS or names - {"auto-conf"}:
        return Level.UNKNOWN if names and all(map(_is_own, names)) else Level.YES
    return Level.NO


def encrypts(preset: PresetSpec) -> bool:
    """Whether it does, as far as one can know: of users' own presets, the best is thought."""
    if _is_own(preset.name):
        return True
    if preset.name.endswith("-cipher"):
        return preset.params.get("method") != "none"
    return preset.name in CARRIERS_THAT_ENCRYPT or preset.name.startswith("ssr-auth-chain-")


def preset_text(preset: PresetSpec) -> str:
    """A preset with the method that is in effect, for people."""
    method = preset.params.get("method", DEFAULT_METHODS.get(preset.name))
    return f"{preset.name} ({method})" if isinstance(method, str) else preset.name


def encrypting(presets: Iterable[PresetSpec]) -> list[str]:
    """The names of those that encrypt."""
    return [preset.name for preset in presets if encrypts(preset)]


def _integrity(preset: PresetSpec) -> Level:
    if _is_own(preset.name) or preset.name == "auto-conf":
        return Level.UNKNOWN
    if preset.name in _AUTHENTICATING:
        return Level.YES
    if preset.name == "v2ray-vmess":
        return Level.NO if preset.params.get("security") == "none" else Level.YES
    return Level.WEAK if preset.name.startswith("ssr-auth-") else Level.NO


def _is_left_out(preset: PresetSpec, link: ServerLink) -> bool:
    """With mux the preset that carries targets is not used."""
    return link.mux and preset.name in CARRIERS_THAT_ENCRYPT


def _is_own(name: str) -> bool:
    return name not in PRESETS and is_own_preset(name)
