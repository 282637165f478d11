"""The compiled core: a reactor that owns UDP sockets, their sessions, and TCP relays.

Nothing here waits. The owner watches `Reactor.fileno`, calls `Reactor.turn` when it is readable or
when `Reactor.next_timeout` has passed, and after any other call that changes something.

Whatever it is called with, it raises ``TypeError``, ``OverflowError`` (a number that
is negative or too large), ``ValueError``, ``OSError``, or, for a bug of its own,
`blinktun.errors.InternalError`. After that a `Reactor` raises nothing but that.

Times are seconds, sizes are bytes. Keys are plain tuples that are never used again for something
else: (socket, session) for a session, (socket, session, stream) for a stream.
"""

from typing import Final, TypeAlias, final

from typing_extensions import disjoint_base

__all__ = [
    "OPENINGS",
    "OPENING_RECORD",
    "Config",
    "Event",
    "OpeningMemory",
    "Pads",
    "Reactor",
    "__version__",
    "derive_key",
]

__version__: Final[str]
OPENINGS: Final[int]
"""How many openings an `OpeningMemory` holds."""
OPENING_RECORD: Final[int]
"""Bytes of a record."""

_SessionKey: TypeAlias = tuple[int, int]
_StreamKey: TypeAlias = tuple[int, int, int]

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
class Config:
    """Checked settings of a socket and its sessions, by kcptun's names.

    Raises:
        ValueError: settings that cannot work; the message says which.
    """

    def __new__(
        cls,
        *,
        crypt: str,
        pass_: bytes,
        mtu: int,
        sndwnd: int,
        rcvwnd: int,
        ratelimit: int,
        datashard: int,
        parityshard: int,
        nodelay: bool,
        interval: int,
        resend: int,
        nc: bool,
        nocomp: bool,
        smuxver: int | None,
        smuxbuf: int,
        framesize: int,
        streambuf: int,
        keepalive: float,
        closewait: float,
        sockbuf: int,
        dscp: int,
        pads: Pads | None,
    ) -> Config: ...

