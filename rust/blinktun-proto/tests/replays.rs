//! Datagrams that were recorded and are sent again: while the server runs, after much other traffic,
//! at another port, and after a restart.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use blinktun_proto::crypt::{CryptKind, PacketCrypt, derive_key};
use blinktun_proto::endpoint::{Endpoint, EndpointEvent, Limits, Openings, SessionId};
use blinktun_proto::replay::OpeningMemory;
use blinktun_proto::session::{Config, Event, Role};
use blinktun_proto::smux;
use blinktun_proto::time::{Duration, Time};

const NOW: Time = Time::from_millis(1000);
const SERVER: u32 = 9;

fn endpoint(role: Role, seed: u8, kind: CryptKind) -> Endpoint {
    let crypt = PacketCrypt::new(kind, &derive_key(b"it's a secrect"));
    let mut config = Config::new(&crypt);
    config.compress = false;
    config.mtu = 200; // many datagrams, few bytes
    let limits = Limits::default();
    Endpoint::new(config, limits, role, crypt, [seed; 32], Time::ZERO)
}

fn address(number: u32) -> SocketAddr {
    SocketAddr::from(((0x0a00_0000 + number).to_be_bytes(), 4000))
}

fn memory() -> Openings {
    Arc::new(Mutex::new(OpeningMemory::new([1, 2])))
}

/// The time behind all that clients do.
const LATER: Time = Time::from_millis(100_000);

fn leaving(endpoint: &mut Endpoint) -> Vec<Vec<u8>> {
    leaving_at(endpoint, LATER)
}

fn leaving_at(endpoint: &mut Endpoint, now: Time) -> Vec<Vec<u8>> {
    let (mut buffer, mut all) = (vec![0; 65536], Vec::new());
    while let Some(batch) = endpoint.poll_transmit(&mut buffer, now) {
        all.extend(buffer[..batch.len].chunks(batch.stride).map(<[u8]>::to_vec));
    }
    all
}

fn deliver(to: &mut Endpoint, from: SocketAddr, datagrams: &[Vec<u8>]) {
    deliver_at(to, from, datagrams, LATER);
}

fn deliver_at(to: &mut Endpoint, from: SocketAddr, datagrams: &[Vec<u8>], now: Time) {
    for datagram in datagrams {
        let (mut copy, len) = (datagram.clone(), datagram.len());
        to.handle_datagrams(from, &mut copy, len, now);
    }
    to.finish_input(now);
}

/// What a server has to say of sessions and streams that were opened.
fn openings(server: &mut Endpoint) -> usize {
    let events = std::iter::from_fn(|| server.next_event());
    let counted = events.filter(|event| match event {
        EndpointEvent::Opened(..) => true,
        EndpointEvent::Session(_, Event::Stream(event)) => {
            matches!(event, smux::Event::Opened(_))
        }
        _ => false,
    });
    counted.count()
}

/// A client at an address of its own.
struct Client {
    at: SocketAddr,
    endpoint: Endpoint,
    session: SessionId,
    /// All that it has sent.
    sent: Vec<Vec<u8>>,
    now: Time,
}

impl Client {
    fn new(number: u32, kind: CryptKind) -> Client {
        let mut endpoint = endpoint(Role::Client, number as u8, kind);
        let session = endpoint.dial(address(SERVER), NOW);
        let (at, sent) = (address(number), Vec::new());
        Client {
            at,
            endpoint,
            session,
            sent,
            now: NOW,
        }
    }

    /// Send a request on a stream of its own, and talk for a second.
    fn request(&mut self, server: &mut Endpoint, bytes: usize) -> usize {
        let (session, _) = self.endpoint.session_mut(self.session).unwrap();
        let stream = session.open_stream().unwrap();
        session.write(stream, &vec![7; bytes]).unwrap();
        self.talk(server, true)
    }

