//! How Python names what the reactor holds: plain tuples.

use blinktun_io as io;
use blinktun_proto::endpoint::SessionId;
use blinktun_proto::smux::{FlowId, StreamId};

/// A session: socket and number.
pub type SessionKey = (u64, u64);
/// A stream: socket, session and number.
pub type StreamKey = (u64, u64, u32);

/// A flow of datagrams: socket, session and number.
pub type FlowKey = (u64, u64, u32);

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

/// The reactor's own key of a flow.
pub fn flow_key((endpoint, session, flow): FlowKey) -> io::FlowKey {
    io::FlowKey {
        session: session_key((endpoint, session)),
        flow: FlowId(flow),
    }
}

/// Python's key of a flow.
pub fn from_flow(key: io::FlowKey) -> FlowKey {
    (key.session.endpoint.0, key.session.session.0, key.flow.0)
}

/// Python's key of a session.
pub fn from_session(key: io::SessionKey) -> SessionKey {
    (key.endpoint.0, key.session.0)
}
