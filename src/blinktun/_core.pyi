"""The compiled core: a reactor that owns UDP sockets, their sessions, and TCP relays.

Nothing here waits. The owner watches `Reactor.fileno`, calls `Reactor.turn` when it is readable or
when `Reactor.next_timeout` has passed, and after any other call that changes something.

Whatever it is called with, it raises ``TypeError``, ``OverflowError`` (a number that
is negative or too large), ``ValueError``, ``OSError``, or, for a bug of its own,
`blinktun.errors.InternalError`. After that a `Reactor` or a `Session` raises nothing but that.

Times are seconds, sizes are bytes. Keys are plain tuples that are never used again for something
else: (socket, session) for a session, (socket, session, stream) for a stream, (socket, session,
flow) for a flow of datagrams.
"""

from collections.abc import Mapping
from enum import Enum
from os import PathLike
from typing import Final, TypeAlias, final

__all__ = [
    "COUNTERS",
    "CRYPTS",
    "DEFAULT_MTU",
    "DEFAULT_OVERHEAD",
    "LINKS",
    "LINK_KEYS",
    "MAX_MTU",
    "OPENINGS",
    "OPENING_RECORD",
    "CloseReason",
    "Config",
    "CounterKind",
    "DatagramClass",
    "Emulator",
    "Event",
    "FlowEnded",
    "FlowOpened",
    "FlowReadable",
    "FlowWritable",
    "Limit",
    "LimitKind",
    "Link",
    "LinkCounts",
    "LinkPhase",
    "NewSource",
    "OpeningMemory",
    "Pads",
    "PortEvent",
    "Reactor",
    "RelayEnd",
    "RelayFinished",
    "Session",
    "SessionClosed",
    "SessionEvent",
    "SessionFecMismatch",
    "SessionLimited",
    "SessionMoved",
    "SessionOpened",
    "SessionRecovered",
    "SessionSilent",
    "SessionStats",
    "SocketEvent",
    "StreamClass",
    "StreamFinished",
    "StreamOpened",
    "StreamReadable",
    "StreamReset",
    "StreamWritable",
    "Undecryptable",
    "__version__",
    "derive_key",
    "least_mtu",
]

__version__: Final[str]
OPENINGS: Final[int]
"""How many openings an `OpeningMemory` holds."""
OPENING_RECORD: Final[int]
"""Bytes of a record."""

CRYPTS: Final[tuple[str, ...]]
"""Every packet cipher, by kcptun's name."""
DEFAULT_MTU: Final[int]
"""kcptun's ``mtu``."""
DEFAULT_OVERHEAD: Final[float]
"""``max_overhead``, if nothing else is asked for, as a part of 1."""
MAX_MTU: Final[int]
"""The largest datagram that kcptun takes, in bytes."""
COUNTERS: Final[Mapping[str, CounterKind]]
"""The counters of `Reactor.stats`, in their order there."""

LINKS: Final[Mapping[str, tuple[str, str]]]
"""The links that have a name: the words of each, and what it stands for."""
LINK_KEYS: Final[Mapping[str, tuple[str, str]]]
"""The keys that describe links: an example of the value of each, and what it does."""

_SessionKey: TypeAlias = tuple[int, int]
_StreamKey: TypeAlias = tuple[int, int, int]
_FlowKey: TypeAlias = tuple[int, int, int]

def derive_key(key: bytes) -> bytes:
    """The 32 bytes that every packet cipher takes its key from (kcptun wire, section 2.1)."""

@final
class Pads:
    """The quantum permutation pads of a key (kcptun wire, section 7). Immutable, to be shared.

    Raises:
        ValueError: no pads are wanted, or the revision is none of A, M and B.
    """

    def __new__(cls, key: bytes, count: int, revision: str) -> Pads: ...

@final
class OpeningMemory:
    """The latest openings by their fingerprints of 64 bits; it takes 16 MiB when it is full.

    Its owner appends `take_unsaved` to a file, and gives `load` what stands there: records of a
    little-endian fingerprint and its CRC-32.
    """

    def __new__(cls) -> OpeningMemory: ...
    def insert(self, fingerprint: int) -> bool:
        """Remember one instead of the oldest; returns whether it is new."""

    def __contains__(self, fingerprint: int, /) -> bool: ...
    def __len__(self) -> int: ...
    @property
    def unsaved(self) -> int:
        """How many were not taken to be saved yet."""

    def take_unsaved(self) -> bytes:
        """The records of those."""

    def take_all(self) -> bytes:
        """The records of all, the oldest first."""

    def load(self, records: bytes) -> tuple[int, int]:
        """Remember what stands in any bytes; returns how many records are new, and damaged."""

