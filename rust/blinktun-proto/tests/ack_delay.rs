//! When acknowledgements leave that wait: with data, with a question, when there are many, when their time is
//! over, and when the peer turns out to be blinktun.

use std::net::SocketAddr;

use blinktun_proto::congestion::Algorithm;
use blinktun_proto::kcp::pool::Pool;
use blinktun_proto::kcp::receiver::Sink;
use blinktun_proto::kcp::{Config, Kcp, LossDetection};
use blinktun_proto::path::{self, Path};
use blinktun_proto::stats::Stats;
use blinktun_proto::time::{Duration, Time};
use blinktun_proto::wire::kcp::{HEADER, PUSH, Segment, Segments, WASK};
use blinktun_proto::wire::{Millis, Sn};

const CONFIG: Config = Config {
    conv: 7,
    block: 10 * HEADER,
    nodelay: false,
    loss_detection: LossDetection::Packets(2),
    send_window: 32,
    receive_window: 128,
    tunes_itself: false,
    ack_delay: Duration::from_millis(30),
    clock_offset: 0,
};

const SETTINGS: path::Settings = path::Settings {
    nodelay: false,
    interval_ms: 30,
    resend: 2,
    congestion: Algorithm::Fixed,
    send_ceiling: None,
    asks_after_data: false,
    searches_mtu: false,
};

struct Swallow;

impl Sink for Swallow {
    fn has_room(&mut self, _behind: usize) -> bool {
        true
    }

    fn deliver(&mut self, _: &[u8]) {}
}

/// One end that has acknowledged the first segment.
struct Listener {
    kcp: Kcp,
    path: Path,
    pool: Pool,
    stats: Stats,
    next: u32,
}

impl Listener {
    fn new() -> Listener {
        let peer = SocketAddr::from(([127, 0, 0, 1], 9)).into();
        let mut listener = Listener {
            kcp: Kcp::new(CONFIG, Time::ZERO),
            path: Path::new(SETTINGS, peer, (CONFIG.block, CONFIG.block - HEADER)),
            pool: Pool::default(),
            stats: Stats::default(),
            next: 0,
        };
        assert_eq!(
            listener.hear_segment(at(0)),
            [HEADER],
            "the first waits for nothing"
        );
        listener
    }

    /// The payloads that leave now.
    fn emit(&mut self, now: Time) -> Vec<usize> {
        let mut out = [0; 1500];
        let payloads = core::iter::from_fn(|| {
            self.kcp
                .emit(&mut out, &mut self.path, now, &mut self.stats)
        });
        payloads.map(|payload| payload.len).collect()
    }

    /// The next segment with data comes. Returns what leaves for it.
    fn hear_segment(&mut self, now: Time) -> Vec<usize> {
        self.next += 1;
        self.hear(PUSH, Sn(self.next - 1), b"something", now)
    }

    fn hear(&mut self, cmd: u8, sn: Sn, data: &[u8], now: Time) -> Vec<usize> {
        let segment = Segment {
            conv: CONFIG.conv,
            cmd,
            wnd: 32,
            ts: Millis(1),
            sn,
            una: Sn(0),
            data,
        };
        let mut payload = [0; 100];
        let len = segment.write(&mut payload);
        let into = (&mut Swallow, &mut self.pool, &mut self.stats);
        let segments = Segments::parse(&payload[..len]).expect("segments");
        let taken = self.kcp.input(segments, true, &mut self.path, now, into);
        taken.expect("a peer's payload");
        self.kcp.finish_input(&mut self.path, now);
        self.emit(now)
    }
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

const NOTHING: [usize; 0] = [];

#[test]
fn acknowledgements_alone_wait_for_their_time() {
    let mut listener = Listener::new();
    assert_eq!(listener.hear_segment(at(10)), NOTHING);
    assert_eq!(listener.hear_segment(at(20)), NOTHING);
    assert!(listener.kcp.holds_acknowledgements());
    assert_eq!(listener.kcp.next_timeout(&listener.path), Some(at(40)));
    listener.kcp.handle_timeout(&mut listener.path, at(40));
    assert_eq!(listener.emit(at(40)), [HEADER], "the last, and una");
    assert!(!listener.kcp.holds_acknowledgements());
    assert_eq!(listener.kcp.next_timeout(&listener.path), None);
}

#[test]
fn data_takes_them_along() {
    let mut listener = Listener::new();
    listener.hear_segment(at(10));
    let (pool, stats) = (&mut listener.pool, &mut listener.stats);
    listener.kcp.send(b"answer", 0, pool, stats);
    assert_eq!(listener.emit(at(11)), [2 * HEADER + 6]);
    assert!(!listener.kcp.holds_acknowledgements());
}

#[test]
fn a_question_takes_them_along() {
    let mut listener = Listener::new();
    listener.hear_segment(at(10));
    let left = listener.hear(WASK, Sn(0), b"", at(11));
    assert_eq!(left, [2 * HEADER]);
}

#[test]
fn as_many_as_a_datagram_holds_wait_no_longer() {
    let mut listener = Listener::new();
    for _ in 0..9 {
        assert_eq!(listener.hear_segment(at(10)), NOTHING);
    }
    assert_eq!(listener.hear_segment(at(10)), [HEADER]);
}

#[test]
fn blinktun_gets_them_at_once() {
    let mut listener = Listener::new();
    listener.hear_segment(at(10));
    listener.kcp.trust_peer();
    assert_eq!(listener.emit(at(11)), [HEADER]);
    assert_eq!(listener.hear_segment(at(12)), [HEADER]);
}
