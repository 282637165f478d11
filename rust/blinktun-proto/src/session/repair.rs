//! Which datagrams of a session that tunes itself get parity, and how much.
//!
//! | what is protected | when |
//! | --- | --- |
//! | everything | there are requests, and the setting allows as much parity as everything needs |
//! | what leaves again while a request waits behind it | the setting allows as much as that needs |
//! | a request of several segments, and what fills its last group | segments are independent, and a group fills soon |
//! | nothing | otherwise, or if groups would take too long to fill |
//!
//! If all streams share one order, a request beside a download waits for whatever was lost before it. Parity over
//! everything spares it a round trip. Parity over what leaves again spares it the second one, and costs a part of
//! the lost bytes alone. If each segment stands for itself, a request waits for its own segments only. A copy of one
//! segment is cheap, but a page of 30 KB needs all of its twenty: parity costs a quarter of what copies cost.

use crate::fec::Shards;
use crate::fec::redundancy::Redundancy;
use crate::kcp::{NextUp, Outlook};
use crate::time::{Duration, Time};

/// Everything is protected only if so many groups leave in a round trip: each then has its parity soon.
const GROUPS_A_ROUND: f64 = 4.0;
/// A request is protected only if so many groups leave in a round trip: data beside it fills its last group.
const GROUPS_FOR_A_RUN: f64 = 2.0;
/// What leaves again is protected only if it fills so many groups in a round trip.
const REPEATED_GROUPS_A_ROUND: f64 = 2.0;
/// Everything is protected only if so much is lost, or if groups fail.
const LEAST_LOSS: f64 = 0.002;
/// Once everything is protected, groups may need so many packets more than they get.
const SLACK: f64 = 2.0;
/// If all parity that a group can have is not enough, losses come in bursts, and copies do better. What leaves
/// again is not protected for so long then, and for twice as long each time, so many times.
const PAUSE: Duration = Duration::from_secs(16);
const MOST_DOUBLINGS: u32 = 2;
/// The first groups get all parity, and one of so many later: from these the peer learns the numbers.
const TEACHING: u32 = 3;
const REMINDER: u32 = 16;

/// What gets parity. The default has protected nothing yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Repair {
    need: Need,
    protects_all: bool,
    /// A group was begun for a request.
    is_run: bool,
    /// Groups that have begun.
    groups: u32,
    /// What leaves again is not protected until then.
    paused_until: Time,
    pauses: u32,
}

impl Repair {
    /// Whether the next datagram belongs to a group. `is_open` says that one has begun and is not full.
    pub(super) fn protects(
        &mut self,
        outlook: &Outlook,
        shards: Shards,
        is_open: bool,
        now: Time,
    ) -> bool {
        self.need.note(outlook, shards, now);
        let (data, parity) = (shards.data() as f64, shards.parity() as f64);
        let needed = self.need.packets(outlook, shards);
        let affordable = outlook.share * data;
        let flight = f64::from(outlook.flight);
        if !outlook.is_asked || outlook.share <= 0.0 {
            self.protects_all = false;
            return false;
        }
        let whole = parity / f64::from(REMINDER);
        let most = if self.protects_all {
            affordable + SLACK
        } else {
            affordable
        };
        let loses = outlook.loss >= LEAST_LOSS || needed > 1.0;
        self.protects_all = loses && needed + whole <= most && flight >= GROUPS_A_ROUND * data;
        if self.protects_all {
            return true;
        }
        self.is_run = match outlook.is_run {
            true => self.is_run || (loses && flight >= GROUPS_FOR_A_RUN * data),
            false => self.is_run && is_open,
        };
        if self.is_run && outlook.next == NextUp::New {
            return true;
        }
        let NextUp::Again { is_awaited } = outlook.next else {
            return false;
        };
        if needed >= parity && now >= self.paused_until {
            self.pause(now);
        }
        let is_worth_it = now >= self.paused_until
            && needed * outlook.loss <= affordable
            && flight * outlook.loss >= REPEATED_GROUPS_A_ROUND * data;
        is_open || (is_awaited && is_worth_it)
    }

    fn pause(&mut self, now: Time) {
        self.paused_until = now + PAUSE * (1 << self.pauses.min(MOST_DOUBLINGS));
        self.pauses += 1;
        self.need.forget();
    }

