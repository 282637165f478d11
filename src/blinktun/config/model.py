"""What a configuration means, once it has been read: frozen, typed, complete.

Past the loader nobody sees a dict. Field names are those of the two programs where they have one.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from blinktun._core import DEFAULT_MTU, DEFAULT_OVERHEAD, StreamClass
from blinktun.address import Address
from blinktun.config.rates import parse_rate
from blinktun.config.shares import parse_share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blinktun.config.acl import Rule

StreamAddress = Address | Path
"""A TCP address, or the path of a UNIX socket."""


# --- kcptun ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PortRange:
    """``host:3000-4000``: a host and the first and last of its UDP ports, often the same.

    Shadowsocks joins several hosts by ``|``; they have the same ports.
    """

    host: str
    first: int
    last: int
    more: tuple[str, ...] = ()
    """Hosts besides the first."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host."""
        return (self.host, *self.more)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every port of every host."""
        return tuple(Address(host, port) for host in self.hosts for port in self.ports)

    @property
    def ports(self) -> range:
        """Every port, the lowest first."""
        return range(self.first, self.last + 1)

    def __str__(self) -> str:
        others = [f"[{host}]" if ":" in host else host for host in self.hosts[:-1]]
        first = "|".join([*others, str(Address(self.hosts[-1], self.first))])
        return first if self.first == self.last else f"{first}-{self.last}"


@dataclass(frozen=True, slots=True)
class KcpSettings:
    """One end of a KCP conversation, by the option names of kcptun (kcptun wire, 8.1).

    A preset has already been turned into ``nodelay``, ``interval``, ``resend`` and ``nc``.
    """

    key: str = field(default="it's a secrect", repr=False)
    """The shared secret; never printed."""
    crypt: str = "aes"
    """The packet cipher, by kcptun's name."""
    mode: Literal["auto", "manual"] = "auto"
    """``auto``: sessions find their rate, windows and retransmission while they run, and send no
    parity, unless one of `BY_HAND` is not as it is here. ``manual``: those count."""
    nodelay: int = 0
    """0 or 1: 1 lowers the RTO floor from 100 to 30 ms and softens its backoff."""
    interval: int = 30
    """Milliseconds; here only a term of the RTO, nothing waits for it."""
    resend: int = 2
    """Segments acknowledged past one before it is retransmitted; 0 switches fast retransmit off."""
    nc: int = 1
    """1: windows only; 0: Reno-like congestion window."""
    mtu: int = DEFAULT_MTU
    """Largest UDP payload, in bytes. With ``mode`` ``auto`` the default counts as not given."""
    sndwnd: int = 128
    """Send window, in segments."""
    rcvwnd: int = 512
    """Receive window, in segments."""
    up: str = ""
    """With ``auto``: the most that a client sends, as ``20mbit``, ``2.5 MB/s``; empty: no bound."""
    down: str = ""
    """With ``auto``: the most that a server sends."""
    max_overhead: str = f"{DEFAULT_OVERHEAD:.0%}"
    """With ``auto``: the share of the payload that this end may spend to make good what may be
    lost, as ``0.2`` or ``20%``; ``0``: nothing."""
    ratelimit: int = 0
    """Bytes of UDP payload that a session sends a second, 96000 at once; 0: no limit."""
    datashard: int = 10
    parityshard: int = 3
    dscp: int = 0
    """0..63, written into the TOS byte."""
    nocomp: bool = False
    acknodelay: bool = False
    """Without ``auto``: acknowledgements for other programs do not wait for ``interval``."""
    sockbuf: int = 4194304
    """UDP socket buffers, in bytes."""
    smuxver: int | None = None
    """1 or 2; None: a server learns it from the first frame, a client uses its default."""
    smuxbuf: int | None = None
    """Received and unread bytes of a whole session; None: 128 MiB with ``auto``, else 4 MiB."""
    framesize: int = 8192
    """Largest smux frame payload, in bytes."""
    streambuf: int | None = None
    """Received and unread bytes of a stream (smux 2); None: 128 MiB and at most ``smuxbuf`` with
    ``auto``, else 2 MiB."""
    keepalive: int = 10
    """Seconds between keepalive frames."""
    tcp: bool = False
    """Disguise datagrams as TCP segments; a server takes both kinds."""
    closewait: int = 0
    """Seconds between the end of a direction's data and passing it on."""
    qpp: bool = False
    """Quantum permutation pads over the bytes of each stream, made from ``key``."""
    qpp_count: int = 61
    """How many pads, 1..65535; a prime is best."""
    qpp_revision: str = "B"
    """A, M or B: how the pads are made, which nothing on the wire tells."""
    datagrams: bool = True
    """Whether another blinktun may send datagrams beside the streams."""
    follows: bool = True
    """Whether a server follows a blinktun to other addresses, and to its other ports."""

    @property
    def is_auto(self) -> bool:
        """Whether sessions tune themselves."""
        return self.mode == "auto" and all(getattr(self, n) == v for n, v in BY_HAND.items())

    @property
    def searches_mtu(self) -> bool:
        """Whether sessions find out which datagrams their path carries: ``mtu`` is not given."""
        return self.is_auto and self.mtu == DEFAULT_MTU

    @property
    def up_rate(self) -> int | None:
        """``up`` in bytes of datagrams a second; None: no bound."""
        return parse_rate(self.up) or None

    @property
    def down_rate(self) -> int | None:
        """``down`` in bytes of datagrams a second; None: no bound."""
        return parse_rate(self.down) or None

    @property
    def overhead_share(self) -> float:
        """``max_overhead`` as a part of 1."""
        return parse_share(self.max_overhead)

    @property
    def session_buffer(self) -> int:
        """``smuxbuf`` as it counts, in bytes."""
        if self.smuxbuf is not None:
            return self.smuxbuf
        return _AUTO_BUFFER if self.is_auto else 4 << 20

    @property
    def stream_buffer(self) -> int:
        """``streambuf`` as it counts, in bytes."""
        if self.streambuf is not None:
            return self.streambuf
        return min(_AUTO_BUFFER, self.session_buffer) if self.is_auto else 2 << 20


