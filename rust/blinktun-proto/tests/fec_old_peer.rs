//! Nothing that we send makes a receiver of 2021 deliver a wrong byte, whatever its numbers are.

#![allow(clippy::unwrap_used)]

mod old_peer;

use std::collections::HashSet;

use blinktun_proto::crypt::{CryptKind, PacketCrypt};
use blinktun_proto::session::{Config, Context, Event, PeerShards, Role, Session};
use blinktun_proto::smux::{self, StreamId};
use blinktun_proto::time::{Duration, Time};
use blinktun_proto::wire::Payload;
use blinktun_proto::wire::fec::{HEADER, PacketKind, classify};
use blinktun_proto::wire::{u16_at, u32_at};
use blinktun_sim::{Link, Weather};
use old_peer::OldPeer;
use proptest::prelude::*;

type Numbers = Option<(usize, usize)>;

const CONV: u32 = 77;
const STREAM: u32 = 3;
const DELAY: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(120);
const BYTES: usize = 150_000;

/// Our session and a peer of 2021, each with bytes for the other on one stream.
struct Tale {
    now: Time,
    ours: Session,
    cx: Context,
    theirs: OldPeer,
    stream: Option<StreamId>,
    to_write: Vec<u8>,
    read: Vec<u8>,
    /// KCP payloads that we sent.
    sent: HashSet<Vec<u8>>,
    /// Numbers of the FEC data packets that we sent.
    seqids: Vec<u32>,
    mismatches: Vec<PeerShards>,
}

fn pattern(count: usize) -> Vec<u8> {
    (0..count as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

fn frame(cmd: u8, data: &[u8]) -> Vec<u8> {
    let head = [1, cmd, data.len() as u8, (data.len() >> 8) as u8];
    [&head[..], &STREAM.to_le_bytes(), data].concat()
}

/// What a peer without hello says: its stream's data, if it speaks at all.
fn frames(role: Role, count: usize) -> Vec<u8> {
    let opening = if role == Role::Server {
        frame(0, &[])
    } else {
        Vec::new()
    };
    let pieces = pattern(count);
    let data = pieces.chunks(900).flat_map(|piece| frame(2, piece));
    opening.into_iter().chain(data).collect()
}

impl Tale {
    /// `role` is ours; `said` is how many bytes we and the peer say.
    fn new(ours: Numbers, theirs: Numbers, role: Role, said: (usize, usize)) -> Tale {
        let crypt = PacketCrypt::new(CryptKind::Null, &[0; 32]);
        let mut config = Config::new(&crypt);
        config.shards = ours;
        config.compress = false;
        config.nodelay = true;
        config.interval_ms = 10;
        config.send_window = 32;
        config.smux.version = Some(smux::Version::V1);
        config.check().unwrap();
        let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 9)).into();
        let mut session = Session::new(&config, role, (peer, CONV), 12345, Time::ZERO);
        let stream = (role == Role::Client).then(|| session.open_stream().unwrap());
        Tale {
            now: Time::ZERO,
            ours: session,
            cx: Context::new([7; 32]),
            theirs: OldPeer::new(CONV, theirs, frames(role, said.1)),
            stream,
            to_write: pattern(said.0),
            read: Vec::new(),
            sent: HashSet::new(),
            seqids: Vec::new(),
            mismatches: Vec::new(),
        }
    }

    /// Carry everything both ways, over a path that loses `loss` of its datagrams.
    fn run(&mut self, loss: f64, seed: u64) {
        let weather = Weather::perfect(DELAY).with_loss(loss);
        let mut up = Link::new(weather.clone(), seed);
        let mut down = Link::new(weather, !seed);
        let end = self.now + PATIENCE;
        while !(self.theirs.is_done() && self.to_write.is_empty() && self.ours.is_drained()) {
            assert!(
                self.now < end,
                "not done: {:?}",
                self.theirs.received.0.len()
            );
            let now = self.now;
            for payload in self.send() {
                up.send(&payload, now);
            }
            for payload in self.theirs.send(now) {
                down.send(&payload, now);
            }
            self.now += Duration::from_millis(1);
            let now = self.now;
            while let Some(payload) = up.receive(now) {
                self.theirs.receive(&payload, now);
            }
            while let Some(payload) = down.receive(now) {
                let payload = Payload::parse(&payload).expect("a payload");
                self.ours.handle_payload(payload, now, &mut self.cx);
            }
            self.ours.finish_input(now);
            if self.ours.next_timeout().is_some_and(|at| at <= now) {
                self.ours.handle_timeout(now, &mut self.cx);
            }
            self.read();
        }
    }

    fn send(&mut self) -> Vec<Vec<u8>> {
        let now = self.now;
        if let Some(stream) = self.stream {
            let taken = self.ours.write(stream, &self.to_write).unwrap();
            self.to_write.drain(..taken);
        }
        let (mut all, mut out) = (Vec::new(), vec![0; 65536]);
        let limit = out.len();
        while let Some(batch) = self.ours.poll_transmit(&mut out, limit, now, &mut self.cx) {
            all.extend(out[..batch.len].chunks(batch.stride).map(<[u8]>::to_vec));
        }
        for payload in &all {
            self.sent.insert(match classify(payload) {
                PacketKind::Data => {
                    self.seqids.push(u32_at(payload, 0));
                    payload[HEADER..].to_vec()
                }
                _ => payload.clone(),
            });
        }
        all
    }

    fn read(&mut self) {
        let now = self.now;
        while let Some(event) = self.ours.next_event() {
            match event {
                Event::Stream(smux::Event::Opened(stream)) => self.stream = Some(stream),
                Event::FecMismatch(theirs) => self.mismatches.push(theirs),
                Event::Closed(reason) => panic!("{reason}"),
                _ => {}
            }
        }
        let Some(stream) = self.stream else { return };
        loop {
            let front = self.ours.read_front(stream).to_vec();
            if front.is_empty() {
                return;
            }
            self.ours.consume(stream, front.len(), now, &mut self.cx);
            self.read.extend(front);
        }
    }

    /// The peer got every byte, and rebuilt nothing that we did not send; so did we.
    fn check(&self, said: (usize, usize)) {
        assert_eq!(self.theirs.garbage(&self.sent), 0);
        assert!(stream_data(&self.theirs.received.0) == pattern(said.0));
        assert!(self.read == pattern(said.1));
    }
}

