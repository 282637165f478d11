//! One direction of a path.

use std::collections::{BTreeMap, VecDeque};

use blinktun_proto::random::Random;
use blinktun_proto::time::{Duration, Time};

use crate::weather::{Schedule, Weather};

/// Who pauses for so long finds the path good again: bursts pass, however few datagrams meet them.
const LONGEST_BURST: Duration = Duration::from_millis(100);

/// What a datagram on its way takes beside its bytes: its place in the map and on the heap.
const OVERHEAD: usize = 128;

/// Datagrams on their way. Give it what leaves with [`Link::send`]; at [`Link::next_arrival`] take
/// what arrives with [`Link::receive`] until it returns `None`.
#[derive(Debug)]
pub struct Link {
    weather: Weather,
    /// What the weather becomes, and when.
    changes: VecDeque<(Time, Weather)>,
    random: Random,
    /// When the last datagram will have left the queue.
    busy_until: Time,
    /// When the last datagram that kept its place arrives.
    last_arrival: Time,
    bad: bool,
    /// When the last datagram came.
    last_sent: Time,
    sequence: u64,
    on_way: BTreeMap<(Time, u64), Marked>,
    /// Memory of what is on its way, in bytes.
    held: usize,
    /// Bytes in front of each datagram that it carries too, and is not given: headers of the layers below.
    pub headers: usize,
    /// What leaves from now on arrives with this: where it came from, or any other word of its sender.
    pub mark: u64,
    /// What has happened so far.
    pub counts: Counts,
}

/// A datagram, behind the mark that it left with.
type Marked = (u64, Vec<u8>);

/// What a link has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams given to it.
    pub sent: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Datagrams that it lost, for any reason.
    pub lost: u64,
    /// Those of them that found the queue full.
    pub dropped: u64,
    /// Their bytes.
    pub dropped_bytes: u64,
    /// Those that were longer than the MTU.
    pub too_long: u64,
    /// Datagrams that arrived, copies included.
    pub delivered: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
}

/// What became of a datagram that was given to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It will arrive.
    OnItsWay,
    /// It was lost by chance or in an outage.
    Lost,
    /// The queue was full.
    Dropped,
    /// It is longer than the MTU.
    TooLong,
}

impl Link {
    /// An empty link with this weather; its luck comes from `seed`.
    pub fn new(weather: Weather, seed: u64) -> Link {
        Link {
            weather,
            changes: VecDeque::new(),
            random: Random::from_number(seed),
            busy_until: Time::ZERO,
            last_arrival: Time::ZERO,
            bad: false,
            last_sent: Time::ZERO,
            sequence: 0,
            on_way: BTreeMap::new(),
            held: 0,
            headers: 0,
            mark: 0,
            counts: Counts::default(),
        }
    }

