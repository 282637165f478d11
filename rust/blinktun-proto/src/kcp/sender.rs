//! The sending half: windows, what is in flight, what must leave again.

mod losses;
pub mod outlook;
mod timeouts;

use std::collections::VecDeque;

use super::care::Care;
use super::copies::Conditions;
use super::detection::{Detection, LossDetection};
use super::hold::Hold;
pub use super::in_flight::Echo;
use super::in_flight::{Again, Batch, Departure, Outgoing};
use super::overdraft::Overdraft;
use super::overtaken::Transmission;
use super::pool::Pool;
use super::queue::{Queue, Unnumbered};
use super::receiver::SLACK;
use crate::congestion::{Acked, InFlight, Sent};
use crate::path::Path;
use crate::path::mtu_search::Length;
use crate::recovery::delivery::Delivery;
use crate::recovery::loss::Fate;
use crate::recovery::rtt::Rtt;
use crate::stats::Stats;
use crate::time::{Time, earliest};
use crate::wire::{Millis, Sn};
use crate::work;

/// The remote window before anything was heard (kcptun wire, section 3.2).
const INITIAL_REMOTE_WINDOW: u32 = 32;

/// Data not yet numbered, data in flight, and what of it must leave (again).
///
/// Bound: the session takes data from above only while [`Sender::room`] says so: `window` segments
/// and one partial one.
pub struct Sender {
    nodelay: bool,
    window: u32,
    remote_window: u32,
    queue: Queue,
    /// What has left and is not acknowledged by `una`.
    buffer: VecDeque<Outgoing>,
    una: Sn,
    wrapped: bool,
    in_flight: InFlight,
    /// Numbers that wait to leave again; [`Outgoing::queued`] says why.
    again: VecDeque<Sn>,
    /// Bytes of those that are lost: in flight, and not on their way.
    lost: u64,
    next_order: u64,
    detection: Detection,
    /// The path is dark: only what is queued leaves, nothing for the first time.
    dark: bool,
    delivery: Delivery,
    last_progress: Time,
    advanced_ever: bool,
    batch: Batch,
    overdraft: Overdraft,
}

/// The segment that leaves next.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// That at this place of the buffer, again.
    Again(usize),
    /// The first of the queue.
    New,
}

/// A segment that leaves.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    /// Its number.
    pub sn: Sn,
    /// Its bytes.
    pub data: &'a [u8],
    /// Neither the pacer nor the controller counts it. If all that leaves is copied, the rate that arrives is that
    /// of the originals: with copies counted, each round would be slower than the last.
    pub is_free: bool,
}

impl Sender {
    /// A sender of segments of at most `mss` bytes, `window` of them at a time.
    pub fn new(
        mss: usize,
        window: u32,
        (nodelay, loss): (bool, LossDetection),
        now: Time,
    ) -> Sender {
        Sender {
            nodelay,
            window,
            remote_window: INITIAL_REMOTE_WINDOW,
            queue: Queue::new(mss),
            buffer: VecDeque::new(),
            una: Sn(0),
            wrapped: false,
            in_flight: InFlight::default(),
            again: VecDeque::new(),
            lost: 0,
            next_order: 0,
            detection: Detection::new(loss, now),
            dark: false,
            delivery: Delivery::new(now),
            last_progress: now,
            advanced_ever: false,
            batch: Batch::default(),
            overdraft: Overdraft::default(),
        }
    }

    // --- from above -----------------------------------------------------------------------

    /// How many bytes may be given to [`Sender::push`] so that they can leave at once.
    pub fn room(&self, path: &Path) -> usize {
        self.free(path) * self.queue.mss() + self.queue.tail()
    }

    /// How many segments may be given to [`Sender::push_whole`] so that they can leave at once.
    pub fn free(&self, path: &Path) -> usize {
        let window = (self.effective_window(path) as usize).saturating_sub(self.waiting());
        // In small portions the streams' frames would be cut into small ones.
        match path.portion() {
            None => window,
            Some(portion) if self.queue.is_empty() => window.min(portion),
            Some(_) => 0,
        }
    }

