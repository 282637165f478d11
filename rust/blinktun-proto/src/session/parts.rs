//! What the parts of a session say of its limit.

use super::limit::{Limit, LimitKind};
use super::limits::{Limits, Progress, Span, longest};
use super::memory::ReceiveMemory;
use super::pace::Pace;
use super::stats::Counts;
use crate::congestion::Restraint;
use crate::kcp::{Hold, Kcp};
use crate::path::Path;
use crate::smux::Mux;
use crate::time::{Duration, Time};

/// A session that receives knows nothing about less time than this.
const LEAST_SPAN: Duration = Duration::from_secs(1);
/// A peer fills our window if it has four fifths of it on its way.
const FILLED: (u128, u128) = (4, 5);
/// A ceiling holds a sender back that would send 8/9 of it, or more.
const NEARLY: (u128, u128) = (8, 9);
/// A round trip that is longer than twice the shortest, and this, waits in a queue.
const QUEUE: Duration = Duration::from_millis(40);

/// The parts of a session that know something of its limit.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) kcp: &'a Kcp,
    pub(super) path: &'a Path,
    pub(super) mux: &'a Mux,
    pub(super) pace: Option<&'a Pace>,
    pub(super) counts: &'a Counts,
    pub(super) memory: Option<&'a ReceiveMemory>,
}