@final
class Link:
    """A link that is described in words, such as ``dsl loss=2%`` (`LINKS`, `LINK_KEYS`).

    Raises:
        ConfigError: the words mean nothing; the error says which one, and what to write instead.
    """

    def __new__(cls, *words: str) -> Link: ...
    @property
    def words(self) -> list[str]:
        """All its words, those behind its name included."""

    @property
    def seed(self) -> int | None:
        """The seed of its randomness; None if the description has none, and each run differs."""

    @property
    def largest_mtu(self) -> int:
        """The longest packet that passes at any time, in bytes."""

    @property
    def up(self) -> list[LinkPhase]:
        """What it does to packets from client to server, one after the other."""

    @property
    def down(self) -> list[LinkPhase]:
        """The same from server to client."""

@final
class LinkPhase:
    """One direction of a link for as long as it stays as it is."""

    @property
    def begin(self) -> float:
        """Seconds since the beginning."""

    @property
    def rate(self) -> int | None:
        """Bytes a second; None: no limit."""

    @property
    def delay(self) -> float:
        """Seconds from leaving the queue to arriving."""

    @property
    def jitter(self) -> float:
        """Up to so many seconds more."""

    @property
    def loss(self) -> float:
        """The share that is lost by chance, 0 to 1."""

@final
class LinkCounts:
    """What one direction of a link has done. Packets that were cut count by their pieces."""

    @property
    def sent(self) -> int:
        """Packets that came to the link."""

    @property
    def sent_bytes(self) -> int: ...
    @property
    def delivered(self) -> int:
        """Packets that arrived, copies included."""

    @property
    def delivered_bytes(self) -> int: ...
    @property
    def lost(self) -> int:
        """Packets that did not arrive, for any reason."""

    @property
    def dropped(self) -> int:
        """Those of them that found the queue full."""

    @property
    def dropped_bytes(self) -> int: ...
    @property
    def too_long(self) -> int:
        """Those that were longer than the MTU."""

@final
class Emulator:
    """A thread that carries packets between two TUN devices, as a link does (Linux).

    Args:
        client: The descriptor of a TUN device without headers in front of packets; the caller may
            close it afterwards.
        server: That at the other end.
        link: What lies between them. Its time begins now.
        seed: The seed of its randomness, from 0 to 2**64 - 1.

    Raises:
        OSError: a descriptor is none, or this system is not Linux.
    """

    def __new__(cls, client: int, server: int, link: Link, seed: int) -> Emulator: ...
    def change(self, link: Link) -> None:
        """Be another link from now on; what is on its way is not affected. Times count from now."""

    def counts(self) -> tuple[LinkCounts, LinkCounts]:
        """What it has done so far: from client to server, from server to client."""

    def stop(self) -> None:
        """Carry no more. A second call does nothing.

        Raises:
            OSError: it had ended by itself: a device is gone.
        """

def least_mtu(crypt: str, fec: bool) -> int:
    """The smallest ``mtu`` that leaves room for data beside the headers.

    Raises:
        ValueError: there is no such cipher.
    """

@final
class Config:
    """Checked settings of a socket and its sessions.

    Args:
        settings: A `KcpSettings`, or whatever has its attributes; each is checked here.
        pass_: From `derive_key`.
        pads: For QPP; None: without.
        trace: A folder; each session writes a file there of what it does (qlog). None: nothing is
            written.

    Raises:
        ValueError: settings that cannot work; the message says which.
        TypeError: an attribute is missing, or of another type.
    """

    def __new__(
        cls,
        settings: object,
        pass_: bytes,
        pads: Pads | None,
        trace: str | PathLike[str] | None = None,
    ) -> Config: ...

class CloseReason(Enum):
    """Why a session ended; the value is what a person reads."""

    _value_: str
    LOCAL = ...
    """We closed it."""
    NO_ANSWER = ...
    """The server has never answered."""
    KEEPALIVE_TIMEOUT = ...
    """Nothing was heard for too long."""
    PEER_RESTARTED = ...
    """The peer has forgotten the session: it restarted, or closed it."""
    SMUX_VIOLATION = ...
    """The peer sent bytes that break smux."""
    COMPRESSION = ...
    """The peer sent bytes that break the framing of the compression."""
    PATH_TOO_NARROW = ...
    """A segment is too long for the path, though what is shorter arrives."""

class RelayEnd(Enum):
    """How a relay ended; the value is what a person reads."""

    _value_: str
    CLEAN = ...
    """Both directions were finished by their writers."""
    PEER_RESET = ...
    """The peer broke the stream off."""
    SESSION_LOST = ...
    """The session under it ended."""
    CONNECTION = ...
    """The TCP connection failed."""
    ABORTED = ...
    """Its owner broke it off."""

