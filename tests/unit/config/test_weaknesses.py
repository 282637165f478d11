"""Weak ciphers, keys and orders are named, and good ones are not."""

from __future__ import annotations

import pytest
from tests.unit.config.blinksocks import client, server

from blinktun.address import Address
from blinktun.config.model import KcpSettings
from blinktun.config.options_kcptun import CRYPTS
from blinktun.config.weaknesses import (
    weakness_of_key,
    weakness_of_open_proxy,
    weaknesses_of_kcp,
    weaknesses_of_link,
)

GOOD = "k7#mQ2!xW9zR"
STREAM = [{"name": "ss-base"}, {"name": "ss-stream-cipher"}]


@pytest.mark.parametrize(
    ("crypt", "key", "warned"),
    [
        ("aes-128-gcm", GOOD, []),
        ("aes-128-gcm", "", ["the key is empty"]),
        ("aes-128-gcm", "it's a secrect", ["public default"]),
        ("aes-128-gcm", "abc", ["among the first"]),
        ("aes-128-gcm", "abcde", ["the key is short (5 characters)"]),
        ("none", "", ["crypt none protects nothing"]),
        ("null", GOOD, ["crypt null protects nothing"]),
        ("xor", GOOD, ["crypt xor is broken"]),
        ("tea", GOOD, ["a quarter of its rounds", "no integrity"]),
        ("3des", GOOD, ["blocks of 8 bytes", "no integrity"]),
        ("3des", "", ["the key is empty", "no integrity"]),
        *((crypt, GOOD, ["no integrity"]) for crypt in ("aes", "aes-128", "sm4", "salsa20")),
    ],
)
def test_packet_ciphers(crypt: str, key: str, warned: list[str]) -> None:
    warnings = weaknesses_of_kcp(KcpSettings(crypt=crypt, key=key))
    assert len(warnings) == len(warned)
    assert all(word in text for word, text in zip(warned, warnings, strict=True))


def test_every_packet_cipher_but_one_has_a_warning() -> None:
    silent = [c for c in CRYPTS if not weaknesses_of_kcp(KcpSettings(crypt=c, key=GOOD))]
    assert silent == ["aes-128-gcm"]


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("{cKW#F34y_))kMw7", "examples"),
        ("1", "first that are guessed"),
        ("Password123", "first that are guessed"),
        ("aaaaaaaaaaaaaaaaaaaaaaa", "first that are guessed"),
        ("k7#mQ2!xW9z", "short (11 characters)"),
        (GOOD, None),
        ("correct horse battery staple", None),
    ],
)
def test_keys(key: str, word: str | None) -> None:
    text = weakness_of_key(key)
    assert (word in text) if text and word else text is word is None
    assert text is None or key not in text or key == "1"


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({}, []),
        ({"presets": STREAM}, ["ss-stream-cipher has no integrity"]),
        ({"presets": STREAM, "key": "abc"}, ["has no integrity", "among the first"]),
        ({"service": "kcp://h:1?crypt=aes-128-gcm", "presets": STREAM}, []),
        ({"presets": [{"name": "base-auth"}]}, ["no preset encrypts"]),
        (
            {"presets": [{"name": "ss-aead-cipher"}, {"name": "ss-base"}]},
            ["ss-base stands behind the cipher"],
        ),
        (
            {
                "presets": [
                    *({"name": "ss-base"}, {"name": "obfs-tls1.2-ticket"}),
                    {"name": "ss-aead-cipher"},
                ]
            },
            ["obfs-tls1.2-ticket stands before the cipher"],
        ),
    ],
)
def test_presets(changes: dict[str, object], warned: list[str]) -> None:
    warnings = weaknesses_of_link(server(**{"key": GOOD, **changes}).server)
    assert len(warnings) == len(warned), warnings
    assert all(word in text for word, text in zip(warned, warnings, strict=True))


@pytest.mark.parametrize(
    ("service", "is_open"),
    [
        ("socks5://0.0.0.0:1080", True),
        ("http://[::]:8080", True),
        ("auto://192.0.2.7:1080", True),
        ("socks5://proxy.example:1080", True),
        ("tcp://0.0.0.0:1?forward=a:1", True),
        ("socks5://user:password@0.0.0.0:1080", False),
        ("socks5://127.0.0.1:1080", False),
        ("http://localhost:8080", False),
        ("socks5://[::1]:1080", False),
    ],
)
def test_open_proxies(service: str, is_open: bool) -> None:
    config = client({"key": GOOD}, service=service)
    assert all("open to everybody" in text for text in config.warnings)
    assert bool(config.warnings) is is_open


def test_the_warning_about_an_open_proxy_says_what_to_write() -> None:
    text = weakness_of_open_proxy("socks5", Address("0.0.0.0", 1080), asks=False)
    assert text is not None
    assert "everybody who reaches port 1080" in text
    assert "socks5://user:password@0.0.0.0:1080" in text
    assert "127.0.0.1" in text