    /// Append bytes to the stream. They fill the last segment that has no number yet.
    pub fn push(&mut self, data: &[u8], is_urgent: bool, pool: &mut Pool) {
        self.queue.push(data, is_urgent, pool);
    }

    /// From now on segments are independent.
    pub fn begin_independent(&mut self) {
        self.queue.seal();
        if let Detection::Time(by) = &mut self.detection {
            by.copies.begin_independent();
            by.overhead.keep_for_copies();
        }
    }

    /// Append an independent segment of at most [`Sender::mss`] bytes.
    pub fn push_whole(&mut self, data: Vec<u8>, care: Care) {
        self.queue.push_whole(data, care);
    }

    /// Let an independent segment leave next.
    pub fn push_first(&mut self, data: Vec<u8>, care: Care) {
        self.queue.push_first(data, care);
    }

    /// Take an independent segment back that could leave now as a probe of the MTU.
    pub fn take_for_probe(&mut self, path: &Path) -> Option<Unnumbered> {
        self.may_probe(path)
            .then(|| self.queue.take_whole())
            .flatten()
    }

    /// The most bytes of a segment.
    pub fn mss(&self) -> usize {
        self.queue.mss()
    }

    /// From now on segments have at most `mss` bytes. What has no number yet is cut again; what has
    /// one keeps its length, because the peer may have it. Returns the independent segments that are too long:
    /// they must be cut between their frames ([`Sender::cut_numbered`] has those with a number).
    #[must_use]
    pub fn set_mss(&mut self, mss: usize, pool: &mut Pool) -> Vec<Unnumbered> {
        self.queue.set_mss(mss, pool)
    }

    /// Have the independent segments cut that have a number and are too long. The number stays with the first
    /// part, the others get new ones: if the peer has the whole segment already, it gets nothing new.
    pub fn cut_numbered(&mut self, mut cut: impl FnMut(Vec<u8>) -> Vec<Vec<u8>>) {
        let mss = self.queue.mss();
        let mut parts = Vec::new();
        for segment in &mut self.buffer {
            work::count(1);
            if segment.acked || !segment.is_whole || segment.data.len() <= mss {
                continue;
            }
            if segment.care.is_expendable() {
                // It may have arrived: the parts under new numbers would bring it twice.
                self.lost -= segment.waits_as_lost();
                segment.empty(&mut self.in_flight);
                self.lost += segment.waits_as_lost();
                continue;
            }
            let before = segment.data.len();
            self.lost -= segment.waits_as_lost();
            let mut rest = cut(core::mem::take(&mut segment.data)).into_iter();
            segment.data = rest.next().unwrap_or_default();
            self.lost += segment.waits_as_lost();
            self.in_flight.shrink(before - segment.data.len());
            parts.extend(rest.map(|part| (part, segment.care)));
        }
        for (part, care) in parts.into_iter().rev() {
            self.queue.push_first(part, care);
        }
    }

    /// Segments not yet acknowledged by `una`, numbered or not.
    pub fn waiting(&self) -> usize {
        self.buffer.len() + self.queue.len()
    }

    /// Segments without a number.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    // --- from the peer --------------------------------------------------------------------

    /// The number of the first segment not yet acknowledged.
    pub fn una(&self) -> Sn {
        self.una
    }

    /// The number that the next new segment will get.
    pub fn next(&self) -> Sn {
        self.una.plus(self.buffer.len() as u32)
    }

    /// Whether `una` has passed 0 not long ago, so that an old datagram may still say 0.
    pub fn has_wrapped(&self) -> bool {
        self.wrapped && self.una.0 <= SLACK as u32
    }

    /// Whether the peer has ever acknowledged anything by `una`.
    pub fn advanced_ever(&self) -> bool {
        self.advanced_ever
    }

    /// Whether `una` can come from the peer of this conversation.
    pub fn plausible_una(&self, una: Sn) -> bool {
        let sent = self.buffer.len() as i32;
        // A peer that lost its memory says 0; the session looks at that more closely.
        una.0 == 0 || (-SLACK..=sent).contains(&una.diff(self.una))
    }