BY_HAND: Mapping[str, int] = MappingProxyType(
    {
        name: getattr(KcpSettings(), name)
        for name in (
            *("sndwnd", "rcvwnd", "nodelay", "interval", "resend", "nc"),
            *("datashard", "parityshard"),
        )
    }
)
"""The settings of `KcpSettings` that ``mode`` ``auto`` replaces, and their defaults."""

_AUTO_BUFFER = 128 << 20
"""Bytes: more than KCP's windows let come in a round trip. What sessions with ``auto`` may hold is
bounded by ``memory`` of the process."""


LOG_LEVELS: Mapping[str, int] = MappingProxyType(
    {"error": 40, "warn": 30, "info": 20, "verbose": 15, "debug": 10, "silly": 5}
)
"""blinksocks' level names and the numbers that Python's ``logging`` knows them by."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Where log lines go."""

    path: Path | None = None
    """kcptun: the file, None: standard error. blinksocks: the file's stem, None: no file."""
    quiet: bool = False
    """Hide the line of each connection."""
    level: str = "info"
    """A name of `LOG_LEVELS`."""
    max_days: int | None = None
    """Days after which a blinksocks log file is deleted; None: never."""


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """What a kcptun role tells about itself besides its log."""

    snmplog: str = ""
    """File for counters, whose name is a Go time pattern; empty: none."""
    snmpperiod: int = 60
    """Seconds between two lines of it; 0: none."""
    pprof: bool = False
    """Profiles over HTTP, on loopback."""


@dataclass(frozen=True, slots=True)
class KcpLink:
    """How streams go over KCP: the sessions of a client, or those that a server takes."""

    kcp: KcpSettings = field(default_factory=KcpSettings)
    conn: int = 1
    """How many sessions of a client share the streams."""
    autoexpire: int = 0
    """Seconds after which a session takes no more new streams; 0: never."""
    scavengettl: int = 600
    """Seconds that an expired session's streams may still live."""
    stream_class: StreamClass = StreamClass.LEARNED
    """What a client says of its streams."""
    hop: float = 0.0
    """Seconds between changes of a session's ports; 0: never."""


