"""Our blinksocks against Node's and shadowsocks-libev, with every cipher each of them has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.boxes import Blinksocks, Link, Presets, bs_pair
from tests.interop.harness.together import all_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.target import Target

_OLD_STREAM = [
    f"{cipher}-{bits}-{mode}"
    for cipher, mode in (("aes", "ctr"), ("aes", "cfb"), ("camellia", "cfb"))
    for bits in (128, 192, 256)
]
_OLD_AEAD = ["aes-128-gcm", "aes-192-gcm", "aes-256-gcm"]
_IETF_AEAD = [*_OLD_AEAD, "chacha20-ietf-poly1305", "xchacha20-ietf-poly1305"]

METHODS: dict[Blinksocks, dict[str, list[str]]] = {
    "3.3.0": {
        "ss-stream-cipher": [*_OLD_STREAM, "rc4-md5", "rc4-md5-6", "chacha20-ietf", "none"],
        "ss-aead-cipher": [*_IETF_AEAD, "chacha20-poly1305"],
    },
    "2.5.3": {"ss-stream-cipher": _OLD_STREAM, "ss-aead-cipher": _OLD_AEAD},
    "libev": {
        "ss-stream-cipher": [*_OLD_STREAM, "rc4-md5", "chacha20-ietf"],
        "ss-aead-cipher": _IETF_AEAD,
    },
}
OUR_METHODS = {
    "ss-stream-cipher": METHODS["3.3.0"]["ss-stream-cipher"],
    # The ccm ciphers came after the last release that npm has.
    "ss-aead-cipher": [
        *METHODS["3.3.0"]["ss-aead-cipher"],
        "aes-128-ccm",
        "aes-192-ccm",
        "aes-256-ccm",
    ],
}
"""What each program can do, by preset."""

PEERS: list[Blinksocks] = ["3.3.0", "2.5.3", "libev"]
CIPHERS = ["ss-stream-cipher", "ss-aead-cipher"]
PICTURE: Presets = [
    {"name": "ss-base"},
    {"name": "ss-aead-cipher", "params": {"method": "aes-256-gcm"}},
]


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("peer", PEERS)
async def test_our_client_with_their_server(
    peer: Blinksocks, cipher: str, target: Target, tmp_path: Path
) -> None:
    await _check_methods("ours", peer, cipher, METHODS[peer][cipher], target, tmp_path)


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("peer", PEERS)
async def test_their_client_with_our_server(
    peer: Blinksocks, cipher: str, target: Target, tmp_path: Path
) -> None:
    await _check_methods(peer, "ours", cipher, METHODS[peer][cipher], target, tmp_path)


@pytest.mark.parametrize("cipher", CIPHERS)
async def test_ours_with_ours(cipher: str, target: Target, tmp_path: Path) -> None:
    await _check_methods("ours", "ours", cipher, OUR_METHODS[cipher], target, tmp_path)


@pytest.mark.parametrize("peer", PEERS)
async def test_the_originals_understand_each_other(
    peer: Blinksocks, target: Target, tmp_path: Path
) -> None:
    # The control: if this fails, the fault is not in our programs.
    for cipher in CIPHERS:
        await _check_methods(peer, peer, cipher, METHODS[peer][cipher][:1], target, tmp_path)


@pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h"])
@pytest.mark.parametrize(("client", "server"), [("ours", "3.3.0"), ("3.3.0", "ours")])
async def test_every_socks_version(
    client: Blinksocks, server: Blinksocks, scheme: str, target: Target, tmp_path: Path
) -> None:
    async with bs_pair(client, server, tmp_path, Link(PICTURE)) as near:
        await _fetch(f"{scheme}://127.0.0.1:{near.port}", target, tmp_path, 1_000_000)


@pytest.mark.parametrize("options", [(), ("--proxytunnel",)], ids=["forward", "connect"])
@pytest.mark.parametrize(("client", "server"), [("ours", "3.3.0"), ("3.3.0", "ours")])
async def test_http_proxy(
    client: Blinksocks,
    server: Blinksocks,
    options: tuple[str, ...],
    target: Target,
    tmp_path: Path,
) -> None:
    async with bs_pair(client, server, tmp_path, Link(PICTURE), scheme="http") as near:
        await _fetch(f"http://127.0.0.1:{near.port}", target, tmp_path, 1_000_000, *options)


async def _check_methods(
    client: Blinksocks,
    server: Blinksocks,
    cipher: str,
    methods: list[str],
    target: Target,
    folder: Path,
) -> None:
    async def check(method: str) -> None:
        presets: Presets = [{"name": "ss-base"}, {"name": cipher, "params": {"method": method}}]
        async with bs_pair(client, server, folder, Link(presets)) as near:
            connect = traffic.socks5(near.port, target.port)
            for size in (1, 1_000, 70_000):
                await traffic.echo(connect, size, within=20)
            await traffic.download(connect, 3_000_000, within=20)
            await traffic.upload(connect, 3_000_000, within=20)
            await _fetch(f"socks5h://127.0.0.1:{near.port}", target, folder, 100_000)

    await all_of(check, methods)


async def _fetch(proxy: str, target: Target, folder: Path, size: int, *options: str) -> None:
    output = folder / f"fetched-{proxy.rsplit(':', 1)[1]}"
    await traffic.curl(proxy, f"http://127.0.0.1:{target.port}/{size}", output, *options)
    traffic.check_file(output, size)