    /// Change the weather. What is on its way already is not affected, and what a [`Schedule`] had
    /// in store is forgotten.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
        self.changes.clear();
    }

    /// Change the weather now, and from then on as the schedule says, whose time begins now.
    pub fn follow(&mut self, schedule: Schedule, now: Time) {
        let begun = now.since(Time::ZERO);
        self.set_weather(schedule.first.later(begun));
        let later = schedule.later.into_iter();
        self.changes = later
            .map(|(at, weather)| (now + at, weather.later(begun)))
            .collect();
    }

    /// The weather, as it was when something was last sent.
    pub fn weather(&self) -> &Weather {
        &self.weather
    }

    /// The weather now.
    pub fn weather_at(&mut self, now: Time) -> &Weather {
        while self.changes.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, weather)) = self.changes.pop_front() {
                self.weather = weather;
            }
        }
        &self.weather
    }

    /// Memory that what is on its way takes, about, in bytes.
    pub fn held(&self) -> usize {
        self.held
    }

    /// A datagram leaves at `now`.
    pub fn send(&mut self, datagram: &[u8], now: Time) -> Sent {
        let most = self.weather_at(now).mtu;
        let len = self.headers + datagram.len();
        self.send_unless(datagram, (len > most).then_some(Sent::TooLong), now)
    }

    /// A datagram leaves at `now` that is cut into fragments if it is too long. It is lost if one of them is.
    pub fn send_in_fragments(&mut self, datagram: &[u8], now: Time) -> Sent {
        let most = self.weather_at(now).mtu.max(1);
        let len = self.headers + datagram.len();
        let more = len.div_ceil(most).saturating_sub(1);
        let loses_some = (0..more).fold(false, |lost, _| lost | self.is_lost(now));
        self.send_unless(datagram, loses_some.then_some(Sent::Lost), now)
    }

    /// A datagram leaves, unless its fate is known.
    fn send_unless(&mut self, datagram: &[u8], fate: Option<Sent>, now: Time) -> Sent {
        let len = self.headers + datagram.len();
        self.count(len);
        let fate = self.is_lost(now).then_some(Sent::Lost).or(fate);
        let Some(departure) = self.enqueue(len, now) else {
            return self.drop_for_room(len);
        };
        if let Some(fate) = fate {
            self.counts.lost += 1;
            self.counts.too_long += u64::from(fate == Sent::TooLong);
            return fate;
        }
        let arrival = self.arrival(departure);
        if self.chance(self.weather.duplicate) {
            let later = arrival + self.up_to(self.weather.overtaken_by);
            self.put(datagram, later);
        }
        self.put(datagram, arrival);
        Sent::OnItsWay
    }

    /// Drop a datagram of `len` bytes as if the queue were full.
    pub fn refuse(&mut self, len: usize) -> Sent {
        self.count(len);
        self.drop_for_room(len)
    }

    fn count(&mut self, len: usize) {
        self.counts.sent += 1;
        self.counts.bytes += len as u64;
    }

    fn drop_for_room(&mut self, len: usize) -> Sent {
        self.counts.lost += 1;
        self.counts.dropped += 1;
        self.counts.dropped_bytes += len as u64;
        Sent::Dropped
    }

    /// When the next datagram arrives.
    pub fn next_arrival(&self) -> Option<Time> {
        self.on_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// A datagram that has arrived by `now`.
    pub fn receive(&mut self, now: Time) -> Option<Vec<u8>> {
        self.receive_marked(now).map(|(_, datagram)| datagram)
    }

    /// The same, behind the mark that it left with.
    pub fn receive_marked(&mut self, now: Time) -> Option<(u64, Vec<u8>)> {
        self.next_arrival().filter(|at| *at <= now)?;
        let (_, (mark, datagram)) = self.on_way.pop_first()?;
        self.held -= datagram.len() + OVERHEAD;
        self.counts.delivered += 1;
        self.counts.delivered_bytes += (self.headers + datagram.len()) as u64;
        Some((mark, datagram))
    }

    /// Lose what is on its way and meets a condition.
    pub fn lose_if(&mut self, mut condition: impl FnMut(&[u8]) -> bool) {
        let before = self.on_way.len();
        self.on_way.retain(|_, (_, datagram)| !condition(datagram));
        self.counts.lost += (before - self.on_way.len()) as u64;
        self.held = self
            .on_way
            .values()
            .map(|(_, datagram)| datagram.len() + OVERHEAD)
            .sum();
    }

    /// Lose everything that is on its way.
    pub fn clear(&mut self) {
        self.counts.lost += self.on_way.len() as u64;
        self.on_way.clear();
        self.held = 0;
    }

    fn is_lost(&mut self, now: Time) -> bool {
        let unlucky = self.chance(self.weather.loss);
        unlucky || self.in_burst(now) || self.weather.is_out(now)
    }

    fn in_burst(&mut self, now: Time) -> bool {
        let Some(bursts) = self.weather.bursts else {
            return false;
        };
        let goes_on = now.since(self.last_sent) < LONGEST_BURST;
        self.bad &= goes_on || !self.weather.pauses_end_bursts;
        self.last_sent = now;
        let turn = if self.bad { bursts.end } else { bursts.begin };
        self.bad ^= self.chance(turn);
        self.bad && self.chance(bursts.loss)
    }

    /// When the datagram has left the queue; `None` if it found no place there.
    fn enqueue(&mut self, len: usize, now: Time) -> Option<Time> {
        let Some(rate) = self.weather.rate else {
            return Some(now);
        };
        let begin = self.busy_until.max(now);
        let waiting = begin.since(now).as_micros() as u64 * rate / 1_000_000;
        if waiting as usize + len > self.weather.queue {
            return None;
        }
        self.busy_until = begin + Duration::from_micros(len as u64 * 1_000_000 / rate);
        Some(self.busy_until)
    }

    fn arrival(&mut self, departure: Time) -> Time {
        let arrival = departure + self.weather.delay + self.up_to(self.weather.jitter);
        if self.chance(self.weather.reorder) {
            return arrival + self.weather.overtaken_by;
        }
        if !self.weather.in_order {
            return arrival;
        }
        self.last_arrival = self.last_arrival.max(arrival);
        self.last_arrival
    }

    fn put(&mut self, datagram: &[u8], at: Time) {
        let mut datagram = datagram.to_vec();
        if self.chance(self.weather.corrupt) && !datagram.is_empty() {
            let bit = self.random.below(datagram.len() as u64 * 8) as usize;
            datagram[bit / 8] ^= 1 << (bit % 8);
        }
        self.sequence += 1;
        self.held += datagram.len() + OVERHEAD;
        self.on_way
            .insert((at, self.sequence), (self.mark, datagram));
    }

    fn chance(&mut self, chance: f64) -> bool {
        chance > 0.0 && f64::from(self.random.next_u32()) < chance * f64::from(u32::MAX)
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.random.below(most.as_micros() as u64 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weather::Bursts;

    const DELAY: Duration = Duration::from_millis(10);

    fn arrivals(weather: Weather, count: u32) -> Vec<(Time, u32)> {
        let mut link = Link::new(weather, 1);
        for n in 0..count {
            link.send(&n.to_le_bytes(), Time::from_millis(n.into()));
        }
        let mut out = Vec::new();
        while let Some(at) = link.next_arrival() {
            let datagram = link.receive(at).and_then(|d| d.first_chunk().copied());
            out.push((at, u32::from_le_bytes(datagram.unwrap_or_default())));
        }
        out
    }

    #[test]
    fn perfect_weather_only_delays() {
        let expected: Vec<_> = (0..9u32)
            .map(|n| (Time::from_millis(n.into()) + DELAY, n))
            .collect();
        assert_eq!(arrivals(Weather::perfect(DELAY), 9), expected);
    }

    #[test]
    fn the_same_seed_brings_the_same_weather() {
        let weather = Weather::lossy_wifi();
        assert_eq!(arrivals(weather.clone(), 500), arrivals(weather, 500));
    }

    #[test]
    fn loss_and_bursts_lose_their_share() {
        let lossy = arrivals(Weather::perfect(DELAY).with_loss(0.25), 10_000);
        assert!((7_300..7_700).contains(&lossy.len()), "{}", lossy.len());
        let bursts = Bursts {
            begin: 0.02,
            end: 0.08,
            loss: 1.0,
        };
        let bursty = Weather {
            bursts: Some(bursts),
            ..Weather::perfect(DELAY)
        };
        let left = arrivals(bursty, 20_000).len(); // bad a fifth of the time
        assert!((15_000..17_000).contains(&left), "{left}");
    }

    #[test]
    fn jitter_keeps_order_and_reordering_does_not() {
        let jitter = Weather {
            jitter: Duration::from_millis(50),
            ..Weather::perfect(DELAY)
        };
        assert!(
            arrivals(jitter.clone(), 500)
                .windows(2)
                .all(|w| w[0].1 < w[1].1)
        );
        let reorder = Weather {
            reorder: 0.1,
            ..jitter
        };
        let mixed = arrivals(reorder, 500);
        assert_eq!(mixed.len(), 500);
        assert!(mixed.windows(2).any(|w| w[0].1 > w[1].1));
    }

    #[test]
    fn a_slow_link_queues_and_then_drops() {
        let mut link = Link::new(
            Weather {
                rate: Some(1000),
                queue: 1000,
                ..Weather::perfect(Duration::ZERO)
            },
            1,
        );
        for _ in 0..20 {
            link.send(&[0; 100], Time::ZERO);
        }
        assert_eq!(link.counts.lost, 10);
        assert_eq!(link.next_arrival(), Some(Time::from_millis(100)));
        assert!(link.receive(Time::from_millis(99)).is_none());
    }

    #[test]
    fn headers_take_room_on_the_link_and_are_counted() {
        let weather = Weather {
            rate: Some(1000),
            queue: 242,
            mtu: 120,
            ..Weather::perfect(Duration::ZERO)
        };
        let mut link = Link::new(weather, 1);
        link.headers = 20;
        let sent = [100, 101, 1].map(|len| link.send(&vec![0; len], Time::ZERO));
        assert_eq!(sent, [Sent::OnItsWay, Sent::TooLong, Sent::Dropped]);
        assert_eq!(link.next_arrival(), Some(Time::from_millis(120)));
        assert_eq!(link.receive(Time::from_millis(120)), Some(vec![0; 100]));
        let counts = link.counts;
        assert_eq!((counts.bytes, counts.delivered_bytes), (262, 120));
        assert_eq!(counts.dropped_bytes, 21);
    }

    #[test]
    fn the_mtu_and_outages_stop_datagrams() {
        let mut link = Link::new(
            Weather {
                mtu: 576,
                ..Weather::perfect(DELAY)
            }
            .with_outage(Time::from_millis(5), Time::from_millis(6)),
            1,
        );
        link.send(&[0; 577], Time::ZERO);
        link.send(&[0; 576], Time::from_millis(5));
        assert_eq!(link.next_arrival(), None);
        link.send(&[0; 576], Time::from_millis(6));
        assert!(link.receive(Time::from_millis(16)).is_some());
    }

    /// What arrives of 20,000 datagrams, when and how damaged, as one number.
    fn fingerprint(weather: Weather) -> u64 {
        let mut link = Link::new(weather, 7);
        let mut random = Random::from_number(9);
        let (mut now, mut hash) = (Time::ZERO, 0xcbf2_9ce4_8422_2325_u64);
        for _ in 0..20_000 {
            now += Duration::from_micros(random.below(3000));
            link.send(&vec![0; 40 + random.below(1470) as usize], now);
            while let Some(datagram) = link.receive(now) {
                let is_damaged = datagram.iter().any(|byte| *byte != 0);
                for fact in [now.as_micros(), datagram.len() as u64, is_damaged.into()] {
                    hash = (hash ^ fact).wrapping_mul(0x0000_0100_0000_01b3); // FNV-1a
                }
            }
        }
        hash
    }

    /// A seed that once showed a bug must go on showing it: these numbers are those of the first version.
    #[test]
    fn seeds_keep_their_meaning() {
        let lossy = Weather::perfect(DELAY).with_loss(0.3);
        assert_eq!(fingerprint(Weather::train()), 0x60cd_bb66_7b9b_c4b3);
        assert_eq!(fingerprint(Weather::satellite()), 0xcdba_a3fe_eae5_1390);
        assert_eq!(fingerprint(Weather::lossy_wifi()), 0xda91_803d_b5c2_507c);
        assert_eq!(fingerprint(lossy), 0xb24b_a418_a53f_4108);
    }

    #[test]
    fn bursts_lose_their_share_at_their_mean_length() {
        let weather = Weather {
            bursts: Bursts::of(0.05, 6.0),
            ..Weather::perfect(DELAY)
        };
        let runs = |weather, pause| {
            let mut link = Link::new(weather, 3);
            let (mut now, mut lost, mut bursts, mut before) = (Time::ZERO, 0, 0, false);
            for _ in 0..200_000 {
                let is_lost = link.send(&[0; 100], now) == Sent::Lost;
                (lost, bursts) = (
                    lost + u32::from(is_lost),
                    bursts + u32::from(is_lost && !before),
                );
                (before, now) = (is_lost, now + pause);
            }
            (
                f64::from(lost) / 200_000.0,
                f64::from(lost) / f64::from(bursts),
            )
        };
        let near = |value: f64, wanted: f64| (value / wanted - 1.0).abs() < 0.1;
        let (share, length) = runs(weather.clone(), Duration::from_millis(1));
        assert!(near(share, 0.05) && near(length, 6.0), "{share} {length}");
        let thin = Duration::from_millis(120);
        let (share, length) = runs(weather.clone(), thin);
        assert!(share < 0.01 && near(length, 1.0), "{share} {length}");
        let stubborn = Weather {
            pauses_end_bursts: false,
            ..weather
        };
        let (share, length) = runs(stubborn, thin);
        assert!(near(share, 0.05) && near(length, 6.0), "{share} {length}");
        assert!(Bursts::of(0.9, 2.0).is_none());
    }

    #[test]
    fn jitter_may_leave_the_order() {
        let jitter = Weather {
            jitter: Duration::from_millis(15),
            in_order: false,
            ..Weather::perfect(DELAY)
        };
        let mixed = arrivals(jitter, 500);
        assert_eq!(mixed.len(), 500);
        assert!(mixed.windows(2).any(|w| w[0].1 > w[1].1));
        let late = |(at, n): &(Time, u32)| at.since(Time::from_millis((*n).into()));
        assert!(
            mixed
                .iter()
                .all(|arrival| late(arrival) <= DELAY + Duration::from_millis(15))
        );
    }

    #[test]
    fn a_schedule_changes_the_weather_in_its_time() {
        let rate = |rate| Weather {
            rate: Some(rate),
            ..Weather::perfect(Duration::ZERO)
        };
        let start = Time::from_millis(5000);
        let mut link = Link::new(rate(1), 1);
        let out = (Time::from_millis(300), Time::from_millis(400));
        let schedule = Schedule {
            first: rate(100_000).with_outage(out.0, out.1),
            later: vec![
                (Duration::from_secs(1), rate(10_000)),
                (Duration::from_secs(2), rate(100_000)),
            ],
        };
        link.follow(schedule, start);
        let mut takes = |at: u64| {
            let now = start + Duration::from_millis(at);
            link.send(&[0; 1000], now);
            let arrival = link.next_arrival()?;
            link.receive(arrival)
                .map(|_| arrival.since(now).as_millis())
        };
        assert_eq!(takes(0), Some(10));
        assert_eq!(takes(350), None, "an outage counts from the beginning too");
        assert_eq!(takes(990), Some(10));
        assert_eq!(takes(1000), Some(100));
        assert_eq!(takes(2500), Some(10));
    }

    #[test]
    fn everything_is_counted_once() {
        let mut link = Link::new(
            Weather {
                rate: Some(1000),
                queue: 1000,
                mtu: 500,
                loss: 0.1,
                duplicate: 0.2,
                ..Weather::perfect(DELAY)
            },
            1,
        );
        let mut fates = [0; 4];
        for n in 0..2000 {
            let now = Time::from_millis(n * 300);
            fates[link.send(&vec![0; 200 + n as usize % 400], now) as usize] += 1;
            while link.receive(now).is_some() {}
        }
        while link.receive(Time::from_millis(10_000_000)).is_some() {}
        let counts = link.counts;
        let [on_way, lost, dropped, too_long] = fates;
        assert!(fates.iter().all(|count| *count > 50), "{fates:?}");
        assert_eq!(counts.sent, 2000);
        assert_eq!(counts.lost, lost + dropped + too_long);
        assert_eq!((counts.dropped, counts.too_long), (dropped, too_long));
        assert!(counts.delivered > on_way && counts.delivered < on_way * 13 / 10);
        assert_eq!(link.held(), 0);
    }
}
