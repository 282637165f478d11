//! The receiving half: order, window, what to acknowledge.

use std::collections::VecDeque;

use super::pool::Pool;
use super::promise::Promise;
use super::receive_window::ReceiveWindow;
pub use super::repeats::OwedAck;
use super::repeats::Repeats;
use crate::stats::Stats;
use crate::time::{Duration, Time};
use crate::wire::{Millis, Sn};
use crate::work;

/// Where in-order data goes.
pub trait Sink {
    /// Whether data may be delivered now, if up to `behind` more segments may come. While it may not, the
    /// window shrinks.
    fn has_room(&mut self, behind: usize) -> bool;
    /// Take the next bytes of the stream.
    fn deliver(&mut self, data: &[u8]);
    /// Whether all segments behind the one that was delivered last stand for themselves.
    fn has_switched(&self) -> bool {
        false
    }
    /// Whether an independent segment may be delivered that has overtaken others, if there is memory for `span`
    /// segments from the first that is missing, and up to `behind` more may come.
    fn has_room_ahead(&mut self, _span: usize, _behind: usize) -> bool {
        false
    }
    /// Take an independent segment.
    fn deliver_independent(&mut self, data: &[u8]) {
        self.deliver(data);
    }
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
/// Bound: with a fixed window so many segments ahead of order and as many in order, else what the peer was
/// told; one acknowledgement a segment ahead, one more, and those that leave again ([`Repeats`]). A segment
/// costs the same however many are held.
#[derive(Debug)]
pub struct Receiver {
    window: Window,
    next: Sn,
    /// Index 0 is `next`.
    ahead: VecDeque<Slot>,
    /// Slots of `ahead` that have data, and those whose data was delivered.
    stored: usize,
    delivered: usize,
    /// In order, numbered below `next`, waiting for room in the sink.
    waiting: VecDeque<(Sn, Vec<u8>)>,
    /// From this segment on each stands for itself.
    independent_from: Option<Sn>,
    /// Bytes in `ahead` and `waiting`.
    bytes: usize,
    acks: OwedAcks,
}

/// How many segments the peer may send.
#[derive(Debug)]
enum Window {
    /// So many, less what is in order and was not taken.
    Fixed(u32),
    /// As many as there is memory for, and at most so many.
    Granted {
        most: u32,
        promise: Promise,
        /// How many of them leave the path without a long queue, if the peer is no blinktun.
        found: Option<ReceiveWindow>,
    },
}

/// The place of a segment from `next` on.
#[derive(Debug, Default)]
struct Slot {
    content: Content,
    /// The newest clock of the segment, if it has to be acknowledged.
    owed: Option<Millis>,
}

/// What is in the place of a segment.
#[derive(Debug, Default)]
enum Content {
    /// It has not arrived.
    #[default]
    Missing,
    /// It has arrived.
    Data(Vec<u8>),
    /// It was delivered before its turn.
    Delivered,
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

impl Slot {
    fn has_arrived(&self) -> bool {
        !matches!(self.content, Content::Missing)
    }
}

impl Receiver {
    /// A receiver that takes up to `window` segments.
    ///
    /// One that `tunes_itself` takes as many of them as it is given room for. If the peer is blinktun, each
    /// acknowledgement of a segment ahead of order leaves twice more, with others: no `una` tells of it soon,
    /// so a lost one would have the segment sent again.
    pub fn new(window: u32, tunes_itself: bool) -> Receiver {
        Receiver {
            window: match tunes_itself {
                false => Window::Fixed(window),
                true => Window::Granted {
                    most: window,
                    promise: Promise::new(Sn(0)),
                    found: Some(ReceiveWindow::new(window)),
                },
            },
            next: Sn(0),
            ahead: VecDeque::new(),
            stored: 0,
            delivered: 0,
            waiting: VecDeque::new(),
            independent_from: None,
            bytes: 0,
            acks: OwedAcks::default(),
        }
    }

    /// The number of the first segment that is missing (`una` for the peer).
    pub fn next(&self) -> Sn {
        self.next
    }

    /// The window to advertise, in segments.
    pub fn window(&self) -> u16 {
        let told = match &self.window {
            Window::Fixed(window) => window.saturating_sub(self.waiting.len() as u32),
            Window::Granted { promise, found, .. } => {
                found.as_ref().map_or(promise.room, |found| {
                    // What waits here is not on the path.
                    promise.room.min(self.ahead.len() as u32 + found.size())
                })
            }
        };
        told.min(u16::MAX.into()) as u16
    }

    /// All of the window, in segments; `None` while the peer is told of less to keep the queue of its path short.
    pub fn whole_window(&self) -> Option<u32> {
        match &self.window {
            Window::Fixed(window) => Some(*window),
            Window::Granted { most, found, .. } => found.is_none().then_some(*most),
        }
    }

    /// The window to advertise in a datagram that leaves now; `sending` is the number that our next new segment
    /// gets.
    pub fn tell_window(&mut self, sending: Sn) -> u16 {
        let told = self.window();
        if let Window::Granted { promise, .. } = &mut self.window {
            promise.tell(self.next, told.into(), sending);
        }
        told
    }

    /// From now on there is memory for so many segments from the first that is missing. Returns whether
    /// a closed window has opened, which the peer must be told. A fixed window stays as it is.
    pub fn set_room(&mut self, segments: u32) -> bool {
        let was_full = self.window() == 0;
        if let Window::Granted { most, promise, .. } = &mut self.window {
            promise.room = segments.min(*most);
        }
        was_full && self.window() > 0
    }

