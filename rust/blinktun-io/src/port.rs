//! A UDP socket of applications or of one target, and flows of sessions, each feeding the other.
//!
//! The socket of applications serves many: each source has a flow. Whether a new source gets one, and on which
//! session, is for the owner to say. That of a target has one flow, and takes datagrams of that target alone.
//!
//! What the kernel or a flow has no room for is lost, as on any network.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use blinktun_proto::endpoint::Transmit;
use blinktun_proto::path::FourTuple;
use blinktun_proto::session::{MAX_BATCH, Session};
use blinktun_proto::time::{Duration, Time};
use socket2::Socket;

use crate::event::FlowKey;
use crate::inbox::Inbox;
use crate::udp::{LONGEST_RUN, Udp};

/// Calls that take datagrams from a socket before others have their turn.
const TURN: usize = 8;
/// Sources that may wait for the owner's word; the oldest of more is forgotten.
const STRANGERS: usize = 256;
/// Datagrams that are kept for each of them; the first ones count.
const KEPT: usize = 8;
/// A source on which the owner says nothing is forgotten after this time.
const FORGOTTEN: Duration = Duration::from_secs(5);
/// Bytes that are asked for each of the kernel's two queues.
const BUFFER: usize = 1 << 20;

/// A socket and its flows.
///
/// Bounds: [`STRANGERS`] sources with [`KEPT`] datagrams each; one entry for each flow, of which sessions bound the
/// number.
pub struct Port {
    socket: Udp,
    flows: HashMap<FlowKey, Association>,
    sources: HashMap<FourTuple, FlowKey>,
    /// The only source that is listened to.
    target: Option<SocketAddr>,
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
    source: FourTuple,
    used: Time,
    is_ready: bool,
}

struct Stranger {
    source: FourTuple,
    since: Time,
    datagrams: Vec<Vec<u8>>,
}