    /// Talk for a second; a client that hears nothing sends its opening again.
    fn talk(&mut self, server: &mut Endpoint, hears: bool) -> usize {
        let mut opened = 0;
        for _ in 0..100 {
            self.now += Duration::from_millis(10);
            self.endpoint.handle_timeout(self.now);
            server.handle_timeout(self.now);
            let up = leaving_at(&mut self.endpoint, self.now);
            deliver_at(server, self.at, &up, self.now);
            opened += openings(server);
            let down = leaving_at(server, self.now);
            if hears {
                deliver_at(&mut self.endpoint, address(SERVER), &down, self.now);
            }
            self.sent.extend(up);
        }
        opened
    }

    /// Send `count` datagrams at least: one for each of as many small writes.
    fn chatter(&mut self, server: &mut Endpoint, count: u64) {
        let before = self.endpoint.stats().out_pkts;
        let (session, _) = self.endpoint.session_mut(self.session).unwrap();
        let stream = session.open_stream().unwrap();
        while self.endpoint.stats().out_pkts - before < count {
            let (session, _) = self.endpoint.session_mut(self.session).unwrap();
            session.write(stream, &[7; 60_000]).unwrap();
            for _ in 0..4 {
                deliver(server, self.at, &leaving(&mut self.endpoint));
                for id in server.session_ids() {
                    let (session, cx) = server.session_mut(id).unwrap();
                    for stream in session.mux().stream_ids().collect::<Vec<_>>() {
                        while !session.read_front(stream).is_empty() {
                            let count = session.read_front(stream).len();
                            session.consume(stream, count, LATER, cx);
                        }
                    }
                }
                deliver(&mut self.endpoint, address(SERVER), &leaving(server));
            }
        }
        openings(server);
    }
}

/// Kinds that bind a datagram to its nonce, each in a way of its own.
const KINDS: [CryptKind; 4] = [
    CryptKind::Aes128Gcm,
    CryptKind::Aes,
    CryptKind::Blowfish,
    CryptKind::Salsa20,
];

#[test]
fn a_recorded_session_is_served_once_whatever_came_between() {
    for kind in KINDS {
        let mut server = endpoint(Role::Server, 2, kind);
        let (mut victim, mut other) = (Client::new(3, kind), Client::new(4, kind));
        assert_eq!(victim.request(&mut server, 100), 2);
        other.request(&mut server, 100);
        for recording_is_from in [victim.at, address(66)] {
            deliver(&mut server, recording_is_from, &victim.sent);
            assert_eq!(openings(&mut server), 0, "{kind:?}");
            other.chatter(&mut server, 3000);
        }
        for id in server.session_ids() {
            server.remove(id); // as when they have timed out
        }
        let (replays, sent) = (server.stats().replays, server.stats().out_bytes);
        let first = std::slice::from_ref(&victim.sent[0]);
        deliver(&mut server, address(66), first);
        assert!(leaving(&mut server).is_empty() && openings(&mut server) == 0);
        assert_eq!(server.stats().replays, replays + 1);
        assert_eq!(server.stats().out_bytes, sent);
    }
}

#[test]
fn traffic_costs_the_openings_no_place() {
    let kind = CryptKind::Aes128Gcm;
    let mut server = endpoint(Role::Server, 2, kind);
    let shared = memory();
    server.share_openings(Arc::clone(&shared));
    let (mut victim, mut other) = (Client::new(3, kind), Client::new(4, kind));
    victim.request(&mut server, 100);
    other.request(&mut server, 100);
    let remembered = shared.lock().unwrap().len();
    other.chatter(&mut server, 300_000);
    assert!(server.stats().in_pkts > 300_000);
    assert_eq!(shared.lock().unwrap().len(), remembered);
    server.remove(server.session_ids()[0]);
    let replays = server.stats().replays;
    deliver(&mut server, address(66), &victim.sent[..1]);
    assert_eq!(
        (server.stats().replays, openings(&mut server)),
        (replays + 1, 0)
    );
}

