//! What the path loses however little is sent.

use std::collections::VecDeque;

use crate::time::Time;

/// More than this is not believed.
const MAX_SHARE: f64 = 0.5;
/// An earlier span counts so much.
const DECAY: f64 = 0.7;
/// A few segments say little: as if so many bytes more had left and arrived.
const DOUBT: f64 = 20_000.0;
/// Rounds after which all that left in a span has arrived or is lost.
const SETTLED: u32 = 2;
/// No more spans wait for that.
const MAX_SPANS: usize = 4;

/// Bytes that left and were lost in the spans in which less left than the path can carry.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnLoss {
    /// Those of which something may still be on its way, the oldest first.
    spans: VecDeque<Span>,
    sent: f64,
    lost: f64,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    from: Time,
    /// When it ended, and rounds since.
    until: Option<(Time, u32)>,
    sent: u64,
    lost: u64,
}

impl Span {
    fn is_open(&self) -> bool {
        self.until.is_none()
    }

    fn has(&self, time: Time) -> bool {
        time >= self.from && self.until.is_none_or(|(until, _)| time < until)
    }
}

impl OwnLoss {
    /// From now on less leaves than the path can carry.
    pub(super) fn begin(&mut self, now: Time) {
        self.end(now);
        if self.spans.len() == MAX_SPANS {
            self.spans.pop_front();
        }
        self.spans.push_back(Span {
            from: now,
            until: None,
            sent: 0,
            lost: 0,
        });
    }

    /// From now on as much leaves as the path can carry, or more.
    pub(super) fn end(&mut self, now: Time) {
        if let Some(span) = self.spans.back_mut() {
            span.until.get_or_insert((now, 0));
        }
    }

    /// So many bytes leave.
    pub(super) fn note_sent(&mut self, bytes: u64) {
        if let Some(span) = self.spans.back_mut().filter(|span| span.is_open()) {
            span.sent += bytes;
        }
    }

    /// So many bytes that left at `sent` are lost.
    pub(super) fn note_lost(&mut self, bytes: u64, sent: Time) {
        if let Some(span) = self.spans.iter_mut().find(|span| span.has(sent)) {
            span.lost += bytes;
        }
    }

    /// A round trip has ended.
    pub(super) fn end_round(&mut self) {
        for (_, rounds) in self.spans.iter_mut().filter_map(|span| span.until.as_mut()) {
            *rounds += 1;
        }
        let is_settled = |span: &Span| span.until.is_some_and(|(_, rounds)| rounds > SETTLED);
        while let Some(span) = self.spans.front().copied().filter(is_settled) {
            self.spans.pop_front();
            self.add(span.sent, span.lost);
        }
    }

    /// So many bytes left while less left than the path can carry, and so many of them were lost.
    pub(super) fn add(&mut self, sent: u64, lost: u64) {
        if sent > 0 {
            self.sent = DECAY * self.sent + sent as f64;
            self.lost = DECAY * self.lost + lost as f64;
        }
    }

    /// No more than this share was lost: the path's own loss is no higher.
    pub(super) fn limit(&mut self, share: f64) {
        self.lost = self.lost.min(share * (self.sent + DOUBT));
    }

    /// The share of what leaves that is lost, 0 to [`MAX_SHARE`].
    pub(super) fn share(&self) -> f64 {
        (self.lost / (self.sent + DOUBT)).min(MAX_SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_count_although_the_next_begins_before_all_losses_are_known() {
        // Each span lasts two rounds, and its losses are noticed in the round behind it.
        let mut own_loss = OwnLoss::default();
        let at = Time::from_millis;
        for n in 0..20 {
            own_loss.begin(at(400 * n));
            own_loss.note_sent(100_000);
            own_loss.end(at(400 * n + 200));
            own_loss.end_round();
            own_loss.note_lost(20_000, at(400 * n + 100));
            own_loss.note_lost(7_000, at(400 * n + 300));
            own_loss.end_round();
        }
        let share = own_loss.share();
        assert!((0.17..=0.2).contains(&share), "{share}");
    }

    #[test]
    fn spans_that_never_settle_take_no_memory() {
        let mut own_loss = OwnLoss::default();
        for n in 0..1000 {
            own_loss.begin(Time::from_millis(n));
        }
        assert_eq!(own_loss.spans.len(), MAX_SPANS);
    }
}
