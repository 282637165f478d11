//! The receiving half: order, window, what to acknowledge.

use std::collections::VecDeque;

use super::pool::Pool;
use super::receive_window::ReceiveWindow;
pub use super::repeats::OwedAck;
use super::repeats::Repeats;
use crate::stats::Stats;
use crate::time::{Duration, Time};
use crate::wire::{Millis, Sn};
use crate::work;

/// Where in-order data goes.
pub trait Sink {
    /// Whether data may be delivered now. While it may not, the window shrinks.
    fn has_room(&self) -> bool;
    /// Take the next bytes of the stream.
    fn deliver(&mut self, data: &[u8]);
}

/// The header of a data segment that has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Its number.
    pub sn: Sn,
    /// The sender's clock.
    pub ts: Millis,
    /// It came by itself, not rebuilt by FEC. What FEC rebuilds needlessly is not acknowledged: the
    /// sender does not wait for it, and its clock is stale.
    pub regular: bool,
}

/// Data ahead of order, data in order that the sink has not taken yet, and acknowledgements owed.
///
/// Bound: `window` segments ahead of order and `window` segments in order; one acknowledgement a
/// segment ahead, one more, and those that leave again ([`Repeats`]). A segment costs the same however many are held.
#[derive(Debug)]
pub struct Receiver {
    window: u32,
    /// How much of it the peer may use, if that is found here.
    found: Option<ReceiveWindow>,
    next: Sn,
    /// Index 0 is `next`.
    ahead: VecDeque<Slot>,
    /// Slots of `ahead` that have data.
    stored: usize,
    /// In order, numbered below `next`, waiting for room in the sink.
    waiting: VecDeque<Vec<u8>>,
    acks: OwedAcks,
}

/// The place of a segment from `next` on.
#[derive(Debug, Default)]
struct Slot {
    /// `None` if the segment has not arrived.
    data: Option<Vec<u8>>,
    /// The newest clock of the segment, if it has to be acknowledged.
    owed: Option<Millis>,
}

/// Which segments to acknowledge, in the order in which they arrived: each that is ahead of order
/// once, with its newest clock, and the last of all. `una` covers the rest (kcptun wire, section 3.6
/// step 1).
#[derive(Debug, Default)]
struct OwedAcks {
    /// Segments whose slot says that they are owed; and some that `next` has passed since.
    order: VecDeque<Sn>,
    /// Slots that are owed.
    count: usize,
    /// The last segment that arrived.
    last: Option<OwedAck>,
    /// Those that have left, and leave twice more.
    repeats: Option<Repeats>,
}

impl Receiver {
    /// A receiver that takes up to `window` segments.
    ///
    /// One that `tunes_itself` finds how much of the window the peer may use. If the peer is blinktun, each
    /// acknowledgement of a segment ahead of order leaves twice more, with others: no `una` tells of it soon,
    /// so a lost one would have the segment sent again.
    pub fn new(window: u32, tunes_itself: bool) -> Receiver {
        Receiver {
            window,
            found: tunes_itself.then(|| ReceiveWindow::new(window)),
            next: Sn(0),
            ahead: VecDeque::new(),
            stored: 0,
            waiting: VecDeque::new(),
            acks: OwedAcks::default(),
        }
    }

    /// The number of the first segment that is missing (`una` for the peer).
    pub fn next(&self) -> Sn {
        self.next
    }

    /// The window to advertise, in segments.
    pub fn window(&self) -> u16 {
        let free = self.window.saturating_sub(self.waiting.len() as u32);
        // What waits here is not on the path.
        let told = self.found.as_ref().map_or(free, |found| {
            free.min(self.ahead.len() as u32 + found.size())
        });
        told.min(u16::MAX.into()) as u16
    }

    /// All of the window, in segments; `None` while the peer is told of less than that.
    pub fn whole_window(&self) -> Option<u32> {
        self.found.is_none().then_some(self.window)
    }

    /// The peer is blinktun. It does not flood the path, so it may use the whole window. It ignores what is
    /// acknowledged again, which other programs count as a sign of loss.
    pub fn trust_peer(&mut self) {
        if self.found.take().is_some() {
            self.acks.repeats = Some(Repeats::default());
        }
    }

    /// A segment has come by itself that left at the first clock, the peer's, and arrived at the second, ours.
    pub fn note_delay(
        &mut self,
        clocks: (Millis, Millis),
        round_trip: Option<Duration>,
        now: Time,
    ) {
        if let Some(found) = &mut self.found {
            found.note(clocks, round_trip, now);
        }
    }

    /// Whether `sn` can belong to a peer that obeys any window we ever advertised.
    pub fn plausible(&self, sn: Sn) -> bool {
        (-SLACK..self.window as i32 + SLACK).contains(&sn.diff(self.next))
    }

    /// Take one data segment. Returns the bytes of the stream that became deliverable.
    pub fn push<S: Sink + ?Sized>(
        &mut self,
        Arrival { sn, ts, regular }: Arrival,
        data: &[u8],
        sink: &mut S,
        pool: &mut Pool,
    ) -> Pushed {
        let offset = sn.diff(self.next);
        if offset >= self.window as i32 {
            return Pushed::Outside;
        }
        let slot = usize::try_from(offset).ok();
        let slot = slot.and_then(|offset| self.ahead.get(offset));
        let repeated = offset < 0 || slot.is_some_and(|slot| slot.data.is_some());
        if !repeated {
            self.take(offset as usize, data, sink, pool);
        }
        if regular || !repeated {
            self.owe(OwedAck { sn, ts });
        }
        if repeated {
            return Pushed::Repeated;
        }
        self.drain(sink, pool);
        Pushed::New
    }

