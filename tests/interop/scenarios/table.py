"""The scenarios in the original's order, and what its releases on npm lack."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.interop.harness.boxes import Blinksocks, Presets

App = Literal["http", "https", "connect", "socks4", "socks4a", "socks5", "socks5h", "direct"]
"""How curl reaches the proxy; direct: it talks to the server, and there is no client."""

Pair = tuple["Blinksocks", "Blinksocks"]
"""Who plays the client and who the server."""

HEADS = Path(__file__).with_name("heads.txt")
PORT = "{port}"
"""Stands for the target's port in the files of a scenario."""

_BASE = {"name": "ss-base"}
_NEW: tuple[Blinksocks, ...] = ("3.3.0",)
_BOTH: tuple[Blinksocks, ...] = ("3.3.0", "2.5.3")


def _cipher(name: str, method: str, **params: object) -> dict[str, Any]:
    return {"name": name, "params": {"method": method, **params}}


P3: Presets = [
    _BASE,
    {"name": "obfs-random-padding"},
    _cipher("ss-stream-cipher", "aes-128-ctr"),
]
_TLS = {"name": "obfs-tls1.2-ticket"}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One test of the original suite.

    Attributes:
        name: What it is about.
        presets: Of both ends.
        transport: Between client and server.
        path: Of the service, for ws.
        mux: Whether connections share connections.
        key: Of both ends.
        app: How curl asks.
        login: What the client asks its applications for, as user:password.
        wrong: A login with which nothing may be delivered.
        tcp: How many requests are made.
        udp: How many datagrams are sent.
        delivered: Whether the answer must come; otherwise it must not.
        serves_others: Whether the answer of another target must come nevertheless.
        client: More keys of the client's file.
        server: More keys of the server's file.
        files: Files beside them.
        originals: The releases that have all of it.
        tries_alone: How often the originals may ask each other until the answer comes.
    """

    name: str
    presets: Presets
    transport: str = "tcp"
    path: str = ""
    mux: bool = False
    key: str = "9{*2gdBSdCrgnSBD"
    app: App = "socks5h"
    login: str = ""
    wrong: str = ""
    tcp: int = 1
    udp: int = 0
    delivered: bool = True
    serves_others: bool = False
    client: Mapping[str, Any] = field(default_factory=dict)
    server: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    originals: Sequence[Blinksocks] = _NEW
    tries_alone: int = 1

    @property
    def pairs(self) -> list[Pair]:
        """Who is tried with whom: ours, each original both ways, and each with itself."""
        pairs: list[Pair] = [("ours", "ours")]
        for theirs in self.originals:
            if self.app != "direct":
                pairs += [("ours", theirs), (theirs, "ours")]
            pairs += [(theirs, theirs)]
        return pairs

    def presets_between(self, pair: Pair) -> Presets:
        """Its presets; those that 2.5 does not know are left out where it takes part."""
        old = "2.5.3" in pair
        return [p for p in self.presets if not old or p["name"] != "obfs-random-padding"]


class Missing(NamedTuple):
    """What an original cannot do, and where else it is proven that we do it right."""

    reason: str
    instead: str
    only: Literal["client", "server", ""] = ""
    """The end that cannot; empty: neither can."""


_LOGIN: dict[str, Any] = {"login": "user:pass", "wrong": "_user:_pass"}
_SHARED: dict[str, Any] = {
    "presets": P3,
    "mux": True,
    "tcp": 10,
    "udp": 10,
    "client": {"server": {"mux_concurrency": 5}},
}
_EVERY_KEY = {"timeout": 610, "dns": [], "dns_expire": 3600, "log_level": "info"} | {
    "log_max_days": 30
}


def _ssr(name: str, method: str) -> Scenario:
    presets = [_BASE, {"name": name}, _cipher("ss-stream-cipher", method)]
    # Now and then a server of 3.3.0 takes a request of its own client and never passes it on.
    return Scenario(name=name, presets=presets, udp=1, tries_alone=3)


def _aead(method: str, originals: Sequence[Blinksocks] = _NEW) -> Scenario:
    presets = [_BASE, _cipher("ss-aead-cipher", method)]
    return Scenario(name=f"ss-aead-cipher: {method}", presets=presets, udp=1, originals=originals)


def _stream(method: str, originals: Sequence[Blinksocks] = _NEW) -> Scenario:
    presets = [_BASE, _cipher("ss-stream-cipher", method)]
    return Scenario(name=f"ss-stream-cipher: {method}", presets=presets, udp=1, originals=originals)


def _vmess(security: str) -> Scenario:
    params = {"id": "c2485913-4e9e-41eb-8cc5-b2e7db8d3bc7", "security": security}
    presets: Presets = [{"name": "v2ray-vmess", "params": params}]
    # Now and then a server of 3.3.0 does not recognize a request of its own client.
    return Scenario(name=f"v2ray-vmess: {security}", presets=presets, tries_alone=4)


SCENARIOS: Mapping[int, Scenario] = {
    1: Scenario(
        name="acl",
        presets=P3,
        server={"acl": True, "acl_conf": "acl.txt"},
        files={"acl.txt": f"127.0.0.1:{PORT} 1 10k 10k\n"},
        delivered=False,
        serves_others=True,
    ),
    2: Scenario(
        name="aead-random-cipher",
        # 2.5 wants the key derivation's label, for which later releases have this default.
        presets=[_BASE, _cipher("aead-random-cipher", "aes-256-gcm", info="bs-subkey")],
        originals=_BOTH,
    ),
    3: Scenario(name="base-auth", presets=[_cipher("base-auth", "sha1")]),
    4: Scenario(name="configuration of init --minimal", presets=P3, udp=1),
    5: Scenario(
        name="configuration of init",
        presets=P3,
        key="2/tS:7|.-ec.7cxk",
        udp=1,
        client={
            **_EVERY_KEY,
            "https_key": "https_key.pem",
            "https_cert": "https_cert.pem",
            "log_path": "bs-client.log",
            "server": {
                "tls_cert": "cert.pem",
                "tls_cert_self_signed": False,
                "mux": False,
                "mux_concurrency": 10,
            },
        },
        server={
            **_EVERY_KEY,
            "tls_key": "key.pem",
            "tls_cert": "cert.pem",
            "acl": False,
            "acl_conf": "acl.txt",
            "mux": False,
            "redirect": "",
            "log_path": "bs-server.log",
        },
    ),
    6: Scenario(name="multiplexing over tcp", **_SHARED),
    7: Scenario(name="multiplexing over tls", transport="tls", **_SHARED),
    8: Scenario(name="multiplexing over ws", transport="ws", **_SHARED),
    9: Scenario(name="multiplexing over wss", transport="wss", **_SHARED),
    10: Scenario(name="multiplexing over h2", transport="h2", **_SHARED),
    11: Scenario(
        name="obfs-http",
        presets=[_BASE, {"name": "obfs-http", "params": {"file": str(HEADS)}}],
        tcp=5,
        originals=_BOTH,
    ),
    12: Scenario(
        name="obfs-tls1.2-ticket",
        presets=[_BASE, {**_TLS, "params": {"sni": ["www.bing.com", "www.example.com"]}}],
        udp=1,
        server={"presets": [_BASE, _TLS]},
        originals=_BOTH,
    ),
    13: Scenario(name="http", presets=P3, app="http", originals=_BOTH),
    14: Scenario(name="http with authorization", presets=P3, app="http", **_LOGIN),
    15: Scenario(name="https with authorization", presets=P3, app="https", **_LOGIN),
    16: Scenario(name="http using connect", presets=P3, app="connect", originals=_BOTH),
    17: Scenario(name="http using connect with authorization", presets=P3, app="connect", **_LOGIN),
    18: Scenario(name="socks", presets=P3, app="socks5", originals=_BOTH),
    19: Scenario(name="socks with authorization", presets=P3, app="socks5", **_LOGIN),
    20: Scenario(name="socks4", presets=P3, app="socks4", originals=_BOTH),
    21: Scenario(
        name="socks4 with authorization in the URL", presets=P3, app="socks4", login="user:pass"
    ),
    22: Scenario(name="socks4a", presets=P3, app="socks4a", originals=_BOTH),
    23: Scenario(
        name="socks4a with authorization in the URL", presets=P3, app="socks4a", login="user:pass"
    ),
    24: Scenario(name="socks5", presets=P3, app="socks5h", originals=_BOTH),
    25: Scenario(name="socks5 with authorization", presets=P3, app="socks5h", login="user:pass"),
    26: Scenario(
        name="redirect",
        presets=[_BASE, {"name": "ss-aead-cipher"}],
        key="xxxxxxxxxxxx",
        app="direct",
        server={"redirect": f"127.0.0.1:{PORT}"},
        originals=_BOTH,
    ),
    27: _aead("aes-128-gcm", _BOTH),
    28: _aead("aes-128-ccm"),
    29: _aead("chacha20-ietf-poly1305"),
    30: _aead("xchacha20-ietf-poly1305"),
    31: _stream("aes-256-cfb", _BOTH),
    32: _stream("rc4-md5"),
    33: _stream("rc4-md5-6"),
    34: _ssr("ssr-auth-aes128-md5", "aes-256-cfb"),
    35: _ssr("ssr-auth-aes128-sha1", "aes-256-cfb"),
    36: _ssr("ssr-auth-chain-a", "none"),
    37: _ssr("ssr-auth-chain-b", "none"),
    38: Scenario(name="transport h2", presets=[_BASE], transport="h2"),
    39: Scenario(
        name="transport tls, certificate not trusted",
        presets=P3,
        transport="tls",
        client={"server": {"tls_cert_self_signed": False}},
        delivered=False,
    ),
    40: Scenario(name="transport tls, certificate trusted", presets=P3, transport="tls"),
    41: Scenario(name="transport ws, path /", presets=P3, transport="ws", path="/"),
    42: Scenario(name="transport ws, own path", presets=P3, transport="ws", path="/test-path"),
    43: Scenario(name="transport wss", presets=P3, transport="wss"),
    44: _vmess("none"),
    45: _vmess("aes-128-gcm"),
}

_H2 = Missing(
    "3.3.2 and later have it; npm ends with 3.3.0",
    "`test_foreign_transports.py`: Node's HTTP/2 and curl with each end",
)
MISSING: Mapping[tuple[int, Blinksocks], Missing] = {
    (9, "3.3.0"): Missing(
        "either end crashes",
        "8 and 43: the same over ws, and wss without it",
    ),
    (10, "3.3.0"): _H2,
    (13, "2.5.3"): Missing(
        "a port other than 80 is taken for part of the name",
        "16, and 13 with 3.3.0",
        only="client",
    ),
    (15, "3.3.0"): Missing(
        "3.3.1 and later have it; npm ends with 3.3.0",
        "curl, and our client with their server",
        only="client",
    ),
    (28, "3.3.0"): Missing(
        "3.3.4 and later have it; npm ends with 3.3.0",
        "`tests/vectors/blinksocks/ss-aead-cipher.json`, checked against 3.3.8",
    ),
    (38, "3.3.0"): _H2,
}
"""What a release cannot do, by scenario; that it still cannot is seen in each run."""