@disjoint_base
class Event:
    """What happened. One of the classes below, taken apart with ``match``."""

    @final
    class SessionOpened(Event):
        """A peer opened a session."""

        __match_args__: Final = ("session", "host", "port")
        def __new__(cls, session: _SessionKey, host: str, port: int) -> Event.SessionOpened: ...
        @property
        def session(self) -> _SessionKey: ...
        @property
        def host(self) -> str: ...
        @property
        def port(self) -> int: ...

    @final
    class SessionMoved(Event):
        """A session's peer has got another address, and proved it."""

        __match_args__: Final = ("session", "host", "port")
        def __new__(cls, session: _SessionKey, host: str, port: int) -> Event.SessionMoved: ...
        @property
        def session(self) -> _SessionKey: ...
        @property
        def host(self) -> str: ...
        @property
        def port(self) -> int: ...

    @final
    class SessionClosed(Event):
        """A session is over and forgotten; its relays have reported their end."""

        __match_args__: Final = ("session", "reason")
        def __new__(cls, session: _SessionKey, reason: str) -> Event.SessionClosed: ...
        @property
        def session(self) -> _SessionKey: ...
        @property
        def reason(self) -> str: ...

    @final
    class SessionSilent(Event):
        """Data in flight has made no progress for a second; ``heard``: the peer answered once."""

        __match_args__: Final = ("session", "heard")
        def __new__(cls, session: _SessionKey, heard: bool) -> Event.SessionSilent: ...
        @property
        def session(self) -> _SessionKey: ...
        @property
        def heard(self) -> bool: ...

    @final
    class SessionRecovered(Event):
        """A silent peer answers again."""

        __match_args__: Final = ("session",)
        def __new__(cls, session: _SessionKey) -> Event.SessionRecovered: ...
        @property
        def session(self) -> _SessionKey: ...

    @final
    class SessionFecMismatch(Event):
        """Sent without FEC for the peer's numbers (0 and 0: it has none; None: not known)."""

        __match_args__: Final = ("session", "theirs")
        def __new__(
            cls, session: _SessionKey, theirs: tuple[int, int] | None
        ) -> Event.SessionFecMismatch: ...
        @property
        def session(self) -> _SessionKey: ...
        @property
        def theirs(self) -> tuple[int, int] | None: ...

    @final
    class StreamOpened(Event):
        """The peer opened a stream."""

        __match_args__: Final = ("stream",)
        def __new__(cls, stream: _StreamKey) -> Event.StreamOpened: ...
        @property
        def stream(self) -> _StreamKey: ...

    @final
    class StreamReadable(Event):
        """Bytes can be read from a stream that has no relay."""

        __match_args__: Final = ("stream",)
        def __new__(cls, stream: _StreamKey) -> Event.StreamReadable: ...
        @property
        def stream(self) -> _StreamKey: ...

    @final
    class StreamFinished(Event):
        """The peer ended a stream that has no relay cleanly; everything before has been read."""

        __match_args__: Final = ("stream",)
        def __new__(cls, stream: _StreamKey) -> Event.StreamFinished: ...
        @property
        def stream(self) -> _StreamKey: ...

    @final
    class StreamWritable(Event):
        """A stream without relay takes bytes again."""

        __match_args__: Final = ("stream",)
        def __new__(cls, stream: _StreamKey) -> Event.StreamWritable: ...
        @property
        def stream(self) -> _StreamKey: ...

    @final
    class StreamReset(Event):
        """The peer broke off a stream that has no relay."""

        __match_args__: Final = ("stream",)
        def __new__(cls, stream: _StreamKey) -> Event.StreamReset: ...
        @property
        def stream(self) -> _StreamKey: ...

    @final
    class RelayFinished(Event):
        """A relay is over: bytes to and from the stream; ``error`` is None for a clean end.

        ``connected`` is False if the socket, handed over while connecting, never was.
        """

        __match_args__: Final = ("token", "sent", "received", "connected", "error")
        def __new__(
            cls, token: int, sent: int, received: int, connected: bool, error: str | None
        ) -> Event.RelayFinished: ...
        @property
        def token(self) -> int: ...
        @property
        def sent(self) -> int: ...
        @property
        def received(self) -> int: ...
        @property
        def connected(self) -> bool: ...
        @property
        def error(self) -> str | None: ...

    @final
    class Undecryptable(Event):
        """Datagrams arrive that do not decrypt: a wrong key or cipher, or noise."""

        __match_args__: Final = ("endpoint", "host", "port")
        def __new__(cls, endpoint: int, host: str, port: int) -> Event.Undecryptable: ...
        @property
        def endpoint(self) -> int: ...
        @property
        def host(self) -> str: ...
        @property
        def port(self) -> int: ...

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
        """The IP address and port that a socket is bound to."""

    def socket_buffer(self, endpoint: int) -> int:
        """Bytes that the system lets each of a socket's two queues hold."""

    def close_endpoint(self, endpoint: int) -> None:
        """Close a socket and its sessions at once; `Event.SessionClosed` follows for each."""

    def close_session(self, session: _SessionKey) -> None:
        """End a session; `Event.SessionClosed` follows."""

    def is_drained(self, session: _SessionKey) -> bool:
        """Whether all that was written has left and been acknowledged."""

    def session_info(self, session: _SessionKey) -> dict[str, int | float | None] | None:
        """``smux_version``, ``peer_is_blinktun``, ``streams``, ``rtt``; None if it is gone."""

    def open_stream(self, session: _SessionKey) -> _StreamKey:
        """Open a stream."""

    def relay(self, stream: _StreamKey, descriptor: int, token: int, connecting: bool) -> None:
        """Join a stream and a stream socket, connected or connecting; the core owns it from now on.

        `Event.RelayFinished` reports the end under ``token``.
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
        """Queue bytes; returns how many were taken. If not all, `Event.StreamWritable` follows."""

    def finish(self, stream: _StreamKey) -> None:
        """Write no more: the peer reads the end after the data."""

    def reset(self, stream: _StreamKey) -> None:
        """Break a stream off in both directions."""

    def fail_for_tests(self) -> None:
        """Fail as a bug of the core would."""

    def stats(self) -> dict[str, int]:
        """The counters of the core (kcptun wire, section 9)."""
