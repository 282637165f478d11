//! For how long each kind of limit has held a session back.
//!
//! Each time nothing more may leave, the session notes why. What has held for the longest time of the last
//! seconds is the limit: one moment says little, because a sender waits for its pacer now and for its
//! application then. Nothing is counted for a datagram.

use super::limit::LimitKind;
use super::stats::Counts;
use crate::kcp::Kcp;
use crate::time::{Duration, Time};
use crate::wire::Sn;

/// A limit is found over the time that runs, and the whole one before.
const SPAN: Duration = Duration::from_secs(2);
/// The owner is told of a limit that held for so many spans in a row.
const SPANS_TO_TELL: u32 = 3;

/// How far a session is with what it counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// Bytes that the peer has acknowledged.
    pub(super) delivered: u64,
    /// Up to this number everything has come from the peer.
    pub(super) received_to: Sn,
    /// Bytes of that.
    pub(super) received: u64,
    /// Datagrams sent.
    pub(super) sent: u64,
    /// Retransmissions.
    pub(super) repeated: u64,
}

impl Progress {
    pub(super) fn of(kcp: &Kcp, counts: &Counts) -> Progress {
        Progress {
            delivered: kcp.delivered(),
            received_to: kcp.receive_next(),
            received: counts.received_payload,
            sent: counts.sent_packets,
            repeated: counts.retransmissions(),
        }
    }
}

/// A time, and for how long each kind held in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) began: Time,
    pub(super) from: Progress,
    /// Microseconds.
    held: [u32; LimitKind::ALL.len()],
}

impl Span {
    fn new(from: Progress, began: Time) -> Span {
        Span {
            began,
            from,
            held: [0; LimitKind::ALL.len()],
        }
    }
}

/// A kind that was the limit of the last spans.
#[derive(Clone, Copy, Debug, Default)]
struct Streak {
    kind: Option<LimitKind>,
    spans: u32,
}

impl Streak {
    /// Take the limit of one more span. Returns it if it has held for long enough to be told.
    fn note(&mut self, kind: Option<LimitKind>) -> Option<LimitKind> {
        let before = core::mem::replace(&mut self.kind, kind);
        self.spans = match before == kind {
            true => self.spans.saturating_add(1),
            false => 1,
        };
        kind.filter(|_| self.spans >= SPANS_TO_TELL)
    }
}

/// The account of one session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// What holds since then.
    pub(super) kind: LimitKind,
    since: Time,
    pub(super) span: Span,
    before: Option<Span>,
    /// The largest window of the peer so far.
    pub(super) largest_window: u32,
    /// The shortest round trip of this path so far.
    least_rtt: Option<Duration>,
    sending: Streak,
    receiving: Streak,
    /// A bit for each kind that the owner knows of.
    told: u32,
}

impl Limits {
    pub(super) fn new(from: Progress, now: Time) -> Limits {
        Limits {
            kind: LimitKind::Application,
            since: now,
            span: Span::new(from, now),
            before: None,
            largest_window: 0,
            least_rtt: None,
            sending: Streak::default(),
            receiving: Streak::default(),
            told: 0,
        }
    }

    /// From now on this holds the session back. Returns whether the span is over.
    pub(super) fn note(&mut self, kind: LimitKind, now: Time) -> bool {
        let time = now.since(self.since);
        if time >= SPAN {
            // What was before this pause is long past.
            (self.before, self.span.held) = (None, [0; LimitKind::ALL.len()]);
        }
        self.span.held[self.kind as usize] += time.min(SPAN).as_micros() as u32;
        (self.kind, self.since) = (kind, now);
        now.since(self.span.began) >= SPAN
    }

    /// The peer's window is this now.
    pub(super) fn note_window(&mut self, segments: u32) {
        self.largest_window = self.largest_window.max(segments);
    }

    /// Whether this window of the peer is small because what has arrived there is not read.
    pub(super) fn is_closing(&self, segments: u32) -> bool {
        2 * segments < self.largest_window
    }

    /// The span is over, in which these were the limits of what we send and of what the peer sends. Another one
    /// begins. Returns those that the owner should be told of.
    pub(super) fn end_span(
        &mut self,
        [ours, theirs]: [Option<LimitKind>; 2],
        progress: Progress,
        rtt: Option<Duration>,
        now: Time,
    ) -> [Option<LimitKind>; 2] {
        let last = core::mem::replace(&mut self.span, Span::new(progress, now));
        self.before = (now.since(last.began) < 2 * SPAN).then_some(last);
        self.least_rtt = self.least_rtt(rtt);
        // Of silence the owner is told by another event.
        let ours = ours.filter(|kind| !matches!(kind, LimitKind::Application | LimitKind::Silence));
        let held = [self.sending.note(ours), self.receiving.note(theirs)];
        held.map(|kind| kind.filter(|kind| self.is_news(*kind)))
    }

    /// The path is another.
    pub(super) fn forget_path(&mut self) {
        self.least_rtt = None;
    }

