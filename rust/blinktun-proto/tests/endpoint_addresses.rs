//! Machines with several addresses: which one answers, and which one may.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr};

use blinktun_proto::crypt::{CryptKind, PacketCrypt, derive_key};
use blinktun_proto::endpoint::{Endpoint, EndpointEvent, Limits, SessionId, Transmit};
use blinktun_proto::path::FourTuple;
use blinktun_proto::random::Random;
use blinktun_proto::session::{Config, Role};
use blinktun_proto::smux::StreamId;
use blinktun_proto::time::{Duration, Time};

const CLIENT: &str = "10.0.0.1:1000";
const ASKED: &str = "10.0.0.2:2000";

type Datagram = (Transmit, Vec<u8>);

struct Pair {
    client: Endpoint,
    server: Endpoint,
    session: SessionId,
    stream: StreamId,
    now: Time,
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn path(local: &str) -> FourTuple {
    FourTuple {
        remote: address(CLIENT),
        local_ip: Some(ip(local)),
        socket: 0,
    }
}

impl Pair {
    /// A client that has opened a stream.
    fn new(kind: CryptKind) -> Pair {
        let make = |role, seed| {
            let crypt = PacketCrypt::new(kind, &derive_key(b"it's a secrect"));
            let config = Config::new(&crypt);
            let limits = Limits::default();
            Endpoint::new(config, limits, role, crypt, [seed; 32], Time::ZERO)
        };
        let (mut client, server) = (make(Role::Client, 1), make(Role::Server, 2));
        let session = client.dial(address(ASKED), Time::ZERO);
        let stream = client
            .session_mut(session)
            .unwrap()
            .0
            .open_stream()
            .unwrap();
        Pair {
            client,
            server,
            session,
            stream,
            now: Time::ZERO,
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let (session, _) = self.client.session_mut(self.session).unwrap();
        session.write(self.stream, bytes).unwrap();
    }

    fn pass(&mut self) {
        self.now += Duration::from_millis(50);
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
    }

    /// What the client sends arrives at the server's address `local`; what answers.
    fn ask_at(&mut self, local: &str) -> Vec<Datagram> {
        for (transmit, mut bytes) in sent(&mut self.client, self.now) {
            self.server
                .handle_datagrams(path(local), &mut bytes, transmit.stride, self.now);
        }
        self.server.finish_input(self.now);
        sent(&mut self.server, self.now)
    }

    /// The client hears `datagrams` from `source`.
    fn answer_from(&mut self, source: &str, datagrams: Vec<Datagram>) {
        for (transmit, mut bytes) in datagrams {
            self.client
                .handle_datagrams(address(source), &mut bytes, transmit.stride, self.now);
        }
        self.client.finish_input(self.now);
    }

    fn is_acknowledged(&self) -> bool {
        self.client.session(self.session).unwrap().is_drained()
    }
}

fn sent(endpoint: &mut Endpoint, now: Time) -> Vec<Datagram> {
    let mut buffer = vec![0; 65536];
    let mut all = Vec::new();
    while let Some(transmit) = endpoint.poll_transmit(&mut buffer, now) {
        all.push((transmit, buffer[..transmit.len].to_vec()));
    }
    all
}

fn sources(datagrams: &[Datagram]) -> Vec<Option<IpAddr>> {
    let mut all: Vec<_> = datagrams.iter().map(|(sent, _)| sent.src_ip).collect();
    all.dedup();
    all
}

#[test]
fn a_server_answers_from_the_address_that_was_asked() {
    let mut pair = Pair::new(CryptKind::Aes);
    for round in 0..20 {
        let answers = pair.ask_at("10.0.0.2");
        assert!(round > 0 || !answers.is_empty(), "no first answer");
        assert!(
            answers
                .iter()
                .all(|(sent, _)| sent.to == address(CLIENT) && sent.src_ip == Some(ip("10.0.0.2"))),
            "{answers:?}"
        );
        pair.answer_from(ASKED, answers);
        pair.write(b"more");
        pair.pass();
    }
    assert_eq!(pair.server.stats().passive_opens, 1);
    assert_eq!(pair.client.stats().in_errs, 0);
}

#[test]
fn a_reset_comes_from_the_address_that_was_asked() {
    let mut pair = Pair::new(CryptKind::Aes);
    let answers = pair.ask_at("10.0.0.2");
    pair.answer_from(ASKED, answers);
    pair.server = Pair::new(CryptKind::Aes).server; // restarted
    pair.write(b"to a session that is gone");
    let answers = pair.ask_at("10.0.0.3");
    assert_eq!(pair.server.stats().strays, 1);
    assert_eq!(sources(&answers), [Some(ip("10.0.0.3"))]);
}

#[test]
fn a_session_follows_its_peer_to_another_address_of_the_server() {
    let mut pair = Pair::new(CryptKind::Aes);
    for _ in 0..4 {
        let answers = pair.ask_at("10.0.0.2");
        pair.answer_from(ASKED, answers);
        pair.pass();
    }
    for _ in 0..10 {
        pair.write(b"by the other way");
        let answers = pair.ask_at("10.0.0.3");
        pair.answer_from(ASKED, answers);
        pair.pass();
    }
    pair.write(b"once more");
    let answers = pair.ask_at("10.0.0.3");
    assert_eq!(sources(&answers), [Some(ip("10.0.0.3"))]);
    assert_eq!(pair.server.stats().passive_opens, 1);
    // The peer is where it was: there is no move to report.
    assert_eq!(pair.server.stats().moves, 0);
    while let Some(event) = pair.server.next_event() {
        assert!(!matches!(event, EndpointEvent::Moved(..)));
    }
}

#[test]
fn a_copied_datagram_does_not_change_the_address_that_answers() {
    let mut pair = Pair::new(CryptKind::None);
    for _ in 0..4 {
        let answers = pair.ask_at("10.0.0.2");
        pair.answer_from(ASKED, answers);
        pair.pass();
    }
    pair.write(b"copied on its way");
    for (transmit, bytes) in sent(&mut pair.client, pair.now) {
        for local in ["10.0.0.2", "10.0.0.3"] {
            let copy = &mut bytes.clone();
            pair.server
                .handle_datagrams(path(local), copy, transmit.stride, pair.now);
        }
    }
    pair.server.finish_input(pair.now);
    assert_eq!(
        sources(&sent(&mut pair.server, pair.now)),
        [Some(ip("10.0.0.2"))]
    );
}

#[test]
fn a_client_hears_a_server_that_answers_from_another_address() {
    for kind in [
        CryptKind::Aes,
        CryptKind::Aes128Gcm,
        CryptKind::None,
        CryptKind::Null,
    ] {
        let mut pair = Pair::new(kind);
        if matches!(kind, CryptKind::None | CryptKind::Null) {
            // Without a key the greeting shows nothing by which it is the server's.
            let greeting = pair.ask_at("10.0.0.2");
            pair.answer_from(ASKED, greeting);
        }
        for _ in 0..10 {
            pair.write(b"asked at one");
            let answers = pair.ask_at("10.0.0.2");
            // The client goes on asking at the address that it was given.
            assert!(answers.iter().all(|(sent, _)| sent.to == address(CLIENT)));
            pair.answer_from("10.0.0.3:2000", answers);
            pair.pass();
        }
        assert!(pair.is_acknowledged(), "{kind:?}");
        let to: Vec<_> = {
            pair.write(b"again");
            sent(&mut pair.client, pair.now)
        };
        assert!(to.iter().all(|(sent, _)| sent.to == address(ASKED)));
    }
}

#[test]
fn a_client_hears_nobody_else() {
    // Another port, of any address.
    for source in ["10.0.0.3:2001", "10.0.0.2:2001"] {
        let mut pair = Pair::new(CryptKind::Aes);
        let answers = pair.ask_at("10.0.0.2");
        assert!(!answers.is_empty());
        pair.answer_from(source, answers);
        assert!(pair.client.stats().in_errs > 0 && !pair.is_acknowledged());
    }
    // Another conversation.
    let mut pair = Pair::new(CryptKind::Aes);
    let mut other = Pair::new(CryptKind::Aes);
    other.session = other.client.dial(address(ASKED), other.now);
    other.stream = {
        let (session, _) = other.client.session_mut(other.session).unwrap();
        session.open_stream().unwrap()
    };
    let answers = other.ask_at("10.0.0.2");
    let foreign = answers.into_iter().last().into_iter().collect();
    pair.answer_from("10.0.0.3:2000", foreign);
    assert_eq!(pair.client.stats().in_errs, 1);
}

#[test]
fn without_a_key_a_source_must_echo_our_clock() {
    for kind in [CryptKind::None, CryptKind::Null] {
        let mut pair = Pair::new(kind);
        let answers = pair.ask_at("10.0.0.2");
        // Forged off the path: the conversation is guessed, the clock of each segment is not.
        let head = PacketCrypt::new(kind, &derive_key(b"")).head();
        let crypt = PacketCrypt::new(kind, &derive_key(b""));
        let forged = answers
            .into_iter()
            .map(|(transmit, mut bytes)| {
                for datagram in bytes.chunks_mut(transmit.stride) {
                    // The clock stands behind conv, cmd, frg and wnd.
                    datagram[head + 8..head + 12].fill(0x5a);
                    let mut random = Random::from_number(9);
                    let len = datagram.len();
                    crypt.seal(datagram, len, &mut random);
                }
                (transmit, bytes)
            })
            .collect();
        pair.answer_from("10.0.0.3:2000", forged);
        assert!(!pair.is_acknowledged(), "{kind:?}");
        assert!(pair.client.stats().in_errs > 0, "{kind:?}");
        assert_eq!(pair.client.stats().in_segs, 0, "{kind:?}");
    }
}
