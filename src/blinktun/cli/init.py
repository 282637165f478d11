"""``blinksocks init``: a pair of files for a client and its server (blinksocks, 1.1)."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blinktun.config.explain import Origin, suggestion
from blinktun.config.flags import COMMAND_LINE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FLAGS = ("-m", "--minimal", "-w", "--write")
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789!@#$%^&*()_+<>?:|{}-=[];,./ABCDEFGHJKLMNPQRSTUVWXYZ"
_KEY_SIZE = 16
_PRESETS = [
    {"name": "ss-base"},
    {"name": "obfs-random-padding"},
    {"name": "ss-stream-cipher", "params": {"method": "aes-128-ctr"}},
]
_LOG = {"log_level": "info", "log_max_days": 30}


def main(arguments: Sequence[str], folder: Path | None = None) -> int:
    """Write both files, new ones unless told otherwise; returns the exit status.

    Raises:
        ConfigError: an argument is unknown, or a file cannot be written.
    """
    for argument in arguments:
        if argument not in _FLAGS:
            fix = suggestion(argument, _FLAGS)
            raise Origin(COMMAND_LINE, "init").error(f"does not know {argument!r}", fix=fix)
    minimal = bool({"-m", "--minimal"} & set(arguments))
    overwrite = bool({"-w", "--write"} & set(arguments))
    client, server = make_pair(minimal=minimal)
    for role, values in (("client", client), ("server", server)):
        _write(folder or Path(), f"blinksocks.{role}.json", values, overwrite=overwrite)
    print("> Generate Done: `blinktun check FILE...` says in words what the files mean")
    print("> Replace 127.0.0.1 in the client's server.service by the address of your server")
    return 0


def make_pair(*, minimal: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """A client's and a server's configuration that fit together, with a new key and port."""
    key = "".join(secrets.choice(_ALPHABET) for _ in range(_KEY_SIZE))
    port = 1024 + secrets.randbelow(64511)  # below 65535, which the original refuses
    timeout = 200 + secrets.randbelow(800)
    more: Mapping[str, Any] = {"dns": [], "dns_expire": 3600, "timeout": timeout}
    link: Mapping[str, Any] = {"key": key, "presets": _PRESETS}
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


def _write(folder: Path, name: str, values: Mapping[str, Any], *, overwrite: bool) -> None:
    path = folder / name
    if path.exists() and not overwrite:
        print(f'> File {name} exist, skip. Use "-w" to overwrite.')
        return
    try:
        # The key is inside: nobody else may read it.
        path.touch(mode=0o600)
        path.write_text(json.dumps(values, indent=2), encoding="utf-8")
    except OSError as error:
        fix = "run init in a folder that you can write to"
        problem = f"cannot be written: {error.strerror}"
        raise Origin(str(path)).error(problem, fix=fix) from error
    print(f"> {name} written")
