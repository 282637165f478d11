"""Every option of kcptun (kcptun wire, 8.1), both sides in one table."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from blinktun import _core
from blinktun._core import StreamClass
from blinktun.config.model import BY_HAND, KcpSettings
from blinktun.config.options import CLIENT, INT_MAX, SERVER, Kind, Option, both, only, sides

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT = KcpSettings()
"""What a client runs with if nothing is said."""

DEFAULT_KEY = _DEFAULT.key
"""Upstream's, spelling included; known to everyone."""

MODES: Mapping[str, tuple[int, int, int, int]] = MappingProxyType(
    {
        "normal": (0, 40, 2, 1),
        "fast": (0, 30, 2, 1),
        "fast2": (1, 20, 2, 1),
        "fast3": (1, 10, 2, 1),
    }
)
"""nodelay, interval, resend and nc of each preset (kcptun wire, 8.2); ``manual`` has none."""

AUTO = "auto"
"""The mode in which sessions tune themselves."""

_HIDING_NOTHING = ("xor", "none", "null")

CRYPTS = (*(name for name in _core.CRYPTS if name not in _HIDING_NOTHING), *_HIDING_NOTHING)
"""Every packet cipher that some kcptun knows (kcptun wire, 2.2), the useful ones first."""

QPP_REVISIONS = ("A", "M", "B")
"""The ways of kcptun's builds to make pads, oldest first (kcptun wire, 7.1)."""

_TEXT, _INTEGER, _BOOLEAN = Kind.TEXT, Kind.INTEGER, Kind.BOOLEAN

_ADDRESSES = (
    Option(
        "localaddr",
        _TEXT,
        "TCP address, or path of a UNIX socket, to listen on for applications",
        only(CLIENT, ":12948"),
        aliases=("l",),
        metavar="HOST:PORT|PATH",
        example=":12948",
    ),
    Option(
        "remoteaddr",
        _TEXT,
        "UDP address of the kcptun server; of a range of ports each session takes one",
        only(CLIENT, "vps:29900"),
        aliases=("r",),
        metavar="HOST:PORT[-PORT]",
        example="example.com:29900",
    ),
    Option(
        "listen",
        _TEXT,
        "UDP address to listen on for kcptun clients, with one port or a range",
        only(SERVER, ":29900"),
        aliases=("l",),
        metavar="HOST:PORT[-PORT]",
        example=":29900",
    ),
    Option(
        "target",
        _TEXT,
        "TCP address, or path of a UNIX socket, to which every stream is connected",
        only(SERVER, "127.0.0.1:12948"),
        aliases=("t",),
        metavar="HOST:PORT|PATH",
        example="127.0.0.1:12948",
    ),
)

_SECRECY = (
    Option(
        "key",
        _TEXT,
        "secret shared by both ends; the variable KCPTUN_KEY replaces the default",
        both(DEFAULT_KEY),
        metavar="TEXT",
        secret=True,
    ),
    Option(
        "crypt",
        _TEXT,
        "packet cipher, the same at both ends",
        both(_DEFAULT.crypt),
        metavar="NAME",
        choices=CRYPTS,
        otherwise="kcptun runs aes in its place",
    ),
    Option(
        "QPP",
        _BOOLEAN,
        "quantum permutation pads over the streams, the same at both ends",
        both(_DEFAULT.qpp),
        key="qpp",
        since="2024",
    ),
    Option(
        "QPPCount",
        _INTEGER,
        "number of pads, a prime; means nothing without QPP",
        both(_DEFAULT.qpp_count),
        key="qpp-count",
        low=1,
        high=65535,
        since="2024",
    ),
    Option(
        "QPPRevision",
        _TEXT,
        "how the pads are made (blinktun's own): A for Go programs of July 2024 to 17 December"
        " 2025, M for those of 18 to 21 December 2025, B for those since",
        both(_DEFAULT.qpp_revision),
        key="qpp-revision",
        metavar="NAME",
        choices=QPP_REVISIONS,
    ),
)

_SESSIONS = (
    Option(
        "conn",
        _INTEGER,
        "sessions to the server, over which connections are dealt in turn",
        only(CLIENT, 1),
        low=1,
        high=65535,
    ),
    Option(
        "workers",
        _INTEGER,
        "processes that share the UDP port, each with its sessions (blinktun's own; Linux)",
        only(SERVER, 1),
        low=1,
        high=256,
    ),
    Option(
        "statedir",
        _TEXT,
        "folder for the memory of openings, which refuses replays after a restart too; empty: the"
        " system's place for it; off: none (blinktun's own)",
        only(SERVER, ""),
        metavar="FOLDER",
        example="/var/lib/blinktun",
    ),
    Option(
        "hop",
        _TEXT,
        "how often sessions change to another port of remoteaddr, a range, and to a new one of this"
        " machine, while their streams go on; needs a server that is blinktun; empty: never"
        " (blinktun's own)",
        only(CLIENT, ""),
        metavar="TIME",
        example="30s",
    ),
    Option(
        "autoexpire",
        _INTEGER,
        "age at which a session takes no more new connections; 0: never",
        only(CLIENT, 0),
        unit="seconds",
        low=0,
        high=INT_MAX,
    ),
    Option(
        "scavengettl",
        _INTEGER,
        "how long an expired session's connections may still live",
        only(CLIENT, 600),
        unit="seconds",
        low=0,
        high=INT_MAX,
    ),
)