    /// How much parity the group gets that begins now, with datagrams of `len` bytes.
    pub(super) fn begin_group(
        &mut self,
        outlook: &Outlook,
        shards: Shards,
        len: usize,
    ) -> Redundancy {
        let needed = self.need.begin_group(outlook, shards);
        if needed < shards.parity() / 2 {
            self.pauses = 0;
        }
        let is_whole = self.groups < TEACHING || self.groups.is_multiple_of(REMINDER);
        self.groups = self.groups.wrapping_add(1);
        let wanted = match (is_whole, self.is_run) {
            (true, _) => shards.parity(),
            (false, false) => needed,
            // A request needs all of its groups, so each gets more.
            (false, true) => needed.max(at_first(outlook.loss, shards.data() as f64) as usize + 2),
        };
        let wanted = wanted.min(shards.parity());
        let affordable = (outlook.allowed / len.max(1) as f64).max(0.0) as usize;
        if affordable < wanted {
            self.need.note_short();
        }
        Redundancy::Punctured(wanted.min(affordable))
    }
}

/// In a round trip so many groups may fail.
const FAILURES: f64 = 0.1;
/// Each failure more or less changes the parity of a group by so much.
const STEP: f64 = 0.5;
/// More failures than this in a round trip say nothing more.
const MOST_FAILURES: f64 = 3.0;
/// At first a group gets so many standard deviations more than it loses on average.
const LUCK: f64 = 2.5;

/// How much parity a group needs: learned from those that fail, whatever the losses look like.
#[derive(Clone, Debug, Default)]
struct Need {
    /// Parity packets; `None` before the first group.
    packets: Option<f64>,
    /// The round trip that is counted: when it ends, and how many groups were found to have failed.
    ends: Time,
    failed: u32,
    /// A group has got less than it needs, so nothing is learned if it fails.
    is_short: bool,
}

impl Need {
    /// What a group needs now; one packet at least.
    fn packets(&self, outlook: &Outlook, shards: Shards) -> f64 {
        let data = shards.data() as f64;
        self.packets
            .unwrap_or_else(|| at_first(outlook.loss, data))
            .max(1.0)
    }

    fn begin_group(&mut self, outlook: &Outlook, shards: Shards) -> usize {
        let packets = self.packets(outlook, shards);
        self.packets.get_or_insert(packets);
        packets.ceil() as usize
    }

    fn note_short(&mut self) {
        self.is_short = true;
    }

    fn forget(&mut self) {
        self.packets = None;
    }

    /// Learn from the groups that have failed, once a round trip.
    fn note(&mut self, outlook: &Outlook, shards: Shards, now: Time) {
        self.failed += outlook.failures;
        if now < self.ends {
            return;
        }
        let is_known = !self.is_short || self.failed == 0;
        if let Some(packets) = self.packets.as_mut().filter(|_| is_known) {
            let more = f64::from(self.failed).min(MOST_FAILURES) - FAILURES;
            *packets = (*packets + STEP * more).clamp(0.0, shards.parity() as f64);
        }
        (self.ends, self.failed) = (now + outlook.round_trip, 0);
        self.is_short = false;
    }
}

