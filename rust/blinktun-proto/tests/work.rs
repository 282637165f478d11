//! What a datagram costs, in steps of loops, whatever it brings and whatever is held.
//!
//! A segment may use up what earlier ones brought (the one that closes a gap lets all behind it
//! through), so the steps of all datagrams together have a bound, and each step is paid for once.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use blinktun_proto::crypt::{CryptKind, PacketCrypt, derive_key};
use blinktun_proto::endpoint::{Endpoint, EndpointEvent, Limits, SessionId};
use blinktun_proto::random::Random;
use blinktun_proto::session::{Config, Role};
use blinktun_proto::smux::{Event, Version, frame};
use blinktun_proto::time::{Duration, Time};
use blinktun_proto::wire::kcp::{ACK, HEADER, PUSH, Segment, WASK, WINS};
use blinktun_proto::wire::{Millis, Sn};
use blinktun_proto::{session, work};

/// Steps that one segment, and one datagram besides, may cost.
const SEGMENT: u64 = 16;
const DATAGRAM: u64 = 64;
const WINDOW: u32 = 2048;
const DATAGRAMS: u32 = 300;
const START: Time = Time::from_millis(1000);
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4000);

fn crypt() -> PacketCrypt {
    PacketCrypt::new(CryptKind::None, &derive_key(b"it's a secrect"))
}

fn endpoint(role: Role, seed: u8, version: Version) -> Endpoint {
    let mut config = Config::new(&crypt());
    config.compress = false;
    (config.send_window, config.receive_window) = (WINDOW, WINDOW);
    config.smux.version = (role == Role::Client).then_some(version);
    config.smux.keepalive_timeout = Duration::from_secs(600);
    let limits = Limits::default();
    Endpoint::new(config, limits, role, crypt(), [seed; 32], Time::ZERO)
}

/// How the server is driven, and who attacks it.
#[derive(Clone, Copy, Debug)]
struct Case {
    version: Version,
    /// The server sends after each datagram, or never.
    sends: bool,
    /// The server's application reads what arrives.
    reads: bool,
}

/// A server with one session, as its attacker sees it.
struct Victim {
    server: Endpoint,
    id: SessionId,
    conv: u32,
    /// The next number that the server wants, and the newest that it has sent.
    next: Sn,
    sent: Sn,
    case: Case,
    now: Time,
    random: Random,
    crypt: PacketCrypt,
    buffer: Vec<u8>,
}

impl Victim {
    fn new(case: Case) -> Victim {
        let mut server = endpoint(Role::Server, 1, case.version);
        let mut client = endpoint(Role::Client, 2, case.version);
        let mut buffer = vec![0; 65536];
        let dialed = client.dial(PEER, START);
        let (session, _) = client.session_mut(dialed).unwrap();
        let stream = session.open_stream().unwrap();
        session.write(stream, b"hello").unwrap();
        for _ in 0..6 {
            hand_over(&mut client, &mut server, &mut buffer, START);
            hand_over(&mut server, &mut client, &mut buffer, START);
        }
        let id = server.session_ids()[0];
        let session = server.session(id).unwrap();
        let (conv, next) = (session.conv(), session.kcp().receive_next());
        Victim {
            server,
            id,
            conv,
            next,
            sent: Sn(0),
            case,
            now: START,
            random: Random::from_number(7),
            crypt: crypt(),
            buffer,
        }
    }

    /// Let the server's application write so much that all windows are full.
    fn fill(&mut self) {
        let (session, _) = self.server.session_mut(self.id).unwrap();
        let streams: Vec<_> = session.mux().stream_ids().collect();
        for stream in streams {
            while session.write(stream, &[7; 65536]).unwrap_or(0) > 0 {}
        }
        self.send();
        self.sent = self.server.session(self.id).unwrap().kcp().send_next();
    }

    fn send(&mut self) {
        while self
            .server
            .poll_transmit(&mut self.buffer, self.now)
            .is_some()
        {}
    }