    /// The shortest round trip of this path, if the last ones were no longer than `rtt`.
    pub(super) fn least_rtt(&self, rtt: Option<Duration>) -> Option<Duration> {
        self.least_rtt.into_iter().chain(rtt).min()
    }

    /// Whether a kind has not been told yet; it has from now on.
    fn is_news(&mut self, kind: LimitKind) -> bool {
        let bit = 1 << kind as u32;
        let is_news = self.told & bit == 0;
        self.told |= bit;
        is_news
    }

    /// Since when the limit is found.
    pub(super) fn first_span(&self) -> &Span {
        self.before.as_ref().unwrap_or(&self.span)
    }
}

/// The kind that held for the longest time in two spans, which may be one, how long it did, and all kinds
/// together, in microseconds.
pub(super) fn longest(first: &Span, last: &Span) -> (LimitKind, u64, u64) {
    let in_last = |kind: LimitKind| match first.began == last.began {
        true => 0,
        false => u64::from(last.held[kind as usize]),
    };
    let held = |kind: LimitKind| u64::from(first.held[kind as usize]) + in_last(kind);
    let mut longest = LimitKind::Application;
    for kind in LimitKind::ALL {
        if held(kind) > held(longest) {
            longest = kind;
        }
    }
    let watched = LimitKind::ALL.map(held).iter().sum();
    (longest, held(longest), watched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOTHING: Progress = Progress {
        delivered: 0,
        received_to: Sn(0),
        received: 0,
        sent: 0,
        repeated: 0,
    };

    /// An account that has heard of these kinds, each for so many milliseconds, in spans as a session has them.
    fn heard(kinds: &[(LimitKind, u64)]) -> (Limits, Time) {
        let (mut limits, mut now) = (Limits::new(NOTHING, Time::ZERO), Time::ZERO);
        for (kind, millis) in kinds {
            limits.note(*kind, now);
            now += Duration::from_millis(*millis);
            if limits.note(*kind, now) {
                limits.end_span([None; 2], NOTHING, None, now);
            }
        }
        (limits, now)
    }

    fn longest_of(limits: &Limits) -> (LimitKind, u64, u64) {
        longest(limits.first_span(), &limits.span)
    }

    #[test]
    fn the_limit_is_what_held_for_the_longest_time_and_not_what_holds_now() {
        let (limits, _) = heard(&[
            (LimitKind::Link, 700),
            (LimitKind::PeerWindow, 900),
            (LimitKind::Link, 300),
            (LimitKind::Application, 90),
        ]);
        assert_eq!(longest_of(&limits), (LimitKind::Link, 1_000_000, 1_990_000));
    }

    #[test]
    fn a_span_and_the_one_before_count_and_no_older_one() {
        let (limits, _) = heard(&[
            (LimitKind::Link, 2000),
            (LimitKind::Loss, 2000),
            (LimitKind::PeerWindow, 1100),
        ]);
        assert_eq!(longest_of(&limits), (LimitKind::Loss, 2_000_000, 3_100_000));
    }

    #[test]
    fn what_was_before_a_pause_does_not_count() {
        let (mut limits, now) = heard(&[(LimitKind::Link, 1900), (LimitKind::Application, 60_000)]);
        assert_eq!(longest_of(&limits), (LimitKind::Application, 0, 0));
        limits.note(LimitKind::PeerWindow, now);
        limits.note(LimitKind::PeerWindow, now + Duration::from_millis(10));
        assert_eq!(longest_of(&limits), (LimitKind::PeerWindow, 10_000, 10_000));
    }

    #[test]
    fn a_kind_is_told_when_it_has_held_three_spans_in_a_row() {
        let mut streak = Streak::default();
        let (link, loss) = (Some(LimitKind::Link), Some(LimitKind::Loss));
        let told = [link, link, loss, loss, loss, loss, None].map(|it| streak.note(it));
        assert_eq!(told, [None, None, None, None, loss, loss, None]);
    }

    #[test]
    fn each_kind_is_news_once() {
        let mut limits = Limits::new(NOTHING, Time::ZERO);
        for is_news in [true, false] {
            for kind in LimitKind::ALL {
                assert_eq!(limits.is_news(kind), is_news, "{kind:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_kind_holds_for_longer_than_there_was_time(
            notes in proptest::collection::vec((0..LimitKind::ALL.len(), 0u64..5000), 1..200),
        ) {
            let kinds: Vec<_> = notes.iter().map(|(n, ms)| (LimitKind::ALL[*n], *ms)).collect();
            let (limits, now) = heard(&kinds);
            let (kind, held, watched) = longest_of(&limits);
            prop_assert!(held <= watched);
            prop_assert!(watched <= now.as_micros());
            prop_assert!(watched <= 4 * SPAN.as_micros() as u64);
            for other in LimitKind::ALL {
                let alone = u64::from(limits.span.held[other as usize]);
                prop_assert!(other == kind || alone <= held);
            }
        }
    }
}