/// What a group of so many data packets needs if such a share of them is lost at random.
fn at_first(loss: f64, data: f64) -> f64 {
    let lost = data * loss / (1.0 - loss).max(0.1);
    lost + LUCK * lost.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_millis(100);

    fn shards() -> Shards {
        Shards::new(16, 8).expect("sound numbers")
    }

    /// A download of 900 segments in a round trip that loses a tenth, with requests beside it.
    fn outlook(next: NextUp) -> Outlook {
        Outlook {
            next,
            loss: 0.1,
            flight: 900,
            round_trip: ROUND,
            is_run: false,
            is_asked: true,
            share: 0.05,
            allowed: 64_000.0,
            failures: 0,
        }
    }

    const AGAIN: NextUp = NextUp::Again { is_awaited: true };

    fn protects(outlook: Outlook, is_open: bool) -> bool {
        Repair::default().protects(&outlook, shards(), is_open, Time::ZERO)
    }

    #[test]
    fn what_is_protected_depends_on_what_is_asked_and_allowed() {
        let idle = NextUp::Again { is_awaited: false };
        for (next, share, is_open, expected) in [
            (NextUp::New, 0.05, false, false),
            (NextUp::New, 0.05, true, false),
            (NextUp::Copy, 0.05, true, false),
            (AGAIN, 0.05, false, true),
            (AGAIN, 0.01, false, false),
            (AGAIN, 0.0, true, false),
            (idle, 0.05, false, false),
            (idle, 0.05, true, true),
            (NextUp::New, 0.5, false, true),
            (NextUp::Copy, 0.5, false, true),
            (idle, 0.5, false, true),
        ] {
            let outlook = Outlook {
                share,
                ..outlook(next)
            };
            assert_eq!(protects(outlook, is_open), expected, "{outlook:?}");
        }
    }

    #[test]
    fn a_request_of_several_segments_is_protected_to_the_end_of_its_group() {
        let mut repair = Repair::default();
        let download = Outlook {
            share: 0.05,
            loss: 0.05,
            ..outlook(NextUp::New)
        };
        let page = Outlook {
            is_run: true,
            ..download
        };
        let copy = Outlook {
            next: NextUp::Copy,
            ..download
        };
        let mut protects = |outlook: &Outlook, is_open| {
            let is_protected = repair.protects(outlook, shards(), is_open, Time::ZERO);
            let parity = repair.begin_group(outlook, shards(), 1000);
            (is_protected, parity)
        };
        assert!(!protects(&download, false).0);
        for _ in 0..TEACHING {
            assert!(protects(&page, false).0);
        }
        // A group of 16 loses 0.8 on average.
        let (is_protected, parity) = protects(&page, false);
        assert!(
            is_protected && parity == Redundancy::Punctured(5),
            "{parity:?}"
        );
        assert!(!protects(&copy, true).0);
        assert!(protects(&download, true).0, "it fills the group");
        assert!(!protects(&download, false).0);
        let slow = Outlook { flight: 20, ..page };
        assert!(!protects(&slow, false).0);
    }

    #[test]
    fn nothing_is_protected_that_nobody_waits_for_or_that_fills_no_groups() {
        let generous = Outlook {
            share: 0.5,
            ..outlook(AGAIN)
        };
        let silent = Outlook {
            is_asked: false,
            ..generous
        };
        let slow = Outlook {
            flight: 30,
            ..generous
        };
        let clean = Outlook {
            loss: 0.001,
            share: 0.05,
            ..generous
        };
        for outlook in [silent, slow, clean] {
            assert!(!protects(outlook, false), "{outlook:?}");
        }
    }

    /// The parity of groups, ten in each round trip, of which so many fail.
    fn after(repair: &mut Repair, rounds: u32, failures: u32, begin: Time) -> usize {
        let mut last = 0;
        for round in 0..rounds {
            for n in 0..10 {
                let outlook = Outlook {
                    failures: if n == 0 { failures } else { 0 },
                    ..outlook(AGAIN)
                };
                repair.protects(&outlook, shards(), false, begin + ROUND * round);
                let begun = repair.begin_group(&outlook, shards(), 1350);
                let is_whole = repair.groups <= TEACHING || repair.groups % REMINDER == 1;
                let Redundancy::Punctured(parity) = begun else {
                    panic!("{begun:?}")
                };
                assert!(!is_whole || parity == 8, "the peer learns from these");
                last = if is_whole { last } else { parity };
            }
        }
        last
    }

    #[test]
    fn groups_that_fail_get_more_and_others_less() {
        let mut repair = Repair::default();
        let first = after(&mut repair, 1, 0, Time::ZERO);
        assert_eq!(first, 6);
        let fewer = after(&mut repair, 40, 0, Time::from_millis(100));
        assert_eq!(fewer, 4);
        let more = after(&mut repair, 5, 1, Time::from_millis(5000));
        assert_eq!(more, 6);
    }

    #[test]
    fn if_no_parity_is_enough_copies_have_their_turn_for_a_while() {
        let mut repair = Repair::default();
        after(&mut repair, 20, 3, Time::ZERO);
        assert!(repair.pauses > 0);
        let outlook = outlook(AGAIN);
        let mut protects = |at| repair.protects(&outlook, shards(), false, at);
        assert!(!protects(Time::from_millis(2000)));
        assert!(protects(Time::from_millis(90_000)));
    }

    #[test]
    fn what_cannot_be_paid_does_not_leave_and_teaches_nothing() {
        let mut repair = Repair::default();
        let poor = Outlook {
            allowed: 3000.0,
            ..outlook(AGAIN)
        };
        repair.protects(&poor, shards(), false, Time::ZERO);
        let begun = repair.begin_group(&poor, shards(), 1350);
        assert_eq!(begun, Redundancy::Punctured(2));
        let before = repair.need.packets;
        let failed = Outlook {
            failures: 3,
            ..poor
        };
        repair.protects(&failed, shards(), false, Time::from_millis(200));
        assert_eq!(repair.need.packets, before);
    }
}