class LimitKind(Enum):
    """What can hold a session back; the value is the name in small letters."""

    _value_: str
    APPLICATION = ...
    """The application has nothing more to send."""
    PEER_WINDOW = ...
    """The peer's window: its ``rcvwnd``."""
    SEND_WINDOW = ...
    """Our own ``sndwnd``."""
    STREAM_WINDOW = ...
    """The peer's windows of single streams: its ``streambuf``."""
    PEER_APPLICATION = ...
    """The peer's application, which does not read what has arrived."""
    RATE_LIMIT = ...
    """``ratelimit``."""
    HINT = ...
    """The ``up`` of a client, or the ``down`` of a server."""
    SEARCHING = ...
    """Nothing yet: the session still finds out what the link carries."""
    LINK = ...
    """The link carries no more."""
    LOSS = ...
    """Loss that grows with the rate: a policer, or a queue that is full."""
    QUEUE = ...
    """A queue on the link."""
    LOSS_RECOVERY = ...
    """Losses: a window is full of what waits until they are repaired."""
    CONGESTION_WINDOW = ...
    """The congestion window of ``nc`` 0, which shrinks at each loss."""
    SILENCE = ...
    """Nothing comes back from the peer."""
    MACHINE = ...
    """Our machine: its socket takes no more, or its processor is busy."""
    RECEIVE_WINDOW = ...
    """Of what the peer sends: our own ``rcvwnd``."""
    MEMORY = ...
    """Of what the peer sends: what ``memory`` leaves for this session."""

class DatagramClass(Enum):
    """What is done for a datagram that the path may lose; the value is its name in settings."""

    _value_: str
    PLAIN = ...
    """Nothing: it is lost rather than late."""
    PROTECTED = ...
    """Copies leave at once, as many as the loss asks for."""
    RELIABLE = ...
    """It leaves until it has arrived, in no order."""

class StreamClass(Enum):
    """How soon a stream of a session has its turns; the value is its name in settings."""

    _value_: str
    LEARNED = ...
    """As it behaves: soon while it sends little, in turn with others once it always has more."""
    INTERACTIVE = ...
    """Soon, whatever it sends."""
    BULK = ...
    """Behind all others, from its first byte on; an eighth of what they send is left to it."""

class CounterKind(Enum):
    """What a counter counts; the value is what a person reads."""

    _value_: str
    SUM = ...
    """It only grows, but for ``curr_estab``; sums add up."""
    PEAK = ...
    """The most that a sum has been."""
    CODED = ...
    """A gauge of the conversation that took a FEC packet last."""
    FLUSHED = ...
    """A gauge of the conversation that was looked at last for what to send."""

@final
class SessionOpened:
    """A peer opened a session."""

    __match_args__: Final = ("session", "host", "port")
    def __new__(cls, session: _SessionKey, host: str, port: int) -> SessionOpened: ...
    @property
    def session(self) -> _SessionKey: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...

@final
class Undecryptable:
    """Datagrams arrive that do not decrypt: a wrong key or cipher, or noise."""

    __match_args__: Final = ("endpoint", "host", "port")
    def __new__(cls, endpoint: int, host: str, port: int) -> Undecryptable: ...
    @property
    def endpoint(self) -> int: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...

@final
class SessionMoved:
    """A session's peer has another address, and proved it."""

    __match_args__: Final = ("session", "host", "port")
    def __new__(cls, session: _SessionKey, host: str, port: int) -> SessionMoved: ...
    @property
    def session(self) -> _SessionKey: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...

@final
class SessionClosed:
    """A session is over and forgotten; its relays have reported their end."""

    __match_args__: Final = ("session", "reason")
    def __new__(cls, session: _SessionKey, reason: CloseReason) -> SessionClosed: ...
    @property
    def session(self) -> _SessionKey: ...
    @property
    def reason(self) -> CloseReason: ...

@final
class SessionSilent:
    """Data in flight has made no progress for a second; ``heard``: the peer answered once."""

    __match_args__: Final = ("session", "heard")
    def __new__(cls, session: _SessionKey, heard: bool) -> SessionSilent: ...
    @property
    def session(self) -> _SessionKey: ...
    @property
    def heard(self) -> bool: ...

@final
class SessionRecovered:
    """A silent peer answers again."""

    __match_args__: Final = ("session",)
    def __new__(cls, session: _SessionKey) -> SessionRecovered: ...
    @property
    def session(self) -> _SessionKey: ...

