"""``blinktun init``: the files of a new pair of ours, with nothing left to tune."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blinktun.address import Address
from blinktun.cli.init import write_private
from blinktun.config.explain import COMMAND_LINE, Origin, shown, suggestion
from blinktun.config.host_name import is_host_name

if TYPE_CHECKING:
    from collections.abc import Sequence

HELP = """\
Without --kcp there are four files: a blinksocks and a kcptun role at each end. With it there are
two, whose ends speak KCP themselves and carry UDP, too. All have new random keys, ciphers with
integrity and mode auto, and can be read by you alone.

  SERVER    name or address of your server; without it, example.com is what you have to change
  --kcp     two files with a kcp:// service
  --force   write over files that are there; else nothing is written if one is, status 1

example: blinktun init vps.example.org"""

_FLAGS = ("--kcp", "--force")
_UNCHANGED = "example.com"
_KEY_BYTES = 32
_CLIENT, _SERVER = ".client.json", ".server.json"
_SOCKS = "socks5://127.0.0.1:1080"
_TUNNEL, _UDP, _BEHIND = 12948, 29900, 30370
"""The ports of the picture: of the kcptun client, the kcptun server and the blinksocks server."""

Files = dict[str, dict[str, Any]]


def main(arguments: Sequence[str], folder: Path | None = None) -> int:
    """Write the files and say how to start them; returns the exit status.

    Raises:
        ConfigError: an argument is unknown, or a file cannot be written.
    """
    server = _take_server(arguments)
    folder = folder or Path()
    files = (kcp_files if "--kcp" in arguments else four_files)(server)
    there = [name for name in files if (folder / name).exists()]
    if there and "--force" not in arguments:
        print(f"{' and '.join(there)} exist: nothing written. Use --force to overwrite.")
        return 1
    for name, values in files.items():
        write_private(folder / name, values)
        print(f"{name} written")
    print("\n".join(_what_to_do(server, list(files))))
    return 0


def four_files(server: str) -> Files:
    """The files of the picture for a server of this name or address, by their names."""
    kcp = {"key": _new_key(), "crypt": "aes-128-gcm", "mode": "auto", "nocomp": True}
    link = {
        "key": _new_key(),
        "presets": [
            {"name": "ss-base"},
            {"name": "ss-aead-cipher", "params": {"method": "aes-256-gcm"}},
        ],
    }
    near, far = f"127.0.0.1:{_TUNNEL}", f"127.0.0.1:{_BEHIND}"
    remote = str(Address(server, _UDP))
    return {
        "kcptun.server.json": {"listen": f":{_UDP}", "target": far, **kcp},
        "blinksocks.server.json": {"service": f"tcp://{far}", **link, "targets": "remote"},
        "kcptun.client.json": {"localaddr": near, "remoteaddr": remote, **kcp},
        "blinksocks.client.json": {
            "service": _SOCKS,
            "server": {"service": f"tcp://{near}", **link},
        },
    }


def kcp_files(server: str) -> Files:
    """The two files of ends that speak KCP themselves. Its cipher protects all that passes."""
    link = {"key": _new_key(), "presets": [{"name": "ss-base"}]}
    settings = "crypt=aes-128-gcm&mode=auto"
    far = Address(server, _UDP)
    everywhere = "::" if far.ip and far.ip.version == 6 else "0.0.0.0"  # noqa: S104 - it has a key
    return {
        "blinksocks.server.json": {
            "service": f"kcp://{Address(everywhere, _UDP)}?{settings}",
            **link,
            "targets": "remote",
        },
        "blinksocks.client.json": {
            "service": _SOCKS,
            "server": {"service": f"kcp://{far}?{settings}", **link},
        },
    }


def _take_server(arguments: Sequence[str]) -> str:
    """The server that is named.

    Raises:
        ConfigError: an argument is unknown, or no server.
    """
    origin = Origin(COMMAND_LINE, "init")
    names = [argument for argument in arguments if not argument.startswith("-")]
    for argument in arguments:
        if argument not in (*_FLAGS, *names):
            fix = suggestion(argument, _FLAGS)
            raise origin.error(f"does not know {shown(argument)}", fix=fix)
    if len(names) > 1:
        raise origin.error("names several servers", fix="write blinktun init SERVER")
    server = names[0].removeprefix("[").removesuffix("]") if names else _UNCHANGED
    if "%" in server or not (is_host_name(server) or Address(server, _UDP).ip):
        fix = "write its name or address without a port, for example vps.example.org"
        raise Origin(COMMAND_LINE, "init", shown(names[0])).error("is no server", fix=fix)
    return server


def _what_to_do(server: str, names: list[str]) -> list[str]:
    far = " ".join(name for name in names if name.endswith(_SERVER))
    near = " ".join(name for name in names if name.endswith(_CLIENT))
    unchanged = [f"In {near.split()[0]} write your server's name for {_UNCHANGED}."]
    return [
        *(unchanged if server == _UNCHANGED else ()),
        f"Copy {far} to your server, open its UDP port {_UDP}, and run there:",
        f"  blinktun run {far}",
        "Here run:",
        f"  blinktun run {near}",
        "Then try:",
        "  curl -x socks5h://127.0.0.1:1080 https://example.org/",
    ]


def _new_key() -> str:
    return secrets.token_urlsafe(_KEY_BYTES)
