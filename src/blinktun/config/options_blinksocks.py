"""Every key of a blinksocks configuration (blinksocks, section 2), in two tables: top and link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.config.model import LOG_LEVELS
from blinktun.config.options import CLIENT, SERVER, Kind, Option, both, only

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT_SCHEMES = ("tcp", "http", "https", "socks", "socks5", "socks4", "socks4a", "auto")
"""What a client may listen with; ``auto``, SOCKS and HTTP on one port, is of our own."""

TRANSPORTS = ("tcp", "ws", "wss", "tls", "h2", "kcp")
"""What client and server may be connected with."""
TLS_TRANSPORTS = ("tls", "wss", "h2")
"""Those that show and check certificates."""

PRESETS = (
    *("base-auth", "ss-base", "ss-stream-cipher", "ss-aead-cipher"),
    *("ssr-auth-aes128-md5", "ssr-auth-aes128-sha1", "ssr-auth-chain-a", "ssr-auth-chain-b"),
    *("v2ray-vmess", "obfs-random-padding", "obfs-http", "obfs-tls1.2-ticket"),
    "aead-random-cipher",
)
"""Every public preset, in upstream's order."""

OLD_PRESETS = (
    *("exp-base-with-padding", "base-with-padding"),
    *("exp-base-auth-stream", "base-auth-stream"),
    "auto-conf",
)
"""Presets that later releases dropped, and that exist here."""
PRESET_HELP: Mapping[str, str] = {
    "base-auth": "carries the target, encrypted; the rest in clear, or by a preset behind it",
    "ss-base": "carries the target in clear: put a cipher behind it",
    "ss-stream-cipher": "encrypts; no integrity",
    "ss-aead-cipher": "encrypts, with integrity: the usual choice",
    "ssr-auth-aes128-md5": "MACs of 2 and 4 bytes in front of a stream cipher",
    "ssr-auth-aes128-sha1": "the same with SHA-1",
    "ssr-auth-chain-a": "encrypts with RC4, which is broken; MACs of 2 bytes",
    "ssr-auth-chain-b": "the same with other lengths",
    "v2ray-vmess": "carries the target and encrypts, with integrity unless security is none",
    "obfs-random-padding": "hides lengths; does not encrypt",
    "obfs-http": "looks like HTTP; does not encrypt",
    "obfs-tls1.2-ticket": "looks like TLS 1.2; does not encrypt",
    "aead-random-cipher": "encrypts, with integrity and random padding",
    "exp-base-with-padding": "of 2.5: carries the target in clear",
    "base-with-padding": "of 2.8: the same",
    "exp-base-auth-stream": "of 2.5: carries the target and encrypts; no integrity",
    "base-auth-stream": "of 2.8: the same",
    "auto-conf": "of 2.8 to 3.1: draws its presets from a list for each connection",
}
"""What each preset is for, and what it protects."""
PRESET_PARAMS: Mapping[str, tuple[str, ...]] = {
    "base-auth": ("method",),
    "ss-stream-cipher": ("method",),
    "ss-aead-cipher": ("method", "info"),  # info: of 2.5, which wanted the value that is fixed now
    "v2ray-vmess": ("id", "security"),
    "obfs-http": ("file",),
    "obfs-tls1.2-ticket": ("sni",),
    "aead-random-cipher": ("method", "info", "factor"),
    "exp-base-with-padding": ("salt",),
    "base-with-padding": ("salt",),
    "exp-base-auth-stream": ("method",),
    "base-auth-stream": ("method",),
    "auto-conf": ("suites",),
}
"""The parameters that presets know; those that are not here know none."""
PRESET_FILES: Mapping[str, str] = {"obfs-http": "file", "auto-conf": "suites"}
"""The parameters of presets that name files."""
REMOVED_PRESETS: Mapping[str, str] = {"exp-compress": "2.7"}
"""Presets that do not exist here, and the release that dropped them."""

_TEXT, _NUMBER, _BOOLEAN = Kind.TEXT, Kind.NUMBER, Kind.BOOLEAN