    /// Whether an acknowledgement of `sn` can come from the peer of this conversation.
    pub fn plausible_ack(&self, sn: Sn) -> bool {
        let sent = self.buffer.len() as i32;
        (-SLACK..sent).contains(&sn.diff(self.una))
    }

    /// The peer's window, in segments, as a segment that is not older than `una` says.
    pub fn set_remote_window(&mut self, window: u16) {
        self.remote_window = window.into();
    }

    /// Our own window, in segments.
    pub fn send_window(&self) -> u32 {
        self.window
    }

    /// Bytes that the peer has acknowledged.
    pub fn delivered(&self) -> u64 {
        self.delivery.delivered()
    }

    /// What is on its way.
    pub fn in_flight(&self) -> InFlight {
        self.in_flight
    }

    /// The peer's window, in segments.
    pub fn remote_window(&self) -> u32 {
        self.remote_window
    }

    /// Everything before `una` has arrived.
    pub fn handle_una(&mut self, una: Sn, path: &mut Path, pool: &mut Pool, now: Time) {
        let count = una.diff(self.una);
        if count <= 0 || count as usize > self.buffer.len() {
            return;
        }
        for segment in self.buffer.drain(..count as usize) {
            work::count(1);
            if !segment.acked {
                self.in_flight.remove(segment.data.len());
                self.lost -= segment.waits_as_lost();
                // After several transmissions it is unknown which one arrived.
                let only = (segment.transmissions == 1).then_some(segment.last);
                let bytes = only.map_or(segment.data.len() as u64, |only| only.bytes.into());
                self.batch.note(bytes);
                if let Some(departure) = only {
                    let order = departure.order;
                    if !segment.is_suspected {
                        self.detection.note_fate(Fate::Arrived);
                    }
                    self.detection.note_acked(order, false, &path.rtt, now);
                    path.note_length_arrived(departure.length, departure.at, now);
                } else {
                    path.note_lengths_unclear(segment.lengths(), segment.last.at);
                }
                let transmission = only.map(|departure| (departure.snapshot, departure.at));
                self.delivery.note_acked(bytes, transmission, now);
            }
            pool.give(segment.data);
            self.una = self.una.plus(1);
            self.wrapped |= self.una.0 == 0;
        }
        self.batch.advanced = true;
        self.advanced_ever = true;
        self.note_progress(now);
    }

    /// Segment `sn` has arrived; `ts` is the clock the peer echoes. `None` if it is not in flight.
    pub fn handle_ack(
        &mut self,
        (sn, ts): (Sn, Millis),
        path: &mut Path,
        now: Time,
        stats: &mut Stats,
    ) -> Option<Echo> {
        let index = usize::try_from(sn.diff(self.una)).ok()?;
        let segment = self.buffer.get_mut(index).filter(|s| !s.acked)?;
        segment.acked = true;
        self.in_flight.remove(segment.data.len());
        self.lost -= segment.waits_as_lost();
        segment.queued = None;
        let was_suspected = core::mem::take(&mut segment.is_suspected);
        if !was_suspected {
            self.detection.note_fate(segment.fate(ts));
        }
        let departed = segment.departed_with(ts);
        let bytes = segment.arrived(departed);
        let exact = departed.map(|departure| now.since(departure.at));
        let genuine = segment.echoes(ts);
        if exact.is_none() && segment.transmissions > 1 {
            stats.spurious_retrans_segs += 1;
            if genuine {
                path.on_spurious(bytes, now);
                if let Detection::Time(by) = &mut self.detection {
                    by.threshold
                        .note_spurious(segment.last.at, path.rtt.smoothed(), now);
                }
            }
        }
        let is_only = segment.transmissions == 1;
        if exact.is_some() || is_only {
            // Else it may be an earlier transmission that has arrived.
            let order = departed.unwrap_or(segment.last).order;
            // What parity has brought back was not late, it was lost.
            let may_be_rebuilt = was_suspected || segment.group.is_some();
            let is_exact =
                exact.is_some() && !(may_be_rebuilt && self.detection.has_slow_groups(&path.rtt));
            self.detection.note_acked(order, is_exact, &path.rtt, now);
        }
        // Two transmissions of one millisecond have the same clock.
        let is_sure = !segment.earlier.is_empty() || segment.first_ts != ts;
        let known = match is_only {
            true => Some(segment.last),
            false => departed.filter(|_| is_sure),
        };
        match known {
            Some(departure) => path.note_length_arrived(departure.length, departure.at, now),
            None => path.note_lengths_unclear(segment.lengths(), segment.last.at),
        }
        path.note_lengths_lost(segment.lengths(), now);
        let transmission = known.map(|departure| (departure.snapshot, departure.at));
        self.delivery.note_acked(bytes, transmission, now);
        self.batch.note(bytes);
        if let (Some(departure), Some(rtt)) = (departed, exact)
            && path.has_carried(departure.at)
        {
            self.batch.note_exact(departure.at, rtt);
        }
        self.note_progress(now);
        Some(Echo { exact, genuine })
    }

