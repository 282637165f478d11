//! What can stand at an end of a path in a [`crate::Crowd`]: endpoints of ours, and peers of Go's.

use std::collections::HashMap;
use std::net::SocketAddr;

use blinktun_proto::endpoint::{Endpoint, EndpointEvent, SessionId};
use blinktun_proto::session::{Event, Session};
use blinktun_proto::smux::{self, StreamId};
use blinktun_proto::time::Time;

use crate::flow::Streams;
use crate::go::GoPeer;

/// As large as the drivers' buffers.
const BUFFER: usize = 65536;

/// An end of some paths.
pub trait End {
    /// Take one datagram; after all at hand call [`End::finish_input`].
    fn handle_datagram(&mut self, from: SocketAddr, datagram: &mut [u8], now: Time);
    /// All datagrams at hand were given.
    fn finish_input(&mut self, _now: Time) {}
    /// The next datagram.
    fn poll_transmit(&mut self, now: Time) -> Option<Datagram>;
    /// When [`End::handle_timeout`] has something to do.
    fn next_timeout(&self) -> Option<Time>;
    /// Time has passed.
    fn handle_timeout(&mut self, now: Time);
    /// The next stream whose end was read, and with whom; `None` for the only peer.
    fn next_finished(&mut self) -> Option<(Option<SocketAddr>, StreamId)>;
    /// The conversation with a peer.
    fn streams(&mut self, peer: SocketAddr) -> Option<Box<dyn Streams + '_>>;
    /// The session with a peer, if this end is ours.
    fn session(&self, _peer: SocketAddr) -> Option<&Session> {
        None
    }
}

/// A datagram that leaves.
pub struct Datagram {
    /// Where to; `None` for the only peer.
    pub to: Option<SocketAddr>,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Nobody may cut it into fragments.
    pub is_whole: bool,
}

/// An endpoint, and its newest session with each peer.
pub struct Ours {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its sessions.
    pub sessions: HashMap<SocketAddr, SessionId>,
    buffer: Vec<u8>,
    /// What the last batch held, last first.
    batch: Vec<Datagram>,
}

impl Ours {
    /// An endpoint that accepts.
    pub fn new(endpoint: Endpoint) -> Ours {
        Ours {
            endpoint,
            sessions: HashMap::new(),
            buffer: vec![0; BUFFER],
            batch: Vec::new(),
        }
    }

    /// Dial; returns the conversation.
    pub fn dial(&mut self, peer: SocketAddr, now: Time) -> u32 {
        let id = self.endpoint.dial(peer, now);
        self.sessions.insert(peer, id);
        self.endpoint
            .session(id)
            .map_or(0, |session| session.conv())
    }
}

impl End for Ours {
    fn handle_datagram(&mut self, from: SocketAddr, datagram: &mut [u8], now: Time) {
        let stride = datagram.len();
        self.endpoint.handle_datagrams(from, datagram, stride, now);
    }

    fn finish_input(&mut self, now: Time) {
        self.endpoint.finish_input(now);
    }

    fn poll_transmit(&mut self, now: Time) -> Option<Datagram> {
        if self.batch.is_empty() {
            let transmit = self.endpoint.poll_transmit(&mut self.buffer, now)?;
            let datagrams = self.buffer[..transmit.len].chunks(transmit.stride);
            let datagrams = datagrams.map(|datagram| Datagram {
                to: Some(transmit.to),
                bytes: datagram.to_vec(),
                is_whole: transmit.whole.is_some(),
            });
            self.batch.extend(datagrams.rev());
        }
        self.batch.pop()
    }

    fn next_timeout(&self) -> Option<Time> {
        self.endpoint.next_timeout()
    }

    fn handle_timeout(&mut self, now: Time) {
        self.endpoint.handle_timeout(now);
    }

    fn next_finished(&mut self) -> Option<(Option<SocketAddr>, StreamId)> {
        loop {
            match self.endpoint.next_event()? {
                EndpointEvent::Opened(id, peer) => {
                    let earlier = self.sessions.insert(peer, id);
                    assert!(earlier.is_none(), "{peer} opens twice");
                }
                EndpointEvent::Session(id, Event::Closed(reason)) => {
                    panic!("{:?} ended: {reason:?}", self.endpoint.peer(id));
                }
                EndpointEvent::Session(id, Event::Stream(smux::Event::Finished(stream))) => {
                    return Some((self.endpoint.peer(id), stream));
                }
                _ => {}
            }
        }
    }

    fn streams(&mut self, peer: SocketAddr) -> Option<Box<dyn Streams + '_>> {
        let session = self.endpoint.session_mut(*self.sessions.get(&peer)?)?;
        Some(Box::new(session))
    }

    fn session(&self, peer: SocketAddr) -> Option<&Session> {
        self.endpoint.session(*self.sessions.get(&peer)?)
    }
}

impl End for GoPeer {
    fn handle_datagram(&mut self, _from: SocketAddr, datagram: &mut [u8], now: Time) {
        self.handle_datagram(datagram, now);
    }

    fn poll_transmit(&mut self, now: Time) -> Option<Datagram> {
        let bytes = self.poll_transmit(now)?;
        Some(Datagram {
            to: None,
            bytes,
            is_whole: false,
        })
    }

    fn next_timeout(&self) -> Option<Time> {
        self.next_timeout()
    }

    fn handle_timeout(&mut self, now: Time) {
        self.handle_timeout(now);
    }

    fn next_finished(&mut self) -> Option<(Option<SocketAddr>, StreamId)> {
        loop {
            if let smux::Event::Finished(stream) = self.next_event()? {
                return Some((None, stream));
            }
        }
    }

    fn streams(&mut self, _peer: SocketAddr) -> Option<Box<dyn Streams + '_>> {
        Some(Box::new(self))
    }
}
