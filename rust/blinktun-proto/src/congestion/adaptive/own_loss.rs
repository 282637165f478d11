//! What the path loses however little is sent.

use crate::time::Time;

/// More than this is not believed.
const MAX_SHARE: f64 = 0.5;
/// An earlier span counts so much.
const DECAY: f64 = 0.7;
/// A few segments say little: as if so many bytes more had left and arrived.
const DOUBT: f64 = 20_000.0;
/// Rounds after which all that left in a span has arrived or is lost.
const SETTLED: u32 = 2;

/// Bytes that left and were lost in the spans in which less left than the path can carry.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OwnLoss {
    span: Option<Span>,
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

impl OwnLoss {
    /// From now on less leaves than the path can carry. A span whose losses are not all known does not count.
    pub(super) fn begin(&mut self, now: Time) {
        self.span = Some(Span {
            from: now,
            until: None,
            sent: 0,
            lost: 0,
        });
    }

    /// From now on as much leaves as the path can carry, or more.
    pub(super) fn end(&mut self, now: Time) {
        if let Some(span) = &mut self.span {
            span.until.get_or_insert((now, 0));
        }
    }

    /// So many bytes leave.
    pub(super) fn note_sent(&mut self, bytes: u64) {
        if let Some(span) = &mut self.span
            && span.until.is_none()
        {
            span.sent += bytes;
        }
    }

    /// So many bytes that left at `sent` are lost.
    pub(super) fn note_lost(&mut self, bytes: u64, sent: Time) {
        if let Some(span) = &mut self.span
            && sent >= span.from
            && span.until.is_none_or(|(until, _)| sent < until)
        {
            span.lost += bytes;
        }
    }

    /// A round trip has ended.
    pub(super) fn end_round(&mut self) {
        if let Some(Span {
            until: Some((_, rounds)),
            ..
        }) = &mut self.span
        {
            *rounds += 1;
            if *rounds > SETTLED {
                self.settle();
            }
        }
    }

    fn settle(&mut self) {
        if let Some(span) = self.span.take().filter(|span| span.sent > 0) {
            self.sent = DECAY * self.sent + span.sent as f64;
            self.lost = DECAY * self.lost + span.lost as f64;
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
