//! A UDP socket of applications or of one target, and flows of sessions, each feeding the other.
//!
//! The socket of applications serves many: each source has a flow. Whether a new source gets one, and on which
//! session, is for the owner to say. That of a target is connected, and has one flow.
//!
//! What the kernel or a flow has no room for is lost, as on any network.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use blinktun_proto::session::Session;
use blinktun_proto::time::{Duration, Time};

use crate::event::FlowKey;

/// Datagrams that a port takes from its socket before others have their turn.
const TURN: usize = 256;
/// Sources that may wait for the owner's word; the oldest of more is forgotten.
const STRANGERS: usize = 256;
/// Datagrams that are kept for each of them; the first ones count.
const KEPT: usize = 8;
/// A source on which the owner says nothing is forgotten after this time.
const FORGOTTEN: Duration = Duration::from_secs(5);

/// A socket and its flows.
///
/// Bounds: [`STRANGERS`] sources with [`KEPT`] datagrams each; one entry for each flow, of which sessions bound the
/// number.
pub struct Port {
    socket: UdpSocket,
    flows: HashMap<FlowKey, Association>,
    /// The flow of each source; that of a connected socket has none.
    sources: HashMap<SocketAddr, FlowKey>,
    only: Option<FlowKey>,
    strangers: VecDeque<Stranger>,
    is_readable: bool,
    /// Flows with datagrams to take, each once.
    ready: VecDeque<FlowKey>,
}

/// Where the sessions of flows are found.
pub trait Sessions {
    /// The session of a flow, which may change; `None` if it is gone.
    fn of_flow(&mut self, flow: FlowKey) -> Option<&mut Session>;
}

struct Association {
    source: Option<SocketAddr>,
    used: Time,
    is_ready: bool,
}

struct Stranger {
    source: SocketAddr,
    since: Time,
    datagrams: Vec<Vec<u8>>,
}

