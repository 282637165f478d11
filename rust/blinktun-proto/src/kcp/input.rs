//! From payloads to a conversation: checked whole, then applied whole.

use super::Kcp;
use super::pool::Pool;
use super::receiver::{Arrival, Pushed, Sink};
use crate::path::Path;
use crate::path::mtu_search::Length;
use crate::stats::Stats;
use crate::time::{Duration, Time};
use crate::wire::Millis;
use crate::wire::kcp::{ACK, PUSH, Segment, Segments, WASK, WINS};

/// More than a keepalive, compressed or not: what is longer is somebody's data.
const KEEPALIVE: usize = 32;

/// Segments that the peer of this conversation cannot have sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Implausible;

impl Kcp {
    /// Take the segments of one payload; `regular` is false if FEC rebuilt it. In-order data goes to
    /// `sink`.
    ///
    /// All or nothing: all are checked before any takes effect.
    ///
    /// # Errors
    /// [`Implausible`], and nothing has changed then.
    pub fn input<S: Sink + ?Sized>(
        &mut self,
        segments: Segments<'_>,
        regular: bool,
        path: &mut Path,
        now: Time,
        (sink, pool, stats): (&mut S, &mut Pool, &mut Stats),
    ) -> Result<(), Implausible> {
        self.check(segments)?;
        let mut last_ack = None;
        let mut data = false;
        path.validation.begin_payload();
        for segment in segments {
            stats.in_segs += 1;
            // What `una` covers is gone: the acknowledgement must find its segment before.
            if segment.cmd == ACK {
                last_ack = self.handle_ack(&segment, path, now, stats).or(last_ack);
            }
            self.handle_una(&segment, regular, path, now, pool);
            match segment.cmd {
                ACK => {}
                PUSH => {
                    data |= segment.data.len() > KEEPALIVE;
                    path.validation.note_peer_clock(segment.ts);
                    let arrival = Arrival {
                        sn: segment.sn,
                        ts: segment.ts,
                        regular,
                    };
                    let pushed = self.receiver.push(arrival, segment.data, sink, pool);
                    pushed.count(regular, stats);
                    if self.receiver.owed_acks() > 0 {
                        self.ack_delay.note_segment(now);
                    }
                    if regular {
                        let clocks = (segment.ts, self.clock(now));
                        self.receiver.note_delay(clocks, path.rtt.min(), now);
                    }
                    if pushed == Pushed::New {
                        path.liveness.note_news(now);
                    }
                }
                WASK => {
                    self.window_report = Some(segment.ts);
                    if path.liveness.peer_asks() {
                        path.validation.note_peer_clock(segment.ts);
                    }
                }
                _ => self.handle_window_report(&segment, path, now),
            }
        }
        if let Some((sample, exact)) = last_ack.filter(|_| regular) {
            let first = !path.rtt.is_known();
            path.rtt.sample(sample, exact, now);
            if first {
                self.sender.retime(&path.rtt);
            }
        }
        self.has_input = true;
        path.liveness.note_payload(data, now);
        Ok(())
    }