impl Parts<'_> {
    fn progress(&self) -> Progress {
        Progress::of(self.kcp, self.counts)
    }

    /// What holds the session back now that nothing more may leave.
    pub(super) fn holding(&self, limits: &Limits) -> LimitKind {
        let hold = self.kcp.hold();
        if hold == Hold::Silence {
            return LimitKind::Silence;
        }
        if self.kcp.queued() == 0 && !self.mux.wants_transmit() {
            return match (self.mux.all_unsent(), self.kcp.in_flight().segments) {
                (0, _) => LimitKind::Application,
                (_, 0) => LimitKind::PeerApplication, // it has got all that its windows allow
                _ if self.is_queued(limits) => LimitKind::Queue,
                _ => LimitKind::StreamWindow,
            };
        }
        if self.pace.is_some_and(Pace::is_refusing) {
            return LimitKind::RateLimit;
        }
        match hold {
            Hold::PeerWindow if limits.is_closing(self.kcp.remote_window()) => {
                LimitKind::PeerApplication
            }
            Hold::PeerWindow | Hold::SendWindow if self.is_queued(limits) => LimitKind::Queue,
            Hold::PeerWindow => LimitKind::PeerWindow,
            Hold::SendWindow => LimitKind::SendWindow,
            Hold::Controller | Hold::Silence => self.holding_by_rate(),
        }
    }

    /// A window that is full may only have filled a queue.
    fn is_queued(&self, limits: &Limits) -> bool {
        let rtt = &self.path.rtt;
        let least = limits.least_rtt(rtt.min());
        least.is_some_and(|least| rtt.smoothed() > 2 * least + QUEUE)
    }

    fn holding_by_rate(&self) -> LimitKind {
        let restraint = self.path.controller.restraint();
        if let Some(wanted) = self.path.wanted_rate() {
            let is_near =
                |most: &u64| u128::from(wanted) * NEARLY.1 >= u128::from(*most) * NEARLY.0;
            if self.pace.map(Pace::rate).filter(is_near).is_some() {
                return LimitKind::RateLimit;
            }
            if restraint.is_none() || self.path.send_ceiling().filter(is_near).is_some() {
                return LimitKind::Hint;
            }
        }
        match restraint {
            None => LimitKind::Application, // nothing: what is left cannot leave alone
            Some(Restraint::Searching) => LimitKind::Searching,
            Some(Restraint::Rate) => LimitKind::Link,
            Some(Restraint::Loss) => LimitKind::Loss,
            Some(Restraint::Queue) => LimitKind::Queue,
            Some(Restraint::Backoff) => LimitKind::CongestionWindow,
        }
    }

    /// The limit of what we send.
    pub(super) fn limit(&self, limits: &Limits, now: Time) -> Limit {
        let mut limits = *limits;
        limits.note(limits.kind, now);
        self.limit_since(limits.first_span(), &limits, now)
    }

    fn limit_since(&self, first: &Span, limits: &Limits, now: Time) -> Limit {
        let (kind, held, watched) = longest(first, &limits.span);
        let (passed, from, to) = (now.since(first.began), first.from, self.progress());
        let rtt = self.rtt();
        let (window, segments) = self.window(kind, limits);
        let limit = Limit {
            kind,
            held: Duration::from_micros(held),
            watched: Duration::from_micros(watched),
            rate: rate(to.delivered - from.delivered, passed).unwrap_or(0),
            allows: match window {
                Some(bytes) => rtt.and_then(|rtt| rate(bytes, rtt)),
                None => self.allowed_rate(kind),
            },
            window,
            segments,
            rtt,
            queue: self.queue(limits),
            sent: to.sent - from.sent,
            repeated: (to.repeated - from.repeated).min(to.sent - from.sent),
        };
        limit.or_loss()
    }

    /// The smoothed round trip. It has whole milliseconds, so one below that is the last.
    fn rtt(&self) -> Option<Duration> {
        let rtt = &self.path.rtt;
        let known = match rtt.smoothed() {
            Duration::ZERO => rtt.latest(),
            smoothed => smoothed,
        };
        Some(known).filter(|rtt| !rtt.is_zero())
    }

    fn queue(&self, limits: &Limits) -> Option<Duration> {
        let least = limits.least_rtt(self.path.rtt.min())?;
        Some(self.rtt()?.saturating_sub(least))
    }

    /// The window of this kind, in bytes and in segments.
    fn window(&self, kind: LimitKind, limits: &Limits) -> (Option<u64>, Option<u32>) {
        let mss = self.path.mss() as u64;
        let of = |segments: u32| (Some(u64::from(segments) * mss), Some(segments));
        match kind {
            LimitKind::PeerWindow => of(limits.largest_window),
            LimitKind::SendWindow => of(self.kcp.send_window()),
            LimitKind::CongestionWindow => (Some(self.path.controller.window()), None),
            LimitKind::StreamWindow => {
                let windows = self.mux.windows_in_use();
                (Some(windows).filter(|bytes| *bytes > 0), None)
            }
            _ => (None, None),
        }
    }

    fn allowed_rate(&self, kind: LimitKind) -> Option<u64> {
        let controller = || self.path.controller.metrics();
        match kind {
            LimitKind::RateLimit => self.pace.map(Pace::rate),
            LimitKind::Hint => {
                let ceiling = self.path.send_ceiling();
                ceiling.or_else(|| controller().pacing_rate)
            }
            LimitKind::Link | LimitKind::Loss | LimitKind::Queue => controller().delivery_rate,
            _ => None,
        }
    }

    /// Whether our own window holds the peer back: what has come in a round trip, without a queue, fills it.
    pub(super) fn receiving_limit(&self, limits: &Limits, now: Time) -> Option<Limit> {
        self.received_since(limits.first_span(), limits, now)
    }

    fn received_since(&self, span: &Span, limits: &Limits, now: Time) -> Option<Limit> {
        let (kind, window) = match self.memory.and_then(ReceiveMemory::short) {
            Some(segments) => (LimitKind::Memory, segments),
            None => (LimitKind::ReceiveWindow, self.kcp.own_window()?),
        };
        let rtt = limits.least_rtt(self.path.rtt.min())?;
        let (passed, from, to) = (now.since(span.began), span.from, self.progress());
        let segments = u64::try_from(to.received_to.diff(from.received_to)).ok()?;
        let came = u128::from(segments) * rtt.as_micros() * FILLED.1;
        let fills = u128::from(window) * passed.as_micros() * FILLED.0;
        if passed < LEAST_SPAN || segments == 0 || came < fills {
            return None;
        }
        let received = to.received - from.received;
        let bytes = u64::from(window) * received / segments;
        Some(Limit {
            kind,
            held: passed,
            watched: passed,
            rate: rate(received, passed)?,
            allows: rate(bytes, rtt),
            window: Some(bytes),
            segments: Some(window),
            rtt: Some(rtt),
            queue: self.queue(limits),
            sent: to.sent - from.sent,
            repeated: (to.repeated - from.repeated).min(to.sent - from.sent),
        })
    }

    /// A span is over: what the owner should be told, of what we send and of what the peer sends.
    pub(super) fn end_span(&self, limits: &mut Limits, now: Time) -> [Option<LimitKind>; 2] {
        let ours = self.limit_since(&limits.span, limits, now);
        let theirs = self.received_since(&limits.span, limits, now);
        let clear = [Some(ours), theirs].map(|limit| limit.filter(Limit::is_clear));
        let kinds = clear.map(|limit| limit.map(|limit| limit.kind));
        limits.end_span(kinds, self.progress(), self.path.rtt.min(), now)
    }
}

/// Bytes a second; `None` if no time has passed.
fn rate(bytes: u64, time: Duration) -> Option<u64> {
    let rate = (u128::from(bytes) * 1_000_000).checked_div(time.as_micros())?;
    u64::try_from(rate).ok()
}
