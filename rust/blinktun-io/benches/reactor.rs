//! What one small message costs two reactors, beside other sockets that are idle or
//! as busy: `cargo bench -p blinktun-io --bench reactor`.

#[expect(dead_code, reason = "it has more for other benches")]
#[path = "../../blinktun-proto/benches/timing/mod.rs"]
mod timing;

use std::net::SocketAddr;
use std::time::Duration;

use blinktun_io::{Event, Reactor, SessionKey, SocketConfig, StreamKey};
use blinktun_proto::crypt::{CryptKind, PacketCrypt};
use blinktun_proto::session::Config;
use blinktun_proto::session::Event::Stream;
use blinktun_proto::smux::Event::Readable;
use blinktun_proto::smux::StreamClass;

const MESSAGE: [u8; 1000] = [0x55; 1000];

fn main() {
    for (idle, busy) in [(0, 1), (100, 1), (1000, 1), (0, 100), (0, 1000)] {
        let mut pair = Pair::new(idle, busy);
        let seconds = timing::seconds(|| pair.carry());
        let micros = seconds * 1e6 / f64::from(busy);
        println!("{idle:5} idle sockets, {busy:5} busy ones {micros:10.2} us a message");
    }
}

struct Pair {
    client: Reactor,
    server: Reactor,
    streams: Vec<StreamKey>,
}

impl Pair {
    fn new(idle: u32, busy: u32) -> Pair {
        let (mut client, mut server) = (
            Reactor::new().expect("a poller"),
            Reactor::new().expect("a poller"),
        );
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        let endpoint = server.listen(here, &config()).expect("a socket");
        let link = server.link(endpoint).expect("it is open");
        let to = link.local_addr().expect("bound");
        let mut dial = || client.dial(to, &config()).expect("a socket");
        let _idle: Vec<SessionKey> = (0..idle).map(|_| dial()).collect();
        let busy: Vec<SessionKey> = (0..busy).map(|_| dial()).collect();
        let streams = busy
            .iter()
            .map(|&key| client.open_stream(key, StreamClass::Learned).expect("room"));
        let streams = streams.collect();
        Pair {
            client,
            server,
            streams,
        }
    }

    /// Carry a message over each busy session.
    fn carry(&mut self) {
        for &stream in &self.streams {
            self.client.write(stream, &MESSAGE).expect("it is open");
        }
        let mut missing = MESSAGE.len() * self.streams.len();
        while missing > 0 {
            self.client.turn().expect("a turn");
            self.server.turn().expect("a turn");
            while let Some(event) = self.server.next_event() {
                if let Event::Session(session, Stream(Readable(stream))) = event {
                    let stream = StreamKey { session, stream };
                    let read = self.server.read(stream, MESSAGE.len());
                    missing -= read.expect("it is open").len();
                }
            }
        }
    }
}

fn config() -> SocketConfig {
    let pass = [0; 32];
    let mut session = Config::new(&PacketCrypt::new(CryptKind::Null, &pass));
    (session.shards, session.compress) = (None, false);
    SocketConfig {
        session,
        crypt: CryptKind::Null,
        pass,
        close_wait: Duration::ZERO,
        buffer: 4 << 20,
        dscp: 0,
        trace: None,
    }
}
