//! A download over a link in words, and small requests beside it: what it gets, and what it costs.

use blinktun_link::{Description, Link, Schedule, Weather};
use blinktun_proto::session::Config;
use blinktun_proto::time::{Duration, Time};

use crate::flow::Flow;
use crate::setup::Setup;
use crate::world::World;

/// What IPv4 and UDP put in front of a datagram, in bytes.
const HEADERS: usize = 28;
/// The payload of a full packet: 1298 of 1378 bytes, with an MTU of 1350 for KCP.
const PAYLOAD: f64 = 1298.0 / 1378.0;
/// Bytes of a request and of its answer.
const REQUEST: u64 = 1024;
/// Between two requests.
const PAUSE: Duration = Duration::from_millis(120);
/// The first request leaves so long after the download began.
const FIRST: Duration = Duration::from_millis(500);
/// This share of each phase is left out of its goodput: the sender finds out what the link carries.
const LEFT_OUT: f64 = 0.25;
/// A download goes on for so long behind the last change of its link.
const BEHIND_CHANGES: Duration = Duration::from_secs(8);
/// What the download must have to have begun, of what the link can carry.
const BEGUN: f64 = 0.8;

/// What there is to measure.
#[derive(Clone, Debug)]
pub struct Download {
    /// What lies between client and server.
    pub link: Description,
    /// How long it takes if the link stays as it is; otherwise it ends 8 s behind the last change.
    pub seconds: u64,
    /// The share of the payload that both ends may spend on copies and parity.
    pub max_overhead: f64,
    /// No stream waits for another. Else it is as with another program at one end.
    pub is_independent: bool,
    /// Decides everything that is left to chance.
    pub seed: u64,
}

/// What a download was like.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Mbit/s, without the beginning of each phase.
    pub goodput: f64,
    /// The smallest share that it had in a phase, of what the link could carry.
    pub share: f64,
    /// Bytes on the wire to the client, headers of IP included, for each byte delivered there.
    pub wire: f64,
    /// When the download had 80 % of the link, in round trips.
    pub start: Option<f64>,
    /// Those beside it.
    pub requests: Requests,
}

/// What requests were like with nothing beside them.
#[derive(Clone, Debug)]
pub struct Idle {
    /// Bytes on the wire to the client for each byte of an answer.
    pub wire: f64,
    /// How long they took.
    pub requests: Requests,
}

/// How long requests took, the shortest first. One that was not answered counts until the end.
#[derive(Clone, Debug)]
pub struct Requests(Vec<Duration>);

impl Requests {
    /// The time in which this share of them was answered, in ms.
    pub fn ms(&self, share: f64) -> f64 {
        let place = (self.0.len() as f64 * share) as usize;
        let last = self.0.len().saturating_sub(1);
        let at = self.0.get(place.min(last));
        at.map_or(f64::NAN, |at| at.as_secs_f64() * 1e3)
    }
}

/// A time in which the link stays as it is.
pub(crate) struct Phase {
    begin: Duration,
    pub(crate) end: Duration,
    /// Payload that the link can carry, in Mbit/s.
    carries: f64,
}

impl Download {
    /// Measure it between two sessions that tune themselves.
    ///
    /// # Panics
    /// If a byte is wrong, or if the link has no rate.
    pub fn measure(&self) -> Measured {
        let phases = self.phases();
        let mut world = self.world();
        world.meet();
        let begin = world.now;
        let sent = world.down.counts.bytes;
        let mut download = Flow::new(0, 1 << 40);
        download.down.is_random = true;
        let download = world.add(download);
        let end = phases.last().map_or(Duration::ZERO, |phase| phase.end);
        add_requests(&mut world, end);
        let mut progress = Progress::default();
        while world.now < begin + end {
            world.pass(Progress::EVERY);
            progress.note(world.now.since(begin), world.flows[download].down.read);
        }
        let wire = wire(world.down.counts.bytes - sent, &world.flows);
        let requests = requests(&world.flows, Some(download), world.now);
        self.judge(&phases, &progress, wire, requests)
    }

