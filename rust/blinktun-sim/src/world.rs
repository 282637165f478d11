//! Two nodes, two links, many flows.
//!
//! [`World::run`] carries all flows to their ends; time jumps to the next arrival, timer or
//! application's look. It fails if a byte is wrong, if an end comes early or twice, if time stands
//! still while timers fire, or if the flows are not done within their time.

use std::net::SocketAddr;

use blinktun_proto::endpoint::{Endpoint, EndpointEvent, SessionId};
use blinktun_proto::error::CloseReason;
use blinktun_proto::fec::tuner::Tuner;
use blinktun_proto::path::FourTuple;
use blinktun_proto::session::{Event, Session};
use blinktun_proto::smux;
use blinktun_proto::time::{Duration, Time, earliest};

use crate::flow::{Flow, Side};
use crate::node::Node;
use crate::setup::{CLIENT, SERVER, Setup};
use crate::traces::Traces;
use blinktun_link::Link;

/// As large as the drivers' buffers.
const BUFFER: usize = 65536;
/// The default settings' time between keepalives.
const KEEPALIVE: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);
/// So many events may share one moment.
const MAX_AT_ONCE: u32 = 100;

/// Something that happened, when and where.
pub type Happening = (Time, Side, EndpointEvent);

/// Two nodes and what lies between them.
pub struct World<N: Node = Endpoint> {
    /// The client.
    pub client: N,
    /// The server.
    pub server: N,
    /// Whether the server runs. While it does not, what arrives there is lost.
    pub server_is_up: bool,
    /// Where the client seems to be: its first socket. What the server sends to another host, or to a socket that
    /// the client does not have, is lost.
    pub client_address: SocketAddr,
    /// The client's sockets, which have ports one behind the other, and the first one that is still open.
    pub sockets: std::ops::Range<u32>,
    /// The client sleeps from then until then: nothing of it happens, and what arrives there is lost.
    sleep: Option<(Time, Time)>,
    /// For so long it has slept: its clock does not run meanwhile.
    slept: Duration,
    /// From client to server.
    pub up: Link,
    /// From server to client.
    pub down: Link,
    /// Whether datagrams that are too long are cut into fragments, if they may be.
    pub cuts: bool,
    /// The present.
    pub now: Time,
    /// The streams.
    pub flows: Vec<Flow>,
    /// The client's session.
    pub dialed: SessionId,
    /// The server's session, once it exists.
    pub accepted: Option<SessionId>,
    /// What happened, without `Readable` and `Writable`.
    pub happenings: Vec<Happening>,
    /// How often each side's timer went off.
    pub wakeups: [u64; 2],
    /// Every datagram that left, if the story wants to know.
    pub log: Option<Vec<(Side, Vec<u8>)>>,
    traces: Option<Traces>,
    at_once: u32,
    seed: u64,
    buffer: Vec<u8>,
}

/// Which sockets a datagram goes between, as its mark: the client's and the server's.
fn joined(of_client: u32, of_server: u32) -> u64 {
    u64::from(of_client) << 32 | u64::from(of_server)
}

fn split(ports: u64) -> (u16, u16) {
    ((ports >> 32) as u16, ports as u16)
}

impl<N: Node> World<N> {
    /// Two nodes at the ends of a path; the server's session may not exist yet.
    pub fn new(
        setup: &Setup,
        client: N,
        server: N,
        (dialed, accepted): (SessionId, Option<SessionId>),
    ) -> World<N> {
        World {
            client,
            server,
            server_is_up: true,
            client_address: CLIENT,
            sockets: 0..1,
            sleep: None,
            slept: Duration::ZERO,
            up: Link::new(setup.up.clone(), setup.seed),
            down: Link::new(setup.down.clone(), !setup.seed),
            cuts: false,
            now: setup.start,
            flows: Vec::new(),
            dialed,
            accepted,
            happenings: Vec::new(),
            wakeups: [0; 2],
            log: None,
            traces: Traces::begin(setup.seed),
            at_once: 0,
            seed: setup.seed,
            buffer: vec![0; BUFFER],
        }
    }