    fn read(&mut self) {
        while let Some(event) = self.server.next_event() {
            if let EndpointEvent::Session(id, session::Event::Stream(Event::Readable(stream))) =
                event
                && let Some((session, cx)) = self.server.session_mut(id)
            {
                let unread = session.mux().unread(stream);
                session.consume(stream, unread, self.now, cx);
            }
        }
    }

    /// Take one datagram. Returns the steps that it cost.
    fn take(&mut self, payload: &[u8]) -> u64 {
        let mut datagram = vec![0; self.crypt.head()];
        datagram.extend_from_slice(payload);
        let len = datagram.len();
        self.crypt.seal(&mut datagram, len, &mut self.random);
        self.now += Duration::from_micros(10);
        let before = work::steps();
        self.server
            .handle_datagrams(PEER, &mut datagram, len, self.now);
        self.server.finish_input(self.now);
        if self.case.reads {
            self.read();
        }
        if self.case.sends {
            self.send();
        }
        work::steps() - before
    }
}

fn hand_over(from: &mut Endpoint, to: &mut Endpoint, buffer: &mut [u8], now: Time) {
    while let Some(transmit) = from.poll_transmit(buffer, now) {
        to.handle_datagrams(PEER, &mut buffer[..transmit.len], transmit.stride, now);
    }
    to.finish_input(now);
}

/// One segment, to be written behind others.
struct Spec {
    cmd: u8,
    sn: Sn,
    una: Sn,
    data: Vec<u8>,
}

fn push(sn: Sn, data: &[u8]) -> Spec {
    let data = data.to_vec();
    Spec {
        cmd: PUSH,
        sn,
        una: Sn(0),
        data,
    }
}

fn bare(cmd: u8, sn: Sn) -> Spec {
    let data = Vec::new();
    Spec {
        cmd,
        sn,
        una: Sn(0),
        data,
    }
}

fn payload(victim: &Victim, specs: &[Spec]) -> Vec<u8> {
    let mut out = Vec::new();
    for (n, Spec { cmd, sn, una, data }) in specs.iter().enumerate() {
        let start = out.len();
        out.resize(start + HEADER + data.len(), 0);
        let ts = Millis(self_clock(victim) + n as u32);
        let (conv, cmd, sn, una, wnd) = (victim.conv, *cmd, *sn, *una, 65535);
        Segment {
            conv,
            cmd,
            wnd,
            ts,
            sn,
            una,
            data,
        }
        .write(&mut out[start..]);
    }
    out
}

fn self_clock(victim: &Victim) -> u32 {
    victim.now.as_millis() as u32
}

/// The segments of an attack's datagram number `n`.
type Attack = fn(&mut Victim, u32) -> Vec<Spec>;

/// As many segments as fit into a datagram with a byte of data each.
const FULL: u32 = 55;

fn in_order(victim: &mut Victim, n: u32) -> Vec<Spec> {
    let first = victim.next.plus(n * FULL);
    (0..FULL).map(|k| push(first.plus(k), &[1])).collect()
}

/// One segment is missing, and all behind it come again and again.
fn behind_a_gap(victim: &mut Victim, n: u32) -> Vec<Spec> {
    let place = |k: u32| victim.next.plus(1 + (n * FULL + k) % (WINDOW - 1));
    (0..FULL).map(|k| push(place(k), &[1])).collect()
}

fn backwards(victim: &mut Victim, n: u32) -> Vec<Spec> {
    let place = |k: u32| victim.next.plus(WINDOW - 1 - (n * FULL + k) % WINDOW);
    (0..FULL).map(|k| push(place(k), &[1])).collect()
}

/// Each second datagram closes the gaps that the one before has left, behind a segment far away.
fn gaps_that_close(victim: &mut Victim, n: u32) -> Vec<Spec> {
    let first = victim.next.plus(n / 2 * 2 * FULL);
    let place = |k: u32| first.plus(2 * k + u32::from(n.is_multiple_of(2)));
    let far = n
        .is_multiple_of(8)
        .then(|| push(first.plus(WINDOW - 1), &[1]));
    let near = (0..FULL - 1).map(|k| push(place(k), &[1]));
    far.into_iter().chain(near).collect()
}

