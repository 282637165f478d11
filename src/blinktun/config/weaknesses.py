"""What a configuration does not protect, in the words of its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.config.options_blinksocks import PRESETS
from blinktun.config.options_kcptun import DEFAULT_KEY
from blinktun.config.own_presets import is_own_preset

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blinktun.config.model import KcpSettings, PresetSpec


def weaknesses_of_kcp(kcp: KcpSettings) -> tuple[str, ...]:
    """At most one warning about a cipher or key that keeps nobody out, and those about QPP."""
    return (*_weakness_of_cipher(kcp), *_weaknesses_of_pads(kcp))


def weaknesses_of_presets(presets: Iterable[PresetSpec], *, mux: bool = False) -> tuple[str, ...]:
    """At most one warning about presets that encrypt nothing."""
    encrypting = [preset.name for preset in presets if _encrypts(preset)]
    if not encrypting:
        return ("no preset encrypts: all that passes can be read and changed on its way",)
    if mux and set(encrypting) <= _CARRIERS_THAT_ENCRYPT:
        names = ", ".join(encrypting)
        return (f"mux takes {names} out of the presets, so all passes in clear: add a cipher",)
    return ()


def _weakness_of_cipher(kcp: KcpSettings) -> tuple[str, ...]:
    if kcp.crypt in {"none", "null"}:
        return (
            f"crypt {kcp.crypt} protects nothing, whatever the key: carry only encrypted streams",
        )
    if kcp.crypt == "xor":
        return ("crypt xor is broken at sight: use aes unless the other end cannot",)
    if kcp.crypt == "tea":
        problem = "has a quarter of its rounds in kcptun"
        return (f"crypt tea {problem}: use aes unless the other end cannot",)
    if kcp.key in {"", DEFAULT_KEY}:
        which = "empty" if not kcp.key else "the public default"
        return (f"the key is {which}, so anybody can decrypt and connect: set key at both ends",)
    if kcp.crypt in _SMALL_BLOCKS:
        problem = "has blocks of 8 bytes and lets parts of the plaintext be seen after some 32 GB"
        return (f"crypt {kcp.crypt} {problem}: use aes unless the other end cannot",)
    return ()


def _weaknesses_of_pads(kcp: KcpSettings) -> tuple[str, ...]:
    """What the Go program warns of too (kcptun wire, 7.5)."""
    if not kcp.qpp:
        return ()
    enough = 210 if kcp.qpp_revision == "A" else 211
    warnings = (
        (
            len(kcp.key.encode()) < enough,
            f"QPP: the key is too short to fill the pads: give it at least {enough} bytes",
        ),
        (
            kcp.qpp_count < _LEAST_PADS,
            f"QPPCount {kcp.qpp_count} makes few pads: write {_LEAST_PADS} or more",
        ),
        (
            kcp.qpp_count % 2 == 0,
            f"QPPCount {kcp.qpp_count} shares a factor with 8: write a prime, 61 for example",
        ),
    )
    return tuple(text for is_weak, text in warnings if is_weak)


def _encrypts(preset: PresetSpec) -> bool:
    """Whether it does, as far as one can know: of users' own presets, the best is thought."""
    if preset.name not in PRESETS and is_own_preset(preset.name):
        return True
    if preset.name.endswith("-cipher"):
        return preset.params.get("method") != "none"
    return preset.name in _CARRIERS_THAT_ENCRYPT or preset.name.startswith("ssr-auth-chain-")


_CARRIERS_THAT_ENCRYPT = {"v2ray-vmess", "exp-base-auth-stream", "base-auth-stream", "auto-conf"}
"""Presets that carry the target too; of what auto-conf draws from, the best is thought."""


_SMALL_BLOCKS = ("blowfish", "cast5", "3des", "xtea")
_LEAST_PADS = 7
"""Below, the Go program warns."""
