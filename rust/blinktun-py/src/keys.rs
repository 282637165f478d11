//! How Python names what the reactor holds: plain tuples.

use blinktun_io as io;
use blinktun_proto::endpoint::SessionId;
use blinktun_proto::smux::StreamId;

/// A session: socket and number.
pub type SessionKey = (u64, u64);
/// A stream: socket, session and number.
pub type StreamKey = (u64, u64, u32);

/// The reactor's own key of a session.
pub fn session_key((endpoint, session): SessionKey) -> io::SessionKey {
    io::SessionKey {
        endpoint: io::EndpointId(endpoint),
        session: SessionId(session),
    }
}

/// The reactor's own key of a stream.
pub fn stream_key((endpoint, session, stream): StreamKey) -> io::StreamKey {
    io::StreamKey {
        session: session_key((endpoint, session)),
        stream: StreamId(stream),
    }
}

/// Python's key of a session.
pub fn from_session(key: io::SessionKey) -> SessionKey {
    (key.endpoint.0, key.session.0)
}