@final
class SessionFecMismatch:
    """We send without FEC for the peer's numbers (0 and 0: it has none; None: not known)."""

    __match_args__: Final = ("session", "theirs")
    def __new__(
        cls, session: _SessionKey, theirs: tuple[int, int] | None
    ) -> SessionFecMismatch: ...
    @property
    def session(self) -> _SessionKey: ...
    @property
    def theirs(self) -> tuple[int, int] | None: ...

@final
class SessionLimited:
    """The limit of the session, or of its peer, was this for 6 s and more. Once for each kind."""

    __match_args__: Final = ("session", "kind")
    def __new__(cls, session: _SessionKey, kind: LimitKind) -> SessionLimited: ...
    @property
    def session(self) -> _SessionKey: ...
    @property
    def kind(self) -> LimitKind: ...

@final
class StreamOpened:
    """The peer opened a stream."""

    __match_args__: Final = ("stream", "session")
    def __new__(cls, stream: _StreamKey, session: _SessionKey) -> StreamOpened: ...
    @property
    def stream(self) -> _StreamKey: ...
    @property
    def session(self) -> _SessionKey: ...

@final
class StreamReadable:
    """Bytes can be read from a stream that has no relay."""

    __match_args__: Final = ("stream", "session")
    def __new__(cls, stream: _StreamKey, session: _SessionKey) -> StreamReadable: ...
    @property
    def stream(self) -> _StreamKey: ...
    @property
    def session(self) -> _SessionKey: ...

@final
class StreamFinished:
    """The peer ended a stream that has no relay cleanly; everything before has been read."""

    __match_args__: Final = ("stream", "session")
    def __new__(cls, stream: _StreamKey, session: _SessionKey) -> StreamFinished: ...
    @property
    def stream(self) -> _StreamKey: ...
    @property
    def session(self) -> _SessionKey: ...

@final
class StreamWritable:
    """A stream without relay takes bytes again."""

    __match_args__: Final = ("stream", "session")
    def __new__(cls, stream: _StreamKey, session: _SessionKey) -> StreamWritable: ...
    @property
    def stream(self) -> _StreamKey: ...
    @property
    def session(self) -> _SessionKey: ...

@final
class StreamReset:
    """The peer broke off a stream that has no relay."""

    __match_args__: Final = ("stream", "session")
    def __new__(cls, stream: _StreamKey, session: _SessionKey) -> StreamReset: ...
    @property
    def stream(self) -> _StreamKey: ...
    @property
    def session(self) -> _SessionKey: ...

@final
class FlowOpened:
    """The peer opened a flow of datagrams."""

    __match_args__: Final = ("flow", "session")
    def __new__(cls, flow: _FlowKey, session: _SessionKey) -> FlowOpened: ...
    @property
    def flow(self) -> _FlowKey: ...
    @property
    def session(self) -> _SessionKey: ...

@final
class FlowReadable:
    """Datagrams can be taken from a flow that is joined with no UDP socket."""

    __match_args__: Final = ("flow", "session")
    def __new__(cls, flow: _FlowKey, session: _SessionKey) -> FlowReadable: ...
    @property
    def flow(self) -> _FlowKey: ...
    @property
    def session(self) -> _SessionKey: ...

@final
class FlowWritable:
    """A reliable datagram that was not taken may be sent again."""

    __match_args__: Final = ("flow", "session")
    def __new__(cls, flow: _FlowKey, session: _SessionKey) -> FlowWritable: ...
    @property
    def flow(self) -> _FlowKey: ...
    @property
    def session(self) -> _SessionKey: ...

@final
class FlowEnded:
    """The peer ended the flow, or takes no datagrams at all."""

    __match_args__: Final = ("flow", "session")
    def __new__(cls, flow: _FlowKey, session: _SessionKey) -> FlowEnded: ...
    @property
    def flow(self) -> _FlowKey: ...
    @property
    def session(self) -> _SessionKey: ...

@final
class NewSource:
    """Datagrams come to a port from a source that has no flow. They wait for a few seconds."""

    __match_args__: Final = ("datagram_port", "host", "port")
    def __new__(cls, datagram_port: int, host: str, port: int) -> NewSource: ...
    @property
    def datagram_port(self) -> int: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...