    /// The peer has acknowledged all our segments before `una`.
    pub fn note_acknowledged(&mut self, una: Sn) {
        if let Window::Granted { promise, .. } = &mut self.window {
            promise.note_acknowledged(una);
        }
    }

    /// Segments that the peer may send, beside those that arrived in order.
    pub fn promised(&self) -> u32 {
        match &self.window {
            Window::Fixed(window) => *window,
            Window::Granted { promise, .. } => promise.segments(self.next),
        }
    }

    /// Segments from the first that is missing that were delivered before it.
    pub fn delivered(&self) -> usize {
        self.delivered
    }

    /// Segments that the peer may send and that were not delivered.
    pub fn expected(&self) -> usize {
        (self.promised() as usize).saturating_sub(self.delivered)
    }

    /// Segments that may come behind the next one that is delivered.
    pub fn behind(&self) -> usize {
        match &self.window {
            Window::Fixed(_) => 0,
            Window::Granted { .. } => (self.waiting.len() + self.expected()).saturating_sub(1),
        }
    }

    /// The peer is blinktun. It does not flood the path, so it may use the whole window. It ignores what is
    /// acknowledged again, which other programs count as a sign of loss.
    pub fn trust_peer(&mut self) {
        if let Window::Granted { found, .. } = &mut self.window
            && found.take().is_some()
        {
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
        if let Window::Granted {
            found: Some(found), ..
        } = &mut self.window
        {
            found.note(clocks, round_trip, now);
        }
    }

    /// Whether `sn` can belong to a peer that obeys any window we ever advertised.
    pub fn plausible(&self, sn: Sn) -> bool {
        (-SLACK..self.promised() as i32 + SLACK).contains(&sn.diff(self.next))
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
        if offset >= self.promised() as i32 {
            return Pushed::Outside;
        }
        let slot = usize::try_from(offset).ok();
        let slot = slot.and_then(|offset| self.ahead.get(offset));
        let repeated = offset < 0 || slot.is_some_and(Slot::has_arrived);
        if !repeated {
            self.take((sn, offset as usize), data, sink, pool);
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
        (sn, offset): (Sn, usize),
        data: &[u8],
        sink: &mut S,
        pool: &mut Pool,
    ) {
        if offset == 0 && self.waiting.is_empty() && sink.has_room(self.behind()) {
            self.next = self.next.plus(1);
            self.ahead.pop_front();
            return self.deliver(sn, data, sink);
        }
        while self.ahead.len() <= offset {
            work::count(1);
            self.ahead.push_back(Slot::default());
        }
        if offset > 0
            && self.is_independent(sn)
            && sink.has_room_ahead(self.ahead.len(), self.behind())
        {
            sink.deliver_independent(data);
            self.ahead[offset].content = Content::Delivered;
            self.delivered += 1;
            return;
        }
        let mut copy = pool.take(data.len());
        copy.extend_from_slice(data);
        self.ahead[offset].content = Content::Data(copy);
        self.stored += 1;
        self.bytes += data.len();
    }

    fn is_independent(&self, sn: Sn) -> bool {
        self.independent_from.is_some_and(|from| !sn.before(from))
    }

    /// Deliver the segment that is next in order.
    fn deliver<S: Sink + ?Sized>(&mut self, sn: Sn, data: &[u8], sink: &mut S) {
        if self.is_independent(sn) {
            return sink.deliver_independent(data);
        }
        sink.deliver(data);
        if sink.has_switched() {
            self.independent_from.get_or_insert(sn.plus(1));
        }
    }

    /// Move what is in order to the sink, as far as it has room. Returns whether a full queue
    /// has opened, which the peer must be told.
    pub fn drain<S: Sink + ?Sized>(&mut self, sink: &mut S, pool: &mut Pool) -> bool {
        let was_full = self.window() == 0;
        loop {
            while !self.waiting.is_empty()
                && sink.has_room(self.behind())
                && let Some((sn, data)) = self.waiting.pop_front()
            {
                work::count(1);
                self.bytes -= data.len();
                self.deliver(sn, &data, sink);
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

    /// Segments from the first that is missing to the last that has arrived.
    pub fn span(&self) -> usize {
        self.ahead.len()
    }

    /// Whether data in order waits for room in the sink.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Move segments that are in order now to `waiting`. Returns whether there was any.
    fn advance(&mut self) -> bool {
        let most = match &self.window {
            Window::Fixed(window) => *window as usize,
            Window::Granted { .. } => usize::MAX, // what is ahead was promised room already
        };
        let mut moved = false;
        while self.waiting.len() < most && self.ahead.front().is_some_and(Slot::has_arrived) {
            work::count(1);
            let slot = self.ahead.pop_front().unwrap_or_default();
            self.acks.count -= usize::from(slot.owed.is_some());
            let sn = self.next;
            self.next = self.next.plus(1);
            match slot.content {
                Content::Data(data) => {
                    self.stored -= 1;
                    self.waiting.push_back((sn, data));
                }
                Content::Delivered => self.delivered -= 1,
                Content::Missing => {}
            }
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
        if let Window::Granted { promise, .. } = &mut self.window {
            *promise = Promise::new(sn);
        }
    }

    /// Segments held, in order or not: what this half costs.
    pub fn held(&self) -> usize {
        self.waiting.len() + self.stored
    }

    /// Bytes of those segments.
    pub fn held_bytes(&self) -> usize {
        self.bytes
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
