//! Known answers: traces of the Go state machine (`tests/vectors/kcp.json`).
//!
//! Ours differs on purpose, and only so:
//!
//! - It has no flush clock: what Go flushes within `in` leaves ours at the next `emit`.
//! - A tell echoes the clock of the question (the proof that a restarted peer gives), where Go
//!   repeats `ts` and `sn` of the last acknowledgement: both fields are masked.
//! - A payload with a bad segment is void as a whole; Go keeps what stands before it.
//! - It speaks a byte stream and refuses fragments; Go holds them until all are there, and kcptun sends
//!   none.

use std::net::SocketAddr;

use blinktun_proto::congestion::Algorithm;
use blinktun_proto::kcp::pool::Pool;
use blinktun_proto::kcp::receiver::Sink;
use blinktun_proto::kcp::{Config, Kcp, LossDetection};
use blinktun_proto::path::{self, Path};
use blinktun_proto::random::Random;
use blinktun_proto::stats::Stats;
use blinktun_proto::time::{Duration, Time};
use blinktun_proto::wire::kcp::{HEADER, PUSH, Segment, Segments, WINS};
use blinktun_proto::wire::{Millis, Sn};
use serde_json::Value;

const ERRORS: &str = "errors: conv, length, command; earlier segments of the datagram count";
const FRAGMENTS: &str = "fragments are joined when all present";

/// A reader that takes one segment when asked.
#[derive(Default)]
struct Reader {
    wants: bool,
    taken: Option<Vec<u8>>,
}

impl Sink for Reader {
    fn has_room(&mut self, _behind: usize) -> bool {
        self.wants && self.taken.is_none()
    }

    fn deliver(&mut self, data: &[u8]) {
        self.taken = Some(data.to_vec());
    }
}

struct Machine {
    kcp: Kcp,
    path: Path,
    reader: Reader,
    pool: Pool,
    stats: Stats,
    conv: u32,
}

fn number(value: &Value, key: &str) -> u32 {
    u32::try_from(value[key].as_u64().expect("a number")).expect("32 bits")
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("a string")).expect("hex")
}

impl Machine {
    fn new(conv: u32, setup: &Value) -> Machine {
        let config = Config {
            conv,
            block: number(setup, "kcp_mtu") as usize,
            nodelay: number(setup, "nodelay") == 1,
            loss_detection: LossDetection::Packets(number(setup, "resend")),
            send_window: number(setup, "sndwnd"),
            receive_window: number(setup, "rcvwnd"),
            tunes_itself: false,
            ack_delay: Duration::ZERO,
            clock_offset: 0,
        };
        let settings = path::Settings {
            nodelay: config.nodelay,
            interval_ms: number(setup, "interval"),
            resend: number(setup, "resend"),
            congestion: match number(setup, "nc") {
                1 => Algorithm::Fixed,
                _ => Algorithm::Reno,
            },
            send_ceiling: None,
            asks_after_data: false,
            searches_mtu: false,
        };
        let peer = SocketAddr::from(([127, 0, 0, 1], 9)).into();
        Machine {
            path: Path::new(settings, peer, (config.block, config.block - HEADER)),
            kcp: Kcp::new(config, Time::ZERO),
            reader: Reader::default(),
            pool: Pool::default(),
            stats: Stats::default(),
            conv,
        }
    }

    fn input(&mut self, payload: &[u8], regular: bool) -> bool {
        let into = (&mut self.reader, &mut self.pool, &mut self.stats);
        let segments = Segments::parse(payload);
        let is_taken = segments.is_ok_and(|it| {
            self.kcp
                .input(it, regular, &mut self.path, Time::ZERO, into)
                .is_ok()
        });
        self.kcp.finish_input(&mut self.path, Time::ZERO);
        is_taken
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        self.reader.wants = true;
        self.kcp.drain(&mut self.reader, &mut self.pool);
        self.reader.wants = false;
        self.reader.taken.take()
    }

    fn emit_all(&mut self) -> Vec<Vec<u8>> {
        let mut out = vec![0; 1500];
        std::iter::from_fn(|| {
            let emitted = self
                .kcp
                .emit(&mut out, &mut self.path, Time::ZERO, &mut self.stats)?;
            Some(out[..emitted.len].to_vec())
        })
        .map(|datagram| masked(&datagram, self.conv))
        .collect()
    }

    fn state(&self) -> [u32; 5] {
        [
            self.kcp.receive_next().0,
            self.kcp.remote_window(),
            self.kcp.send_next().0,
            self.kcp.una().0,
            self.kcp.waiting() as u32,
        ]
    }
}