    fn take<S: Sink + ?Sized>(
        &mut self,
        offset: usize,
        data: &[u8],
        sink: &mut S,
        pool: &mut Pool,
    ) {
        if offset == 0 && self.waiting.is_empty() && sink.has_room() {
            sink.deliver(data);
            self.next = self.next.plus(1);
            self.ahead.pop_front();
            return;
        }
        let mut copy = pool.take(data.len());
        copy.extend_from_slice(data);
        while self.ahead.len() <= offset {
            work::count(1);
            self.ahead.push_back(Slot::default());
        }
        self.ahead[offset].data = Some(copy);
        self.stored += 1;
    }

    /// Move what is in order to the sink, as far as it has room. Returns whether a full queue
    /// has opened, which the peer must be told.
    pub fn drain<S: Sink + ?Sized>(&mut self, sink: &mut S, pool: &mut Pool) -> bool {
        let was_full = self.window() == 0;
        loop {
            while sink.has_room()
                && let Some(data) = self.waiting.pop_front()
            {
                work::count(1);
                sink.deliver(&data);
                pool.give(data);
            }
            if !self.advance() {
                break;
            }
        }
        if self.ahead.is_empty() && self.ahead.capacity() > IDLE_CAPACITY {
            self.ahead = VecDeque::new();
        }
        was_full && self.window() > 0
    }

    /// Segments in order that wait for room in the sink.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether data in order waits for room in the sink.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Move segments that are in order now to `waiting`. Returns whether there was any.
    fn advance(&mut self) -> bool {
        let mut moved = false;
        while (self.waiting.len() as u32) < self.window
            && let Some(data) = self.ahead.front_mut().and_then(|slot| slot.data.take())
        {
            work::count(1);
            let slot = self.ahead.pop_front().unwrap_or_default();
            self.acks.count -= usize::from(slot.owed.is_some());
            self.stored -= 1;
            self.next = self.next.plus(1);
            self.waiting.push_back(data);
            moved = true;
        }
        moved
    }

    // --- acknowledgements -----------------------------------------------------------------

    /// How many acknowledgements must leave.
    pub fn owed_acks(&self) -> usize {
        let last_is_covered = self.acks.last.is_some_and(|ack| ack.sn.before(self.next));
        self.acks.count + usize::from(last_is_covered)
    }

    /// The next acknowledgement that must leave. It is owed no more.
    pub fn next_ack(&mut self) -> Option<OwedAck> {
        while let Some(sn) = self.acks.order.pop_front() {
            work::count(1);
            if let Some(ts) = self.slot(sn).and_then(|slot| slot.owed.take()) {
                self.acks.count -= 1;
                self.acks.last.take_if(|last| last.sn == sn);
                if let Some(repeats) = &mut self.acks.repeats {
                    repeats.add(OwedAck { sn, ts });
                }
                return Some(OwedAck { sn, ts });
            }
        }
        self.acks.last.take()
    }

    /// A datagram is written that acknowledges something.
    pub fn begin_acks(&mut self) {
        if let Some(repeats) = &mut self.acks.repeats {
            repeats.begin();
        }
    }

    /// An acknowledgement that has left before, and leaves once more.
    pub fn next_repeat(&mut self) -> Option<OwedAck> {
        self.acks.repeats.as_mut()?.next(self.next)
    }

    /// Remember an acknowledgement.
    fn owe(&mut self, ack: OwedAck) {
        self.acks.last = Some(ack);
        if let Some(slot) = self.slot(ack.sn)
            && slot.owed.replace(ack.ts).is_none()
        {
            self.acks.count += 1;
            self.acks.order.push_back(ack.sn);
        }
        // Two for each that is added: what `next` has passed cannot pile up.
        for _ in 0..2 {
            work::count(1);
            if self
                .acks
                .order
                .front()
                .is_some_and(|sn| sn.before(self.next))
            {
                self.acks.order.pop_front();
            }
        }
    }

    fn slot(&mut self, sn: Sn) -> Option<&mut Slot> {
        let offset = usize::try_from(sn.diff(self.next)).ok()?;
        self.ahead.get_mut(offset)
    }

    /// Set the first number, for tests of wrapping.
    pub fn start_at(&mut self, sn: Sn) {
        self.next = sn;
    }

    /// Segments held, in order or not: what this half costs.
    pub fn held(&self) -> usize {
        self.waiting.len() + self.stored
    }
}

/// What became of a data segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It was new.
    New,
    /// It had arrived before; it is acknowledged again unless FEC rebuilt it.
    Repeated,
    /// Beyond the window: neither stored nor acknowledged.
    Outside,
}

impl Pushed {
    /// Count it, unless the segment was recovered by FEC.
    pub fn count(self, regular: bool, stats: &mut Stats) {
        if regular && self != Pushed::New {
            stats.repeat_segs += 1;
        }
    }
}

/// How far beyond or behind its windows an honest peer's number may lie: the largest window.
pub const SLACK: i32 = 1 << 16;
/// A ring that once grew this large is given back when it falls empty.
const IDLE_CAPACITY: usize = 64;