/// The data of the only stream in a sequence of smux frames.
fn stream_data(mut frames: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    while let Some((head, rest)) = frames.split_at_checked(8) {
        let (piece, rest) = rest.split_at(usize::from(u16_at(head, 2)));
        assert!(head[0] == 1 && head[1] <= 3, "{head:?}");
        data.extend_from_slice(piece);
        frames = rest;
    }
    data
}

fn told(
    (ours, theirs): (Numbers, Numbers),
    role: Role,
    said: (usize, usize),
    loss: f64,
    seed: u64,
) -> Tale {
    let mut tale = Tale::new(ours, theirs, role, said);
    tale.run(loss, seed);
    tale.check(said);
    tale
}

// --- whatever the numbers are -----------------------------------------------------------------

fn numbers() -> impl Strategy<Value = Numbers> {
    prop_oneof![
        1 => Just(None),
        3 => Just(Some((10, 3))),
        3 => (1usize..12, 1usize..8).prop_map(Some),
        1 => (1usize..100, 1usize..100).prop_map(Some),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_numbers_and_no_loss_make_garbage(
        ours in numbers(), theirs in numbers(), is_client: bool, count in prop_oneof![Just(0), Just(BYTES)],
        percent in 0u32..20, seed: u64,
    ) {
        // A client that says nothing opens no stream.
        let (role, count) = if is_client { (Role::Client, count) } else { (Role::Server, BYTES) };
        let tale = told((ours, theirs), role, (BYTES, count), f64::from(percent) / 100.0, seed);
        prop_assert!(ours == theirs || tale.theirs.coded == 0, "FEC went to a peer of other numbers");
    }
}

#[test]
fn numbers_that_nearly_fit_make_no_garbage() {
    // The same rows; groups that end together; copies for parity.
    let pairs = [
        ((10, 3), (10, 2)),
        ((10, 2), (10, 3)),
        ((3, 9), (3, 1)),
        ((3, 1), (3, 9)),
        ((10, 3), (10, 16)),
        ((1, 1), (1, 2)),
        ((1, 3), (1, 1)),
        ((2, 1), (1, 1)),
        ((4, 2), (10, 3)),
        ((20, 5), (3, 1)),
    ];
    for (ours, theirs) in pairs {
        for seed in 0..20 {
            let role = if seed % 2 == 0 {
                Role::Client
            } else {
                Role::Server
            };
            let tale = told((Some(ours), Some(theirs)), role, (BYTES, BYTES), 0.08, seed);
            assert_eq!(tale.theirs.coded, 0, "{ours:?} {theirs:?}");
        }
    }
}

/// The control: what always codes corrupts the same receiver.
#[test]
fn a_sender_that_does_not_look_makes_garbage() {
    let mut spoiled = 0;
    for seed in 0..20 {
        let mut sender = OldPeer::new(CONV, Some((4, 2)), pattern(BYTES));
        let mut receiver = OldPeer::new(CONV, Some((10, 3)), Vec::new());
        let mut path = Link::new(Weather::perfect(DELAY).with_loss(0.08), seed);
        let mut sent = HashSet::new();
        for millis in 0..2000 {
            let now = Time::from_millis(millis);
            for payload in sender.send(now) {
                path.send(&payload, now);
                sent.insert(payload[HEADER..].to_vec());
            }
            while let Some(payload) = path.receive(now) {
                receiver.receive(&payload, now);
            }
            for payload in receiver.send(now) {
                sender.receive(&payload, now);
            }
        }
        assert!(receiver.garbage(&sent) > 0, "seed {seed}");
        let received = &receiver.received.0;
        spoiled += usize::from(*received != pattern(received.len()));
    }
    assert!(spoiled > 5, "{spoiled} of 20 delivered wrong bytes");
}

// --- what is told -----------------------------------------------------------------------------

#[test]
fn equal_numbers_get_parity_once_they_are_proved() {
    for seed in 0..5 {
        for numbers in [(10, 3), (1, 1), (70, 30), (2, 1), (3, 10)] {
            for role in [Role::Client, Role::Server] {
                let tale = told(
                    (Some(numbers), Some(numbers)),
                    role,
                    (4 * BYTES, 4 * BYTES),
                    0.02,
                    seed,
                );
                assert!(
                    tale.theirs.parity > 10,
                    "{numbers:?} {}",
                    tale.theirs.parity
                );
                assert!(!tale.theirs.rebuilt.is_empty(), "{numbers:?}");
                assert_eq!(tale.mismatches, [], "{numbers:?}");
            }
        }
    }
}

#[test]
fn a_contradiction_ends_it_at_once_and_a_proof_brings_it_back() {
    let said = (4 * BYTES + 5000, 4 * BYTES);
    let numbers = Some((10, 3));
    let mut tale = told((numbers, numbers), Role::Client, said, 0.0, 1);
    assert!(tale.ours.is_protected());
    let (before, last) = (tale.seqids.len(), tale.seqids[tale.seqids.len() - 1]);
    assert_ne!(last % 13, 9, "a group is open");
    // Parity with the number of a data packet: no sender with our numbers makes it.
    let wrong = [&[0, 0, 0, 0, 0xf2, 0][..], &[0; 40]].concat();
    let wrong = Payload::parse(&wrong).expect("a payload");
    tale.ours.handle_payload(wrong, tale.now, &mut tale.cx);
    tale.to_write = pattern(20_000);
    assert!(!tale.ours.is_protected());
    assert!(tale.send().len() > 10);
    assert_eq!(tale.seqids.len(), before);
    tale.theirs.say(&frames(Role::Client, 4 * BYTES));
    tale.to_write = pattern(4 * BYTES);
    tale.run(0.0, 2);
    assert!(tale.ours.is_protected());
    let next = (last / 13 + 1) * 13;
    assert_eq!(
        tale.seqids[before], next,
        "the open group's numbers are passed over"
    );
}

#[test]
fn a_mismatch_is_told_once() {
    let off = PeerShards::Off;
    for (ours, theirs, told_as) in [
        (Some((10, 3)), Some((4, 2)), PeerShards::Proven(4, 2)),
        (Some((4, 2)), Some((10, 3)), PeerShards::Proven(10, 3)),
        (Some((3, 1)), Some((20, 5)), PeerShards::Proven(20, 5)),
        (Some((10, 3)), Some((10, 2)), PeerShards::Proven(10, 2)),
        (None, Some((10, 3)), PeerShards::Proven(10, 3)),
        (None, Some((1, 1)), PeerShards::Proven(1, 1)),
        (Some((10, 3)), None, off),
        (Some((70, 30)), None, off),
    ] {
        for role in [Role::Client, Role::Server] {
            let tale = told((ours, theirs), role, (4 * BYTES, 4 * BYTES), 0.02, 5);
            assert_eq!(tale.mismatches, [told_as], "{ours:?} {theirs:?}");
        }
    }
    assert_eq!(
        told((None, None), Role::Client, (BYTES, BYTES), 0.02, 5).mismatches,
        []
    );
}

#[test]
fn numbers_that_cannot_be_found_are_told_as_others() {
    // Every group of a hundred loses some: the tuner never sees a whole one.
    let (ours, theirs) = (Some((10, 3)), Some((70, 30)));
    let tale = told((ours, theirs), Role::Client, (BYTES, 10 * BYTES), 0.15, 1);
    assert_eq!(tale.mismatches, [PeerShards::Other]);
}