    /// Measure such requests with nothing beside them.
    ///
    /// # Panics
    /// If a byte is wrong.
    pub fn measure_idle(&self) -> Idle {
        let mut world = self.world();
        world.meet();
        let sent = world.down.counts.bytes;
        let end = Duration::from_secs(self.seconds);
        add_requests(&mut world, end);
        world.pass(end);
        Idle {
            wire: wire(world.down.counts.bytes - sent, &world.flows),
            requests: requests(&world.flows, None, world.now),
        }
    }

    fn world(&self) -> World {
        let setup = Setup::new(self.seed).both(|config| {
            config.smux.receive_buffer = 128 << 20;
            config.smux.stream_buffer = 128 << 20;
            *config = Config::tuning_itself(config.clone());
            config.max_overhead = self.max_overhead;
            config.smux.independent = self.is_independent;
        });
        let mut world = setup.build();
        for (link, schedule) in [
            (&mut world.up, &self.link.up),
            (&mut world.down, &self.link.down),
        ] {
            carry_packets(link, schedule);
        }
        world
    }

    pub(crate) fn phases(&self) -> Vec<Phase> {
        let changes: Vec<_> = self.link.down.phases().collect();
        let ends = changes[1..].iter().map(|(at, _)| *at);
        let last = match changes[..] {
            [_] => Duration::from_secs(self.seconds),
            [.., (at, _)] => at + BEHIND_CHANGES,
            [] => Duration::ZERO,
        };
        let phases = changes.iter().zip(ends.chain([last]));
        phases
            .map(|((begin, weather), end)| Phase {
                begin: *begin,
                end,
                carries: carries(weather),
            })
            .collect()
    }

    pub(crate) fn judge(
        &self,
        phases: &[Phase],
        progress: &Progress,
        wire: f64,
        requests: Requests,
    ) -> Measured {
        let (mut megabits, mut seconds, mut share) = (0.0, 0.0, f64::INFINITY);
        for phase in phases {
            let length = (phase.end - phase.begin).mul_f64(1.0 - LEFT_OUT);
            let bytes = progress.read_at(phase.end) - progress.read_at(phase.end - length);
            let took = length.as_secs_f64();
            share = share.min(bytes as f64 * 8e-6 / took / phase.carries);
            megabits += bytes as f64 * 8e-6;
            seconds += took;
        }
        let first = &self.link.down.first;
        let round_trip = first.delay + self.link.up.first.delay;
        let enough = phases.first().map_or(0.0, |phase| phase.carries) * BEGUN;
        let start = progress.reaches(enough * 125e3, round_trip);
        Measured {
            goodput: megabits / seconds,
            share,
            wire,
            start: start.map(|at| at.as_secs_f64() / round_trip.as_secs_f64()),
            requests,
        }
    }
}

/// A request each [`PAUSE`] from `begin` on, for so long.
pub(crate) fn requests_for(time: Duration, begin: Time) -> impl Iterator<Item = Flow> {
    let times = core::iter::successors(Some(FIRST), |at| Some(*at + PAUSE));
    let times = times.take_while(move |at| *at + PAUSE < time);
    times.map(move |at| {
        let mut request = Flow::new(REQUEST, REQUEST);
        request.opens = begin + at;
        request
    })
}

fn add_requests(world: &mut World, time: Duration) {
    for request in requests_for(time, world.now) {
        world.add(request);
    }
}

/// Packets of UDP leave over this link from now on.
pub(crate) fn carry_packets(link: &mut Link, schedule: &Schedule) {
    link.headers = HEADERS;
    link.follow(schedule.clone(), Time::ZERO);
}

/// Bytes on the wire to the client for each that was read there, if so many have left over it.
pub(crate) fn wire(sent: u64, flows: &[Flow]) -> f64 {
    let read: u64 = flows.iter().map(|flow| flow.down.read).sum();
    sent as f64 / read as f64
}

