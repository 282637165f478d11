//! How fast two whole endpoints carry a stream without sockets, over a network without delay or
//! loss; both ends share one core. `cargo bench -p blinktun-proto --bench pair`.

mod timing;

use blinktun_proto::crypt::{CryptKind, PacketCrypt, derive_key};
use blinktun_proto::endpoint::{Endpoint, EndpointEvent, Limits, SessionId};
use blinktun_proto::session::{Config, Event, Role};
use blinktun_proto::smux::{self, StreamId};
use blinktun_proto::time::{Duration, Time};
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};

const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1000);
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 2000);
const PIECE: usize = 128 << 10;

fn main() {
    for &kind in CryptKind::ALL {
        for shards in [None, Some((10, 3))] {
            let mut pair = Pair::new(kind, shards);
            let stream = pair.open();
            let fec = shards.map_or("0+0".into(), |(data, parity)| format!("{data}+{parity}"));
            timing::report_bytes(&format!("pair, {}, FEC {fec}", kind.name()), PIECE, || {
                pair.carry(&[stream]);
            });
        }
    }
    for streams in [1, 10, 100, 1_000, 4_000] {
        let mut pair = Pair::new(CryptKind::None, None);
        let ids: Vec<StreamId> = (0..streams).map(|_| pair.open()).collect();
        let what = format!("pair, none, FEC 0+0, {streams} busy streams");
        timing::report_bytes(&what, share(&ids) * streams, || pair.carry(&ids));
    }
}

struct Pair {
    client: Endpoint,
    server: Endpoint,
    session: SessionId,
    data: Vec<u8>,
    buffer: Vec<u8>,
    received: usize,
    now: Time,
}

impl Pair {
    fn new(kind: CryptKind, shards: Option<(usize, usize)>) -> Pair {
        let mut client = endpoint(kind, shards, Role::Client);
        let session = client.dial(SERVER, Time::ZERO);
        Pair {
            client,
            server: endpoint(kind, shards, Role::Server),
            session,
            data: vec![0x55; PIECE],
            buffer: vec![0; 65536],
            received: 0,
            now: Time::ZERO,
        }
    }

    fn open(&mut self) -> StreamId {
        let (session, _) = self.client.session_mut(self.session).expect("it lives");
        let stream = session.open_stream().expect("room for a stream");
        self.settle();
        stream
    }

    /// Carry [`share`] bytes on each of these streams.
    fn carry(&mut self, streams: &[StreamId]) {
        self.received = 0;
        let share = share(streams);
        let (session, _) = self.client.session_mut(self.session).expect("it lives");
        for &stream in streams {
            let taken = session.write(stream, black_box(&self.data[..share]));
            assert_eq!(taken, Ok(share));
        }
        while self.received < share * streams.len() {
            self.settle();
        }
    }

    /// Hand datagrams over until none leaves; read all that arrives.
    fn settle(&mut self) {
        self.now += Duration::from_millis(1);
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        loop {
            let (buffer, now) = (&mut self.buffer, self.now);
            let up = hand_over(&mut self.client, &mut self.server, CLIENT, buffer, now);
            let down = hand_over(&mut self.server, &mut self.client, SERVER, buffer, now);
            while self.client.next_event().is_some() {}
            self.read();
            if !up && !down {
                break;
            }
        }
    }

    fn read(&mut self) {
        while let Some(event) = self.server.next_event() {
            let EndpointEvent::Session(id, Event::Stream(smux::Event::Readable(stream))) = event
            else {
                continue;
            };
            let (session, cx) = self.server.session_mut(id).expect("it lives");
            loop {
                let size = black_box(session.read_front(stream)).len();
                if size == 0 {
                    break;
                }
                session.consume(stream, size, self.now, cx);
                self.received += size;
            }
        }
    }
}

/// A piece divided evenly, but no less than a usual packet.
fn share(streams: &[StreamId]) -> usize {
    (PIECE / streams.len()).max(1024)
}

fn endpoint(kind: CryptKind, shards: Option<(usize, usize)>, role: Role) -> Endpoint {
    let crypt = PacketCrypt::new(kind, &derive_key(b"it's a secrect"));
    let mut config = Config::new(&crypt);
    config.shards = shards;
    config.compress = false;
    config.nodelay = true;
    (config.send_window, config.receive_window) = (4096, 4096);
    config.check().expect("sound settings");
    let limits = Limits::default();
    // With the same random numbers a server takes its client's nonces for its own that come back.
    let seed = match role {
        Role::Client => [7; 32],
        Role::Server => [8; 32],
    };
    Endpoint::new(config, limits, role, crypt, seed, Time::ZERO)
}

fn hand_over(
    from: &mut Endpoint,
    to: &mut Endpoint,
    source: SocketAddr,
    buffer: &mut [u8],
    now: Time,
) -> bool {
    let mut any = false;
    while let Some(transmit) = from.poll_transmit(buffer, now) {
        to.handle_datagrams(source, &mut buffer[..transmit.len], transmit.stride, now);
        any = true;
    }
    to.finish_input(now);
    any
}