/// The datagram without what may differ.
fn masked(datagram: &[u8], conv: u32) -> Vec<u8> {
    let mut out = vec![0; datagram.len()];
    let mut at = 0;
    let segments = Segments::parse(datagram).expect("well-formed");
    assert_eq!(segments.conv(), conv);
    for mut segment in segments {
        if segment.cmd == PUSH || segment.cmd == WINS {
            segment.ts = Millis(0);
        }
        if segment.cmd == WINS {
            segment.sn = Sn(0);
        }
        at += segment.write(&mut out[at..]);
    }
    assert_eq!(at, datagram.len());
    out
}

fn replay(trace: &Value) {
    let name = trace["name"].as_str().expect("a name");
    let conv = number(trace, "conv");
    let mut machine = Machine::new(conv, &trace["setup"]);
    for (index, step) in trace["steps"].as_array().expect("steps").iter().enumerate() {
        let at = format!("{name}, step {index}");
        let expected: Vec<Vec<u8>> = step["out"]
            .as_array()
            .expect("a list")
            .iter()
            .map(bytes)
            .collect();
        let mut sent = Vec::new();
        match step["do"].as_str().expect("a verb") {
            verb @ ("in" | "infec") => {
                let accepted = machine.input(&bytes(&step["arg_hex"]), verb == "in");
                assert_eq!(accepted, step["ret"] == 0 && name != FRAGMENTS, "{at}");
                if !expected.is_empty() {
                    sent = machine.emit_all();
                }
            }
            "send" => machine.kcp.send(
                &bytes(&step["arg_hex"]),
                0,
                &mut machine.pool,
                &mut machine.stats,
            ),
            "flush" => sent = machine.emit_all(),
            "recv" if name == FRAGMENTS => assert_eq!(machine.receive(), None, "{at}"),
            "recv" => {
                let data = Some(&step["data"])
                    .filter(|data| !data.is_null())
                    .map(bytes);
                assert_eq!(machine.receive(), data, "{at}");
            }
            other => panic!("{at}: unknown verb {other}"),
        }
        if name == ERRORS && index >= 2 || name == FRAGMENTS {
            // The good segment before the bad one did not count.
            assert_eq!((sent.len(), machine.state()), (0, [0, 32, 0, 0, 0]), "{at}");
            continue;
        }
        let expected: Vec<_> = expected
            .iter()
            .map(|datagram| masked(datagram, conv))
            .collect();
        assert_eq!(sent, expected, "{at}");
        let keys = ["rcv_nxt", "rmt_wnd", "snd_nxt", "snd_una", "waitsnd"];
        let state = keys.map(|key| number(&step["state"], key));
        assert_eq!(machine.state(), state, "{at}");
    }
}

