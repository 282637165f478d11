//! One direction of a path.

use std::collections::BTreeMap;

use blinktun_proto::random::Random;
use blinktun_proto::time::{Duration, Time};

use crate::weather::Weather;

/// Who pauses for so long finds the path good again: bursts pass, however few datagrams meet them.
const LONGEST_BURST: Duration = Duration::from_millis(100);

/// Datagrams on their way. Give it what leaves with [`Link::send`]; at [`Link::next_arrival`] take
/// what arrives with [`Link::receive`] until it returns `None`.
#[derive(Debug)]
pub struct Link {
    weather: Weather,
    random: Random,
    /// When the last datagram will have left the queue.
    busy_until: Time,
    /// When the last datagram that kept its place arrives.
    last_arrival: Time,
    bad: bool,
    /// When the last datagram came.
    last_sent: Time,
    sequence: u64,
    on_way: BTreeMap<(Time, u64), Vec<u8>>,
    /// What has happened so far.
    pub counts: Counts,
}

/// What a link has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams given to it.
    pub sent: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Datagrams that it lost, for any reason.
    pub lost: u64,
}

impl Link {
    /// An empty link with this weather; its luck comes from `seed`.
    pub fn new(weather: Weather, seed: u64) -> Link {
        Link {
            weather,
            random: Random::from_number(seed),
            busy_until: Time::ZERO,
            last_arrival: Time::ZERO,
            bad: false,
            last_sent: Time::ZERO,
            sequence: 0,
            on_way: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    /// Change the weather. What is on its way already is not affected.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// The weather.
    pub fn weather(&self) -> &Weather {
        &self.weather
    }

    /// A datagram leaves at `now`.
    pub fn send(&mut self, datagram: &[u8], now: Time) {
        self.counts.sent += 1;
        self.counts.bytes += datagram.len() as u64;
        let lost = self.is_lost(datagram.len(), now);
        let Some(departure) = self.enqueue(datagram.len(), now).filter(|_| !lost) else {
            self.counts.lost += 1;
            return;
        };
        let arrival = self.arrival(departure);
        if self.chance(self.weather.duplicate) {
            let later = arrival + self.up_to(self.weather.overtaken_by);
            self.put(datagram, later);
        }
        self.put(datagram, arrival);
    }

    /// When the next datagram arrives.
    pub fn next_arrival(&self) -> Option<Time> {
        self.on_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// A datagram that has arrived by `now`.
    pub fn receive(&mut self, now: Time) -> Option<Vec<u8>> {
        self.next_arrival().filter(|at| *at <= now)?;
        self.on_way.pop_first().map(|(_, datagram)| datagram)
    }

    /// Lose what is on its way and meets a condition.
    pub fn lose_if(&mut self, mut condition: impl FnMut(&[u8]) -> bool) {
        let before = self.on_way.len();
        self.on_way.retain(|_, datagram| !condition(datagram));
        self.counts.lost += (before - self.on_way.len()) as u64;
    }

    /// Lose everything that is on its way.
    pub fn clear(&mut self) {
        self.counts.lost += self.on_way.len() as u64;
        self.on_way.clear();
    }

    fn is_lost(&mut self, len: usize, now: Time) -> bool {
        let unlucky = self.chance(self.weather.loss);
        unlucky || self.in_burst(now) || len > self.weather.mtu || self.weather.is_out(now)
    }

    fn in_burst(&mut self, now: Time) -> bool {
        let Some(bursts) = self.weather.bursts else {
            return false;
        };
        self.bad &= now.since(self.last_sent) < LONGEST_BURST;
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
        self.on_way.insert((at, self.sequence), datagram);
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
        (0..20).for_each(|_| link.send(&[0; 100], Time::ZERO));
        assert_eq!(link.counts.lost, 10);
        assert_eq!(link.next_arrival(), Some(Time::from_millis(100)));
        assert!(link.receive(Time::from_millis(99)).is_none());
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
}
