"""What a configuration does not protect, in the words of its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.config.options_kcptun import DEFAULT_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blinktun.config.model import KcpSettings, PresetSpec


def weaknesses_of_kcp(kcp: KcpSettings) -> tuple[str, ...]:
    """At most one warning about a cipher or key that keeps nobody out."""
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


_SMALL_BLOCKS = ("blowfish", "cast5", "3des", "xtea")


def weaknesses_of_presets(presets: Iterable[PresetSpec], *, mux: bool = False) -> tuple[str, ...]:
    """At most one warning about presets that encrypt nothing."""
    encrypting = [preset.name for preset in presets if _encrypts(preset)]
    if not encrypting:
        return ("no preset encrypts: all that passes can be read and changed on its way",)
    if mux and encrypting == ["v2ray-vmess"]:
        return ("mux takes v2ray-vmess out of the presets, so all passes in clear: add a cipher",)
    return ()


def _encrypts(preset: PresetSpec) -> bool:
    return (
        preset.name.endswith("-cipher") and preset.params.get("method") != "none"
    ) or preset.name == "v2ray-vmess"
