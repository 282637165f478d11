"""Hints by meaning."""

from __future__ import annotations

import pytest

from blinktun.config.explain import nearest
from blinktun.config.meanings import by_meaning, plain
from blinktun.config.model import LOG_LEVELS
from blinktun.config.options_blinksocks import CLIENT_SCHEMES, PRESETS, TRANSPORTS
from blinktun.config.options_kcptun import CRYPTS, MODES
from blinktun.crypto.aead import AEAD_METHODS
from blinktun.crypto.stream import STREAM_METHODS

COMMANDS = ("run", "check", "init", "demo", "version", "help")


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("aes-256", CRYPTS, "aes"),
        ("AES256", CRYPTS, "aes"),
        ("aes_256_gcm", CRYPTS, "aes-128-gcm"),
        ("Salsa", CRYPTS, "salsa20"),
        ("chacha20-ietf-poly1305", CRYPTS, "aes-128-gcm"),
        ("aes-256-cgm", AEAD_METHODS, "aes-256-gcm"),
        ("AES-256-GCM", AEAD_METHODS, "aes-256-gcm"),
        ("aes-256", AEAD_METHODS, "aes-256-gcm"),
        ("chacha20", AEAD_METHODS, "chacha20-ietf-poly1305"),
        ("chacha20-poly", AEAD_METHODS, None),
        ("aes-256-crt", STREAM_METHODS, "aes-256-ctr"),
        ("rc4", STREAM_METHODS, "rc4-md5"),
        ("chacha20", STREAM_METHODS, "chacha20-ietf"),
        ("fast4", MODES, "fast3"),
        ("FAST2", MODES, "fast2"),
        ("fast 3", MODES, "fast3"),
        ("turbo", MODES, "fast3"),
        ("socks5h", CLIENT_SCHEMES, "socks5"),
        ("websocket", TRANSPORTS, "ws"),
        ("https", TRANSPORTS, "tls"),
        ("http2", TRANSPORTS, "h2"),
        ("udp", TRANSPORTS, "kcp"),
        ("shadowsocks", PRESETS, "ss-base"),
        ("vmess", PRESETS, "v2ray-vmess"),
        ("auth_chain_a", PRESETS, "ssr-auth-chain-a"),
        ("ss_aead_cipher", PRESETS, "ss-aead-cipher"),
        ("warning", LOG_LEVELS, "warn"),
        ("INFO", LOG_LEVELS, "info"),
        ("trace", LOG_LEVELS, "silly"),
        ("start", COMMANDS, "run"),
        ("validate", COMMANDS, "check"),
        ("rot13", CRYPTS, None),
        ("aes-512", CRYPTS, None),
    ],
)
def test_what_people_call_things_elsewhere(
    word: str, known: tuple[str, ...], meant: str | None
) -> None:
    assert nearest(word, known) == meant


def test_letter_case_and_punctuation_do_not_count() -> None:
    assert plain("AES_256-gcm") == "aes256gcm"
    assert by_meaning("A b_C", ("x", "abc")) == "abc"
    assert by_meaning("abcd", ("abc",)) is None