fn the_same_again(victim: &mut Victim, _: u32) -> Vec<Spec> {
    (0..FULL).map(|_| push(victim.next.plus(3), &[1])).collect()
}

fn old_ones_again(_: &mut Victim, _: u32) -> Vec<Spec> {
    (0..FULL).map(|_| push(Sn(0), &[1])).collect()
}

fn anywhere(victim: &mut Victim, _: u32) -> Vec<Spec> {
    let next = victim.server.session(victim.id).unwrap().kcp();
    let next = next.receive_next();
    let random = &mut victim.random;
    let mut far = || next.plus(random.below(u64::from(WINDOW)) as u32);
    (0..FULL).map(|_| push(far(), &[1])).collect()
}

/// The newest is acknowledged first, one in each datagram.
fn acks_from_the_top(victim: &mut Victim, n: u32) -> Vec<Spec> {
    let sent = victim.sent;
    vec![bare(ACK, Sn(sent.0.saturating_sub(1 + n)))]
}

/// Each third one, so that all between are overtaken.
fn acks_with_holes(victim: &mut Victim, n: u32) -> Vec<Spec> {
    vec![bare(ACK, Sn((3 * n) % victim.sent.0.max(1)))]
}

fn questions(_: &mut Victim, n: u32) -> Vec<Spec> {
    let cmd = |k: u32| {
        if (n + k).is_multiple_of(2) {
            WASK
        } else {
            WINS
        }
    };
    (0..FULL).map(|k| bare(cmd(k), Sn(k))).collect()
}

/// Streams that open, get a byte and break off, and updates for all sorts of streams.
fn frames(victim: &mut Victim, n: u32) -> Vec<Spec> {
    let version = victim.case.version;
    let mut bytes = Vec::new();
    let mut queue = blinktun_proto::buffer::ByteQueue::new();
    for k in 0..10 {
        let id = 101 + 2 * (10 * n + k);
        let mut writer = frame::Writer::new(version, &mut bytes, 1200);
        queue.push(&[1]);
        let _ = writer.open(id) && writer.data(id, &mut queue, 1) > 0;
        let _ = match k % 3 {
            0 => writer.abort(id),
            1 => writer.finish(id),
            _ if version == Version::V2 => writer.update(id, 0, k),
            _ => writer.nop(id),
        };
    }
    vec![push(victim.next.plus(n), &bytes)]
}

const ATTACKS: [(&str, Attack); 11] = [
    ("in order", in_order),
    ("behind a gap", behind_a_gap),
    ("backwards", backwards),
    ("gaps that close", gaps_that_close),
    ("the same again", the_same_again),
    ("old ones again", old_ones_again),
    ("anywhere", anywhere),
    ("acks from the top", acks_from_the_top),
    ("acks with holes", acks_with_holes),
    ("questions", questions),
    ("frames", frames),
];

fn cases() -> Vec<Case> {
    let both = [false, true];
    let mut all = Vec::new();
    for version in [Version::V1, Version::V2] {
        for sends in both {
            for reads in both {
                all.push(Case {
                    version,
                    sends,
                    reads,
                });
            }
        }
    }
    all
}

#[test]
fn no_datagram_costs_more_because_much_is_held() {
    for case in cases() {
        for (name, attack) in ATTACKS {
            let mut victim = Victim::new(case);
            victim.fill();
            // What the server itself has put in flight, and room that is made once.
            let mut allowed = 8 * u64::from(WINDOW);
            let mut spent = 0;
            for n in 0..DATAGRAMS {
                let specs = attack(&mut victim, n);
                let payload = payload(&victim, &specs);
                spent += victim.take(&payload);
                // A segment is at least as long as its header, and so is a frame within it a third.
                allowed += DATAGRAM + SEGMENT * (payload.len() / HEADER) as u64;
                assert!(
                    spent <= allowed,
                    "{name}, {case:?}: {spent} steps for {n} datagrams"
                );
            }
            let errors = victim.server.stats().kcp_in_errors;
            assert!(
                errors < u64::from(DATAGRAMS) / 2,
                "{name}: {errors} refused"
            );
        }
    }
}