UdpClass: TypeAlias = Literal["plain", "protected"]
"""What is done for datagrams: nothing, or copies of them."""


@dataclass(frozen=True, slots=True)
class KcptunClient:
    """A kcptun client: TCP in, KCP out."""

    localaddr: StreamAddress
    remoteaddr: PortRange
    link: KcpLink = field(default_factory=KcpLink)
    udp: tuple[int, ...] | None = None
    """The ports on which UDP is taken beside TCP; empty: that of ``localaddr``; None: nowhere."""
    udp_class: UdpClass = "plain"
    log: LogSettings = field(default_factory=LogSettings)
    reports: ReportSettings = field(default_factory=ReportSettings)
    grace: float = 5.0
    """Seconds that stopping may take, for transfers in progress to end."""
    memory: int | None = None
    """Bytes that the process's sessions with ``auto`` may hold for their peers; None: a quarter of
    the memory that the process may have, at most 1 GiB."""
    source: str = ""
    """Where this was read, for messages."""
    warnings: tuple[str, ...] = ()
    """What its owner should hear once at start: weak secrets, settings without effect."""
    advice: tuple[str, ...] = field(default=(), compare=False)
    """What ``check`` recommends: what to do, and then a line for each setting that goes."""

    @property
    def kcp(self) -> KcpSettings:
        """What its sessions are like."""
        return self.link.kcp


@dataclass(frozen=True, slots=True)
class KcptunServer:
    """A kcptun server: KCP in, TCP out."""

    listen: PortRange
    target: StreamAddress
    kcp: KcpSettings = field(default_factory=KcpSettings)
    udp: tuple[int, ...] | None = None
    """The ports of the target's host to which UDP goes; empty: that of ``target``; None: none."""
    workers: int = 1
    """Processes that share the UDP port; each serves the sessions the kernel deals it."""
    state_dir: str = ""
    """Folder for what outlives the process; empty: the usual one; ``off``: nothing does."""
    log: LogSettings = field(default_factory=LogSettings)
    reports: ReportSettings = field(default_factory=ReportSettings)
    grace: float = 5.0
    """Seconds that stopping may take, for transfers in progress to end."""
    memory: int | None = None
    """Bytes that the process's sessions with ``auto`` may hold for their peers; None: a quarter of
    the memory that the process may have, at most 1 GiB."""
    source: str = ""
    warnings: tuple[str, ...] = ()
    advice: tuple[str, ...] = field(default=(), compare=False)


# --- blinksocks -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PresetSpec:
    """One entry of ``presets``: a name and its parameters (empty: no ``params`` given)."""

    name: str
    params: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Never printed whole: some presets take a secret here."""


class Inbound(Enum):
    """What a blinksocks client speaks to applications."""

    SOCKS = "socks"
    HTTP = "http"
    TCP = "tcp"
    AUTO = "auto"
    """SOCKS or HTTP, by the first byte of each connection."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an application must present to a proxy.

    Upstream compares with the text as it stands in the URL, percent signs and all (blinksocks,
    2.2); every other program means the decoded text. Both are kept and either is accepted.
    """

    username: str
    password: str = field(repr=False)
    raw_username: str = ""
    """As in the URL; empty if it is the same."""
    raw_password: str = field(default="", repr=False)

    def accepts(self, username: str, password: str) -> bool:
        """Whether this pair is the decoded or the raw one, in the same time for each password."""
        given = (username + "\0" + password).encode("utf-8", "surrogateescape")
        decoded = f"{self.username}\0{self.password}".encode()
        raw = f"{self.raw_username or self.username}\0{self.raw_password or self.password}".encode()
        return hmac.compare_digest(given, decoded) | hmac.compare_digest(given, raw)


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of one end of a TLS connection."""

    cert: Path | None = None
    """Who listens: its certificate chain. Who connects: what to trust, if ``self_signed``."""
    key: Path | None = None
    """The private key of who listens."""
    self_signed: bool = False
    """Who connects: trust ``cert`` alone, and not the authorities of the system."""