    // --- the story ------------------------------------------------------------------------

    /// Add a stream; returns its place in `flows`.
    pub fn add(&mut self, mut flow: Flow) -> usize {
        flow.set_seed(self.seed.wrapping_mul(1000) + self.flows.len() as u64);
        self.flows.push(flow);
        self.flows.len() - 1
    }

    /// Let the client prove its address before it has anything to carry. A server keeps only the first
    /// 1500 bytes of what a client sends sooner, and the client sends the rest again.
    ///
    /// # Panics
    /// If that takes longer than a minute, or anything else goes wrong.
    pub fn meet(&mut self) {
        if let Some((session, _)) = self.client.session_mut(self.dialed) {
            session.ping();
        }
        self.run_until(MINUTE, |world| world.accepted.is_some());
    }

    /// Carry all flows to their ends. Returns how long it took.
    ///
    /// # Panics
    /// If it takes longer than `limit`, or anything else goes wrong.
    pub fn run(&mut self, limit: Duration) -> Duration {
        self.run_until(limit, |world| world.flows.iter().all(Flow::is_done))
    }

    /// Go on until `done`. Returns how long it took.
    ///
    /// # Panics
    /// As [`World::run`].
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&World<N>) -> bool) -> Duration {
        let (begin, end) = (self.now, self.now + limit);
        while !done(self) {
            if !self.step(end) && !done(self) {
                panic!("not done after {limit:?}: {}", self.describe());
            }
        }
        self.now.since(begin)
    }

    /// Let this much time pass.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
    }

    /// The client sleeps for so long from now on.
    pub fn sleep(&mut self, time: Duration) {
        self.sleep = Some((self.now, self.now + time));
        self.run_until(time, |world| world.sleep.is_none());
    }

    /// Why the client's or the server's sessions ended, in order.
    pub fn closings(&self, side: Side) -> Vec<(Time, CloseReason)> {
        let closing = |happening: &Happening| match happening {
            (at, s, EndpointEvent::Session(_, Event::Closed(reason))) if *s == side => {
                Some((*at, *reason))
            }
            _ => None,
        };
        self.happenings.iter().filter_map(closing).collect()
    }

    /// How often this happened.
    pub fn count(&self, is_it: impl Fn(Side, &EndpointEvent) -> bool) -> usize {
        let happened = self.happenings.iter();
        happened
            .filter(|(_, side, event)| is_it(*side, event))
            .count()
    }

    /// Let a minute pass, and then some to be between two keepalives. Nothing is in flight,
    /// queued, kept or open then.
    ///
    /// # Panics
    /// If something is, or if a session is gone.
    pub fn rest(&mut self) {
        self.pass(MINUTE);
        let end = self.now + KEEPALIVE;
        while let Some(unrest) = self.unrest() {
            assert!(self.step(end), "no rest: {unrest}");
        }
    }

    /// What keeps the sessions from being at rest.
    fn unrest(&self) -> Option<String> {
        [Side::Client, Side::Server].into_iter().find_map(|side| {
            let Some(session) = self.session(side).filter(|s| s.closed().is_none()) else {
                return Some(format!("the session of the {side:?} is gone"));
            };
            let (kcp, mux) = (session.kcp(), session.mux());
            let kept = [
                ("unacknowledged segments", kcp.waiting()),
                ("received segments", kcp.receiver().held()),
                ("streams", mux.stream_count()),
                ("stream memory", mux.allocated()),
                (
                    "decoder memory",
                    session.fec_memory().saturating_sub(Tuner::MEMORY_BOUND),
                ),
            ];
            let (what, count) = kept.into_iter().find(|(_, count)| *count > 0)?;
            Some(format!("{what}: {count}, {side:?}"))
        })
    }

    /// The session of one side.
    pub fn session(&self, side: Side) -> Option<&Session> {
        match side {
            Side::Client => self.client.session(self.dialed),
            Side::Server => self.accepted.and_then(|id| self.server.session(id)),
        }
    }

    fn describe(&self) -> String {
        let undone = self.flows.iter().enumerate().filter(|(_, f)| !f.is_done());
        let flows: Vec<String> = undone
            .take(4)
            .map(|(n, f)| {
                let half = |h: &crate::Half| format!("{}/{}/{}", h.read, h.written, h.total);
                format!("flow {n}: up {}, down {}", half(&f.up), half(&f.down))
            })
            .collect();
        let kcp = |side| self.session(side).map(|s| (s.kcp().waiting(), s.closed()));
        format!(
            "{flows:?}; client {:?}, server {:?}, up {:?}, down {:?}, happenings {:?}",
            kcp(Side::Client),
            kcp(Side::Server),
            self.up.counts,
            self.down.counts,
            &self.happenings[self.happenings.len().saturating_sub(4)..],
        )
    }

    // --- time -----------------------------------------------------------------------------

    /// Go to the next event, or to `end` if none comes before. Returns whether one came.
    pub fn step(&mut self, end: Time) -> bool {
        self.settle();
        let Some(next) = self.next_event().filter(|at| *at <= end) else {
            self.now = self.now.max(end);
            return false;
        };
        self.at_once = if next > self.now { 0 } else { self.at_once + 1 };
        assert!(
            self.at_once < MAX_AT_ONCE,
            "time stands still at {:?}: {}",
            self.now,
            self.describe()
        );
        self.now = self.now.max(next);
        self.deliver();
        self.wake();
        true
    }

    /// When the client's timer fires, by the world's clock.
    fn client_timeout(&self) -> Option<Time> {
        let at = self.client.next_timeout()? + self.slept;
        self.sleep.is_none().then_some(at)
    }

    /// The present by the clock of this side.
    pub fn time_of(&self, side: Side) -> Time {
        match side {
            Side::Client => Time::ZERO + self.now.since(Time::ZERO + self.slept),
            Side::Server => self.now,
        }
    }

    fn next_event(&self) -> Option<Time> {
        let mut next = earliest(self.up.next_arrival(), self.down.next_arrival());
        next = earliest(
            next,
            earliest(self.client_timeout(), self.sleep.map(|(_, until)| until)),
        );
        if self.server_is_up {
            next = earliest(next, self.server.next_timeout());
        }
        let looks = self.flows.iter().filter(|flow| !flow.is_done());
        let looks = looks.filter_map(|flow| flow.next_look(self.now));
        earliest(next, looks.min())
    }

    fn deliver(&mut self) {
        while let Some((ports, mut datagram)) = self.up.receive_marked(self.now) {
            let (of_client, of_server) = split(ports);
            if self.server_is_up {
                let from = self.client_address;
                let path = FourTuple {
                    socket: u32::from(of_server),
                    ..SocketAddr::new(from.ip(), from.port() + of_client).into()
                };
                self.server.handle_datagram(path, &mut datagram, self.now);
            }
        }
        let then = self.time_of(Side::Client);
        while let Some((ports, mut datagram)) = self.down.receive_marked(self.now) {
            let (of_client, of_server) = split(ports);
            let socket = u32::from(of_client);
            if self.sleep.is_none() && self.sockets.contains(&socket) {
                let path = FourTuple {
                    socket,
                    ..SocketAddr::new(SERVER.ip(), SERVER.port() + of_server).into()
                };
                self.client.handle_datagram(path, &mut datagram, then);
            }
        }
        self.server.finish_input(self.now);
        if self.sleep.is_none() {
            self.client.finish_input(then);
        }
    }

    fn wake(&mut self) {
        if let Some((from, until)) = self.sleep.take_if(|(_, until)| *until <= self.now) {
            self.slept += until.since(from);
        }
        let due = |at: Option<Time>| at.is_some_and(|at| at <= self.now);
        if due(self.client_timeout()) {
            self.wakeups[0] += 1;
            self.client.handle_timeout(self.time_of(Side::Client));
        }
        if self.server_is_up && due(self.server.next_timeout()) {
            self.wakeups[1] += 1;
            self.server.handle_timeout(self.now);
        }
    }

    // --- the ends -------------------------------------------------------------------------

    /// Let both ends and the applications act until they have nothing to do at this moment.
    pub fn settle(&mut self) {
        loop {
            self.apply(Side::Client);
            self.apply(Side::Server);
            let sent = self.transmit(Side::Client) | self.transmit(Side::Server);
            let heard = self.listen(Side::Client) | self.listen(Side::Server);
            if !sent && !heard {
                return self.write_traces();
            }
        }
    }

    fn write_traces(&mut self) {
        let Some(traces) = &mut self.traces else {
            return;
        };
        while let Some((id, text)) = self.client.next_trace() {
            traces.write(Side::Client, id, &text);
        }
        while let Some((id, text)) = self.server.next_trace() {
            traces.write(Side::Server, id, &text);
        }
    }

    /// Send what the side has to send; returns whether there was anything.
    fn transmit(&mut self, side: Side) -> bool {
        let now = self.time_of(side);
        if side == Side::Client && self.sleep.is_some() {
            return false;
        }
        let (node, link) = match side {
            Side::Client => (&mut self.client, &mut self.up),
            Side::Server => (&mut self.server, &mut self.down),
        };
        let mut any = false;
        let (home, sockets) = (self.client_address, &self.sockets);
        while let Some(transmit) = node.poll_transmit(&mut self.buffer, now) {
            any = true;
            let of_client = u32::from(transmit.to.port().wrapping_sub(home.port()));
            let is_lost = match side {
                Side::Client => !sockets.contains(&transmit.socket),
                Side::Server => {
                    let is_home = transmit.to.ip() == home.ip() && sockets.contains(&of_client);
                    !self.server_is_up || !is_home
                }
            };
            if is_lost {
                continue;
            }
            link.mark = match side {
                Side::Client => {
                    let of_server = u32::from(transmit.to.port().wrapping_sub(SERVER.port()));
                    joined(transmit.socket, of_server)
                }
                Side::Server => joined(of_client, transmit.socket),
            };
            for datagram in self.buffer[..transmit.len].chunks(transmit.stride) {
                if let Some(log) = &mut self.log {
                    log.push((side, datagram.to_vec()));
                }
                match self.cuts && transmit.whole.is_none() {
                    true => link.send_in_fragments(datagram, self.now),
                    false => link.send(datagram, self.now),
                };
            }
        }
        any
    }

    /// Collect the side's events; returns whether there was any.
    fn listen(&mut self, side: Side) -> bool {
        let mut any = false;
        while let Some(event) = match side {
            Side::Client => self.client.next_event(),
            Side::Server => self.server.next_event(),
        } {
            any = true;
            self.note(side, event);
        }
        any
    }

    fn note(&mut self, side: Side, event: EndpointEvent) {
        use smux::Event::{Finished, Readable, Writable};
        match event {
            EndpointEvent::Opened(id, peer) if peer == self.client_address => {
                self.accepted = Some(id);
            }
            EndpointEvent::Session(_, Event::Stream(Readable(_) | Writable(_))) => return,
            EndpointEvent::Session(id, Event::Stream(Finished(stream))) => {
                let ours = id == self.dialed || Some(id) == self.accepted;
                let flow = self.flows.iter_mut().find(|f| f.stream == Some(stream));
                if let Some(flow) = flow.filter(|_| ours) {
                    flow.read_by(side).note_end();
                }
            }
            _ => {}
        }
        self.happenings.push((self.now, side, event));
    }

    /// Let the applications of one side write and read.
    fn apply(&mut self, side: Side) {
        if side == Side::Client && self.sleep.is_some() {
            return;
        }
        let (now, clock) = (self.now, self.time_of(side));
        let (id, node) = match side {
            Side::Client => (Some(self.dialed), &mut self.client),
            Side::Server => (self.accepted, &mut self.server),
        };
        let Some(id) = id else { return };
        let waiting = self.flows.iter_mut();
        for flow in waiting.filter(|flow| flow.opens <= now && !flow.is_done()) {
            let Some(mut session) = node.session_mut(id) else {
                return;
            };
            if session.0.closed().is_some() {
                return;
            }
            flow.apply(side, &mut session, (now, clock));
        }
    }
}