/// How long each request took.
pub(crate) fn requests(flows: &[Flow], download: Option<usize>, now: Time) -> Requests {
    let flows = flows.iter().enumerate();
    let requests = flows.filter(|(place, _)| Some(*place) != download);
    let mut took: Vec<Duration> = requests
        .map(|(_, flow)| {
            let answered = flow.down.done_at.filter(|_| flow.down.read == REQUEST);
            answered.unwrap_or(now).since(flow.opens)
        })
        .collect();
    took.sort();
    Requests(took)
}

/// Payload that such a link carries beside its losses, in Mbit/s.
fn carries(weather: &Weather) -> f64 {
    let Some(rate) = weather.rate else {
        panic!("a link without a rate cannot be filled")
    };
    rate as f64 * 8e-6 * PAYLOAD * (1.0 - weather.lost())
}

/// How much has been read, and when.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    marks: Vec<(Duration, u64)>,
}

impl Progress {
    pub(crate) const EVERY: Duration = Duration::from_millis(5);

    pub(crate) fn note(&mut self, at: Duration, read: u64) {
        self.marks.push((at, read));
    }

    /// Bytes read by then.
    fn read_at(&self, at: Duration) -> u64 {
        let place = self.marks.partition_point(|(mark, _)| *mark <= at);
        place.checked_sub(1).map_or(0, |place| self.marks[place].1)
    }

    /// When a whole round trip first brought this rate, in bytes a second.
    fn reaches(&self, rate: f64, round_trip: Duration) -> Option<Duration> {
        let wanted = rate * round_trip.as_secs_f64();
        let is_enough = |(at, read): &&(Duration, u64)| {
            *at >= round_trip && (read - self.read_at(*at - round_trip)) as f64 >= wanted
        };
        self.marks.iter().find(is_enough).map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_reached_when_a_whole_round_trip_had_it() {
        let mut progress = Progress::default();
        for n in 1..=40 {
            let read = 1000 * (n - 1) + 4000 * u64::saturating_sub(n, 20);
            progress.note(Progress::EVERY * n as u32, read);
        }
        let round_trip = Duration::from_millis(50);
        let at = progress.reaches(900e3, round_trip);
        assert_eq!(at, Some(Duration::from_millis(145)));
        assert_eq!(progress.reaches(1.1e6, round_trip), None);
        assert_eq!(progress.read_at(Duration::from_millis(12)), 1000);
        assert_eq!(progress.read_at(Duration::from_millis(4)), 0);
    }

    #[test]
    fn a_link_that_changes_has_phases_and_each_counts() {
        let link = Description::parse(["step"]).expect("a link");
        let download = Download {
            link,
            seconds: 1,
            max_overhead: 0.0,
            is_independent: true,
            seed: 1,
        };
        let phases = download.phases();
        let ends: Vec<u64> = phases.iter().map(|phase| phase.end.as_secs()).collect();
        assert_eq!(ends, [12, 20, 28]);
        let full = 100.0 * PAYLOAD * 0.98;
        assert!((phases[1].carries / full - 0.2).abs() < 1e-9);
        let mut progress = Progress::default();
        for second in 0..=28_u32 {
            // Full, then half of what there is, then full.
            let halves = second.clamp(12, 20) - 12;
            let megabits = full * f64::from(second.min(12) + second.max(20) - 20)
                + full * 0.1 * f64::from(halves);
            progress.note(Duration::from_secs(1) * second, (megabits * 125e3) as u64);
        }
        let seen = download.judge(&phases, &progress, 1.0, Requests(vec![]));
        assert!((seen.share - 0.5).abs() < 0.01, "{seen:?}");
        let mean = (full * 9.0 + full * 0.1 * 6.0 + full * 6.0) / 21.0;
        assert!((seen.goodput / mean - 1.0).abs() < 0.01, "{seen:?}");
    }
}
