"""The boxes of the picture, each played by our program or by an original.

    Applications <-> bs_client <-> kcptun_client <=udp=> kcptun_server <-> bs_server <-> Targets

Every function returns a `Program` that has not been started yet.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from tests.interop.harness import peers
from tests.interop.harness.ports import free_port
from tests.interop.harness.processes import Program

from blinktun.testing.certificates import self_signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from tests.interop.harness.ports import Protocol

Kcptun = Literal["ours", "theirs", "modern"]
"""Who plays a kcptun box; theirs is the Go program of 2021, modern one on libraries of 2026."""

KcptunRole = Literal["client", "server"]

Blinksocks = Literal["ours", "3.3.0", "2.5.3", "libev", "v2ray"]
"""Who plays a blinksocks box: ours, Node's by version, shadowsocks-libev, or v2ray."""

Options = dict[str, str | int | bool]
"""kcptun's options by their flag names."""

Presets = list[dict[str, Any]]

_SERVER_NAME = "localhost"
"""What clients call their server; its certificate is for this name."""


# --- kcptun ---------------------------------------------------------------------------------


def kcptun_client(impl: Kcptun, folder: Path, *, server: int, options: Options) -> Program:
    """TCP on a fresh port, KCP to the port `server`; set up by flags."""
    port = free_port()
    own: Options = {"l": f"127.0.0.1:{port}", "r": f"127.0.0.1:{server}"}
    argv = [*kcptun_command(impl, "client"), *flags(own | options)]
    return Program(f"{impl}-kcptun-client", argv, folder, listens=("tcp", port))


def kcptun_server(
    impl: Kcptun, folder: Path, *, target: int, options: Options, port: int | None = None
) -> Program:
    """KCP on `port` (a fresh one), TCP to the port `target`; set up by flags."""
    port = port or free_port()
    own: Options = {"l": f"127.0.0.1:{port}", "t": f"127.0.0.1:{target}"}
    argv = [*kcptun_command(impl, "server"), *flags(own | options)]
    return Program(f"{impl}-kcptun-server", argv, folder, listens=("udp", port))


@asynccontextmanager
async def kcptun_pair(
    client: Kcptun, server: Kcptun, target: int, folder: Path, options: Options
) -> AsyncIterator[Program]:
    """A running tunnel to the port `target`; yields its client."""
    far = kcptun_server(server, folder, target=target, options=options)
    near = kcptun_client(client, folder, server=far.port, options=options)
    async with far, near:
        yield near


def kcptun_from_file(impl: Kcptun, config: Path) -> Program:
    """A kcptun box of either role, set up by its JSON file alone."""
    values: dict[str, Any] = json.loads(config.read_text())
    serves = "listen" in values
    role: KcptunRole = "server" if serves else "client"
    port = int(values["listen" if serves else "localaddr"].rsplit(":", 1)[1])
    argv = [*kcptun_command(impl, role), "-c", config]
    protocol: Protocol = "udp" if serves else "tcp"
    return Program(f"{impl}-kcptun-{role}", argv, config.parent, listens=(protocol, port))


def flags(options: Mapping[str, str | int | bool]) -> list[str]:
    """kcptun's command line for these options."""
    argv: list[str] = []
    for name, value in options.items():
        if value is True:
            argv += [f"-{name}"]
        elif value is not False:
            argv += [f"-{name}", str(value)]
    return argv


def kcptun_command(impl: Kcptun, role: KcptunRole) -> list[str | Path]:
    """How the program that plays a role is called, flags left out."""
    if impl == "modern":
        return [peers.modern_kcptun(), role]
    if impl == "theirs" or peers.CONTROL:
        return [peers.system(f"kcptun-{role}")]
    return [peers.ours(f"kcptun-{role}")]


# --- blinksocks -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Link:
    """What both ends of a blinksocks connection agree on."""

    presets: Presets
    key: str = "correct horse battery staple"
    port: int = field(default_factory=free_port)
    mux: bool = False
    transport: str = "tcp"
    path: str = ""
    client: Mapping[str, Any] = field(default_factory=dict)
    """Keys that the client's file has beside the usual ones; those of `server` are added there."""
    server: Mapping[str, Any] = field(default_factory=dict)
    """Keys that the server's file has beside the usual ones."""

    @property
    def method(self) -> str:
        """The cipher, in the words of shadowsocks."""
        return str(self.presets[-1]["params"]["method"])

    def service(self, host: str) -> str:
        """The URL of the server, or where it listens."""
        return f"{self.transport}://{host}:{self.port}{self.path}"


def bs_client(
    impl: Blinksocks,
    folder: Path,
    link: Link,
    *,
    scheme: str = "socks5",
    login: str = "",
    forward: int | None = None,
) -> Program:
    """A proxy for applications on a fresh port (an HTTP one where `scheme` says so).

    It asks for the `login`, `user:password`, if there is one. With `forward` it is no proxy: every
    connection leads to that port of this machine.
    """
    port = free_port()
    if impl == "libev":
        return _libev("ss-local", folder, link, port)
    if impl == "v2ray":
        return _v2ray("client", folder, link, port)
    server: dict[str, Any] = {"key": link.key, "presets": link.presets}
    config: dict[str, Any]
    if impl == "2.5.3":
        remote = {"enabled": True, "transport": "tcp", "host": "127.0.0.1", "port": link.port}
        server["presets"] = _old_presets(link)
        config = {"host": "127.0.0.1", "port": port, "servers": [remote | server]}
    else:
        server |= {"service": link.service(_SERVER_NAME), "mux": link.mux}
        server |= {"tls_cert": _certificate(folder)[0], "tls_cert_self_signed": True}
        server |= link.client.get("server", {})
        who = f"{login}@" if login else ""
        service = f"{scheme}://{who}127.0.0.1:{port}"
        if forward is not None:
            service = f"tcp://127.0.0.1:{port}?forward=127.0.0.1:{forward}"
        config = {"service": service, **link.client, "server": server}
        if scheme == "https":
            config["https_cert"], config["https_key"] = _certificate(folder)
    return _blinksocks(impl, "client", folder, config, port)