@final
class RelayFinished:
    """A relay is over: bytes to and from the stream, and how it ended.

    ``connected`` is False if the socket, handed over while connecting, never was. ``reason`` is why
    the session ended, if ``end`` is `RelayEnd.SESSION_LOST`. ``error`` is what a person reads of
    the end; None for a clean one.
    """

    __match_args__: Final = ("token", "sent", "received", "connected", "end", "reason", "error")
    def __new__(
        cls,
        token: int,
        sent: int,
        received: int,
        connected: bool,
        end: RelayEnd,
        reason: CloseReason | None,
        error: str | None,
    ) -> RelayFinished: ...
    @property
    def token(self) -> int: ...
    @property
    def sent(self) -> int: ...
    @property
    def received(self) -> int: ...
    @property
    def connected(self) -> bool: ...
    @property
    def end(self) -> RelayEnd: ...
    @property
    def reason(self) -> CloseReason | None: ...
    @property
    def error(self) -> str | None: ...

SocketEvent: TypeAlias = SessionOpened | Undecryptable
"""What the owner of a socket is told."""

SessionEvent: TypeAlias = (
    SessionMoved
    | SessionClosed
    | SessionSilent
    | SessionRecovered
    | SessionFecMismatch
    | SessionLimited
    | StreamOpened
    | StreamReadable
    | StreamFinished
    | StreamWritable
    | StreamReset
    | FlowOpened
    | FlowReadable
    | FlowWritable
    | FlowEnded
)
"""What the owner of a session is told."""

PortEvent: TypeAlias = NewSource
"""What the owner of a port of datagrams is told."""

Event: TypeAlias = SocketEvent | SessionEvent | PortEvent | RelayFinished
"""What happened."""

@final
class Limit:
    """What held a session back in the last 2 to 4 s, and the figures that belong to it."""

    def __new__(
        cls,
        kind: LimitKind,
        *,
        share: float = 1.0,
        rate: int = 0,
        allows: int | None = None,
        window: int | None = None,
        segments: int | None = None,
        rtt: float | None = None,
        queue: float | None = None,
        repeated: float = 0.0,
    ) -> Limit: ...
    @property
    def kind(self) -> LimitKind:
        """What it was for the longest time."""

    @property
    def share(self) -> float:
        """The share of the time for which it was that, 0 to 1."""

    @property
    def rate(self) -> int:
        """Bytes a second that the peer has acknowledged; of what the peer sends: that have come."""

    @property
    def allows(self) -> int | None:
        """Bytes a second that the limit allows; None: it is no limit of that kind, or not known.

        With ``RATE_LIMIT`` and ``HINT`` they are those of datagrams, else those of data.
        """

    @property
    def window(self) -> int | None:
        """The window in bytes; None: it is no window."""

    @property
    def segments(self) -> int | None:
        """The window in segments; None: it is none that is counted in these."""

    @property
    def rtt(self) -> float | None:
        """The round trip in seconds: smoothed; of what the peer sends, the shortest."""

    @property
    def queue(self) -> float | None:
        """Seconds by which the smoothed round trip is longer than the shortest."""

    @property
    def repeated(self) -> float:
        """The share of the datagrams sent that were retransmissions, 0 to 1."""

@final
class SessionStats:
    """How a session stands at one moment, and what it has counted since it began."""

    @property
    def sent_packets(self) -> int:
        """Datagrams sent, parity included."""

    @property
    def sent_bytes(self) -> int:
        """Their bytes, with all headers up to those of UDP."""

    @property
    def received_packets(self) -> int:
        """Datagrams taken."""

    @property
    def received_bytes(self) -> int:
        """Their bytes."""

    @property
    def sent_payload(self) -> int:
        """Bytes given to KCP: frames of smux, compressed."""

    @property
    def received_payload(self) -> int:
        """Bytes that came out of KCP."""

    @property
    def fast_retransmissions(self) -> int:
        """After enough later segments were acknowledged."""

    @property
    def early_retransmissions(self) -> int:
        """After one later acknowledgement, with nothing new to send."""

    @property
    def timeout_retransmissions(self) -> int:
        """By timeout."""

    @property
    def spurious_retransmissions(self) -> int:
        """Those whose original turned out to have arrived."""

    @property
    def repaired_packets(self) -> int:
        """Data packets that FEC rebuilt."""

    @property
    def sent_overhead(self) -> float | None:
        """``sent_bytes`` for a byte of ``sent_payload``; None before the first."""

    @property
    def received_overhead(self) -> float | None:
        """``received_bytes`` for a byte of ``received_payload``; None before the first."""

    @property
    def rtt(self) -> float | None:
        """The smoothed round trip; None, like those below, before the first is known."""

    @property
    def min_rtt(self) -> float | None:
        """The shortest round trip of the last 5 to 10 s."""

    @property
    def latest_rtt(self) -> float | None:
        """The last round trip."""

    @property
    def window(self) -> int:
        """Bytes of data that may be in flight: the smallest of all windows."""

    @property
    def rate(self) -> int | None:
        """Bytes a second at which data leaves; None: it is not paced."""

    @property
    def in_flight(self) -> int:
        """Bytes of data in flight."""

    @property
    def mtu(self) -> int:
        """The largest datagram that it sends; of one that searches, what it has found so far."""

    @property
    def peer_window(self) -> int:
        """The peer's window, in segments."""

    @property
    def streams(self) -> int:
        """Open streams."""

    @property
    def flows(self) -> int:
        """Open flows of datagrams."""

    @property
    def sent_datagrams(self) -> int:
        """Datagrams of flows that have left."""

    @property
    def received_datagrams(self) -> int:
        """Datagrams of flows that have come."""

    @property
    def dropped_datagrams(self) -> int:
        """Those given up at this end: nobody took them, or they could not leave in time."""

    @property
    def smux_version(self) -> int | None:
        """1 or 2; None until a server has learned it."""

    @property
    def peer_is_blinktun(self) -> bool:
        """Whether the peer has said so."""

    @property
    def limit(self) -> Limit:
        """Why what we send is not faster."""

    @property
    def receiving_limit(self) -> Limit | None:
        """Why what the peer sends is not faster, if that is our own ``rcvwnd`` and known here."""