impl Port {
    /// The port of a bound socket of applications.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(socket: OwnedFd) -> io::Result<Port> {
        let socket = Udp::adopt(Socket::from(socket), BUFFER, 0)?;
        socket.receive_local_ip()?;
        Ok(Port {
            socket,
            flows: HashMap::new(),
            sources: HashMap::new(),
            target: None,
            strangers: VecDeque::new(),
            is_readable: true,
            ready: VecDeque::new(),
        })
    }

    /// The port of a bound socket that has one flow, to and from `target`.
    ///
    /// # Errors
    /// What the system says.
    pub fn to_target(
        socket: OwnedFd,
        target: SocketAddr,
        flow: FlowKey,
        now: Time,
    ) -> io::Result<Port> {
        let mut port = Port::new(socket)?;
        port.target = Some(target);
        port.enter(flow, target.into(), now);
        Ok(port)
    }

    /// Give a source that waits for one a flow. Returns the datagrams that have waited for that; `None` if the source
    /// has a flow already, or is forgotten.
    pub fn join(&mut self, source: SocketAddr, flow: FlowKey, now: Time) -> Option<Vec<Vec<u8>>> {
        self.forget_old_strangers(now);
        let stranger = self.forget_stranger(source)?;
        self.enter(flow, stranger.source, now);
        Some(stranger.datagrams)
    }

    /// Neither the flow nor the source is known yet: a stranger is a source without a flow.
    fn enter(&mut self, flow: FlowKey, source: FourTuple, now: Time) {
        self.sources.insert(source, flow);
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

    fn forget_stranger(&mut self, source: SocketAddr) -> Option<Stranger> {
        let mut all = self.strangers.iter();
        let at = all.position(|it| it.source.remote == source)?;
        self.strangers.remove(at)
    }

    fn forget_old_strangers(&mut self, now: Time) {
        while let Some(oldest) = self.strangers.front()
            && now.since(oldest.since) >= FORGOTTEN
        {
            self.strangers.pop_front();
        }
    }

    /// A flow has ended.
    pub fn remove(&mut self, flow: FlowKey) {
        if let Some(association) = self.flows.remove(&flow) {
            self.sources.remove(&association.source);
        }
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

    // --- to the socket --------------------------------------------------------------------

    /// From flows to the socket; `outbox` has room for a run.
    pub fn pump_out(&mut self, sessions: &mut impl Sessions, outbox: &mut [u8], now: Time) {
        while let Some(flow) = self.ready.pop_front() {
            let Some(association) = self.flows.get_mut(&flow) else {
                continue;
            };
            association.is_ready = false;
            let Some(session) = sessions.of_flow(flow) else {
                continue;
            };
            let mut run = Run::new(association.source);
            while let Some(datagram) = session.take_datagram(flow.flow) {
                association.used = now;
                if !run.takes(datagram.len()) {
                    run.send(&mut self.socket, outbox, now);
                }
                run.push(&datagram, outbox);
            }
            run.send(&mut self.socket, outbox, now);
        }
    }

    // --- from the socket ------------------------------------------------------------------

    /// From the socket to flows. Returns whether there may be more. `stranger` gets each source that is new.
    pub fn pump_in(
        &mut self,
        sessions: &mut impl Sessions,
        mut stranger: impl FnMut(SocketAddr),
        inbox: &mut Inbox,
        now: Time,
    ) -> bool {
        for _ in 0..TURN {
            if !self.is_readable {
                return false;
            }
            self.is_readable = self.socket.receive(inbox);
            let mut runs = 0..;
            while let Some((run, bytes)) = runs.next().and_then(|index| inbox.run(index)) {
                let path = run.path;
                if bytes.is_empty() {
                    self.take(path, bytes, (sessions, &mut stranger), now);
                }
                for datagram in bytes.chunks(run.stride.max(1)) {
                    self.take(path, datagram, (sessions, &mut stranger), now);
                }
            }
        }
        self.is_readable
    }

    fn take(
        &mut self,
        source: FourTuple,
        datagram: &[u8],
        (sessions, stranger): (&mut impl Sessions, &mut impl FnMut(SocketAddr)),
        now: Time,
    ) {
        let source = match self.target {
            None => source,
            Some(target) if is_same(target, source.remote) => target.into(),
            Some(_) => return,
        };
        let Some(&flow) = self.sources.get(&source) else {
            if self.target.is_none() && self.note_stranger(source, datagram, now) {
                stranger(source.remote);
            }
            return;
        };
        if let Some(session) = sessions.of_flow(flow)
            && session.send_datagram(flow.flow, datagram, now).is_ok()
            && let Some(association) = self.flows.get_mut(&flow)
        {
            association.used = now;
        }
    }

    /// Keep a datagram of a source without a flow; whether the owner must be asked.
    fn note_stranger(&mut self, source: FourTuple, datagram: &[u8], now: Time) -> bool {
        self.forget_old_strangers(now);
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

/// Datagrams of one length that leave with one call; the last may be shorter.
struct Run {
    to: FourTuple,
    len: usize,
    stride: usize,
    count: usize,
}

impl Run {
    fn new(to: FourTuple) -> Run {
        Run {
            to,
            len: 0,
            stride: 0,
            count: 0,
        }
    }

    /// Whether a datagram of this length may follow.
    fn takes(&self, len: usize) -> bool {
        let is_whole = self.len == self.count * self.stride && self.stride > 0;
        let fits = len <= self.stride && len > 0 && self.len + len <= LONGEST_RUN;
        self.count == 0 || (is_whole && fits && self.count < MAX_BATCH)
    }

    fn push(&mut self, datagram: &[u8], outbox: &mut [u8]) {
        if let Some(place) = outbox.get_mut(self.len..self.len + datagram.len()) {
            place.copy_from_slice(datagram);
            if self.count == 0 {
                self.stride = datagram.len();
            }
            self.len += datagram.len();
            self.count += 1;
        }
    }

    /// Send what there is. Whatever the system says, a datagram may be lost.
    fn send(&mut self, socket: &mut Udp, outbox: &[u8], now: Time) {
        if self.count > 0 && self.len == 0 {
            socket.send_empty(self.to);
        } else if self.count > 0 {
            let transmit = Transmit {
                to: self.to.remote,
                src_ip: self.to.local_ip,
                socket: 0,
                len: self.len,
                stride: self.stride,
                whole: None,
            };
            let _ = socket.send(&transmit, &outbox[..self.len], now);
        }
        *self = Run::new(self.to);
    }
}

/// Whether these are one place: a socket of both families shows IPv4 in another form.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EndpointId, SessionKey};
    use blinktun_proto::endpoint::SessionId;
    use blinktun_proto::smux::FlowId;

    fn flow(id: u32) -> FlowKey {
        let (endpoint, session) = (EndpointId(1), SessionId(1));
        let session = SessionKey { endpoint, session };
        let flow = FlowId(id);
        FlowKey { session, flow }
    }

    #[test]
    fn a_source_has_one_flow_however_often_its_owner_was_asked() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut port = Port::new(socket.into()).unwrap();
        let source = SocketAddr::from(([127, 0, 0, 1], 9));
        let (begin, later) = (Time::ZERO, Time::ZERO + FORGOTTEN);
        assert!(port.note_stranger(source.into(), b"a", begin));
        assert!(!port.note_stranger(source.into(), b"b", begin));
        assert!(port.note_stranger(source.into(), b"c", later), "asked anew");
        assert_eq!(port.join(source, flow(3), later), Some(vec![b"c".to_vec()]));
        assert_eq!(port.join(source, flow(5), later), None);
        assert_eq!(port.flows(), [flow(3)]);
        assert_eq!(port.sources.len(), 1);
        port.remove(flow(3));
        assert!(port.flows().is_empty() && port.sources.is_empty());
        assert!(port.note_stranger(source.into(), b"d", later));
        assert_eq!(
            port.join(source, flow(7), later + FORGOTTEN),
            None,
            "too late"
        );
    }

    #[test]
    fn a_run_has_datagrams_of_one_length_and_a_shorter_one_ends_it() {
        let mut run = Run::new(SocketAddr::from(([127, 0, 0, 1], 9)).into());
        let mut outbox = vec![0; LONGEST_RUN];
        assert!(run.takes(0) && run.takes(65_507));
        run.push(&[1; 1000], &mut outbox);
        assert!(run.takes(1000) && run.takes(1) && !run.takes(1001) && !run.takes(0));
        run.push(&[2; 1000], &mut outbox);
        run.push(&[3; 10], &mut outbox);
        assert!(!run.takes(10) && !run.takes(1000));
        assert_eq!((run.len, run.stride, run.count), (2010, 1000, 3));
        let mut run = Run::new(run.to);
        run.push(&[], &mut outbox);
        assert!(!run.takes(0) && !run.takes(1));
        let mut run = Run::new(run.to);
        while run.takes(1000) {
            run.push(&[4; 1000], &mut outbox);
        }
        assert_eq!(run.count, 64);
    }
}
