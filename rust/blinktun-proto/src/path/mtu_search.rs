//! The largest datagram that a path carries: found by probes (RFC 8899), and found again when it falls.
//!
//! A session begins with [`BASE`] bytes, which every path of the Internet carries. A probe is a longer
//! datagram with new data, filled up with segments that say nothing; if its data is acknowledged before it was
//! sent again, the path carries datagrams of that length. A lost probe is no sign of congestion.
//!
//! The path may change. If long datagrams vanish while short ones arrive, it is a black hole, and the search
//! begins again at [`BASE`].

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::time::{Duration, Time};

/// The datagram that needs no proof, in bytes (RFC 8899, 5.1.2; RFC 9000, 14.1). A path of 1280 bytes, which
/// IPv6 asks for, carries 1252 in UDP over IPv4, 1232 over IPv6, and 1208 behind a disguise of TCP.
pub const BASE: usize = 1200;
/// What Ethernet carries.
const ETHERNET: usize = 1500;
/// IPv4 and UDP; IPv6 and UDP.
const HEADERS: (usize, usize) = (28, 48);
/// A size is too long if so many probes were lost.
const TRIES: u32 = 3;
/// The search ends when it knows the size to less than this many bytes.
const STEP: usize = 16;
/// Then it begins again, if there is more to find (RFC 8899, 5.1.1).
const PAUSE: Duration = Duration::from_secs(600);

/// Long datagrams count as swallowed if so many in a row were lost,
const LOST: usize = 6;
/// if so many short ones have arrived that left between them (two do not tell: behind an outage the first long
/// one may be lost by chance),
const ANSWERS: u32 = 3;
/// and if no long one has arrived for this time.
const BLACK_HOLE: Duration = Duration::from_secs(1);
/// Segments that are too long for the path and cannot be cut any more are given up after this time.
const STUCK: Duration = Duration::from_secs(30);

/// How long a datagram was, when it left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Length {
    /// Not longer than [`BASE`].
    #[default]
    Short,
    /// Longer than [`BASE`], and proven at that time.
    Long,
    /// Longer than what is proven: its segment was numbered before the MTU fell.
    Excessive,
    /// This probe.
    Probe(u32),
}

/// What the search does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next new data leaves in a probe of this size; so many were lost before.
    Ready { size: usize, lost: u32 },
    /// This probe is on its way.
    Probing { id: u32, size: usize, lost: u32 },
    /// The size is known. It begins again then, unless there is nothing more to find.
    Done { until: Option<Time> },
}

/// Why the MTU is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A session begins with it.
    Start,
    /// A probe has arrived.
    Probe,
    /// The system refused a datagram.
    TooLong,
    /// Long datagrams vanished.
    BlackHole,
    /// The peer has moved.
    Migration,
}

impl Reason {
    /// Its name in a trace.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Start => "start",
            Reason::Probe => "probe",
            Reason::TooLong => "too_long",
            Reason::BlackHole => "black_hole",
            Reason::Migration => "migration",
        }
    }
}

/// Long datagrams that left behind the last one that arrived, and the short ones that arrived meanwhile.
#[derive(Clone, Debug, Default)]
struct Doubt {
    /// When the last of the long ones left; [`LOST`] at most.
    lost: VecDeque<Time>,
    /// When the first of them left.
    since: Option<Time>,
    /// When the first of them left behind the last short one that arrived.
    armed: Option<Time>,
    answers: u32,
}

impl Doubt {
    fn note_sent(&mut self, now: Time) {
        self.since.get_or_insert(now);
        self.armed.get_or_insert(now);
        if self.lost.len() == LOST {
            self.lost.pop_front();
        }
        self.lost.push_back(now);
    }

    /// A long one that left at `sent` has arrived.
    fn note_arrived(&mut self, sent: Time) {
        if self.since.is_some_and(|since| since <= sent) {
            self.lost.retain(|at| *at > sent);
            self.since = self.lost.front().copied();
            (self.armed, self.answers) = (self.since, 0);
        }
    }

    /// A short one that left at `sent` has arrived. Returns for how long no long one has, if that is certain.
    fn note_short(&mut self, sent: Time) -> Option<Duration> {
        let since = self.since?;
        if self.armed.take_if(|at| *at < sent).is_some() {
            self.answers += 1;
        }
        let is_certain = self.lost.len() == LOST && self.answers >= ANSWERS;
        is_certain.then(|| sent.since(since))
    }
}