#[test]
fn after_a_restart_an_opening_is_refused_without_a_byte() {
    for kind in KINDS {
        let (mut server, shared) = (endpoint(Role::Server, 2, kind), memory());
        server.share_openings(Arc::clone(&shared));
        let mut victim = Client::new(3, kind);
        victim.request(&mut server, 100);
        let file = shared.lock().unwrap().take_unsaved();

        let (mut restarted, loaded) = (endpoint(Role::Server, 5, kind), memory());
        loaded.lock().unwrap().load(&file);
        restarted.share_openings(loaded);
        deliver(&mut restarted, address(66), &victim.sent[..1]);
        assert!(leaving(&mut restarted).is_empty() && openings(&mut restarted) == 0);
        assert_eq!(
            (restarted.stats().half_open, restarted.stats().replays),
            (0, 1)
        );
    }
}

/// The memory can be lost, and `none` and `null` have nothing to remember. An opening is answered
/// then, and what was recorded does not echo the answer's clock.
#[test]
fn without_a_memory_nothing_is_served_that_was_recorded() {
    for kind in [CryptKind::Aes128Gcm, CryptKind::None, CryptKind::Null] {
        let mut server = endpoint(Role::Server, 2, kind);
        let mut victim = Client::new(3, kind);
        assert_eq!(victim.request(&mut server, 100), 2);
        let mut restarted = endpoint(Role::Server, 5, kind);
        for from in [victim.at, address(66)] {
            for datagram in &victim.sent {
                deliver(&mut restarted, from, std::slice::from_ref(datagram));
                let _ = leaving(&mut restarted);
                assert_eq!(openings(&mut restarted), 0, "{kind:?}");
            }
        }
    }
}

/// A client sends its opening again until it is acknowledged, also to the session that it has made.
#[test]
fn every_copy_of_an_opening_is_remembered() {
    let kind = CryptKind::Aes128Gcm;
    let (mut server, shared) = (endpoint(Role::Server, 2, kind), memory());
    server.share_openings(Arc::clone(&shared));
    let mut victim = Client::new(3, kind);
    let (session, _) = victim.endpoint.session_mut(victim.session).unwrap();
    let stream = session.open_stream().unwrap();
    session.write(stream, &[7; 100]).unwrap();
    victim.talk(&mut server, false);
    assert_eq!(victim.talk(&mut server, true), 2);
    let mut restarted = endpoint(Role::Server, 5, kind);
    restarted.share_openings(shared);
    deliver(&mut restarted, address(66), &victim.sent);
    assert_eq!(
        (restarted.stats().half_open, openings(&mut restarted)),
        (0, 0)
    );
    assert!(restarted.stats().replays >= 2, "the opening left twice");
}

#[test]
fn an_opening_of_one_port_is_known_at_another() {
    let kind = CryptKind::Aes;
    let shared = memory();
    let mut ports = [6, 7].map(|seed| endpoint(Role::Server, seed, kind));
    for port in &mut ports {
        port.share_openings(Arc::clone(&shared));
    }
    let mut victim = Client::new(3, kind);
    victim.request(&mut ports[0], 100);
    deliver(&mut ports[1], victim.at, &victim.sent[..1]);
    assert!(leaving(&mut ports[1]).is_empty());
    assert_eq!(
        (ports[1].stats().half_open, ports[1].stats().replays),
        (0, 1)
    );
}

#[test]
fn what_was_sent_is_known_when_it_comes_back_however_long_ago_that_was() {
    for kind in KINDS {
        let (mut server, mut client) = (endpoint(Role::Server, 2, kind), Client::new(3, kind));
        client.request(&mut server, 100);
        let early = client.sent.clone();
        client.chatter(&mut server, 70_000);
        let received = client.endpoint.stats().in_pkts;
        deliver(&mut client.endpoint, address(SERVER), &early);
        assert_eq!(client.endpoint.stats().replays, early.len() as u64);
        assert_eq!(client.endpoint.stats().in_pkts, received);
    }
}

#[test]
fn where_no_key_is_needed_openings_are_not_remembered() {
    let kind = CryptKind::None;
    let (mut server, shared) = (endpoint(Role::Server, 2, kind), memory());
    server.share_openings(Arc::clone(&shared));
    for number in 10..60 {
        let mut forger = Client::new(number, kind);
        forger.request(&mut server, 10);
    }
    assert!(server.session_ids().len() == 50 && shared.lock().unwrap().is_empty());
}