@dataclass(frozen=True, slots=True)
class Dns:
    """How names become addresses."""

    servers: tuple[str, ...] = ()
    """IP addresses of resolvers; none: as the system does it."""
    expire: float = 3600.0
    """Seconds that an answer is kept; 0: not at all."""


@dataclass(frozen=True, slots=True)
class ServerLink:
    """The connection between a blinksocks client and server: what both ends must agree on."""

    transport: str
    """The scheme of the service: tcp, tls, ws, wss, h2 or kcp."""
    address: Address
    """Client: where the server is. Server: where to listen."""
    key: str = field(repr=False)
    presets: tuple[PresetSpec, ...] = ()
    path: str = ""
    """Of a ws, wss or h2 service."""
    kcp: KcpLink | None = None
    """Of a kcp service."""
    tls: Tls = Tls()
    mux: bool = False
    """Whether connections to targets share a few connections between client and server."""
    mux_concurrency: int = 10
    """How many such connections a client makes."""


@dataclass(frozen=True, slots=True)
class BlinksocksClient:
    """A blinksocks client: proxies in, presets over a transport out."""

    inbound: Inbound
    listen: Address
    server: ServerLink
    forward: Address | None = None
    """The fixed target of a ``tcp://...?forward=`` service."""
    credentials: Credentials | None = None
    timeout: float = 600.0
    """Seconds without a byte in either direction after which a connection is closed."""
    https: Tls = Tls()
    """Certificate and key of an https service."""
    dns: Dns = Dns()
    log: LogSettings = field(default_factory=LogSettings)
    grace: float = 5.0
    """Seconds that stopping may take, for transfers in progress to end."""
    memory: int | None = None
    """Bytes that the process's sessions with ``auto`` may hold for their peers; None: a quarter of
    the memory that the process may have, at most 1 GiB."""
    source: str = ""
    warnings: tuple[str, ...] = ()
    advice: tuple[str, ...] = field(default=(), compare=False)

    written_scheme: str = field(default="", compare=False)
    """The protocol of its service as its owner wrote it; empty: that of ``inbound``."""

    @property
    def allows_socks4(self) -> bool:
        """Whether SOCKS4, which has no passwords, is asked for by name: then it needs none."""
        return self.written_scheme in {"socks4", "socks4a"}

    @property
    def scheme(self) -> str:
        """What applications connect with, as in URLs."""
        plain = "socks5" if self.inbound is Inbound.SOCKS else self.inbound.value
        return self.written_scheme or ("https" if self.https.cert else plain)


class Targets(Enum):
    """Which targets a server connects to, where no rule says otherwise."""

    ANY = "any"
    """All of them, as the original."""
    REMOTE = "remote"
    """Those on other machines: not loopback, link-local or multicast, nor an own address."""
    PUBLIC = "public"
    """The same without private networks."""


@dataclass(frozen=True, slots=True)
class BlinksocksServer:
    """A blinksocks server: presets over a transport in, TCP to targets out."""

    server: ServerLink
    timeout: float = 600.0
    redirect: Address | None = None
    """Where connections go that fail the presets."""
    state_dir: str = ""
    """As of a kcptun server."""
    acl: tuple[Rule, ...] | None = None
    """Rules for sources and targets, the last that fits counts; None: everybody may everything."""
    targets: Targets = Targets.ANY
    dns: Dns = Dns()
    log: LogSettings = field(default_factory=LogSettings)
    grace: float = 5.0
    """Seconds that stopping may take, for transfers in progress to end."""
    memory: int | None = None
    """Bytes that the process's sessions with ``auto`` may hold for their peers; None: a quarter of
    the memory that the process may have, at most 1 GiB."""
    source: str = ""
    warnings: tuple[str, ...] = ()
    advice: tuple[str, ...] = field(default=(), compare=False)


RoleConfig = KcptunClient | KcptunServer | BlinksocksClient | BlinksocksServer
"""Any one program's configuration."""