    /// Whether the segments can come from this conversation's peer, without any effect.
    ///
    /// # Errors
    /// [`Implausible`] if not.
    pub fn check(&self, segments: Segments<'_>) -> Result<(), Implausible> {
        let is_plausible = |segment: Segment<'_>| {
            let numbers = match segment.cmd {
                ACK => self.sender.plausible_ack(segment.sn),
                PUSH => self.receiver.plausible(segment.sn),
                _ => true,
            };
            numbers && self.sender.plausible_una(segment.una)
        };
        let is_ours = segments.conv() == self.conv;
        match is_ours && segments.into_iter().all(is_plausible) {
            true => Ok(()),
            false => Err(Implausible),
        }
    }

    pub(super) fn handle_una(
        &mut self,
        segment: &Segment<'_>,
        regular: bool,
        path: &mut Path,
        now: Time,
        pool: &mut Pool,
    ) {
        if segment.una.before(self.sender.una()) {
            return; // an old segment: its window is old as well
        }
        if regular {
            self.sender.set_remote_window(segment.wnd);
        }
        self.sender.handle_una(segment.una, path, pool, now);
        self.receiver.note_acknowledged(segment.una);
        if self.first_una.is_none() && self.sender.advanced_ever() {
            self.first_una = Some(self.clock(now));
        }
    }

    /// Returns the round trip in milliseconds, and exactly where that is known. There is none if
    /// nothing new was acknowledged: a segment that comes twice, rebuilt by FEC perhaps, is
    /// acknowledged with a clock that may be long past.
    pub(super) fn handle_ack(
        &mut self,
        segment: &Segment<'_>,
        path: &mut Path,
        now: Time,
        stats: &mut Stats,
    ) -> Option<(u32, Option<Duration>)> {
        self.notice_restart(segment, path, now);
        let ack = (segment.sn, segment.ts);
        let echo = self.sender.handle_ack(ack, path, now, stats)?;
        let age_ms = u32::try_from(self.clock(now).diff(segment.ts)).ok()?;
        let lifetime_ms = now.since(self.born).as_millis() + 1;
        if u128::from(age_ms) > lifetime_ms {
            return None; // not a clock of ours
        }
        // Only a clock that its segment left with proves anything: a guess is one in millions.
        path.validation.note_echo(segment.ts, echo.genuine);
        // What left by another network, or was acknowledged there, says nothing of this one.
        let age = Duration::from_millis(age_ms.into());
        (path.is_older_than(age, now)).then_some((age_ms, echo.exact))
    }

    /// A window tell echoes the clock of the question, if the peer is blinktun.
    fn handle_window_report(&mut self, segment: &Segment<'_>, path: &mut Path, now: Time) {
        self.notice_restart(segment, path, now);
        let is_answer = path.validation.has_asked(segment.ts);
        path.validation.note_echo(segment.ts, is_answer);
        if let Some(asked) = path.liveness.take_answer() {
            path.note_length_arrived(Length::Short, asked, now);
            if self.sender.silent_since(now).is_some() {
                self.sender.repeat_first(); // its acknowledgement lets the rest go on
            }
        }
    }

    /// Whether a payload acknowledges a segment that is in flight now, with the clock it left with: its
    /// sender has seen what we sent.
    pub fn is_echoed_by(&self, segments: Segments<'_>) -> bool {
        // The first alone: a datagram is one guess.
        let ack = segments.into_iter().find(|segment| segment.cmd == ACK);
        ack.is_some_and(|segment| self.sender.left_with(segment.sn, segment.ts))
    }

    /// Whether a payload, which has passed [`Kcp::check`], was made after all that was taken so far:
    /// then it is no copy.
    pub fn is_news(&self, segments: Segments<'_>, path: &Path) -> bool {
        segments.into_iter().any(|segment| {
            let shows_clock =
                segment.cmd == PUSH || (segment.cmd == WASK && path.liveness.peer_asks());
            let is_younger = shows_clock && path.validation.is_younger(segment.ts);
            is_younger || self.sender.una().before(segment.una)
        })
    }

    /// A peer that once had `una` above 0 and now says 0 has lost the conversation, unless the
    /// segment is an old one that the network held back. It is not old if it echoes a clock that
    /// we sent after `una` had moved, or answers the probe of a silent peer.
    fn notice_restart(&mut self, segment: &Segment<'_>, path: &Path, now: Time) {
        let Some(first_una) = self.first_una else {
            return;
        };
        if segment.una.0 != 0 || !segment.una.before(self.sender.una()) || self.sender.has_wrapped()
        {
            return;
        }
        let fresh = segment.ts.diff(first_una) > 0 && self.clock(now).diff(segment.ts) >= 0;
        let waiting = self.sender.silent_since(now).is_some() || path.liveness.is_asking();
        let answer = segment.cmd == WINS && waiting;
        self.forgotten |= fresh || answer;
    }

    /// After a batch of payloads: look for losses.
    pub fn finish_input(&mut self, path: &mut Path, now: Time) {
        self.sender.finish_input(path, now);
        self.sender.resume(path, now);
        self.look(path, now);
        if core::mem::take(&mut self.has_input) && path.liveness.hear(now) {
            self.ask_whether_alive();
        }
    }

    /// Deliver data that waited for room in the sink.
    pub fn drain<S: Sink + ?Sized>(&mut self, sink: &mut S, pool: &mut Pool) {
        if self.receiver.drain(sink, pool) {
            self.window_report.get_or_insert(Millis(0));
        }
    }

    /// Whether data in order waits for room in the sink.
    pub fn has_waiting(&self) -> bool {
        self.receiver.has_waiting()
    }
}