@final
class Session:
    """One conversation without sockets and clock of its own: bytes in, bytes out.

    Its owner carries the datagrams. After each call that changes something, the owner

    1. calls `datagrams_to_send`, and gives the datagrams to the peer;
    2. calls `next_event` until it returns None;
    3. waits until `next_timeout`, and calls `handle_timeout` then.

    ``now`` is the time in seconds on any clock of the owner that does not go back, at least 0. If
    it goes back all the same, the session stays at the latest time it was given. The same calls
    with the same seed give the same bytes.

    Streams are named by the tuples that events carry. A tuple of another `Session` may look the
    same; it must not be used here.

    All methods raise ``TypeError`` for a wrong type, and those with ``now`` raise ``ValueError`` if
    it is negative, infinite or no number. Methods that take a stream raise ``OSError`` before the
    session is opened and after its end.
    """

    @staticmethod
    def client(config: Config, seed: bytes | None = None, now: float = 0.0) -> Session:
        """The end that begins. It has nothing to send before a stream opens.

        Args:
            config: As for a socket. Its ``trace``, ``sockbuf``, ``dscp`` and ``closewait`` are not
                used.
            seed: 32 secret bytes that no other session has: all randomness comes from them, that of
                the packet ciphers included. None: the system chooses them.
            now: The first time.

        Raises:
            ValueError: ``seed`` has not 32 bytes.
        """

    @staticmethod
    def server(config: Config, seed: bytes | None = None, now: float = 0.0) -> Session:
        """The end that waits for a client.

        It takes the first client that has the key and answers what the server sends it;
        `SessionOpened` says so. It has one client at a time. Arguments and errors are those of
        `client`.
        """

    @property
    def key(self) -> _SessionKey | None:
        """The session in events; None before it is opened and after its end."""

    def receive_datagram(self, data: bytes, now: float) -> None:
        """Take a datagram, whatever it holds. The session drops what the peer has not sent.

        Raises:
            ValueError: ``data`` is longer than 65,535 bytes.
        """

    def datagrams_to_send(self, now: float) -> list[bytes]:
        """The datagrams that must leave now, in this order; each has ``mtu`` bytes at most."""

    def next_timeout(self) -> float | None:
        """The time at which `handle_timeout` must be called, on the owner's clock; None: never."""

    def handle_timeout(self, now: float) -> None:
        """Tell the session that time has passed. A call that comes early does nothing."""

    def next_event(self) -> SocketEvent | SessionEvent | None:
        """The oldest event that was not taken yet; None: there is none.

        While 4,096 events wait, `receive_datagram` drops what it gets, as a network does. There are
        no addresses: ``host`` and ``port`` in events mean nothing.
        """

    def open_stream(self, class_: StreamClass | None = None) -> _StreamKey:
        """Open a stream; None: of class ``LEARNED``.

        Raises:
            OSError: there is no session, or it has too many streams.
        """

    def set_class(self, stream: _StreamKey, class_: StreamClass) -> None:
        """Say how soon a stream has its turns; another blinktun hears it. An unknown one stays so.

        Raises:
            OSError: there is no session.
        """

    def stream_class(self, stream: _StreamKey) -> StreamClass | None:
        """What either end has said last; None if the stream is unknown.

        Raises:
            OSError: there is no session.
        """

    def write(self, stream: _StreamKey, data: bytes) -> int:
        """Queue bytes; returns how many were taken. If that is not all, `StreamWritable` follows.

        Raises:
            BrokenPipeError: the stream is over, was never opened, or `finish` was called.
        """

    def read(self, stream: _StreamKey, max_bytes: int) -> bytes:
        """Take up to ``max_bytes`` bytes that have arrived.

        It returns no bytes if none are there, and for a stream that is over or was never opened.
        `StreamReadable` tells of new ones, `StreamFinished` and `StreamReset` of the end.

        Raises:
            OverflowError: ``max_bytes`` is negative.
        """

    def finish(self, stream: _StreamKey) -> None:
        """Write no more: the peer reads the end after the data. Reading goes on (half-close).

        A stream that is over stays as it is.
        """

    def reset(self, stream: _StreamKey) -> None:
        """Break a stream off in both directions. A stream that is over stays as it is."""

    def close(self) -> None:
        """End the session at once; `SessionClosed` follows. KCP has no message for it.

        A second call does nothing.
        """

    @property
    def is_drained(self) -> bool:
        """Whether all that was written has left and been acknowledged. True without a session."""

    def stats(self) -> SessionStats | None:
        """The figures of the session as it stands now; None if there is no session."""

