//! What the reactor tells its owner.

use std::fmt;
use std::net::SocketAddr;

use blinktun_proto::endpoint::{EndpointEvent, SessionId};
use blinktun_proto::error::CloseReason;
use blinktun_proto::session;
use blinktun_proto::smux::{FlowId, StreamId};

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

/// A flow of datagrams of the reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowKey {
    /// The session it belongs to.
    pub session: SessionKey,
    /// Which of the session's flows.
    pub flow: FlowId,
}

/// A UDP socket of applications or of a target; never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId(pub u64);

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

impl RelayEnd {
    /// Every kind of end: its name, and what a person reads of it.
    pub const KINDS: [(&str, &str); 5] = [
        ("CLEAN", "ended cleanly"),
        ("PEER_RESET", "reset by the other end"),
        ("SESSION_LOST", "session lost"),
        ("CONNECTION", "the connection failed"),
        ("ABORTED", "aborted here"),
    ];

    /// The place of this end in [`RelayEnd::KINDS`].
    pub fn kind(&self) -> usize {
        match self {
            RelayEnd::Clean => 0,
            RelayEnd::PeerReset => 1,
            RelayEnd::SessionLost(_) => 2,
            RelayEnd::Connection(_) => 3,
            RelayEnd::Aborted => 4,
        }
    }
}

impl fmt::Display for RelayEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, text) = RelayEnd::KINDS[self.kind()];
        match self {
            RelayEnd::SessionLost(reason) => write!(f, "{text}: {reason}"),
            // The system's own words say more than ours.
            RelayEnd::Connection(error) => f.write_str(error),
            RelayEnd::Clean | RelayEnd::PeerReset | RelayEnd::Aborted => f.write_str(text),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A peer opened a session.
    SessionOpened(SessionKey, SocketAddr),
    /// A session's peer has got another address.
    SessionMoved(SessionKey, SocketAddr),
    /// What a session reports. Reports of its streams are passed on for streams without relay only,
    /// and those about the end of a stream's life never. After `Closed` the session is forgotten;
    /// relays and streams on it are broken.
    Session(SessionKey, session::Event),
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
    /// Datagrams arrive at a port from a source that has no flow. They wait a while for one.
    NewSource(PortId, SocketAddr),
    /// Datagrams arrive that do not decrypt.
    Undecryptable(EndpointId, SocketAddr),
}

impl Event {
    /// What the endpoint of a socket says.
    pub fn of(endpoint: EndpointId, event: EndpointEvent) -> Event {
        let key = |session| SessionKey { endpoint, session };
        match event {
            EndpointEvent::Opened(session, peer) => Event::SessionOpened(key(session), peer),
            EndpointEvent::Moved(session, to) => Event::SessionMoved(key(session), to),
            EndpointEvent::Session(session, event) => Event::Session(key(session), event),
            EndpointEvent::Undecryptable { from } => Event::Undecryptable(endpoint, from),
        }
    }
}
