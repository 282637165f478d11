//! What the reactor tells its owner.

use std::net::SocketAddr;

use blinktun_proto::endpoint::SessionId;
use blinktun_proto::error::CloseReason;
use blinktun_proto::session::PeerShards;
use blinktun_proto::smux::StreamId;

/// A UDP socket with its sessions; never used again for another one, so that a handle which
/// outlives its socket names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub u64);

/// A session of the reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    /// The socket it lives on.
    pub endpoint: EndpointId,
    /// Which of the socket's sessions.
    pub session: SessionId,
}

/// A stream of the reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey {
    /// The session it belongs to.
    pub session: SessionKey,
    /// Which of the session's streams.
    pub stream: StreamId,
}

/// How a relay ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayEnd {
    /// Both directions were finished by their writers.
    Clean,
    /// The peer broke the stream off.
    PeerReset,
    /// The session under it ended.
    SessionLost(CloseReason),
    /// The TCP connection failed.
    Connection(String),
    /// The owner asked for it.
    Aborted,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A peer opened a session.
    SessionOpened(SessionKey, SocketAddr),
    /// A session's peer has got another address.
    SessionMoved(SessionKey, SocketAddr),
    /// A session is over; relays and streams on it are broken. It is forgotten.
    SessionClosed(SessionKey, CloseReason),
    /// Data in flight makes no progress; `bool`: the peer was heard before.
    SessionSilent(SessionKey, bool),
    /// A silent peer answers again.
    SessionRecovered(SessionKey),
    /// A session sends without FEC because of the peer's numbers.
    SessionFecMismatch(SessionKey, PeerShards),
    /// The peer opened a stream.
    StreamOpened(StreamKey),
    /// Bytes can be read from a stream that has no relay.
    StreamReadable(StreamKey),
    /// The peer has ended a stream without relay cleanly; everything before has been read.
    StreamFinished(StreamKey),
    /// A stream without relay takes bytes again.
    StreamWritable(StreamKey),
    /// The peer broke off a stream without relay.
    StreamReset(StreamKey),
    /// A relay is over.
    RelayFinished {
        /// The number its owner gave it.
        token: u64,
        /// Bytes from the TCP connection to the stream.
        sent: u64,
        /// Bytes from the stream to the TCP connection.
        received: u64,
        /// Whether the TCP connection was ever made.
        connected: bool,
        /// How it ended.
        end: RelayEnd,
    },
    /// Datagrams arrive that do not decrypt.
    Undecryptable(EndpointId, SocketAddr),
}
