//! How fast KCP alone carries bytes from one end to the other over a network without delay or
//! loss, acknowledgements included: `cargo bench -p blinktun-proto --bench kcp`.

mod timing;

use blinktun_proto::congestion::Algorithm;
use blinktun_proto::kcp::pool::Pool;
use blinktun_proto::kcp::receiver::Sink;
use blinktun_proto::kcp::{Config, Kcp, LossDetection};
use blinktun_proto::path::{self, Path};
use blinktun_proto::stats::Stats;
use blinktun_proto::time::{Duration, Time};
use blinktun_proto::wire::kcp::{HEADER, Segments};
use std::hint::black_box;
use std::net::SocketAddr;

const BLOCK: usize = 1326;

fn main() {
    for window in [32, 128, 1024, 4096] {
        let mut pair = Pair::new(window);
        let data = vec![0x55; window as usize * (BLOCK - 24)];
        timing::report_bytes(&format!("kcp, window {window}"), data.len(), || {
            pair.carry(black_box(&data));
        });
    }
}

/// Counts what arrives.
#[derive(Default)]
struct Count(usize);

impl Sink for Count {
    fn has_room(&mut self, _behind: usize) -> bool {
        true
    }

    fn deliver(&mut self, data: &[u8]) {
        self.0 += black_box(data).len();
    }
}

struct Pair {
    near: Kcp,
    far: Kcp,
    /// Both ends see the same network.
    path: Path,
    pool: Pool,
    stats: Stats,
    received: Count,
    now: Time,
}

impl Pair {
    fn new(window: u32) -> Pair {
        let config = Config {
            conv: 7,
            block: BLOCK,
            nodelay: true,
            loss_detection: LossDetection::Packets(2),
            send_window: window,
            receive_window: window,
            tunes_itself: false,
            ack_delay: Duration::ZERO,
            clock_offset: 0,
        };
        let settings = path::Settings {
            nodelay: true,
            interval_ms: 10,
            resend: 2,
            congestion: Algorithm::Fixed,
            send_ceiling: None,
            asks_after_data: true,
            searches_mtu: false,
        };
        Pair {
            near: Kcp::new(config, Time::ZERO),
            far: Kcp::new(config, Time::ZERO),
            path: Path::new(
                settings,
                SocketAddr::from(([127, 0, 0, 1], 9)).into(),
                (BLOCK, BLOCK - HEADER),
            ),
            pool: Pool::default(),
            stats: Stats::default(),
            received: Count::default(),
            now: Time::ZERO,
        }
    }

    /// Carry a window of data there, and the acknowledgements back.
    fn carry(&mut self, data: &[u8]) {
        self.received.0 = 0;
        self.near.send(data, 0, &mut self.pool, &mut self.stats);
        while self.received.0 < data.len() {
            self.now += Duration::from_millis(1);
            let into = (&mut self.received, &mut self.pool, &mut self.stats);
            hand_over(
                (&mut self.near, &mut self.far, &mut self.path),
                self.now,
                into,
            );
            let into = (&mut Count::default(), &mut self.pool, &mut self.stats);
            hand_over(
                (&mut self.far, &mut self.near, &mut self.path),
                self.now,
                into,
            );
        }
    }
}

fn hand_over(
    (from, to, path): (&mut Kcp, &mut Kcp, &mut Path),
    now: Time,
    (sink, pool, stats): (&mut Count, &mut Pool, &mut Stats),
) {
    let mut payload = [0; BLOCK];
    while let Some(emitted) = from.emit(&mut payload, path, now, stats) {
        let segments = Segments::parse(&payload[..emitted.len]).expect("segments");
        let result = to.input(segments, true, path, now, (sink, pool, stats));
        assert!(result.is_ok());
    }
    to.finish_input(path, now);
}