    /// Whether segment `sn` is in flight, and left with a clock that may be `ts`.
    pub fn left_with(&self, sn: Sn, ts: Millis) -> bool {
        usize::try_from(sn.diff(self.una))
            .ok()
            .and_then(|index| self.buffer.get(index))
            .is_some_and(|segment| !segment.acked && segment.echoes(ts))
    }

    /// The path carries something: what is due may leave.
    pub fn note_progress(&mut self, now: Time) {
        self.detection.note_progress();
        self.last_progress = now;
    }

    /// After a batch of input: find what was lost, tell the controller.
    pub fn finish_input(&mut self, path: &mut Path, now: Time) {
        let batch = core::mem::take(&mut self.batch);
        if batch.segments == 0 {
            return;
        }
        self.find_losses(path, now);
        let acked = Acked {
            segments: batch.segments,
            bytes: batch.bytes,
            delivered: self.delivery.take_sample(path.rtt.min()),
            rtt: batch.exact.map(|(_, rtt)| rtt),
            has_advanced: batch.advanced,
            in_flight: self.in_flight,
            peer_window: self.remote_window,
        };
        path.on_acked(&acked, now);
    }

    // --- to the wire ----------------------------------------------------------------------

    /// Look whether the path is dark, before a payload is written.
    pub fn prepare(&mut self, path: &Path, now: Time) {
        self.dark = self.is_dark(&path.rtt, now);
        if self.dark {
            self.delivery.note_dark(self.in_flight.bytes);
        }
    }

    /// The data length of the next segment that must leave.
    pub fn peek(&mut self, path: &Path) -> Option<usize> {
        match self.next_up(path)? {
            Next::Again(index) => Some(self.buffer[index].data.len()),
            Next::New => self.queue.first().map(|first| first.data.len()),
        }
    }

    /// The segment that leaves next. That of a request goes ahead of lost data that nobody waits for, and leaves
    /// though the path is full, as far as the overdraft goes.
    fn next_up(&mut self, path: &Path) -> Option<Next> {
        let again = self.first_again();
        let is_full = path.is_full(self.in_flight.bytes - self.lost);
        if again.is_none() && !is_full {
            self.overdraft.clear();
        }
        let first = self.queue.first();
        let has_room = !self.dark && self.buffer.len() < self.effective_window(path) as usize;
        let goes_ahead = has_room
            && self.overdraft.is_allowed(path.most_on_way())
            && first.is_some_and(|first| first.is_whole() && first.care == Care::Urgent);
        match again {
            Some(index) if self.buffer[index].care.is_awaited() || !goes_ahead => {
                Some(Next::Again(index))
            }
            Some(_) => Some(Next::New),
            None if first.is_some() && has_room && (goes_ahead || !is_full) => Some(Next::New),
            None => None,
        }
    }

