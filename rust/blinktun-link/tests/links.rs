//! Described links, in virtual time.

use blinktun_link::{Counts, Description, Direction, Duplex};
use blinktun_proto::time::{Duration, Time};

const SECOND: Duration = Duration::from_secs(1);

fn link(text: &str) -> Duplex {
    let words = text.split_whitespace();
    Duplex::new(Description::parse(words).expect("a link"), 1)
}

/// An IPv4 packet of UDP, with a number.
fn packet(len: usize, may_be_cut: bool, number: u32) -> Vec<u8> {
    let mut packet = vec![0; len];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&(len as u16).to_be_bytes());
    packet[6] = if may_be_cut { 0 } else { 0x40 };
    packet[9] = 17;
    packet[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    packet[24..28].copy_from_slice(&number.to_be_bytes());
    packet
}

/// What came of a flow.
struct Arrived {
    /// When, how late and which.
    packets: Vec<(Time, Duration, u32)>,
    counts: Counts,
}

impl Arrived {
    /// Bits a second from `begin` to `end`, in packets of `len` bytes.
    fn rate(&self, len: usize, begin: Time, end: Time) -> f64 {
        let packets = self.packets.iter();
        let count = packets.filter(|(at, ..)| (begin..end).contains(at)).count();
        (count * len * 8) as f64 / end.since(begin).as_secs_f64()
    }

    fn longest(&self) -> Duration {
        let delays = self.packets.iter().map(|(_, delay, _)| *delay);
        delays.max().unwrap_or_default()
    }

    fn loss(&self) -> f64 {
        self.counts.lost as f64 / self.counts.sent as f64
    }
}

/// Packets of `len` bytes in one direction at `rate` bits a second, for `time`.
fn flow(text: &str, direction: Direction, (len, rate): (usize, f64), time: Duration) -> Arrived {
    let mut link = link(text);
    let gap = Duration::from_secs_f64(len as f64 * 8.0 / rate);
    let (mut now, mut sent, mut packets) = (Time::ZERO, Vec::new(), Vec::new());
    while now.since(Time::ZERO) < time {
        let number = sent.len() as u32;
        link.send(direction, &packet(len, false, number), now);
        sent.push(now);
        now += gap;
        while let Some(at) = link.next_arrival().filter(|at| *at <= now) {
            take(&mut link, direction, at, &sent, &mut packets);
        }
    }
    while let Some(at) = link.next_arrival() {
        take(&mut link, direction, at, &sent, &mut packets);
    }
    let counts = link.counts(direction);
    Arrived { packets, counts }
}

fn take(
    link: &mut Duplex,
    direction: Direction,
    at: Time,
    sent: &[Time],
    packets: &mut Vec<(Time, Duration, u32)>,
) {
    while let Some(packet) = link.receive(direction, at) {
        let number = u32::from_be_bytes(packet[24..28].try_into().expect("four bytes"));
        packets.push((at, at.since(sent[number as usize]), number));
    }
}

fn assert_near(value: f64, wanted: f64, share: f64) {
    assert!(
        (value / wanted - 1.0).abs() <= share,
        "{value}, not {wanted}"
    );
}

#[test]
fn each_direction_has_its_rate_and_its_queue() {
    let all =
        |arrived: &Arrived| arrived.rate(1400, Time::from_millis(1000), Time::from_millis(5000));
    for (direction, rate) in [(Direction::Down, 20e6), (Direction::Up, 4e6)] {
        let arrived = flow("dsl loss=0", direction, (1400, 2.0 * rate), 5 * SECOND);
        assert_near(all(&arrived), rate, 0.002);
        assert_near(arrived.longest().as_secs_f64(), 0.42, 0.01);
        assert_eq!(arrived.counts.lost, arrived.counts.dropped);
        assert_near(arrived.loss(), 0.46, 0.03);
    }
    let slower = flow("dsl loss=0", Direction::Down, (1400, 19e6), 5 * SECOND);
    assert_eq!(slower.counts.lost, 0);
    assert_near(slower.longest().as_secs_f64(), 0.0206, 0.01);
}

#[test]
fn rates_are_exact_to_a_microsecond_a_packet() {
    for (rate, share) in [
        ("1mbit", 0.001),
        ("100mbit", 0.005),
        ("200mbit", 0.01),
        ("1gbit", 0.05),
    ] {
        let bits = blinktun_rate(rate);
        let text = format!("rate={rate} queue=20ms");
        let arrived = flow(&text, Direction::Up, (1428, bits * 1.5), 3 * SECOND);
        let (begin, end) = (Time::from_millis(500), Time::from_millis(3000));
        assert_near(arrived.rate(1428, begin, end), bits, share);
    }
}

fn blinktun_rate(text: &str) -> f64 {
    let description = Description::parse([format!("up={text}").as_str()]).expect("a rate");
    description.up.first.rate.expect("a limit") as f64 * 8.0
}

#[test]
fn losses_are_those_of_the_description() {
    for (name, loss) in [
        ("loss1", 0.01),
        ("loss5", 0.05),
        ("loss20", 0.2),
        ("burst5", 0.05),
    ] {
        let arrived = flow(name, Direction::Down, (1400, 50e6), 30 * SECOND);
        assert_near(arrived.loss(), loss, 0.1);
        assert_eq!(arrived.counts.dropped, 0);
    }
    // A thin flow meets as many bursts as others.
    let thin = flow(
        "burst5",
        Direction::Down,
        (1400, 1400.0 * 8.0 / 0.12),
        6000 * SECOND,
    );
    assert_near(thin.loss(), 0.05, 0.15);
}

