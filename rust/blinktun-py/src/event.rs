//! The reactor's events as Python values.

use blinktun_io as io;
use blinktun_proto::session::PeerShards;
use pyo3::prelude::*;

use crate::{SessionKey, StreamKey};

/// The closed set of events; each variant is a class that `match` takes apart.
#[pyclass(frozen, module = "blinktun._core")]
pub enum Event {
    SessionOpened {
        session: SessionKey,
        host: String,
        port: u16,
    },
    SessionMoved {
        session: SessionKey,
        host: String,
        port: u16,
    },
    SessionClosed {
        session: SessionKey,
        reason: String,
    },
    SessionSilent {
        session: SessionKey,
        heard: bool,
    },
    SessionRecovered {
        session: SessionKey,
    },
    SessionFecMismatch {
        session: SessionKey,
        theirs: Option<(usize, usize)>,
    },
    StreamOpened {
        stream: StreamKey,
    },
    StreamReadable {
        stream: StreamKey,
    },
    StreamFinished {
        stream: StreamKey,
    },
    StreamWritable {
        stream: StreamKey,
    },
    StreamReset {
        stream: StreamKey,
    },
    RelayFinished {
        token: u64,
        sent: u64,
        received: u64,
        connected: bool,
        error: Option<String>,
    },
    Undecryptable {
        endpoint: u64,
        host: String,
        port: u16,
    },
}

impl From<io::Event> for Event {
    fn from(event: io::Event) -> Event {
        match event {
            io::Event::SessionOpened(key, peer) => Event::SessionOpened {
                session: session(key),
                host: peer.ip().to_canonical().to_string(),
                port: peer.port(),
            },
            io::Event::SessionMoved(key, peer) => Event::SessionMoved {
                session: session(key),
                host: peer.ip().to_canonical().to_string(),
                port: peer.port(),
            },
            io::Event::SessionClosed(key, reason) => Event::SessionClosed {
                session: session(key),
                reason: reason.to_string(),
            },
            io::Event::SessionSilent(key, heard) => Event::SessionSilent {
                session: session(key),
                heard,
            },
            io::Event::SessionRecovered(key) => Event::SessionRecovered {
                session: session(key),
            },
            io::Event::SessionFecMismatch(key, theirs) => Event::SessionFecMismatch {
                session: session(key),
                theirs: numbers(theirs),
            },
            io::Event::StreamOpened(key) => Event::StreamOpened {
                stream: stream(key),
            },
            io::Event::StreamReadable(key) => Event::StreamReadable {
                stream: stream(key),
            },
            io::Event::StreamFinished(key) => Event::StreamFinished {
                stream: stream(key),
            },
            io::Event::StreamWritable(key) => Event::StreamWritable {
                stream: stream(key),
            },
            io::Event::StreamReset(key) => Event::StreamReset {
                stream: stream(key),
            },
            io::Event::RelayFinished {
                token,
                sent,
                received,
                connected,
                end,
            } => Event::RelayFinished {
                token,
                sent,
                received,
                connected,
                error: error(end),
            },
            io::Event::Undecryptable(endpoint, from) => Event::Undecryptable {
                endpoint: endpoint.0,
                host: from.ip().to_canonical().to_string(),
                port: from.port(),
            },
        }
    }
}

fn session(key: io::SessionKey) -> SessionKey {
    (key.endpoint.0, key.session.0)
}

fn stream(key: io::StreamKey) -> StreamKey {
    (key.session.endpoint.0, key.session.session.0, key.stream.0)
}

/// 0 and 0 for no FEC, `None` for numbers that are not known.
fn numbers(theirs: PeerShards) -> Option<(usize, usize)> {
    match theirs {
        PeerShards::Off => Some((0, 0)),
        PeerShards::Other => None,
        PeerShards::Proven(data, parity) => Some((data, parity)),
    }
}

/// `None` for a clean end.
fn error(end: io::RelayEnd) -> Option<String> {
    match end {
        io::RelayEnd::Clean => None,
        io::RelayEnd::PeerReset => Some("reset by the other end".into()),
        io::RelayEnd::SessionLost(reason) => Some(format!("session lost: {reason}")),
        io::RelayEnd::Connection(text) => Some(text),
        io::RelayEnd::Aborted => Some("aborted here".into()),
    }
}