/// The search on one path.
#[derive(Clone, Debug)]
pub struct MtuSearch {
    /// The largest size that is proven.
    proven: usize,
    reason: Reason,
    /// What the network of the peer can carry at all.
    ceiling: usize,
    /// Longer ones were lost or refused.
    limit: usize,
    state: State,
    next_id: u32,
    may_copy: bool,
    long: Doubt,
    excessive: Doubt,
    is_stuck: bool,
}

impl MtuSearch {
    /// Nothing is known of the path to `remote`.
    pub fn new(remote: SocketAddr) -> MtuSearch {
        let is_v4 = remote.ip().to_canonical().is_ipv4();
        let ceiling = ETHERNET - if is_v4 { HEADERS.0 } else { HEADERS.1 };
        MtuSearch {
            proven: BASE,
            reason: Reason::Start,
            ceiling,
            limit: ceiling,
            state: State::Ready {
                size: ceiling,
                lost: 0,
            },
            next_id: 0,
            may_copy: true,
            long: Doubt::default(),
            excessive: Doubt::default(),
            is_stuck: false,
        }
    }

    /// The peer is on another network, at `remote`.
    pub fn migrate(&mut self, remote: SocketAddr) {
        *self = MtuSearch {
            reason: Reason::Migration,
            next_id: self.next_id, // the outcome of an earlier probe says nothing of this path
            ..MtuSearch::new(remote)
        };
    }

    /// The largest datagram that the path is known to carry, in bytes, and why.
    pub fn proven(&self) -> (usize, Reason) {
        (self.proven, self.reason)
    }

    /// Whether a segment cannot reach the peer: it is too long for the path, even in fragments, and the peer
    /// gets what is shorter.
    pub fn is_stuck(&self) -> bool {
        self.is_stuck
    }

    /// Whether long datagrams may vanish. It is certain as soon as short ones arrive.
    pub fn is_doubtful(&self) -> bool {
        self.long.lost.len() == LOST
    }

    /// A datagram that is too long for an interface of Ethernet, where the sender must cut it: on IPv6. This
    /// needs 32 bytes more at most, with a FEC header, which every receiver takes (kcptun wire, 1.4).
    pub fn least_cut(&self) -> Option<usize> {
        let is_v6 = self.ceiling == ETHERNET - HEADERS.1;
        is_v6.then_some(self.ceiling + 1)
    }

    // --- probes ---------------------------------------------------------------------------

    /// The size of a probe that should leave now.
    pub fn wanted(&mut self, now: Time) -> Option<usize> {
        if let State::Done { until: Some(at) } = self.state
            && at <= now
        {
            self.limit = self.ceiling;
            self.state = self.first_try(self.ceiling, now);
        }
        match self.state {
            State::Ready { size, .. } => Some(size),
            State::Probing { .. } | State::Done { .. } => None,
        }
    }

    /// Whether the data of a probe may leave once more at once. The peer tells which of both has arrived, so far.
    pub fn may_copy(&self) -> bool {
        self.may_copy
    }

    /// The probe that was wanted leaves, of `size` bytes: more than is proven, and maybe less than was wanted.
    pub fn begin_probe(&mut self, size: usize) -> Length {
        let State::Ready { lost, .. } = self.state else {
            return self.length(size);
        };
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        self.state = State::Probing { id, size, lost };
        Length::Probe(id)
    }

    fn probe_arrived(&mut self, arrived: u32, now: Time) {
        if let State::Probing { id, size, .. } = self.state
            && id == arrived
        {
            (self.proven, self.reason) = (size, Reason::Probe);
            self.long = Doubt::default();
            self.state = self.halve(now);
        }
    }

    /// The data of a probe is sent again, or has arrived by its copy.
    fn probe_lost(&mut self, gone: u32, now: Time) {
        let State::Probing { id, size, lost } = self.state else {
            return;
        };
        if id != gone {
            return;
        }
        self.state = match lost + 1 {
            lost if lost < TRIES => State::Ready { size, lost },
            _ => {
                self.limit = size - 1;
                self.halve(now)
            }
        };
    }

    /// The data of a probe has arrived, by the probe or by its copy.
    fn probe_unclear(&mut self, unclear: u32) {
        if let State::Probing { id, size, lost } = self.state
            && id == unclear
        {
            self.state = State::Ready { size, lost };
            self.may_copy = false;
        }
    }