@final
class Reactor:
    """All sockets and relays of an event loop.

    Methods that take a session or stream raise ``OSError`` if it is gone.
    """

    def __new__(cls) -> Reactor: ...
    def fileno(self) -> int:
        """A descriptor that is readable when there is something to do."""

    def turn(self) -> list[Event]:
        """Do what is to be done now, and return what happened, oldest first."""

    def next_timeout(self) -> float | None:
        """Seconds until `turn` must be called even if nothing is readable; None: never.

        On Linux the descriptor is readable at each deadline, so the only number is 0.
        """

    def listen(self, host: str, port: int, config: Config) -> int:
        """Listen for sessions at an IP address; returns the socket's number."""

    def adopt(self, descriptor: int, config: Config) -> int:
        """Listen for sessions on a bound UDP socket, which the core owns from now on."""

    def listen_too(self, endpoint: int, host: str, port: int) -> None:
        """Have the sessions of a listening socket at one more IP address or port.

        A client that changes from one to another keeps its session.
        """

    def adopt_too(self, endpoint: int, descriptor: int) -> None:
        """The same on a bound UDP socket, which the core owns from now on."""

    def hop(self, session: _SessionKey, host: str, port: int) -> bool:
        """Have a dialled session go to another port of its server, by a new socket.

        It goes as soon as its question there is answered, and stays where it is if that is not.
        Returns False if the server does not follow.
        """

    def renew_paths(self, endpoint: int) -> None:
        """Have a dialled session ask its server at once, on a path of which nothing is known.

        Call it when this machine has another network, or has slept.
        """

    def dial(self, host: str, port: int, config: Config) -> _SessionKey:
        """Begin a session with a server at an IP address. Nothing is sent before a stream opens."""

    def listen_tcp(self, host: str, port: int, config: Config) -> int:
        """Listen for sessions in the segments for a TCP port, of peers that `admit` names.

        Raises:
            PermissionError: without CAP_NET_RAW.
        """

    def dial_tcp(self, local: tuple[str, int], host: str, port: int, config: Config) -> _SessionKey:
        """Begin a session whose datagrams are disguised as segments of a TCP connection.

        The connection is made from ``local`` to ``host`` and ``port`` by the caller, afterwards.

        Raises:
            PermissionError: without CAP_NET_RAW.
        """

    def share_openings(self, endpoint: int, openings: OpeningMemory) -> None:
        """Have a listening socket remember openings together with others of its key."""

    def admit(self, endpoint: int, local: str, host: str, port: int) -> bool:
        """Let the segments of a peer with a TCP connection to ``local`` count; False: too many."""

    def expire_peers(self, endpoint: int, idle: float) -> list[tuple[str, int]]:
        """Forget the admitted peers without traffic for ``idle`` seconds; returns them."""

    def local_address(self, endpoint: int) -> tuple[str, int]:
        """The IP address and port that a socket is bound to, or the one of them in use."""

    def local_addresses(self, endpoint: int) -> list[tuple[str, int]]:
        """All of them: one for each port of a server's range."""

    def socket_buffer(self, endpoint: int) -> int:
        """Bytes that the system lets each of a socket's two queues hold."""

    def close_endpoint(self, endpoint: int) -> None:
        """Close a socket and its sessions at once; `SessionClosed` follows for each."""

    def close_session(self, session: _SessionKey) -> None:
        """End a session; `SessionClosed` follows."""

    def is_drained(self, session: _SessionKey) -> bool:
        """Whether all that was written has left and been acknowledged."""

    def session_stats(self, session: _SessionKey) -> SessionStats | None:
        """How a session stands now; None if it is gone."""

    def open_stream(self, session: _SessionKey, class_: StreamClass | None = None) -> _StreamKey:
        """Open a stream; None: of class ``LEARNED``."""

    def set_class(self, stream: _StreamKey, class_: StreamClass) -> None:
        """Say how soon a stream has its turns; another blinktun hears it.

        One that is gone stays so.
        """

    def stream_class(self, stream: _StreamKey) -> StreamClass | None:
        """What either end has said last of a stream; None if it is gone."""

    def relay(self, stream: _StreamKey, descriptor: int, token: int, connecting: bool) -> None:
        """Join a stream and a stream socket, connected or connecting; the core owns it from now on.

        `RelayFinished` reports the end under ``token``.
        """

    def relayed(self, stream: _StreamKey) -> tuple[int, int] | None:
        """Bytes that a stream's relay has moved to and from the stream; None: it has none."""

    def relay_idle(self, stream: _StreamKey) -> float | None:
        """Seconds since a stream's relay moved a byte, 0 while bytes wait in the kernel."""

    def abort_relay(self, stream: _StreamKey) -> None:
        """Break off a stream's relay both ways."""

    def read(self, stream: _StreamKey, max_bytes: int) -> bytes:
        """Up to ``max_bytes`` bytes that have arrived."""

    def write(self, stream: _StreamKey, data: bytes) -> int:
        """Queue bytes; returns how many were taken. If not all, `StreamWritable` follows."""

    def finish(self, stream: _StreamKey) -> None:
        """Write no more: the peer reads the end after the data."""

    def reset(self, stream: _StreamKey) -> None:
        """Break a stream off in both directions."""

    def takes_datagrams(self, session: _SessionKey) -> bool | None:
        """Whether the peer takes datagrams; None while it has not said.

        Raises:
            OSError: the session is gone.
        """

    def open_flow(self, session: _SessionKey, label: bytes, class_: DatagramClass) -> _FlowKey:
        """Open a flow of datagrams.

        Args:
            session: One of this reactor's.
            label: At most 255 bytes that go with each datagram, so that the peer knows what the
                flow is for with whichever comes first.
            class_: What is done for its datagrams, in both directions.

        Raises:
            OSError: the session is gone, has too many flows, or its peer takes no datagrams.
        """

    def send_datagram(self, flow: _FlowKey, data: bytes) -> bool:
        """Queue a datagram of at most 65507 bytes; returns whether it was taken.

        Without room the oldest that waits is dropped for it; a reliable one is not taken then, and
        `FlowWritable` follows.

        Raises:
            OSError: the flow is over, the datagram too long, or the peer takes none.
        """

    def take_datagram(self, flow: _FlowKey) -> bytes | None:
        """Take the oldest datagram that has come; None if there is none."""

    def flow(self, flow: _FlowKey) -> tuple[bytes, DatagramClass] | None:
        """The label of a flow, and the class of what is sent on it; None if it is over."""

    def end_flow(self, flow: _FlowKey) -> None:
        """End a flow, and tell the peer."""

    def add_datagram_port(self, descriptor: int) -> int:
        """Watch a bound UDP socket of applications, which the core owns from now on.

        `NewSource` tells of each new source.

        Raises:
            OSError: what the system says.
        """

    def join_source(self, datagram_port: int, host: str, port: int, flow: _FlowKey) -> bool:
        """Give a source that waits for one a flow, with what has waited for that.

        Returns:
            False, and nothing is done, if the source has a flow already or is forgotten.

        Raises:
            OSError: the port or the flow is gone, or the flow has a UDP socket already.
        """

    def refuse_source(self, datagram_port: int, host: str, port: int) -> None:
        """Drop what has come from a source without a flow."""

    def join_target(self, flow: _FlowKey, host: str, port: int, descriptor: int) -> int:
        """Join a flow and a target by a bound UDP socket, which the core owns from now on: a port.

        Raises:
            OSError: the flow is gone or has a UDP socket already, or what the system says.
        """

    def end_idle_flows(self, datagram_port: int, idle: float) -> list[_FlowKey]:
        """End the flows of a port on which nothing has passed for ``idle`` seconds."""

    def close_datagram_port(self, datagram_port: int) -> None:
        """Close a port, and end its flows."""

    def fail_for_tests(self) -> None:
        """Fail as a bug of the core would."""

    def limit_memory(self, bound: int) -> None:
        """Let sessions that tune themselves hold at most ``bound`` bytes for their peers."""

    def stats(self) -> dict[str, int]:
        """The counters of the core (kcptun wire, section 9)."""