#[test]
fn a_policer_drops_instead_of_queueing() {
    let arrived = flow("policer", Direction::Down, (1400, 60e6), 3 * SECOND);
    assert!(arrived.longest() <= Duration::from_millis(48 + 1));
    assert_near(arrived.loss(), 0.5, 0.02);
}

#[test]
fn jitter_has_an_order_unless_it_is_told_otherwise() {
    let is_sorted = |arrived: &Arrived| arrived.packets.is_sorted_by_key(|(_, _, number)| *number);
    let ordered = flow("jitter", Direction::Down, (1400, 50e6), 3 * SECOND);
    assert!(is_sorted(&ordered));
    assert!(ordered.longest() > Duration::from_millis(80));
    let mixed = flow("reorder", Direction::Down, (1400, 50e6), 3 * SECOND);
    assert!(!is_sorted(&mixed));
    assert!(mixed.longest() <= Duration::from_millis(50 + 15 + 1));
}

#[test]
fn the_rate_steps_in_its_time() {
    let arrived = flow("step loss=0", Direction::Down, (1400, 90e6), 30 * SECOND);
    let rate = |begin, end| arrived.rate(1400, Time::from_millis(begin), Time::from_millis(end));
    assert_near(rate(2000, 12_000), 90e6, 0.01);
    assert_near(rate(13_000, 20_000), 20e6, 0.01);
    assert_near(rate(21_000, 30_000), 90e6, 0.01);
}

#[test]
fn an_outage_begins_and_ends() {
    let arrived = flow("outage=2s:1s", Direction::Up, (100, 80e3), 5 * SECOND);
    let rate = |begin, end| arrived.rate(100, Time::from_millis(begin), Time::from_millis(end));
    assert_eq!(rate(2000, 3000), 0.0);
    assert_near(rate(0, 2000), 80e3, 0.01);
    assert_near(rate(3000, 5000), 80e3, 0.01);
    assert_eq!(arrived.counts.lost, 100);
}

#[test]
fn copies_arrive() {
    let arrived = flow("duplicate=10%", Direction::Up, (1400, 10e6), 10 * SECOND);
    let counts = arrived.counts;
    assert_near(counts.delivered as f64, counts.sent as f64 * 1.1, 0.02);
}

/// What arrives at both ends when one packet is sent up: the lengths there, and the lengths back.
fn pass(link: &mut Duplex, packet: &[u8], now: Time) -> (Vec<usize>, Vec<usize>) {
    link.send(Direction::Up, packet, now);
    let late = now + SECOND;
    let mut arrived = |direction| {
        let all = std::iter::from_fn(|| link.receive(direction, late).map(|packet| packet.len()));
        all.collect::<Vec<_>>()
    };
    (arrived(Direction::Up), arrived(Direction::Down))
}

#[test]
fn what_is_too_long_is_cut_or_its_sender_is_told() {
    let (free, fixed) = (packet(1400, true, 0), packet(1400, false, 0));
    let mut link = link("mtu-up=1280 delay=10ms");
    assert_eq!(
        pass(&mut link, &packet(1280, false, 0), Time::ZERO),
        (vec![1280], vec![])
    );
    assert_eq!(
        pass(&mut link, &free, Time::ZERO),
        (vec![1276, 144], vec![])
    );
    assert_eq!(pass(&mut link, &fixed, Time::ZERO), (vec![], vec![576]));
    let counts = link.counts(Direction::Up);
    assert_eq!((counts.too_long, counts.lost), (1, 1));
}

#[test]
fn without_icmp_it_vanishes() {
    let mut link = link("mtu=1280 icmp=no");
    for may_be_cut in [true, false] {
        let long = packet(1400, may_be_cut, 0);
        assert_eq!(pass(&mut link, &long, Time::ZERO), (vec![], vec![]));
    }
    assert_eq!(link.counts(Direction::Up).too_long, 2);
}

#[test]
fn the_mtu_falls_in_its_time() {
    let mut link = link("icmp=no mtu=5s:1280 mtu=8s:1500");
    let long = packet(1400, false, 0);
    for (at, passes) in [
        (0, true),
        (4999, true),
        (5000, false),
        (7999, false),
        (8000, true),
    ] {
        let (there, _) = pass(&mut link, &long, Time::from_millis(at));
        assert_eq!(there.len(), usize::from(passes), "{at}");
    }
}

#[test]
fn a_changed_link_begins_a_time_of_its_own() {
    let mut link = link("delay=10ms");
    let later = Description::parse(["mtu=5s:1280", "icmp=no", "outage=1s:1s"]).expect("a link");
    link.follow(later, Time::from_millis(60_000));
    let long = packet(1400, false, 0);
    for (at, passes) in [
        (60_500, true),
        (61_500, false),
        (64_999, true),
        (65_000, false),
    ] {
        let (there, _) = pass(&mut link, &long, Time::from_millis(at));
        assert_eq!(there.len(), usize::from(passes), "{at}");
    }
}

#[test]
fn what_is_on_its_way_has_a_bound() {
    let mut link = link("delay=60s");
    let long = packet(1500, false, 0);
    for _ in 0..100_000 {
        link.send(Direction::Down, &long, Time::ZERO);
    }
    let counts = link.counts(Direction::Down);
    let memory = (counts.sent - counts.dropped) * 1500;
    assert!((50 << 20..=64 << 20).contains(&memory), "{memory}");
}