    /// The first segment that leaves again.
    fn first_again(&mut self) -> Option<usize> {
        while let Some(sn) = self.again.front() {
            work::count(1);
            match self.index_again(*sn) {
                Some(index) => return Some(index),
                None => self.again.pop_front(),
            };
        }
        None
    }

    /// Whether something new may leave, and nothing leaves again before it.
    fn may_probe(&mut self, path: &Path) -> bool {
        self.peek(path).is_some() && self.again.is_empty()
    }

    /// Cut the next new segment for a probe, whose payload has `room` bytes beside its header: the rest must
    /// be headers too. Returns its data length; `None` if something else leaves first. What somebody waits for
    /// leaves in a probe only if a copy follows (`is_copied`).
    pub fn cut_for_probe(
        &mut self,
        path: &Path,
        (room, is_copied): (usize, bool),
        pool: &mut Pool,
    ) -> Option<usize> {
        let may_leave = self.may_probe(path);
        let first = self.queue.first().filter(|_| may_leave)?;
        if first.care == Care::Urgent && !is_copied {
            return None;
        }
        self.queue.cut_for_probe(room, pool)
    }

    /// The segment that [`Sender::peek`] announced: its number and data. It counts as sent, in a datagram of
    /// this length.
    pub fn take(
        &mut self,
        path: &mut Path,
        (ts, length): (Millis, Length),
        now: Time,
        stats: &mut Stats,
    ) -> Option<Taken<'_>> {
        let in_flight = self.in_flight;
        let index = match self.next_up(path)? {
            Next::Again(index) => {
                self.again.pop_front();
                self.overdraft.repay(self.buffer[index].data.len());
                index
            }
            Next::New => {
                let index = self.take_new(&path.rtt, now)?;
                self.overdraft.spend(self.buffer[index].data.len());
                index
            }
        };
        let segment = &mut self.buffer[index];
        if segment.waits_as_lost() > 0 {
            path.note_lengths_lost(segment.lengths(), now);
        }
        let before = segment.last;
        segment.last = Departure {
            at: now,
            ts,
            order: self.next_order,
            snapshot: self.delivery.note_sent(in_flight.bytes, now),
            length,
            bytes: segment.data.len() as u32,
        };
        path.note_length_sent(length, now);
        let bytes = segment.data.len() as u64;
        if segment.transmissions == 0 {
            (segment.first_ts, segment.first_bytes) = (ts, segment.last.bytes);
        }
        segment.transmissions += 1;
        self.lost -= segment.waits_as_lost();
        let again = segment.queued.take();
        match again {
            Some(Again::Copy) => segment.earlier.push(before),
            _ => segment.earlier.clear(),
        }
        if let Some(again) = again {
            again.count(stats);
        }
        segment.early = false;
        segment.is_suspected = false;
        segment.due = now + segment.rto;
        let (order, sn) = (self.next_order, self.una.plus(index as u32));
        self.next_order += 1;
        match &mut self.detection {
            Detection::Packets(by) => {
                by.next_due = earliest(by.next_due, Some(segment.due));
                by.overtaken.note_sent(Transmission { order, sn });
                let is_out = is_out(&self.buffer, self.una);
                by.overtaken.tidy(self.in_flight.segments, is_out);
            }
            Detection::Time(by) => {
                by.threshold.note_sent(Transmission { order, sn });
                segment.group = by.coded.note_sent(now);
                if again.is_none() {
                    by.overhead.note_payload(segment.data.len());
                }
                let conditions = Conditions {
                    loss: by.loss.share(),
                    smoothed: path.rtt.smoothed(),
                };
                let overhead = &mut by.overhead;
                by.copies
                    .note_sent(sn, segment, again, conditions, overhead, now);
            }
        }
        let sent = Sent {
            bytes,
            in_flight,
            is_copy: again == Some(Again::Copy),
        };
        let segment = &self.buffer[index];
        let (data, is_free) = (
            &segment.data[..],
            segment.care == Care::Protected && sent.is_copy,
        );
        if !is_free {
            path.controller.on_sent(&sent, now);
        }
        Some(Taken { sn, data, is_free })
    }

    /// Let a copy follow the probe that has left last.
    pub fn copy_probe(&mut self, sn: Sn, path: &Path, now: Time) {
        let order = self.next_order - 1;
        if let Detection::Time(by) = &mut self.detection {
            by.copies
                .add(Transmission { order, sn }, path.rtt.smoothed(), now);
        }
    }

    /// Let a segment leave again, behind others that do.
    fn queue_again(&mut self, sn: Sn, why: Again) {
        let index = usize::try_from(sn.diff(self.una)).ok();
        let Some(segment) = index.and_then(|index| self.buffer.get_mut(index)) else {
            return;
        };
        // A copy that waits is sent for the other reason.
        let is_waiting = segment.queued.is_some();
        self.lost -= segment.waits_as_lost();
        segment.queue(why, &mut self.in_flight);
        self.lost += segment.waits_as_lost();
        if !is_waiting {
            self.again.push_back(sn);
        }
    }

    /// Number the first segment of the queue.
    fn take_new(&mut self, rtt: &Rtt, now: Time) -> Option<usize> {
        let segment = self.queue.pop()?;
        if self.in_flight.segments == 0 {
            self.last_progress = now;
        }
        self.in_flight.add(segment.data.len());
        self.buffer
            .push_back(Outgoing::new(segment, rtt.rto(), now));
        Some(self.buffer.len() - 1)
    }

    fn index_again(&self, sn: Sn) -> Option<usize> {
        let index = usize::try_from(sn.diff(self.una)).ok()?;
        let segment = self.buffer.get(index)?;
        (segment.queued.is_some() && !segment.acked).then_some(index)
    }

    /// The window that holds now, in segments: one at least, or nothing would ever leave.
    fn effective_window(&self, path: &Path) -> u32 {
        let allowed = (path.controller.window() / self.queue.mss() as u64).max(1);
        let windows = self.window.min(self.remote_window);
        windows.min(u32::try_from(allowed).unwrap_or(u32::MAX))
    }

    /// What keeps new data from leaving, as it was at the last payload.
    pub fn hold(&self) -> Hold {
        match self.dark {
            true => Hold::Silence,
            false => Hold::of_windows(self.window, self.remote_window, self.buffer.len()),
        }
    }

    /// Bytes of data that may be in flight.
    pub fn window(&self, path: &Path) -> u64 {
        u64::from(self.effective_window(path)) * self.queue.mss() as u64
    }

    /// Whether a window, ours or the peer's, is full and the path is not. So it is when the first segment of the
    /// window is missing: those behind it have arrived, and new ones must wait for it.
    pub(super) fn is_blocked(&self, path: &Path) -> bool {
        let window = self.window.min(self.remote_window) as usize;
        self.buffer.len() >= window && !path.is_filled(self.in_flight.bytes - self.lost)
    }

    /// Nothing more leaves. If the windows allow more, what is in flight says little of the path.
    pub fn note_idle(&mut self, path: &Path) {
        if self.is_blocked(path) {
            self.delivery.note_blocked(self.in_flight.bytes);
        } else if self.queue.is_empty() && self.buffer.len() < self.effective_window(path) as usize
        {
            self.delivery.note_app_limited(self.in_flight.bytes);
        }
    }

    /// The first segment has left and arrived before there was a sender.
    pub fn begin_behind_greeting(&mut self) {
        (self.una, self.advanced_ever) = (Sn(1), true);
    }

    /// Set the first number, for tests of wrapping.
    pub fn start_at(&mut self, sn: Sn) {
        self.una = sn;
    }
}

