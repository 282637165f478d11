"""``blinksocks init``: a pair of files for a client and its server (blinksocks, 1.1)."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blinktun.config.explain import COMMAND_LINE, Origin, shown, suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HELP = """\
blinksocks init: write a pair of files, for a client and its server, into this folder

usage: blinksocks init [-m] [-w] [-c compat]

  -m, --minimal       short files, with what cannot be left out
  -w, --write         write over files that are there
  -c, --choice NAME   safe (default): ss-aead-cipher with aes-256-gcm
                      compat: what the original's init writes, ss-stream-cipher without integrity

Both files have a new random key and can be read by you alone. Nothing is written, status 1, if one
of them is there already."""

_FLAGS = ("-m", "--minimal", "-w", "--write", "-c", "--choice")
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789!@#$%^&*()_+<>?:|{}-=[];,./ABCDEFGHJKLMNPQRSTUVWXYZ"
_KEY_SIZE = 32
_PRESETS: Mapping[str, list[dict[str, Any]]] = {
    "safe": [
        {"name": "ss-base"},
        {"name": "obfs-random-padding"},
        {"name": "ss-aead-cipher", "params": {"method": "aes-256-gcm"}},
    ],
    "compat": [
        {"name": "ss-base"},
        {"name": "obfs-random-padding"},
        {"name": "ss-stream-cipher", "params": {"method": "aes-128-ctr"}},
    ],
}
"""The presets of both files, by the choice of their owner."""
_LOG = {"log_level": "info", "log_max_days": 30}


def main(arguments: Sequence[str], folder: Path | None = None) -> int:
    """Write both files, new ones unless told otherwise; returns the exit status.

    Raises:
        ConfigError: an argument is unknown, or a file cannot be written.
    """
    rest = list(arguments)
    choice = _take_choice(rest)
    for argument in rest:
        if argument not in _FLAGS:
            fix = suggestion(argument, _FLAGS)
            raise Origin(COMMAND_LINE, "init").error(f"does not know {argument!r}", fix=fix)
    minimal = bool({"-m", "--minimal"} & set(rest))
    client, server = make_pair(minimal=minimal, choice=choice)
    pair = {"blinksocks.client.json": client, "blinksocks.server.json": server}
    there = [name for name in pair if ((folder or Path()) / name).exists()]
    if there and not {"-w", "--write"} & set(rest):
        print(f'> {" and ".join(there)} exist: nothing written. Use "-w" to overwrite.')
        return 1
    for name, values in pair.items():
        write_private((folder or Path()) / name, values)
        print(f"> {name} written")
    print("> `blinktun check FILE...` says in words what the files mean")
    print("> Replace 127.0.0.1 in the client's server.service by the address of your server")
    return 0


def _take_choice(rest: list[str]) -> str:
    """What follows ``-c`` or ``--choice``, which is taken out of the arguments.

    Raises:
        ConfigError: there is no such choice.
    """
    at = next((at for at, argument in enumerate(rest) if argument in {"-c", "--choice"}), None)
    if at is None:
        return "safe"
    flag, name = rest[at], rest[at + 1] if at + 1 < len(rest) else ""
    del rest[at : at + 2]
    if name not in _PRESETS:
        fix = suggestion(name, _PRESETS)
        raise Origin(COMMAND_LINE, f"init {flag}", shown(name)).error("is unknown", fix=fix)
    return name


def make_pair(*, minimal: bool, choice: str = "safe") -> tuple[dict[str, Any], dict[str, Any]]:
    """A client's and a server's configuration that fit together, with a new key and port."""
    key = "".join(secrets.choice(_ALPHABET) for _ in range(_KEY_SIZE))
    port = 1024 + secrets.randbelow(64511)  # below 65535, which the original refuses
    timeout = 200 + secrets.randbelow(800)
    more: Mapping[str, Any] = {"dns": [], "dns_expire": 3600, "timeout": timeout}
    link: Mapping[str, Any] = {"key": key, "presets": _PRESETS[choice]}
    remote: dict[str, Any] = {"service": f"tcp://127.0.0.1:{port}", **link}
    client: dict[str, Any] = {"service": "socks5://127.0.0.1:1080", "server": remote}
    server: dict[str, Any] = {"service": f"tcp://0.0.0.0:{port}", **link}
    if not minimal:
        remote |= {"tls_cert": "cert.pem", "tls_cert_self_signed": False}
        remote |= {"mux": False, "mux_concurrency": 10}
        client |= {"https_key": "https_key.pem", "https_cert": "https_cert.pem"}
        client |= {**more, "log_path": "bs-client.log", **_LOG}
        server |= {"tls_key": "key.pem", "tls_cert": "cert.pem", "acl": False}
        server |= {"acl_conf": "acl.txt", "mux": False, **more, "redirect": ""}
        server |= {"log_path": "bs-server.log", **_LOG}
    server["targets"] = "remote"
    return client, server


def write_private(path: Path, values: Mapping[str, Any]) -> None:
    """Write a file with a key inside: only its owner may read it, also if it was there before.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        fix = "run init in a folder that you can write to"
        problem = f"cannot be written: {error.strerror}"
        raise Origin(str(path)).error(problem, fix=fix) from error
