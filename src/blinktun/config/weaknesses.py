"""What a configuration does not protect, in the words of its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.config.options_kcptun import DEFAULT_KEY
from blinktun.config.protection import (
    CARRIERS_THAT_ENCRYPT,
    CLEAR_CRYPTS,
    SMALL_BLOCKS,
    Level,
    encrypting,
    integrity_of_crypt,
    integrity_of_link,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blinktun.address import Address
    from blinktun.config.model import KcpSettings, PresetSpec, ServerLink

EXAMPLE_KEYS = frozenset(
    {"{cKW#F34y_))kMw7", "SECRET", "9{*2gdBSdCrgnSBD", "a long random text", "hello world"}
)
"""Keys of examples, ours and the originals'."""
SHORTEST_KEY = 12
"""Characters below which a key can be found by trying: it is hashed fast, by the formats' rules."""
_GUESSED_FIRST = frozenset(
    {
        *("password", "passw0rd", "password1", "password123", "12345678", "123456789"),
        *("1234567890", "123456789012", "qwertyuiop", "qwerty123456", "administrator"),
        *("kcptun", "blinksocks", "shadowsocks", "test", "secret", "letmein", "changeme"),
    }
)
_LEAST_PADS = 7
"""Below, the Go program warns."""
_LOOPBACK = "localhost"


def weaknesses_of_kcp(kcp: KcpSettings) -> tuple[str, ...]:
    """Warnings about a cipher or key that keeps nobody out, about integrity, and about QPP."""
    found = tuple(_weaknesses_of_cipher(kcp))
    return (*found, *_weaknesses_of_pads(kcp))


def weaknesses_of_link(link: ServerLink) -> tuple[str, ...]:
    """What the connection between a blinksocks client and its server does not protect."""
    cipher = tuple(_weaknesses_of_presets(link))
    key = weakness_of_key(link.key) if encrypting(link.presets) else None
    order, limits = _weaknesses_of_order(link.presets), _limits_of_vmess(link.presets)
    return (*cipher, *((key,) if key else ()), *order, *limits)


def weakness_of_key(key: str) -> str | None:
    """Why a key can be found, if it can."""
    if key in {"", DEFAULT_KEY}:
        which = "empty" if not key else "the public default"
        return f"the key is {which}, so anybody can decrypt and connect: set key at both ends"
    if key in EXAMPLE_KEYS:
        return "the key is the one of the examples, which everybody knows: set another at both ends"
    if key.casefold() in _GUESSED_FIRST or len(set(key)) < 4:
        return "the key is among the first that are guessed: set a long random text at both ends"
    if len(key) < SHORTEST_KEY:
        return (
            f"the key is short ({len(key)} characters) and can be found by trying: set a random"
            f" text of {SHORTEST_KEY} characters or more at both ends"
        )
    return None


def weakness_of_open_proxy(scheme: str, listen: Address, *, asks: bool) -> str | None:
    """The warning about a proxy that serves every host that reaches it."""
    if asks or listen.host == _LOOPBACK or (listen.ip and listen.ip.is_loopback):
        return None
    fix = "listen on 127.0.0.1"
    if scheme != "tcp":
        fix = f"add user:password@ ({scheme}://user:password@{listen}) or {fix}"
    return f"the proxy is open to everybody who reaches port {listen.port}: {fix}"


def _weaknesses_of_cipher(kcp: KcpSettings) -> Iterator[str]:
    crypt = kcp.crypt
    if crypt in CLEAR_CRYPTS:
        yield f"crypt {crypt} protects nothing, whatever the key: carry only encrypted streams"
        return
    if crypt == "xor":
        yield "crypt xor is broken at sight: use aes unless the other end cannot"
        return
    if crypt == "tea":
        problem = "has a quarter of its rounds in kcptun"
        yield f"crypt tea {problem}: use aes unless the other end cannot"
    elif weak_key := weakness_of_key(kcp.key):
        yield weak_key
    elif crypt in SMALL_BLOCKS:
        problem = "has blocks of 8 bytes and lets parts of the plaintext be seen after some 32 GB"
        yield f"crypt {crypt} {problem}: use aes unless the other end cannot"
    if integrity_of_crypt(crypt) is Level.NO:
        yield (
            f"crypt {crypt} has no integrity: anybody on the path can change bytes unseen; use"
            " aes-128-gcm if both ends know it, and TLS or an AEAD preset inside"
        )


def _weaknesses_of_presets(link: ServerLink) -> Iterator[str]:
    names = encrypting(link.presets)
    integrity = integrity_of_link(link)
    if integrity is Level.YES and not names:
        return  # TLS or KCP does it
    if not names:
        yield "no preset encrypts: all that passes can be read and changed on its way"
    elif link.mux and set(names) <= CARRIERS_THAT_ENCRYPT:
        listed = ", ".join(names)
        yield f"mux takes {listed} out of the presets, so all passes in clear: add a cipher"
    elif integrity in {Level.NO, Level.WEAK}:
        how = "has no integrity" if integrity is Level.NO else "has weak integrity"
        yield (
            f"{names[-1]} {how}: anybody on the path can change bytes unseen; use ss-aead-cipher"
            " at both ends if both can"
        )


def _weaknesses_of_order(presets: Sequence[PresetSpec]) -> Iterator[str]:
    """Presets that stand where they cannot do what they are for."""
    names = [preset.name for preset in presets]
    ciphers = [at for at, name in enumerate(names) if name.endswith("-cipher")]
    for at, name in enumerate(names):
        if name in _CARRY_TARGETS_IN_CLEAR and any(cipher < at for cipher in ciphers):
            yield f"{name} stands behind the cipher, so targets pass in clear: put {name} first"
        if name in _DISGUISES and any(cipher > at for cipher in ciphers):
            yield f"{name} stands before the cipher, which hides the disguise: put {name} last"


def _limits_of_vmess(presets: Sequence[PresetSpec]) -> Iterator[str]:
    for preset in presets:
        if preset.name == "v2ray-vmess" and preset.params.get("security") != "none":
            yield (
                "v2ray-vmess: a connection ends after 1 GiB in one direction, when its nonces are"
                ' used up; for more use security "none" with ss-aead-cipher behind it'
            )


_CARRY_TARGETS_IN_CLEAR = frozenset({"ss-base", "base-with-padding", "exp-base-with-padding"})
_DISGUISES = frozenset({"obfs-http", "obfs-tls1.2-ticket"})


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
