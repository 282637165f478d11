//! When a peer counts as gone: no progress, no answer to questions, and nothing new from it.

use std::net::SocketAddr;

use blinktun_proto::congestion::Algorithm;
use blinktun_proto::kcp::pool::Pool;
use blinktun_proto::kcp::receiver::Sink;
use blinktun_proto::kcp::{Config, Kcp, LossDetection};
use blinktun_proto::path::{self, Path};
use blinktun_proto::stats::Stats;
use blinktun_proto::time::Time;
use blinktun_proto::wire::kcp::{HEADER, PUSH, Segment, Segments};
use blinktun_proto::wire::{Millis, Sn};

const CONFIG: Config = Config {
    conv: 7,
    block: 1300,
    nodelay: false,
    loss_detection: LossDetection::Packets(0),
    send_window: 32,
    receive_window: 32,
    tunes_itself: false,
    ack_delay: blinktun_proto::time::Duration::ZERO,
    clock_offset: 0,
};

const SETTINGS: path::Settings = path::Settings {
    nodelay: false,
    interval_ms: 1000,
    resend: 0,
    congestion: Algorithm::Fixed,
    send_ceiling: None,
    asks_after_data: true,
    searches_mtu: false,
};

struct Swallow;

impl Sink for Swallow {
    fn has_room(&mut self, _behind: usize) -> bool {
        true
    }

    fn deliver(&mut self, _: &[u8]) {}
}

/// One end with one segment in flight, and how often it has put something on the wire.
struct Waiting {
    kcp: Kcp,
    path: Path,
    pool: Pool,
    stats: Stats,
}

impl Waiting {
    fn new() -> Waiting {
        let (mut pool, mut stats) = (Pool::default(), Stats::default());
        let mut kcp = Kcp::new(CONFIG, Time::ZERO);
        kcp.send(b"question", 0, &mut pool, &mut stats);
        let peer = SocketAddr::from(([127, 0, 0, 1], 9)).into();
        let path = Path::new(SETTINGS, peer, (CONFIG.block, CONFIG.block - HEADER));
        let mut waiting = Waiting {
            kcp,
            path,
            pool,
            stats,
        };
        assert_eq!(waiting.emit(at(0)), 1);
        waiting
    }

    fn emit(&mut self, now: Time) -> usize {
        let mut out = [0; 1500];
        core::iter::from_fn(|| {
            self.kcp
                .emit(&mut out, &mut self.path, now, &mut self.stats)
        })
        .count()
    }

    /// What happens up to this moment, without an answer.
    fn pass_to(&mut self, now: Time) -> usize {
        let mut sent = 0;
        while let Some(due) = self.kcp.next_timeout(&self.path).filter(|due| *due <= now) {
            self.kcp.handle_timeout(&mut self.path, due);
            sent += self.emit(due);
        }
        sent
    }

    /// Data of the peer, which has not seen the segment in flight.
    fn hear(&mut self, sn: u32, now: Time) {
        let segment = Segment {
            conv: CONFIG.conv,
            cmd: PUSH,
            wnd: 32,
            ts: Millis(1),
            sn: Sn(sn),
            una: Sn(0),
            data: b"something",
        };
        let mut payload = [0; 100];
        let len = segment.write(&mut payload);
        let into = (&mut Swallow, &mut self.pool, &mut self.stats);
        let segments = Segments::parse(&payload[..len]).expect("segments");
        let taken = self.kcp.input(segments, true, &mut self.path, now, into);
        taken.expect("a peer's payload");
        self.kcp.finish_input(&mut self.path, now);
        self.emit(now);
    }
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

#[test]
fn one_lost_datagram_is_no_silence_however_long_its_rto() {
    let mut waiting = Waiting::new();
    assert!(waiting.pass_to(at(1439)) > 0);
    assert!(!waiting.kcp.is_silent(&waiting.path, at(1439)));
    assert!(waiting.kcp.is_silent(&waiting.path, at(1440)));
}

#[test]
fn whoever_sends_new_data_is_not_gone() {
    let mut waiting = Waiting::new();
    for turn in 0..10 {
        let now = at(u64::from(turn) * 900);
        waiting.pass_to(now);
        waiting.hear(turn, now);
        assert!(!waiting.kcp.is_silent(&waiting.path, now));
    }
    assert!(!waiting.kcp.is_silent(&waiting.path, at(9099)));
    assert!(waiting.kcp.is_silent(&waiting.path, at(9100)));
}

#[test]
fn copies_of_old_data_are_no_sign_of_life() {
    let mut waiting = Waiting::new();
    waiting.hear(0, at(0));
    for now in (100..1500).step_by(100).map(at) {
        waiting.hear(0, now);
        assert!(!waiting.kcp.is_silent(&waiting.path, now));
    }
    waiting.hear(0, at(1500));
    assert!(waiting.kcp.is_silent(&waiting.path, at(1500)));
}