impl Port {
    /// The port of a bound socket of applications.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(socket: OwnedFd) -> io::Result<Port> {
        let socket = UdpSocket::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Port {
            socket,
            flows: HashMap::new(),
            sources: HashMap::new(),
            only: None,
            strangers: VecDeque::new(),
            is_readable: true,
            ready: VecDeque::new(),
        })
    }

    /// Give a source a flow. Returns the datagrams that have waited for that.
    pub fn join(&mut self, source: SocketAddr, flow: FlowKey, now: Time) -> Vec<Vec<u8>> {
        let kept = self.forget_stranger(source);
        if let Some(before) = self.sources.insert(source, flow) {
            self.flows.remove(&before);
        }
        self.enter(flow, Some(source), now);
        kept
    }

    /// The socket is connected, and this is its only flow.
    pub fn join_only(&mut self, flow: FlowKey, now: Time) {
        self.only = Some(flow);
        self.enter(flow, None, now);
    }

    fn enter(&mut self, flow: FlowKey, source: Option<SocketAddr>, now: Time) {
        let association = Association {
            source,
            used: now,
            is_ready: false,
        };
        self.flows.insert(flow, association);
        self.note_datagrams(flow); // some may have come already
    }

    /// A source gets no flow.
    pub fn refuse(&mut self, source: SocketAddr) {
        self.forget_stranger(source);
    }

    fn forget_stranger(&mut self, source: SocketAddr) -> Vec<Vec<u8>> {
        let at = self.strangers.iter().position(|it| it.source == source);
        let stranger = at.and_then(|at| self.strangers.remove(at));
        stranger.map_or(Vec::new(), |it| it.datagrams)
    }

    /// A flow has ended; whether it was here.
    pub fn remove(&mut self, flow: FlowKey) -> bool {
        let Some(association) = self.flows.remove(&flow) else {
            return false;
        };
        if let Some(source) = association.source {
            self.sources.remove(&source);
        }
        self.only.take_if(|only| *only == flow);
        true
    }

    /// The flows that it has.
    pub fn flows(&self) -> Vec<FlowKey> {
        self.flows.keys().copied().collect()
    }

    /// The flows on which nothing has passed for so long.
    pub fn idle(&self, idle: Duration, now: Time) -> Vec<FlowKey> {
        let all = self.flows.iter();
        let idle = all.filter(|(_, it)| now.since(it.used) >= idle);
        idle.map(|(flow, _)| *flow).collect()
    }

    /// The poller says that there is something to read, or an error to take.
    pub fn note_ready(&mut self) {
        self.is_readable = true;
    }

    /// Datagrams have arrived on a flow.
    pub fn note_datagrams(&mut self, flow: FlowKey) {
        if let Some(association) = self.flows.get_mut(&flow)
            && !core::mem::replace(&mut association.is_ready, true)
        {
            self.ready.push_back(flow);
        }
    }

    /// From flows to the socket.
    pub fn pump_out(&mut self, sessions: &mut impl Sessions, now: Time) {
        while let Some(flow) = self.ready.pop_front() {
            let Some(association) = self.flows.get_mut(&flow) else {
                continue;
            };
            association.is_ready = false;
            let Some(session) = sessions.of_flow(flow) else {
                continue;
            };
            while let Some(datagram) = session.take_datagram(flow.flow) {
                association.used = now;
                // Whatever the system says, a datagram may be lost.
                let _ = match association.source {
                    Some(source) => self.socket.send_to(&datagram, source),
                    None => self.socket.send(&datagram),
                };
            }
        }
    }

    /// From the socket to flows. Returns whether there may be more. `stranger` gets each source that is new.
    pub fn pump_in(
        &mut self,
        sessions: &mut impl Sessions,
        mut stranger: impl FnMut(SocketAddr),
        scratch: &mut [u8],
        now: Time,
    ) -> bool {
        for _ in 0..TURN {
            if !self.is_readable {
                return false;
            }
            let (len, source) = match self.receive(scratch) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_readable = false;
                    return false;
                }
                // Such as a target's port that is closed: it may be open for the next one.
                Err(_) => continue,
            };
            let flow = match source {
                Some(source) => self.sources.get(&source).copied(),
                None => self.only,
            };
            match (flow, source) {
                (Some(flow), _) => {
                    if let Some(session) = sessions.of_flow(flow)
                        && session
                            .send_datagram(flow.flow, &scratch[..len], now)
                            .is_ok()
                        && let Some(association) = self.flows.get_mut(&flow)
                    {
                        association.used = now;
                    }
                }
                (None, Some(source)) => {
                    if self.note_stranger(source, &scratch[..len], now) {
                        stranger(source);
                    }
                }
                (None, None) => {}
            }
        }
        true
    }

    fn receive(&self, scratch: &mut [u8]) -> io::Result<(usize, Option<SocketAddr>)> {
        match self.only {
            Some(_) => Ok((self.socket.recv(scratch)?, None)),
            None => {
                let (len, source) = self.socket.recv_from(scratch)?;
                Ok((len, Some(source)))
            }
        }
    }

    /// Keep a datagram of a source without a flow; whether the owner must be asked.
    fn note_stranger(&mut self, source: SocketAddr, datagram: &[u8], now: Time) -> bool {
        while let Some(oldest) = self.strangers.front()
            && now.since(oldest.since) >= FORGOTTEN
        {
            self.strangers.pop_front();
        }
        let known = self.strangers.iter_mut().find(|it| it.source == source);
        if let Some(stranger) = known {
            if stranger.datagrams.len() < KEPT {
                stranger.datagrams.push(datagram.to_vec());
            }
            return false;
        }
        if self.strangers.len() == STRANGERS {
            self.strangers.pop_front();
        }
        self.strangers.push_back(Stranger {
            source,
            since: now,
            datagrams: vec![datagram.to_vec()],
        });
        true
    }
}

impl AsRawFd for Port {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