/// Tells of a transmission whether it is the last one of its segment, and not acknowledged.
fn is_out(buffer: &VecDeque<Outgoing>, una: Sn) -> impl Fn(&Transmission) -> bool {
    move |it| {
        let index = usize::try_from(it.sn.diff(una)).ok();
        let segment = index.and_then(|index| buffer.get(index));
        segment.is_some_and(|segment| segment.last.order == it.order && !segment.acked)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::congestion::Algorithm;
    use crate::path::Settings;

    const MSS: usize = 1000;

    fn path() -> Path {
        let settings = Settings {
            nodelay: true,
            interval_ms: 10,
            resend: 2,
            congestion: Algorithm::Paced(20_000_000),
            send_ceiling: None,
            asks_after_data: true,
            searches_mtu: false,
        };
        let peer = SocketAddr::from(([192, 0, 2, 1], 1)).into();
        let mut path = Path::new(settings, peer, (MSS, MSS));
        path.begin_batch(Time::ZERO);
        path
    }

    fn sender() -> Sender {
        let policy = (true, LossDetection::Time(0.0));
        let mut sender = Sender::new(MSS, 1000, policy, Time::ZERO);
        sender.set_remote_window(1000);
        sender
    }

    /// Let the next segment leave at this millisecond; returns its number and data.
    fn leave(sender: &mut Sender, path: &mut Path, millis: u32) -> Option<(Sn, Vec<u8>)> {
        let now = Time::from_millis(millis.into());
        let how = (Millis(millis), Length::Short);
        sender.peek(path)?;
        let taken = sender.take(path, how, now, &mut Stats::default())?;
        Some((taken.sn, taken.data.to_vec()))
    }

    #[test]
    fn a_lost_datagram_leaves_again_as_its_number_and_counts_whole_if_it_comes_late() {
        for care in [Care::Expendable, Care::Protected] {
            let (mut sender, mut path) = (sender(), path());
            sender.push_whole(vec![0; MSS], care);
            assert_eq!(
                leave(&mut sender, &mut path, 1),
                Some((Sn(0), vec![0; MSS]))
            );
            sender.repeat_first();
            assert_eq!(leave(&mut sender, &mut path, 50), Some((Sn(0), vec![0])));
            assert_eq!(sender.in_flight.bytes, 1);
            let now = Time::from_millis(60);
            let ack = (Sn(0), Millis(1));
            sender.handle_ack(ack, &mut path, now, &mut Stats::default());
            assert_eq!(sender.delivery.delivered(), MSS as u64, "{care:?}");
            assert_eq!((sender.in_flight.bytes, sender.lost), (0, 0));
        }
    }

    #[test]
    fn a_datagram_that_is_too_long_for_a_new_mtu_never_leaves_under_two_numbers() {
        let halves = |segment: Vec<u8>| segment.chunks(MSS / 2).map(<[u8]>::to_vec).collect();
        for (care, segments) in [
            (Care::Ordinary, 2),
            (Care::Expendable, 1),
            (Care::Protected, 1),
        ] {
            let (mut sender, mut path) = (sender(), path());
            sender.push_whole(vec![0; MSS], care);
            leave(&mut sender, &mut path, 1);
            sender.queue_again(Sn(0), Again::Copy);
            let _ = sender.set_mss(MSS / 2, &mut Pool::default());
            sender.cut_numbered(halves);
            assert_eq!(sender.waiting(), segments, "{care:?}");
            // An empty copy could overtake the full one.
            let copy = leave(&mut sender, &mut path, 5).map(|(sn, _)| sn);
            let expected = (care == Care::Ordinary).then_some(Sn(0));
            assert_eq!(copy, expected, "{care:?}");
            let now = Time::from_millis(60);
            let ack = (Sn(0), Millis(1));
            sender.handle_ack(ack, &mut path, now, &mut Stats::default());
            assert_eq!(sender.delivery.delivered(), MSS as u64, "{care:?}");
            assert_eq!((sender.in_flight.bytes, sender.lost), (0, 0), "{care:?}");
        }
    }

    #[test]
    fn a_paced_sender_takes_portions_from_the_streams() {
        let (mut sender, path) = (sender(), path());
        let rooms = (0..3).map(|_| {
            let room = sender.room(&path);
            sender.push(&vec![0; 3 * MSS / 2], false, &mut Pool::default());
            room
        });
        // The last segment is filled up.
        let expected = [40 * MSS, MSS / 2, 0];
        assert!(rooms.eq(expected));
    }
}
