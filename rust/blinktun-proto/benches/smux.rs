//! How fast smux moves bytes between two ends, and opens and ends streams:
//! `cargo bench -p blinktun-proto --bench smux`.

mod timing;

use blinktun_proto::smux::{Config, Event, Mux, Role, Settings, StreamId, Version};
use blinktun_proto::time::{Duration, Time};
use std::hint::black_box;

const PIECE: usize = 32 << 10;

fn main() {
    for (name, version) in [("smux 1", Version::V1), ("smux 2", Version::V2)] {
        for streams in [1, 100, 10_000] {
            let mut pair = Pair::new(version);
            let ids: Vec<StreamId> = (0..streams).map(|_| pair.open()).collect();
            let data = vec![0x55; PIECE / ids.len().min(32)];
            let busy = &ids[..ids.len().min(32)];
            let what = format!("{name}, {} busy of {streams} streams", busy.len());
            timing::report_bytes(&what, data.len() * busy.len(), || {
                for &id in busy {
                    pair.write(id, black_box(&data));
                }
                pair.exchange();
            });
        }
        let mut pair = Pair::new(version);
        let seconds = timing::seconds(|| {
            let id = pair.open();
            pair.write(id, b"GET / HTTP/1.1\r\n\r\n");
            pair.end(id);
        });
        let what = format!("{name}, a stream with one request");
        println!("{what:44} {:9.0} ns", seconds * 1e9);
    }
}

struct Pair {
    near: Mux,
    far: Mux,
    wire: Vec<u8>,
}

impl Pair {
    fn new(version: Version) -> Pair {
        let config = |role, version| Config {
            role,
            settings: Settings {
                version,
                frame_size: 8192,
                receive_buffer: 4 << 20,
                stream_buffer: 2 << 20,
                send_buffer: 256 << 10,
                keepalive: Duration::from_secs(10),
                keepalive_timeout: Duration::from_secs(30),
                outage: Duration::from_secs(600),
                independent: false,
                max_streams: 20_000,
                max_flows: 0,
            },
            pads: None,
            hash_seed: 7,
        };
        Pair {
            near: Mux::new(config(Role::Client, Some(version)), Time::ZERO),
            far: Mux::new(config(Role::Server, None), Time::ZERO),
            wire: Vec::new(),
        }
    }

    fn open(&mut self) -> StreamId {
        let id = self.near.open().expect("room for a stream");
        self.exchange();
        id
    }

    fn write(&mut self, id: StreamId, data: &[u8]) {
        assert_eq!(self.near.write(id, data), Ok(data.len()));
    }

    fn end(&mut self, id: StreamId) {
        self.near.finish(id);
        self.exchange();
        self.far.finish(id);
        self.exchange();
    }

    /// Carry frames both ways, and read all that arrives.
    fn exchange(&mut self) {
        while hand_over(&mut self.near, &mut self.far, &mut self.wire)
            | hand_over(&mut self.far, &mut self.near, &mut self.wire)
        {}
    }
}

fn hand_over(from: &mut Mux, to: &mut Mux, wire: &mut Vec<u8>) -> bool {
    wire.clear();
    while from.wants_transmit() && from.transmit(usize::MAX, wire, Time::ZERO).bytes > 0 {}
    to.receive(wire, Time::ZERO).expect("proper frames");
    while let Some(event) = to.next_event() {
        if let Event::Readable(id) = event {
            while to.unread(id) > 0 {
                let size = black_box(to.read_front(id)).len();
                to.consume(id, size);
            }
        }
    }
    !wire.is_empty()
}