#[test]
fn traces_of_the_go_state_machine() {
    let path = format!(
        "{}/../../tests/vectors/kcp.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).expect("the vectors are in the repository");
    let vectors: Value = serde_json::from_str(&text).expect("the vectors are JSON");
    let traces = vectors["traces"].as_array().expect("traces");
    assert_eq!(traces.len(), 17);
    traces.iter().for_each(replay);
}

// --- what no trace covers ---------------------------------------------------------------------

const SETUP: &str = r#"{"nodelay": 1, "interval": 20, "resend": 2, "nc": 1, "sndwnd": 128, "rcvwnd": 512, "kcp_mtu": 1322}"#;
const CONV: u32 = 7;

fn machine() -> Machine {
    Machine::new(CONV, &serde_json::from_str(SETUP).expect("JSON"))
}

/// An acknowledgement of `sn`, whose clock was `ts`.
fn ack(sn: u32, una: u32, ts: Time) -> Vec<u8> {
    let mut out = vec![0; 24];
    Segment {
        conv: CONV,
        cmd: 82,
        wnd: 512,
        ts: Millis(ts.as_millis() as u32),
        sn: Sn(sn),
        una: Sn(una),
        data: &[],
    }
    .write(&mut out);
    out
}

/// Send one segment at each of these moments.
fn send_at(machine: &mut Machine, millis: &[u64]) {
    let mut out = vec![0; 1500];
    for at in millis.iter().copied().map(Time::from_millis) {
        machine
            .kcp
            .send(b"x", 0, &mut machine.pool, &mut machine.stats);
        machine
            .kcp
            .emit(&mut out, &mut machine.path, at, &mut machine.stats)
            .expect("room");
    }
}

fn hear(machine: &mut Machine, payload: &[u8], at: Time) {
    let into = (&mut machine.reader, &mut machine.pool, &mut machine.stats);
    let segments = Segments::parse(payload).expect("segments");
    machine
        .kcp
        .input(segments, true, &mut machine.path, at, into)
        .expect("plausible");
    machine.kcp.finish_input(&mut machine.path, at);
}

#[test]
fn an_old_acknowledgement_around_the_wrap_is_no_restart() {
    let mut machine = machine();
    machine.kcp.start_at(Sn(u32::MAX - 1));
    let at = Time::from_millis;
    send_at(&mut machine, &[10]);
    hear(&mut machine, &ack(u32::MAX - 1, u32::MAX, at(10)), at(20));
    send_at(&mut machine, &[30, 40]);
    hear(&mut machine, &ack(0, 1, at(40)), at(50));
    // It was sent first and comes second: `una` 0 is true of its time.
    hear(&mut machine, &ack(u32::MAX, 0, at(30)), at(51));
    assert!(!machine.kcp.forgotten());
}

#[test]
fn una_back_at_0_with_a_fresh_clock_is_a_restart() {
    let mut machine = machine();
    let at = Time::from_millis;
    send_at(&mut machine, &[10]);
    hear(&mut machine, &ack(0, 1, at(10)), at(20));
    send_at(&mut machine, &[30]);
    hear(&mut machine, &ack(0, 0, at(10)), at(40));
    assert!(!machine.kcp.forgotten(), "an old one");
    hear(&mut machine, &ack(1, 0, at(30)), at(41));
    assert!(machine.kcp.forgotten());
}

#[test]
fn an_echo_of_what_is_acknowledged_already_is_no_sample() {
    let mut machine = machine();
    let at = Time::from_millis;
    send_at(&mut machine, &[10]);
    hear(&mut machine, &ack(0, 1, at(10)), at(60));
    assert_eq!(machine.path.rtt.latest(), Duration::from_millis(50));
    let rto = machine.path.rtt.rto();
    hear(&mut machine, &ack(0, 1, at(10)), at(20_000));
    assert_eq!(machine.path.rtt.rto(), rto);
}

#[test]
fn a_lost_segment_of_a_silent_peer_is_not_left_to_a_long_timeout() {
    let mut machine = machine();
    let at = Time::from_millis;
    send_at(&mut machine, &[0]);
    hear(&mut machine, &ack(0, 1, at(0)), at(8000));
    assert!(machine.path.rtt.rto() > Duration::from_secs(8));
    send_at(&mut machine, &[10_000]);
    let mut out = vec![0; 1500];
    let question = (0..20).find_map(|_| {
        let now = machine
            .kcp
            .next_timeout(&machine.path)
            .expect("data is in flight");
        machine.kcp.handle_timeout(&mut machine.path, now);
        let emitted = machine
            .kcp
            .emit(&mut out, &mut machine.path, now, &mut machine.stats)?;
        Some((emitted.has_data, now))
    });
    assert_eq!(question, Some((false, at(11_000))));
    let mut answer = [0; 24];
    Segment {
        conv: CONV,
        cmd: WINS,
        wnd: 32,
        ts: Millis(0),
        sn: Sn(0),
        una: Sn(1),
        data: &[],
    }
    .write(&mut answer);
    hear(&mut machine, &answer, at(11_200));
    let again = machine
        .kcp
        .emit(&mut out, &mut machine.path, at(11_200), &mut machine.stats);
    assert!(again.is_some_and(|it| it.has_data));
    hear(&mut machine, &answer, at(11_300));
    let again = machine
        .kcp
        .emit(&mut out, &mut machine.path, at(11_300), &mut machine.stats);
    assert_eq!(again, None, "one question, one answer");
}

#[test]
fn any_bytes_are_refused_or_understood() {
    let mut random = Random::from_number(1);
    let mut machine = machine();
    send_at(&mut machine, &[1, 2, 3]);
    for _ in 0..50_000 {
        let mut payload = vec![0; random.below(80) as usize];
        random.fill(&mut payload);
        if let Some(conv) = payload.get_mut(..4) {
            conv.copy_from_slice(&CONV.to_le_bytes());
        }
        if payload.len() > 23 {
            payload[4] = 80 + random.below(6) as u8;
            // Numbers near the windows, and lengths near the truth.
            for at in [12, 16, 20] {
                let value = (random.below(80) as u32).wrapping_sub(40);
                payload[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
        }
        machine.input(&payload, random.below(2) == 0);
        machine.emit_all();
        assert!(machine.kcp.receiver().held() <= 2 * 512);
    }
}
