//! Loss by time (RFC 8985, RACK; RFC 9002, 6.1.2): a transmission is lost when a later one was acknowledged
//! and it does not arrive within the time that reordering takes on this path.
//!
//! Acknowledgements are noted as marks: up to which transmission, and when. What lies before a mark has
//! been overtaken at its time. What has arrived or has left again is cleared away at the front.

use std::collections::VecDeque;

use super::overtaken::Transmission;
use crate::recovery::reordering::Reordering;
use crate::time::{Duration, Time};
use crate::work;

/// How long reordering may take if nothing else can leave anyway.
const HURRIED: Duration = Duration::from_millis(1);
/// A round trip has at most so many marks.
const MARKS_PER_ROUND: u32 = 64;

/// What is out, and by when what has been overtaken must arrive.
///
/// Bound: what is in flight and was repeated; [`MARKS_PER_ROUND`] marks a round trip, for two of them.
#[derive(Debug)]
pub(super) struct TimeThreshold {
    /// Oldest first; some were acknowledged, or have left again since.
    out: VecDeque<Transmission>,
    marks: VecDeque<Mark>,
    /// What left before this one and has not arrived is lost.
    lost_before: u64,
    reordering: Reordering,
    /// When the next transmission is lost.
    due: Option<Time>,
}

/// Everything that left before `order` has been overtaken at `at`.
#[derive(Clone, Copy, Debug)]
struct Mark {
    order: u64,
    at: Time,
}

impl TimeThreshold {
    /// Nothing is out.
    pub(super) fn new() -> TimeThreshold {
        TimeThreshold {
            out: VecDeque::new(),
            marks: VecDeque::new(),
            lost_before: 0,
            reordering: Reordering::default(),
            due: None,
        }
    }

    /// A segment leaves.
    pub(super) fn note_sent(&mut self, transmission: Transmission) {
        self.out.push_back(transmission);
    }

    /// A transmission was acknowledged. `is_exact` says that its own acknowledgement has come: it arrives
    /// now. Otherwise it may have arrived long ago.
    pub(super) fn note_acked(&mut self, order: u64, is_exact: bool, smoothed: Duration, now: Time) {
        let Some(newest) = self.marks.back_mut().filter(|mark| mark.order >= order) else {
            return self.mark(order, smoothed, now);
        };
        if is_exact && newest.order > order {
            let index = self.marks.partition_point(|mark| mark.order <= order);
            let overtaken = self.marks.get(index).map_or(now, |mark| mark.at);
            self.reordering.note(now.since(overtaken), smoothed, now);
        }
    }

    fn mark(&mut self, order: u64, smoothed: Duration, now: Time) {
        self.reordering.begin(now);
        while self
            .marks
            .front()
            .is_some_and(|mark| now.since(mark.at) > 2 * smoothed)
        {
            work::count(1);
            self.lost_before = self
                .lost_before
                .max(self.marks.pop_front().map_or(0, |mark| mark.order));
        }
        match self.marks.back_mut() {
            Some(last) if now.since(last.at) < smoothed / MARKS_PER_ROUND => last.order = order,
            _ => self.marks.push_back(Mark { order, at: now }),
        }
    }

    /// The path is another.
    pub(super) fn forget_reordering(&mut self) {
        self.reordering = Reordering::default();
    }

    /// A segment left again at `repeated` although it had arrived: the acknowledgement comes now.
    pub(super) fn note_spurious(&mut self, repeated: Time, smoothed: Duration, now: Time) {
        let late = self.patience(smoothed, now) + now.since(repeated);
        self.reordering.note(late, smoothed, now);
    }

    /// The next transmission that is lost, unless it was acknowledged or repeated. Each comes once. After
    /// the last one `is_out` is asked which are still out, to find when the next will be lost. If it is hurried,
    /// reordering gets no time.
    pub(super) fn next_lost(
        &mut self,
        (smoothed, is_hurried): (Duration, bool),
        now: Time,
        is_out: impl Fn(&Transmission) -> bool,
    ) -> Option<Transmission> {
        let patience = match is_hurried {
            true => HURRIED,
            false => self.patience(smoothed, now),
        };
        let expired = self.marks.partition_point(|mark| mark.at + patience <= now);
        if let Some(mark) = expired.checked_sub(1).and_then(|last| self.marks.get(last)) {
            self.lost_before = self.lost_before.max(mark.order);
        }
        while let Some(first) = self.out.front() {
            work::count(1);
            if !is_out(first) {
                self.out.pop_front();
            } else if first.order < self.lost_before {
                return self.out.pop_front();
            } else {
                break;
            }
        }
        self.due = self.out.front().and_then(|first| {
            let index = self.marks.partition_point(|mark| mark.order <= first.order);
            self.marks.get(index).map(|mark| mark.at + patience)
        });
        None
    }

    /// When the next transmission is lost, as far as is known after [`TimeThreshold::next_lost`].
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.due
    }

    fn patience(&self, smoothed: Duration, now: Time) -> Duration {
        self.reordering.patience(smoothed, now)
    }
}
