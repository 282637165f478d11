//! The receiving half: order, window, what to acknowledge.

use std::collections::VecDeque;

use super::pool::Pool;
use crate::stats::Stats;
use crate::wire::{Millis, Sn};

/// Where in-order data goes.
pub trait Sink {
    /// Whether data may be delivered now. While it may not, the window shrinks.
    fn has_room(&self) -> bool;
    /// Take the next bytes of the stream.
    fn deliver(&mut self, data: &[u8]);
    /// How many segments may be held that cannot be delivered yet, but for the one that all others
    /// wait for.
    fn hold_limit(&self) -> usize {
        usize::MAX
    }
}

/// An acknowledgement owed: which segment, and its clock to echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwedAck {
    /// The segment's number.
    pub sn: Sn,
    /// The segment's clock.
    pub ts: Millis,
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

/// Data ahead of order, data in order that nobody has taken yet, and acknowledgements owed.
///
/// Bound: `window` segments ahead of order and `window` segments in order.
#[derive(Debug)]
pub struct Receiver {
    window: u32,
    next: Sn,
    /// Index 0 is `next`. `None` where nothing has arrived.
    ahead: VecDeque<Option<Vec<u8>>>,
    /// In order, numbered below `next`, waiting for room in the sink.
    waiting: VecDeque<Vec<u8>>,
    acks: Vec<OwedAck>,
}

impl Receiver {
    /// A receiver that takes up to `window` segments.
    pub fn new(window: u32) -> Receiver {
        Receiver {
            window,
            next: Sn(0),
            ahead: VecDeque::new(),
            waiting: VecDeque::new(),
            acks: Vec::new(),
        }
    }

    /// The number of the first segment that is missing (`una` for the peer).
    pub fn next(&self) -> Sn {
        self.next
    }

    /// The window to advertise, in segments.
    pub fn window(&self) -> u16 {
        self.window
            .saturating_sub(self.waiting.len() as u32)
            .min(u16::MAX.into()) as u16
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
        let repeated = offset < 0 || self.ahead.get(offset as usize).is_some_and(Option::is_some);
        if !repeated && !self.may_hold(offset, sink.hold_limit()) {
            return Pushed::Outside;
        }
        if regular || !repeated {
            self.owe(OwedAck { sn, ts });
        }
        if repeated {
            return Pushed::Repeated;
        }
        if offset == 0 && self.waiting.is_empty() && sink.has_room() {
            sink.deliver(data);
            self.next = self.next.plus(1);
            self.ahead.pop_front();
        } else {
            let mut copy = pool.take(data.len());
            copy.extend_from_slice(data);
            self.store(offset as usize, copy);
        }
        self.drain(sink, pool);
        Pushed::New
    }

    /// Whether one more segment may be held. The one that all others wait for always may: refused,
    /// it would come again for ever, and nothing would move.
    fn may_hold(&self, offset: i32, limit: usize) -> bool {
        let is_awaited = offset == 0 && self.waiting.is_empty();
        // Counting what is held takes time; the lengths alone mostly tell.
        is_awaited || self.waiting.len() + self.ahead.len() < limit || self.held() < limit
    }

    /// Remember an acknowledgement. While none can leave, at most `MAX_ACKS` are kept: the peer
    /// repeats what it misses.
    fn owe(&mut self, ack: OwedAck) {
        if self.acks.len() >= MAX_ACKS && self.owed_acks().len() >= MAX_ACKS {
            return;
        }
        self.acks.push(ack);
    }

    /// Move what is in order to the sink, as far as it has room. Returns whether a full queue
    /// has opened, which the peer must be told.
    pub fn drain<S: Sink + ?Sized>(&mut self, sink: &mut S, pool: &mut Pool) -> bool {
        let was_full = self.waiting.len() as u32 >= self.window;
        loop {
            while sink.has_room()
                && let Some(data) = self.waiting.pop_front()
            {
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
        was_full && (self.waiting.len() as u32) < self.window
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
            && let Some(slot) = self.ahead.front_mut()
            && let Some(data) = slot.take()
        {
            self.ahead.pop_front();
            self.next = self.next.plus(1);
            self.waiting.push_back(data);
            moved = true;
        }
        moved
    }

    fn store(&mut self, offset: usize, data: Vec<u8>) {
        while self.ahead.len() <= offset {
            self.ahead.push_back(None);
        }
        self.ahead[offset] = Some(data);
    }

    /// The acknowledgements that must leave: of what is out of order, and the last of all.
    /// The rest is covered by `una` (kcptun wire, section 3.6 step 1).
    pub fn owed_acks(&mut self) -> &mut Vec<OwedAck> {
        if self.acks.len() > 1 {
            let (next, last) = (self.next, self.acks.len() - 1);
            let mut index = 0;
            self.acks.retain(|ack| {
                index += 1;
                index - 1 == last || !ack.sn.before(next)
            });
        }
        &mut self.acks
    }

    /// Set the first number, for tests of wrapping.
    pub fn start_at(&mut self, sn: Sn) {
        self.next = sn;
    }

    /// Segments held, in order or not: what this half costs.
    pub fn held(&self) -> usize {
        self.waiting.len() + self.ahead.iter().filter(|slot| slot.is_some()).count()
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
/// Acknowledgements owed at once: more than the datagrams that one turn can bring.
const MAX_ACKS: usize = 8192;
/// A ring that once grew this large is given back when it falls empty.
const IDLE_CAPACITY: usize = 64;