_DATAGRAMS = (
    Option(
        "udp",
        Kind.PORTS,
        "UDP beside TCP, between two blinktun that both have it: true carries it from the port of"
        " localaddr to that of target, a list of ports from these to the same ones of the"
        " target's host (blinktun's own)",
        both(False),
        metavar="true|PORT,...",
        example="[53, 51820]",
    ),
    Option(
        "udpclass",
        _TEXT,
        "what is done for datagrams: plain loses what the path loses; protected sends copies, as"
        " many as the loss asks for (blinktun's own)",
        only(CLIENT, "plain"),
        metavar="NAME",
        choices=("plain", "protected"),
    ),
)

_PACKETS = (
    Option(
        "mode",
        _TEXT,
        "auto (blinktun's own): sessions find rate, windows and retransmission while they run, and"
        " the parity that pays. Others: presets of nodelay, interval, resend and nc. If no mode is"
        f" given beside {', '.join(BY_HAND)}, it is fast",
        both(AUTO),
        metavar="NAME",
        choices=(AUTO, *MODES, "manual"),
        otherwise="kcptun runs manual in its place",
    ),
    Option(
        "mtu",
        _INTEGER,
        "largest UDP payload sent; with mode auto, 1350 means that sessions find it (1200 to 1472)",
        both(_DEFAULT.mtu),
        unit="bytes",
        low=50,
        high=_core.MAX_MTU,
    ),
    Option(
        "sndwnd",
        _INTEGER,
        "send window",
        sides(client=_DEFAULT.sndwnd, server=1024),
        unit="segments",
        low=1,
        high=65535,
    ),
    Option(
        "rcvwnd",
        _INTEGER,
        "receive window",
        sides(client=_DEFAULT.rcvwnd, server=1024),
        unit="segments",
        low=1,
        high=65535,
    ),
    Option(
        "up",
        _TEXT,
        "with mode auto: the most that the client's line sends; counts at the client (blinktun's"
        " own)",
        both(_DEFAULT.up),
        metavar="RATE",
        example="20mbit or 2.5 MB/s",
    ),
    Option(
        "down",
        _TEXT,
        "with mode auto: the most that the client's line receives; counts at the server"
        " (blinktun's own)",
        both(_DEFAULT.down),
        metavar="RATE",
        example="100mbit or 12.5 MB/s",
    ),
    Option(
        "max_overhead",
        _TEXT,
        "with mode auto: the share of the payload that this end may spend on copies and parity, so"
        " that what is lost delays requests less; requests alone are copied besides; 0: nothing"
        " (blinktun's own)",
        both(_DEFAULT.max_overhead),
        metavar="SHARE",
        example="0.2 or 20%",
    ),
    Option(
        "ratelimit",
        _INTEGER,
        "UDP payload that each session sends, 96000 bytes at once; 0: no limit",
        both(_DEFAULT.ratelimit),
        unit="bytes per second",
        low=0,
        high=INT_MAX,
        since="2025",
    ),
    Option(
        "dscp", _INTEGER, "class of service of the datagrams", both(_DEFAULT.dscp), low=0, high=63
    ),
    Option(
        "sockbuf",
        _INTEGER,
        "buffers of each UDP socket",
        both(_DEFAULT.sockbuf),
        unit="bytes",
        low=1,
        high=INT_MAX,
    ),
    Option(
        "tcp",
        _BOOLEAN,
        "datagrams disguised as TCP segments; a server takes both kinds (Linux, root, iptables)",
        both(_DEFAULT.tcp),
    ),
)

_FEC = (
    Option(
        "datashard",
        _INTEGER,
        "data packets of a group; 0: this end sends no parity",
        both(_DEFAULT.datashard),
        aliases=("ds",),
        low=0,
        high=255,
    ),
    Option(
        "parityshard",
        _INTEGER,
        "parity packets added to a group; 0: this end sends no parity",
        both(_DEFAULT.parityshard),
        aliases=("ps",),
        low=0,
        high=255,
    ),
)