def bs_server(impl: Blinksocks, folder: Path, link: Link) -> Program:
    """A server on the link's port that dials any target."""
    if impl == "libev":
        return _libev("ss-server", folder, link, link.port)
    if impl == "v2ray":
        return _v2ray("server", folder, link, link.port)
    config: dict[str, Any] = {"key": link.key, "presets": link.presets, **link.server}
    if impl == "2.5.3":
        config |= {"host": "127.0.0.1", "port": link.port, "transport": "tcp"}
        config["presets"] = _old_presets(link)  # it wants all parameters at both ends
    else:
        cert, key = _certificate(folder)
        usual = {"mux": link.mux, "service": link.service("127.0.0.1")}
        config = usual | {"tls_cert": cert, "tls_key": key} | config
    return _blinksocks(impl, "server", folder, config, link.port)


@asynccontextmanager
async def bs_pair(
    client: Blinksocks, server: Blinksocks, folder: Path, link: Link, *, scheme: str = "socks5"
) -> AsyncIterator[Program]:
    """A running client and server; yields the client."""
    far = bs_server(server, folder, link)
    near = bs_client(client, folder, link, scheme=scheme)
    async with far, near:
        yield near


def blinksocks_from_file(impl: Literal["ours", "theirs"], config: Path) -> Program:
    """A blinksocks box of either role, set up by an existing file of either generation."""
    values: dict[str, Any] = json.loads(config.read_text())
    old = "service" not in values
    port = values["port"] if old else urlsplit(values["service"]).port
    if old and "log_path" in values:
        (config.parent / values["log_path"]).touch()
    original: Blinksocks = "2.5.3" if old else "3.3.0"
    argv = [*_blinksocks_command("ours" if impl == "ours" else original), "-c", config]
    return Program(f"{impl}-{config.stem}", argv, config.parent, listens=("tcp", port))


def _certificate(folder: Path) -> tuple[str, str]:
    """Certificate and key of every server in this folder."""
    if not (folder / "tls_key.pem").exists():
        self_signed(folder, _SERVER_NAME, "127.0.0.1")
    return str(folder / "tls_cert.pem"), str(folder / "tls_key.pem")


def _old_presets(link: Link) -> Presets:
    # 2.5 wants the method, and the key derivation's label, which later releases fixed to this.
    usual = {"method": "aes-256-gcm", "info": "ss-subkey"}
    return [
        preset | {"params": usual | preset.get("params", {})}
        if preset["name"] == "ss-aead-cipher"
        else preset
        for preset in link.presets
    ]


def _blinksocks(
    impl: Blinksocks, role: str, folder: Path, config: dict[str, Any], port: int
) -> Program:
    own_log = folder / f"bs-{role}-{port}.own.log"
    own_log.touch()  # 2.5 wants it to exist
    served = config["service"] if role == "server" and "service" in config else ""
    protocol: Protocol = "udp" if served.startswith("kcp:") else "tcp"
    path = own_log.with_suffix(".json")
    path.write_text(json.dumps({"timeout": 600, "log_path": str(own_log)} | config))
    argv = [*_blinksocks_command(impl), "-c", path]
    return Program(f"{impl}-bs-{role}", argv, folder, listens=(protocol, port))


def _blinksocks_command(impl: Blinksocks) -> Sequence[str | Path]:
    if impl == "ours" and not peers.CONTROL:
        return [peers.ours("blinksocks")]
    return peers.node_blinksocks("3.3.0" if impl == "ours" else impl)


def _libev(command: str, folder: Path, link: Link, listens: int) -> Program:
    local = ["-b", "127.0.0.1", "-l", str(listens)] if command == "ss-local" else []
    argv: list[str | Path] = [
        peers.system(command),
        *("-s", "127.0.0.1", "-p", str(link.port), "-k", link.key, "-m", link.method, *local, "-u"),
    ]
    return Program(command, argv, folder, listens=("tcp", listens))


def _v2ray(role: str, folder: Path, link: Link, listens: int) -> Program:
    """v2ray with the one preset of this link, in its own words."""
    params = link.presets[0]["params"]
    user = {"id": params["id"], "alterId": 0}
    inbound: dict[str, Any] = {"listen": "127.0.0.1", "port": listens}
    if role == "client":
        inbound |= {"protocol": "socks"}
        hop: dict[str, Any] = {"address": "127.0.0.1", "port": link.port}
        hop["users"] = [user | {"security": params["security"]}]
        outbound = {"protocol": "vmess", "settings": {"vnext": [hop]}}
    else:
        inbound |= {"protocol": "vmess", "settings": {"clients": [user]}}
        outbound = {"protocol": "freedom"}
    path = folder / f"v2ray-{role}-{listens}.json"
    path.write_text(json.dumps({"inbounds": [inbound], "outbounds": [outbound]}))
    # blinksocks has the older of its two headers.
    argv: list[str | Path] = ["env", "V2RAY_VMESS_AEAD_DISABLED=true"]
    argv += [peers.system("v2ray"), "-config", path]
    return Program(f"v2ray-{role}", argv, folder, listens=("tcp", listens))