TOP_OPTIONS: tuple[Option, ...] = (
    Option(
        "service",
        _TEXT,
        "where applications connect; tcp needs ?forward=HOST:PORT, and user:password@ before"
        " the host is asked for",
        only(CLIENT, None),
        metavar="URL",
        example="socks5://127.0.0.1:1080",
        required=True,
    ),
    Option(
        "server",
        Kind.OBJECT,
        "the blinksocks server; its presence makes this a client",
        only(CLIENT, None),
        example='"server": {"service": "tcp://example.com:7000", "key": ..., "presets": [...]}',
        since="3.0",
        required=True,
    ),
    Option(
        "timeout",
        _NUMBER,
        "time without a byte in either direction after which a connection is closed",
        both(600),
        unit="seconds",
        low=1,
    ),
    Option(
        "grace",
        _NUMBER,
        "how long stopping may take: transfers go on meanwhile, what is idle ends at once",
        both(5),
        unit="seconds",
        low=0,
    ),
    Option(
        "memory",
        _TEXT,
        "what all sessions of kcp:// with mode auto may hold for their peers; empty: a quarter of"
        " what the process may have, at most 1 GiB",
        both(""),
        metavar="SIZE",
        example="256mb",
    ),
    Option(
        "targets",
        _TEXT,
        "which targets clients can reach: remote leaves out loopback, link-local and multicast"
        " addresses and those of this machine, public also private networks",
        only(SERVER, "any"),
        choices=("any", "remote", "public"),
    ),
    Option(
        "redirect",
        _TEXT,
        "where a connection goes that fails the presets",
        only(SERVER, ""),
        metavar="HOST:PORT",
    ),
    Option(
        "state_dir",
        _TEXT,
        "folder for the memory of openings, which refuses replays after a restart too; empty: the"
        " system's place for it; off: none (blinktun's own)",
        only(SERVER, ""),
        metavar="FOLDER",
        example="/var/lib/blinktun",
    ),
    Option(
        "https_key", _TEXT, "private key of an https service", only(CLIENT, None), since="3.3.1"
    ),
    Option(
        "https_cert", _TEXT, "certificate of an https service", only(CLIENT, None), since="3.3.1"
    ),
    Option(
        "dns",
        Kind.LIST,
        "IP addresses of the resolvers to ask; none: as the system does it",
        both([]),
        example='["9.9.9.9"]',
    ),
    Option(
        "dns_expire",
        _NUMBER,
        "how long a name's address is kept; 0: as long as the answer itself says",
        both(3600),
        unit="seconds",
        low=0,
    ),
    Option(
        "log_path",
        _TEXT,
        "file to log to as well, with the day added to its name",
        both(""),
        metavar="FILE",
    ),
    Option(
        "log_level",
        _TEXT,
        "what is logged, from least to most",
        both("info"),
        choices=tuple(LOG_LEVELS),
    ),
    Option(
        "log_max_days",
        _NUMBER,
        "days after which a log file is deleted",
        both(None),
        unit="days",
        low=1,
        high=36500,
    ),
)
"""Keys that stand at the top of the file."""

LINK_OPTIONS: tuple[Option, ...] = (
    Option(
        "service",
        _TEXT,
        "where the server is (client), where to listen (server)",
        both(None),
        metavar="URL",
        example="tcp://example.com:7000",
        required=True,
    ),
    Option(
        "key",
        _TEXT,
        "secret shared by both ends",
        both(None),
        metavar="TEXT",
        example='"key": "a long random text"',
        secret=True,
        required=True,
    ),
    Option(
        "presets",
        Kind.LIST,
        'what is done to the bytes, nearest the application first: {"name": ..., "params": {...}}',
        both(None),
        example='[{"name": "ss-base"}, {"name": "ss-aead-cipher"}]',
        required=True,
    ),
    Option("tls_cert", _TEXT, "certificate (server), or the one to trust (client)", both(None)),
    Option("tls_key", _TEXT, "private key for tls, wss and h2", only(SERVER, None)),
    Option(
        "tls_cert_self_signed",
        _BOOLEAN,
        "trust tls_cert alone",
        only(CLIENT, False),
        since="3.3.0",
    ),
    Option(
        "mux",
        _BOOLEAN,
        "several connections over one; the same at both ends",
        both(False),
        since="2.9",
    ),
    Option(
        "mux_concurrency",
        _NUMBER,
        "connections that mux may use; means nothing without it",
        only(CLIENT, 10),
        low=1,
        since="2.9",
    ),
    Option(
        "acl",
        _BOOLEAN,
        "rules for sources and targets; a source that fails the presets twice is banned",
        only(SERVER, False),
        since="3.0",
    ),
    Option("acl_conf", _TEXT, "file of the rules", only(SERVER, None), metavar="FILE", since="3.0"),
)
"""Keys of the connection: under ``server`` in a client's file, at the top in a server's."""

PRESET_OPTIONS: tuple[Option, ...] = (
    Option(
        "name",
        _TEXT,
        "which preset",
        both(None),
        choices=(*PRESETS, *OLD_PRESETS),
        required=True,
    ),
    Option(
        "params", Kind.OBJECT, "its parameters", both(None), example='{"method": "aes-256-gcm"}'
    ),
)
"""Keys of one entry of ``presets``."""

OWN_PRESET_OPTIONS: tuple[Option, ...] = (
    Option("name", _TEXT, "module or file of a preset", both(None), required=True),
    PRESET_OPTIONS[1],
)
"""The same for a preset that its user wrote."""