_STREAMS = (
    Option(
        "class",
        _TEXT,
        "how soon the streams have their turns among those of their session, at both ends if both"
        " are blinktun: interactive before others, bulk behind all; learned: as they behave"
        " (blinktun's own)",
        only(CLIENT, StreamClass.LEARNED.value),
        metavar="NAME",
        choices=tuple(class_.value for class_ in StreamClass),
    ),
    Option("nocomp", _BOOLEAN, "no compression; the same at both ends", both(_DEFAULT.nocomp)),
    Option(
        "smuxver",
        _INTEGER,
        "version of the stream protocol; a server left alone learns it from each client",
        sides(client=1, server=None),
        low=1,
        high=2,
    ),
    Option(
        "smuxbuf",
        _INTEGER,
        "received and unread bytes of a session; unset: 134217728 with mode auto, else 4194304",
        both(_DEFAULT.smuxbuf),
        unit="bytes",
        low=1,
        high=INT_MAX,
    ),
    Option(
        "framesize",
        _INTEGER,
        "largest frame sent",
        both(_DEFAULT.framesize),
        unit="bytes",
        low=1,
        high=65535,
        since="2025",
    ),
    Option(
        "streambuf",
        _INTEGER,
        "received and unread bytes of a stream, version 2; at most smuxbuf. Windows grow with what"
        " is read, up to this; unset: 134217728 with mode auto, else 2097152",
        both(_DEFAULT.streambuf),
        unit="bytes",
        low=1,
        high=INT_MAX,
    ),
    Option(
        "keepalive",
        _INTEGER,
        "time between keepalive frames",
        both(_DEFAULT.keepalive),
        unit="seconds",
        low=1,
        high=30,
    ),
    Option(
        "closewait",
        _INTEGER,
        "pause before an end of file is passed on, each direction by itself",
        both(_DEFAULT.closewait),
        unit="seconds",
        low=0,
        high=INT_MAX,
        since="2025",
    ),
)

_MANUAL = (
    Option("nodelay", _INTEGER, "1: shorter retransmission timeouts", both(0), low=0, high=1),
    Option(
        "interval",
        _INTEGER,
        "adds to the retransmission timeout (the clock of kcptun is not used)",
        both(50),
        unit="milliseconds",
        low=10,
        high=5000,
    ),
    Option(
        "resend",
        _INTEGER,
        "with nc 0: later segments acknowledged before one is sent again; 0: wait for the timeout."
        " With nc 1 the time counts that reordering takes on the path",
        both(0),
        unit="segments",
        low=0,
        high=65535,
    ),
    Option(
        "nc",
        _INTEGER,
        "0: the congestion window of KCP; 1: the rate is found, within the windows",
        both(0),
        low=0,
        high=1,
    ),
    Option(
        "acknodelay",
        _BOOLEAN,
        "acknowledgements for other programs do not wait for interval; those for blinktun never do,"
        " nor with mode auto",
        both(_DEFAULT.acknodelay),
    ),
)

_REPORTS = (
    Option(
        "log",
        _TEXT,
        "file to append the log to, instead of standard error",
        both(""),
        metavar="FILE",
    ),
    Option("quiet", _BOOLEAN, "no line for each connection", both(False)),
    Option(
        "snmplog",
        _TEXT,
        "file to append counters to; its name is a Go time pattern (20060102: the date)",
        both(""),
        metavar="FILE",
        example="snmp-20060102.csv",
    ),
    Option(
        "snmpperiod",
        _INTEGER,
        "time between two lines of snmplog; 0: none",
        both(60),
        unit="seconds",
        low=0,
        high=INT_MAX,
    ),
    Option("pprof", _BOOLEAN, "profiles over HTTP on 127.0.0.1:6060", both(False)),
)

_PROGRAM = (
    Option(
        "grace",
        _INTEGER,
        "how long stopping may take (blinktun's own): transfers go on meanwhile, what is idle ends"
        " at once",
        both(5),
        unit="seconds",
        low=0,
        high=86400,
    ),
    Option(
        "memory",
        _TEXT,
        "what all sessions of the process with mode auto may hold for their peers (blinktun's own);"
        " empty: a quarter of what the process may have, at most 1 GiB",
        both(""),
        metavar="SIZE",
        example="256mb",
    ),
    Option(
        "c",
        _TEXT,
        "JSON file; what it says overrides the flags",
        both(""),
        key="",
        metavar="FILE",
    ),
    Option("help", _BOOLEAN, "show this and exit", both(False), aliases=("h",), key=""),
    Option("version", _BOOLEAN, "show the version and exit", both(False), aliases=("v",), key=""),
)

KCPTUN_OPTIONS: tuple[Option, ...] = tuple(
    replace(option, group=group)
    for group, options in (
        ("Addresses", _ADDRESSES),
        ("Secret and cipher", _SECRECY),
        ("Sessions", _SESSIONS),
        ("Datagrams", _DATAGRAMS),
        ("Packets", _PACKETS),
        ("Forward error correction, the same at both ends unless one end has none", _FEC),
        ("Streams", _STREAMS),
        ("With -mode manual", _MANUAL),
        ("Log and counters", _REPORTS),
        ("Program", _PROGRAM),
    )
    for option in options
)
"""The table, in the order of the help."""
