//! Two endpoints joined by a perfect network without delay.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use blinktun_proto::congestion::Algorithm;
use blinktun_proto::crypt::{CryptKind, PacketCrypt, derive_key};
use blinktun_proto::endpoint::{Endpoint, EndpointEvent, Limits, SessionId};
use blinktun_proto::session::{Config, Event, Role};
use blinktun_proto::smux::{self, StreamId};
use blinktun_proto::time::{Duration, Time};

struct Pair {
    /// Where the server sees the client.
    source: &'static str,
    client: Endpoint,
    server: Endpoint,
    now: Time,
    events: Vec<EndpointEvent>,
}

const CLIENT: &str = "10.0.0.1:1000";
const SERVER: &str = "10.0.0.2:2000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Pair {
    fn new(kind: CryptKind, change: impl Fn(&mut Config)) -> Pair {
        let pass = derive_key(b"it's a secrect");
        let make = |role, seed| {
            let crypt = PacketCrypt::new(kind, &pass);
            let mut config = Config::new(&crypt);
            change(&mut config);
            config.check().unwrap();
            Endpoint::new(
                config,
                Limits::default(),
                role,
                crypt,
                [seed; 32],
                Time::ZERO,
            )
        };
        let (client, server) = (make(Role::Client, 1), make(Role::Server, 2));
        Pair {
            source: CLIENT,
            client,
            server,
            now: Time::ZERO,
            events: Vec::new(),
        }
    }

    /// Carry datagrams back and forth until nothing more leaves.
    fn settle(&mut self) {
        let mut buffer = vec![0; 65536];
        loop {
            let up = carry(
                &mut self.client,
                &mut self.server,
                self.source,
                &mut buffer,
                self.now,
            );
            let down = carry(
                &mut self.server,
                &mut self.client,
                SERVER,
                &mut buffer,
                self.now,
            );
            self.client.finish_input(self.now);
            self.server.finish_input(self.now);
            while let Some(event) = self.server.next_event() {
                self.events.push(event);
            }
            if !up && !down {
                break;
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        self.settle();
    }

    fn opened(&self) -> Vec<(SessionId, StreamId)> {
        let opened = |event: &EndpointEvent| match event {
            EndpointEvent::Session(id, Event::Stream(smux::Event::Opened(stream))) => {
                Some((*id, *stream))
            }
            _ => None,
        };
        self.events.iter().filter_map(opened).collect()
    }
}

fn carry(
    from: &mut Endpoint,
    to: &mut Endpoint,
    source: &str,
    buffer: &mut [u8],
    now: Time,
) -> bool {
    let mut any = false;
    while let Some(transmit) = from.poll_transmit(buffer, now) {
        to.handle_datagrams(
            address(source),
            &mut buffer[..transmit.len],
            transmit.stride,
            now,
        );
        any = true;
    }
    any
}

fn read_all(endpoint: &mut Endpoint, id: SessionId, stream: StreamId, now: Time) -> Vec<u8> {
    let mut out = Vec::new();
    let (session, cx) = endpoint.session_mut(id).unwrap();
    loop {
        let front = session.read_front(stream).to_vec();
        if front.is_empty() {
            return out;
        }
        session.consume(stream, front.len(), now, cx);
        out.extend(front);
    }
}

fn carries_a_megabyte(kind: CryptKind, change: impl Fn(&mut Config)) {
    let mut pair = Pair::new(kind, change);
    let data: Vec<u8> = (0..1_000_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let id = pair.client.dial(address(SERVER), pair.now);
    let stream = pair
        .client
        .session_mut(id)
        .unwrap()
        .0
        .open_stream()
        .unwrap();
    let (mut sent, mut received) = (0, Vec::new());
    for _ in 0..100_000 {
        let (session, _) = pair.client.session_mut(id).unwrap();
        sent += session.write(stream, &data[sent..]).unwrap();
        pair.settle();
        if let Some(&(there, stream)) = pair.opened().first() {
            received.extend(read_all(&mut pair.server, there, stream, pair.now));
        }
        if received.len() == data.len() {
            break;
        }
        pair.pass(Duration::from_millis(1));
    }
    assert_eq!(received.len(), data.len());
    assert!(received == data);
    assert_eq!(pair.server.stats().kcp_in_errors, 0);
    assert_eq!(pair.client.stats().kcp_in_errors, 0);
    assert_eq!(
        pair.client.stats().lost_segs,
        0,
        "nothing was lost: {:?} {:?}",
        pair.client.stats(),
        pair.server.stats()
    );
}

#[test]
fn every_cipher_carries_a_megabyte() {
    for kind in CryptKind::ALL {
        carries_a_megabyte(*kind, |_| {});
    }
}

#[test]
fn without_fec_and_compression() {
    carries_a_megabyte(CryptKind::None, |config| {
        config.shards = None;
        config.compress = false;
    });
}

#[test]
fn smux_2_and_congestion_control() {
    carries_a_megabyte(CryptKind::Null, |config| {
        config.smux.version = Some(smux::Version::V2);
        config.congestion = Algorithm::Reno;
    });
}

#[test]
fn small_windows_and_mtu() {
    carries_a_megabyte(CryptKind::Aes, |config| {
        config.send_window = 8;
        config.receive_window = 8;
        config.mtu = 576;
    });
}

#[test]
fn a_session_follows_its_client_to_a_new_address() {
    let mut pair = Pair::new(CryptKind::Aes, |_| {});
    let id = pair.client.dial(address(SERVER), pair.now);
    let stream = pair
        .client
        .session_mut(id)
        .unwrap()
        .0
        .open_stream()
        .unwrap();
    let write = |pair: &mut Pair, data: &[u8]| {
        let (session, _) = pair.client.session_mut(id).unwrap();
        assert_eq!(session.write(stream, data), Ok(data.len()));
    };
    write(&mut pair, b"before");
    pair.settle();
    pair.source = "10.9.9.9:4242";
    pair.pass(Duration::from_millis(50));
    write(&mut pair, b" and after");
    for _ in 0..20 {
        pair.pass(Duration::from_millis(50));
    }
    let (there, stream) = pair.opened()[0];
    let now = pair.now;
    assert_eq!(
        read_all(&mut pair.server, there, stream, now),
        b"before and after"
    );
    assert_eq!(pair.server.peer(there), Some(address("10.9.9.9:4242")));
    assert_eq!(pair.server.stats().moves, 1);
    assert!(pair.client.session(id).unwrap().is_drained());
}

#[test]
fn a_copied_datagram_does_not_divert_a_session() {
    let mut pair = Pair::new(CryptKind::None, |_| {});
    let id = pair.client.dial(address(SERVER), pair.now);
    let stream = pair
        .client
        .session_mut(id)
        .unwrap()
        .0
        .open_stream()
        .unwrap();
    pair.settle();
    pair.pass(Duration::from_millis(10));
    let (session, _) = pair.client.session_mut(id).unwrap();
    session.write(stream, b"caught on the way").unwrap();
    let mut buffer = vec![0; 65536];
    let caught = pair.client.poll_transmit(&mut buffer, pair.now).unwrap();
    let thief = address("6.6.6.6:666");
    pair.server
        .handle_datagrams(thief, &mut buffer[..caught.len], caught.stride, pair.now);
    pair.server.finish_input(pair.now);
    let mut stolen = 0;
    while let Some(transmit) = pair.server.poll_transmit(&mut buffer, pair.now) {
        stolen += if transmit.to == thief {
            transmit.len
        } else {
            0
        };
    }
    assert!(stolen <= 3 * caught.len, "{stolen}");
    for _ in 0..100 {
        pair.pass(Duration::from_millis(50));
    }
    let (there, stream) = pair.opened()[0];
    assert_eq!(pair.server.peer(there), Some(address(CLIENT)));
    assert_eq!(pair.server.stats().moves, 0);
    let now = pair.now;
    assert_eq!(
        read_all(&mut pair.server, there, stream, now),
        b"caught on the way"
    );
    assert!(pair.client.session(id).unwrap().is_drained());
}