    fn first_try(&self, size: usize, now: Time) -> State {
        match size > self.proven {
            true => State::Ready { size, lost: 0 },
            false => self.done(now),
        }
    }

    /// What to try between what is proven and the limit.
    fn halve(&self, now: Time) -> State {
        let open = self.limit.saturating_sub(self.proven);
        match open < STEP {
            true => self.done(now),
            false => self.first_try(self.proven + open.div_ceil(2), now),
        }
    }

    fn done(&self, now: Time) -> State {
        let until = (self.proven < self.ceiling).then_some(now + PAUSE);
        State::Done { until }
    }

    // --- what becomes of datagrams --------------------------------------------------------

    /// How long a datagram of `len` bytes is, no probe.
    pub fn length(&self, len: usize) -> Length {
        match len {
            _ if len <= BASE => Length::Short,
            _ if len <= self.proven => Length::Long,
            _ => Length::Excessive,
        }
    }

    /// A datagram leaves.
    pub fn note_sent(&mut self, length: Length, now: Time) {
        match length {
            Length::Long => self.long.note_sent(now),
            Length::Excessive => self.excessive.note_sent(now),
            Length::Short | Length::Probe(_) => {}
        }
    }

    /// A datagram that left at `sent` has arrived.
    pub fn note_arrived(&mut self, length: Length, sent: Time, now: Time) {
        match length {
            Length::Long => self.long.note_arrived(sent),
            Length::Excessive => self.excessive.note_arrived(sent),
            Length::Probe(id) => self.probe_arrived(id, now),
            Length::Short => {
                let is_swallowed =
                    |time: Option<Duration>, least| time.is_some_and(|it| it >= least);
                let stuck = self.excessive.note_short(sent);
                self.is_stuck |= is_swallowed(stuck, STUCK);
                if is_swallowed(self.long.note_short(sent), BLACK_HOLE) && self.proven > BASE {
                    self.fall(Reason::BlackHole, self.ceiling, now);
                }
            }
        }
    }

    /// What left in such a datagram is sent again, or has arrived in another one.
    pub fn note_lost(&mut self, length: Length, now: Time) {
        if let Length::Probe(id) = length {
            self.probe_lost(id, now);
        }
    }

    /// What left in such a datagram at `sent`, or before, has arrived. No probe is proven by this, and no doubt
    /// stays.
    pub fn note_unclear(&mut self, length: Length, sent: Time) {
        match length {
            Length::Long => self.long.note_arrived(sent),
            Length::Excessive => self.excessive.note_arrived(sent),
            Length::Probe(id) => self.probe_unclear(id),
            Length::Short => {}
        }
    }

    /// The system has refused a datagram of `len` bytes because it is too long. It knows of `known` bytes
    /// that may pass, perhaps.
    pub fn note_refused(&mut self, len: usize, known: Option<usize>, now: Time) {
        let limit = known.unwrap_or(len).min(len.saturating_sub(1)).max(BASE);
        if limit >= self.limit {
            return; // that is known
        }
        self.limit = limit;
        if self.proven > limit {
            self.fall(Reason::TooLong, limit, now);
        } else {
            self.state = match known {
                Some(_) => self.first_try(limit, now),
                None => self.halve(now),
            };
        }
    }

