//! What one direction of a path does to datagrams.

use blinktun_proto::time::{Duration, Time};

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From client to server.
    Up,
    /// From server to client.
    Down,
}

impl Direction {
    /// Both.
    pub const BOTH: [Direction; 2] = [Direction::Up, Direction::Down];
}

/// The weather of one direction. Chances are 0 to 1, per datagram.
#[derive(Clone, Debug)]
pub struct Weather {
    /// From leaving the queue to arriving.
    pub delay: Duration,
    /// Up to this much more, evenly spread.
    pub jitter: Duration,
    /// Whether jitter keeps the order: a datagram that is held up holds up those behind it.
    pub in_order: bool,
    /// Bytes a second; `None` has no limit and no queue.
    pub rate: Option<u64>,
    /// Bytes that may wait for their turn; what comes beyond is dropped.
    pub queue: usize,
    /// Chance of being lost.
    pub loss: f64,
    /// Losses that come together.
    pub bursts: Option<Bursts>,
    /// Whether a sender that pauses for 100 ms finds the path good again. Then each burst passes, however
    /// few datagrams meet it, but a thin flow loses less than the others do.
    pub pauses_end_bursts: bool,
    /// Chance of being overtaken: such a datagram comes `overtaken_by` later.
    pub reorder: f64,
    /// How much later.
    pub overtaken_by: Duration,
    /// Chance of arriving twice.
    pub duplicate: f64,
    /// Chance of one flipped bit.
    pub corrupt: f64,
    /// Longer datagrams are dropped, in bytes.
    pub mtu: usize,
    /// Whether IP packets that are too long are cut, or their sender is told (see
    /// [`Duplex`](crate::duplex::Duplex)). Otherwise they vanish.
    pub icmp: bool,
    /// Nothing passes from the first moment until the second.
    pub outages: Vec<(Time, Time)>,
}

/// Gilbert's model: the path is good or bad, and changes its mind with each datagram.
#[derive(Clone, Copy, Debug)]
pub struct Bursts {
    /// Chance of turning bad.
    pub begin: f64,
    /// Chance of turning good: one over the mean length, in datagrams.
    pub end: f64,
    /// Chance of being lost while bad.
    pub loss: f64,
}

impl Bursts {
    /// Losses of this share of all datagrams, in bursts of this mean length in datagrams. `None` if
    /// bursts so short cannot make up so large a share.
    pub fn of(share: f64, length: f64) -> Option<Bursts> {
        // Bad for `length` datagrams, so good for `length * (1 - share) / share` in between.
        let begin = share / ((1.0 - share) * length);
        (begin <= 1.0).then_some(Bursts {
            begin,
            end: 1.0 / length,
            loss: 1.0,
        })
    }
}

impl Weather {
    /// Everything arrives, after `delay`.
    pub fn perfect(delay: Duration) -> Weather {
        Weather {
            delay,
            jitter: Duration::ZERO,
            in_order: true,
            rate: None,
            queue: usize::MAX,
            loss: 0.0,
            bursts: None,
            pauses_end_bursts: true,
            reorder: 0.0,
            overtaken_by: Duration::from_millis(20),
            duplicate: 0.0,
            corrupt: 0.0,
            mtu: 1500,
            icmp: false,
            outages: Vec::new(),
        }
    }

    /// A train: bursts, jitter, and a tunnel of three seconds in every thirty.
    pub fn train() -> Weather {
        let outages = (0..100).map(|n| {
            let begin = Time::from_millis(n * 30_000 + 7_000);
            (begin, begin + Duration::from_secs(3))
        });
        Weather {
            jitter: Duration::from_millis(60),
            rate: Some(1_000_000),
            queue: 200_000,
            loss: 0.01,
            bursts: Some(Bursts {
                begin: 0.01,
                end: 0.1,
                loss: 0.7,
            }),
            outages: outages.collect(),
            ..Weather::perfect(Duration::from_millis(40))
        }
    }

    /// A satellite: far away, little loss, a deep queue.
    pub fn satellite() -> Weather {
        Weather {
            jitter: Duration::from_millis(10),
            rate: Some(1_500_000),
            queue: 1_000_000,
            loss: 0.005,
            ..Weather::perfect(Duration::from_millis(300))
        }
    }

    /// A bad wireless network: near, lossy, in disorder.
    pub fn lossy_wifi() -> Weather {
        Weather {
            jitter: Duration::from_millis(8),
            rate: Some(3_000_000),
            queue: 150_000,
            loss: 0.08,
            reorder: 0.05,
            duplicate: 0.01,
            corrupt: 0.01,
            ..Weather::perfect(Duration::from_millis(5))
        }
    }

    /// The same with independent loss.
    pub fn with_loss(self, loss: f64) -> Weather {
        Weather { loss, ..self }
    }

    /// The same with one more outage.
    pub fn with_outage(mut self, begin: Time, end: Time) -> Weather {
        self.outages.push((begin, end));
        self
    }

    /// The same with its outages this much later.
    pub fn later(mut self, by: Duration) -> Weather {
        for (begin, end) in &mut self.outages {
            (*begin, *end) = (*begin + by, *end + by);
        }
        self
    }

    /// The share of all datagrams that is lost by chance.
    pub fn lost(&self) -> f64 {
        let in_bursts = self.bursts.map_or(0.0, |bursts| {
            bursts.loss * bursts.begin / (bursts.begin + bursts.end)
        });
        1.0 - (1.0 - self.loss) * (1.0 - in_bursts)
    }

    /// Whether nothing passes now.
    pub fn is_out(&self, now: Time) -> bool {
        self.outages
            .iter()
            .any(|(begin, end)| (*begin..*end).contains(&now))
    }
}

/// The weather of one direction over time.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// How it begins.
    pub first: Weather,
    /// What it changes to, and how long after the beginning; in the order of time.
    pub later: Vec<(Duration, Weather)>,
}

impl Schedule {
    /// Each weather, and how long after the beginning it begins.
    pub fn phases(&self) -> impl Iterator<Item = (Duration, &Weather)> {
        let later = self.later.iter().map(|(at, weather)| (*at, weather));
        std::iter::once((Duration::ZERO, &self.first)).chain(later)
    }

    /// The longest datagram that passes at any time, in bytes.
    pub fn largest_mtu(&self) -> usize {
        let later = self.later.iter().map(|(_, weather)| weather.mtu);
        later.fold(self.first.mtu, usize::max)
    }
}

impl From<Weather> for Schedule {
    fn from(first: Weather) -> Schedule {
        let later = Vec::new();
        Schedule { first, later }
    }
}
