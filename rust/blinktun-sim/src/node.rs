//! What can stand at an end of a path.

use std::net::SocketAddr;

use blinktun_proto::endpoint::{Endpoint, EndpointEvent, SessionId, Transmit};
use blinktun_proto::path::FourTuple;
use blinktun_proto::session::{Context, Session};
use blinktun_proto::time::Time;
use blinktun_proto::wire::Payload;

/// One end: datagrams in and out, timers, events, sessions. The verbs are those of [`Endpoint`].
pub trait Node {
    /// Take one datagram; after all at hand call [`Node::finish_input`].
    fn handle_datagram(&mut self, path: FourTuple, datagram: &mut [u8], now: Time);
    /// All datagrams at hand were given.
    fn finish_input(&mut self, now: Time);
    /// Write the next datagrams to `out`.
    fn poll_transmit(&mut self, out: &mut [u8], now: Time) -> Option<Transmit>;
    /// When [`Node::handle_timeout`] has something to do.
    fn next_timeout(&self) -> Option<Time>;
    /// Time has passed.
    fn handle_timeout(&mut self, now: Time);
    /// The next thing that happened.
    fn next_event(&mut self) -> Option<EndpointEvent>;
    /// What a session has written down.
    fn next_trace(&mut self) -> Option<(SessionId, String)>;
    /// A session to look at.
    fn session(&self, id: SessionId) -> Option<&Session>;
    /// A session to change.
    fn session_mut(&mut self, id: SessionId) -> Option<(&mut Session, &mut Context)>;
}

impl Node for Endpoint {
    fn handle_datagram(&mut self, path: FourTuple, datagram: &mut [u8], now: Time) {
        let stride = datagram.len();
        self.handle_datagrams(path, datagram, stride, now);
    }

    fn finish_input(&mut self, now: Time) {
        self.finish_input(now);
    }

    fn poll_transmit(&mut self, out: &mut [u8], now: Time) -> Option<Transmit> {
        self.poll_transmit(out, now)
    }

    fn next_timeout(&self) -> Option<Time> {
        self.next_timeout()
    }

    fn handle_timeout(&mut self, now: Time) {
        self.handle_timeout(now);
    }

    fn next_event(&mut self) -> Option<EndpointEvent> {
        self.next_event()
    }

    fn next_trace(&mut self) -> Option<(SessionId, String)> {
        self.next_trace()
    }

    fn session(&self, id: SessionId) -> Option<&Session> {
        self.session(id)
    }

    fn session_mut(&mut self, id: SessionId) -> Option<(&mut Session, &mut Context)> {
        self.session_mut(id)
    }
}

/// One session without an endpoint or a crypt layer: for what an endpoint does not let through,
/// such as numbers that do not begin at 0.
pub struct Lone {
    /// The session; its id is [`Lone::ID`].
    pub session: Session,
    /// What it needs.
    pub cx: Context,
    /// Where its datagrams go.
    pub peer: SocketAddr,
}

impl Lone {
    /// The id of the only session.
    pub const ID: SessionId = SessionId(0);
}

impl Node for Lone {
    fn handle_datagram(&mut self, _path: FourTuple, datagram: &mut [u8], now: Time) {
        if let Ok(payload) = Payload::parse(datagram) {
            self.session.handle_payload(payload, now, &mut self.cx);
        }
    }

    fn finish_input(&mut self, now: Time) {
        self.session.finish_input(now);
    }

    fn poll_transmit(&mut self, out: &mut [u8], now: Time) -> Option<Transmit> {
        let limit = out.len();
        let batch = self.session.poll_transmit(out, limit, now, &mut self.cx)?;
        Some(Transmit {
            to: self.peer,
            src_ip: None,
            socket: 0,
            len: batch.len,
            stride: batch.stride,
            whole: batch.is_whole.then_some(Lone::ID),
        })
    }

    fn next_timeout(&self) -> Option<Time> {
        self.session.next_timeout()
    }

    fn handle_timeout(&mut self, now: Time) {
        if self.session.next_timeout().is_some_and(|at| at <= now) {
            self.session.handle_timeout(now, &mut self.cx);
        }
    }

    fn next_event(&mut self) -> Option<EndpointEvent> {
        let event = self.session.next_event()?;
        Some(EndpointEvent::Session(Lone::ID, event))
    }

    fn next_trace(&mut self) -> Option<(SessionId, String)> {
        self.session.take_trace().map(|text| (Lone::ID, text))
    }

    fn session(&self, id: SessionId) -> Option<&Session> {
        (id == Lone::ID).then_some(&self.session)
    }

    fn session_mut(&mut self, id: SessionId) -> Option<(&mut Session, &mut Context)> {
        (id == Lone::ID).then_some((&mut self.session, &mut self.cx))
    }
}