    fn fall(&mut self, reason: Reason, limit: usize, now: Time) {
        (self.proven, self.reason, self.limit) = (BASE, reason, limit);
        self.long = Doubt::default();
        self.state = self.first_try(limit, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETHERNET_V4: usize = 1472;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn search() -> MtuSearch {
        MtuSearch::new(SocketAddr::from(([192, 0, 2, 1], 1)))
    }

    fn with(state: State, proven: usize, limit: usize) -> MtuSearch {
        MtuSearch {
            state,
            proven,
            limit,
            next_id: 9,
            ..search()
        }
    }

    /// Send a probe; whether it gets through. Returns its size.
    fn probe(search: &mut MtuSearch, carries: usize, now: Time) -> Option<usize> {
        let size = search.wanted(now)?;
        let length = search.begin_probe(size);
        assert_eq!(search.wanted(now), None, "one at a time");
        match size <= carries {
            true => search.note_arrived(length, now, now),
            false => search.note_lost(length, now),
        }
        Some(size)
    }

    #[test]
    fn every_state_takes_every_input() {
        let (ready, probing) = (
            State::Ready {
                size: 1472,
                lost: 0,
            },
            State::Probing {
                id: 8,
                size: 1472,
                lost: 0,
            },
        );
        let last = State::Probing {
            id: 8,
            size: 1472,
            lost: TRIES - 1,
        };
        let until = |millis| State::Done {
            until: Some(at(millis)),
        };
        let (resting, found) = (until(600_001), State::Done { until: None });
        let again = State::Ready {
            size: 1472,
            lost: 1,
        };
        let half = State::Ready {
            size: 1336,
            lost: 0,
        };
        type Input = (&'static str, fn(&mut MtuSearch));
        let inputs: [Input; 9] = [
            ("wanted", |it| {
                it.wanted(at(1));
            }),
            ("begin", |it| {
                it.begin_probe(1472);
            }),
            ("arrived", |it| {
                it.note_arrived(Length::Probe(8), at(0), at(1))
            }),
            ("other arrived", |it| {
                it.note_arrived(Length::Probe(7), at(0), at(1))
            }),
            ("lost", |it| it.note_lost(Length::Probe(8), at(1))),
            ("other lost", |it| it.note_lost(Length::Probe(7), at(1))),
            ("unclear", |it| it.note_unclear(Length::Probe(8), at(0))),
            ("refused", |it| it.note_refused(1472, Some(1300), at(1))),
            ("migrated", |it| {
                it.migrate(SocketAddr::from(([192, 0, 2, 2], 1)))
            }),
        ];
        let begun = State::Probing {
            id: 9,
            size: 1472,
            lost: 0,
        };
        let told = State::Ready {
            size: 1300,
            lost: 0,
        };
        let table: [(State, usize, [State; 9]); 5] = [
            (
                ready,
                BASE,
                [ready, begun, ready, ready, ready, ready, ready, told, ready],
            ),
            (
                probing,
                BASE,
                [
                    probing, probing, found, probing, again, probing, ready, told, ready,
                ],
            ),
            (
                last,
                BASE,
                [
                    last,
                    last,
                    found,
                    last,
                    half,
                    last,
                    State::Ready {
                        size: 1472,
                        lost: TRIES - 1,
                    },
                    told,
                    ready,
                ],
            ),
            (
                resting,
                BASE,
                [
                    resting, resting, resting, resting, resting, resting, resting, told, ready,
                ],
            ),
            (
                found,
                1472,
                [found, found, found, found, found, found, found, told, ready],
            ),
        ];
        for (state, proven, outcomes) in table {
            for ((name, input), outcome) in inputs.iter().zip(outcomes) {
                let mut search = with(state, proven, ETHERNET_V4);
                input(&mut search);
                assert_eq!(search.state, outcome, "{state:?}, {name}");
            }
        }
    }

    #[test]
    fn the_size_is_found_to_some_bytes_whatever_the_path_carries() {
        for carries in BASE..=1500 {
            let (mut search, mut probes) = (search(), 0);
            while probe(&mut search, carries, at(5)).is_some() {
                probes += 1;
                assert!(search.proven().0 <= carries.max(BASE));
            }
            let found = carries.min(ETHERNET_V4) - search.proven().0;
            assert!(found < STEP, "{found} bytes less than {carries}");
            assert!(probes <= 18, "{probes} probes for {carries}");
            let is_all = search.proven().0 == ETHERNET_V4;
            assert_eq!(search.wanted(at(5) + PAUSE).is_none(), is_all);
        }
    }

    #[test]
    fn ipv6_has_longer_headers() {
        for (address, most) in [
            ("192.0.2.1", 1472),
            ("::ffff:192.0.2.1", 1472),
            ("2001:db8::1", 1452),
        ] {
            let address: std::net::IpAddr = address.parse().expect("an address");
            let mut search = MtuSearch::new((address, 1).into());
            assert_eq!(search.wanted(at(0)), Some(most));
        }
    }

    #[test]
    fn a_path_that_carries_more_later_is_found_later() {
        let mut search = search();
        while probe(&mut search, 1300, at(0)).is_some() {}
        assert_eq!(search.wanted(at(599_999)), None);
        assert_eq!(probe(&mut search, 1472, at(600_000)), Some(1472));
        assert_eq!(search.proven(), (1472, Reason::Probe));
        assert_eq!(search.wanted(at(9_000_000)), None);
    }

    #[test]
    fn what_the_system_refuses_is_not_tried_again_for_a_while() {
        let mut search = search();
        assert_eq!(search.wanted(at(0)), Some(1472));
        let length = search.begin_probe(1472);
        search.note_refused(1472, None, at(0));
        search.note_arrived(length, at(0), at(0)); // it left in fragments
        assert_eq!(search.proven().0, BASE);
        let mut tried = Vec::new();
        while let Some(size) = probe(&mut search, 1460, at(0)) {
            tried.push(size);
        }
        assert!(tried.iter().all(|size| *size < 1472), "{tried:?}");
        // The system knows the size of its own interface, and of nothing behind it.
        search.note_refused(search.proven().0, Some(1300), at(0));
        assert_eq!(search.proven(), (BASE, Reason::TooLong));
        assert_eq!(search.wanted(at(0)), Some(1300));
        search.note_refused(1290, Some(700), at(0));
        assert_eq!((search.proven().0, search.wanted(at(0))), (BASE, None));
        search.note_refused(100, Some(0), at(0));
        assert_eq!(search.proven().0, BASE);
    }

    /// Long datagrams leave each 100 ms, and a short one that arrives behind each of them.
    fn swallow(search: &mut MtuSearch, length: Length, (from, millis): (u64, u64)) {
        for now in (from..from + millis).step_by(100) {
            search.note_sent(length, at(now));
            search.note_arrived(Length::Short, at(now + 50), at(now + 90));
        }
    }

    #[test]
    fn long_datagrams_that_vanish_for_a_second_are_a_black_hole() {
        let mut search = with(State::Done { until: None }, 1472, 1472);
        swallow(&mut search, Length::Long, (0, 1000));
        assert_eq!(search.proven().0, 1472);
        swallow(&mut search, Length::Long, (1000, 100));
        assert_eq!(search.proven(), (BASE, Reason::BlackHole));
        assert_eq!(search.wanted(at(1100)), Some(1472));
        // Late acknowledgements of what left before prove nothing.
        search.note_arrived(Length::Long, at(0), at(1100));
        assert_eq!(search.proven().0, BASE);
    }

    #[test]
    fn one_that_arrives_or_none_that_is_short_is_no_black_hole() {
        let mut search = with(State::Done { until: None }, 1472, 1472);
        for round in 0..20 {
            swallow(&mut search, Length::Long, (round * 1000, 900));
            search.note_arrived(Length::Long, at(round * 1000 + 800), at(0));
        }
        for now in (20_000..90_000).step_by(100) {
            search.note_sent(Length::Long, at(now));
        }
        // The short ones left before: all of them are lost in an outage.
        for _ in 0..9 {
            search.note_arrived(Length::Short, at(19_000), at(90_000));
        }
        assert_eq!(search.proven().0, 1472);
        assert!(search.is_doubtful());
        search.note_unclear(Length::Long, at(90_000));
        assert!(!search.is_doubtful());
    }

    #[test]
    fn a_long_one_that_is_lost_behind_an_outage_is_no_black_hole() {
        let mut search = with(State::Done { until: None }, 1472, 1472);
        for now in (0..1000).step_by(100) {
            search.note_sent(Length::Long, at(now));
        }
        // After the outage the first segment leaves again behind each answer.
        for (answer, proven) in [(4000, 1472), (4200, 1472), (4400, BASE)] {
            search.note_arrived(Length::Short, at(answer), at(answer + 50));
            assert_eq!(search.proven().0, proven, "{answer}");
            search.note_sent(Length::Long, at(answer + 60));
        }
    }

    #[test]
    fn what_is_too_long_for_long_is_given_up() {
        let mut search = with(State::Done { until: None }, BASE, BASE);
        swallow(&mut search, Length::Excessive, (0, 30_000));
        assert!(!search.is_stuck());
        swallow(&mut search, Length::Excessive, (30_000, 100));
        assert!(search.is_stuck());
        let mut search = with(State::Done { until: None }, BASE, BASE);
        swallow(&mut search, Length::Excessive, (0, 29_000));
        search.note_arrived(Length::Excessive, at(28_900), at(29_000));
        swallow(&mut search, Length::Excessive, (29_000, 29_000));
        assert!(!search.is_stuck());
    }
}
