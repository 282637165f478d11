//! All flows of datagrams of a session: who may open one, whose turn it is, and how much they may hold.
//!
//! Datagrams leave in independent segments of their own, so that a lost one need not leave again. Flows have turns, a
//! segment each; the streams have half of the session while both have something to send.

use std::collections::VecDeque;

use super::assembly::{Assembly, Part};
use super::flow::{Class, Flow, FlowId, MAX_DATAGRAM, MAX_LABEL, cost};
use super::independent::Writer;
use super::opened::OpenedIds;
use super::table::{Table, hasher};
use super::{Event, FlowError, Role};
use crate::time::{Duration, Time};
use crate::work;

/// All flows together hold at most so many bytes that leave, and as many that have come.
const HELD: usize = 4 << 20;
/// A datagram that is not reliable is given up so long after its first part has come.
const LIFETIME: Duration = Duration::from_secs(3);
/// So many numbers of flows that have ended may stay in line.
const IN_LINE: usize = 64;
/// So many ends may wait to be told.
const ENDS: usize = 4096;
/// Datagrams may leave before streams while they have sent so many bytes more, or so many less.
const AHEAD: i64 = 16 << 10;

/// Datagrams of a session, as they were counted since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatagramCounts {
    /// Those that have left.
    pub sent: u64,
    /// Those that have come.
    pub received: u64,
    /// Those that were given up here: nobody took them, or they could not leave in time.
    pub dropped: u64,
}

/// A datagram as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived<'a> {
    pub(super) class: Class,
    pub(super) label: &'a [u8],
    pub(super) part: Option<Part>,
    pub(super) data: &'a [u8],
}

/// The flows of a session.
///
/// Bounds: `most` flows; [`HELD`] bytes each way, and beyond these one datagram that leaves of each reliable flow;
/// [`ENDS`] numbers.
#[derive(Debug)]
pub(super) struct Flows {
    table: Table<Flow>,
    most: usize,
    last_id: u32,
    /// Those with something to send, in turn.
    line: VecDeque<u32>,
    /// Those of which the peer must be told that they have ended.
    ends: VecDeque<u32>,
    /// The peer's flows that have come.
    opened: OpenedIds,
    /// Bytes that wait to leave.
    unsent: usize,
    /// Bytes of whole datagrams that wait to be taken.
    unread: usize,
    /// Datagrams of which parts have come, and reliable ones.
    partial: Assembly,
    partial_reliable: Assembly,
    /// What datagrams have sent more than streams, while both had something to send.
    ahead: i64,
    /// When the first datagram could leave.
    open_since: Option<Time>,
    pub(super) counts: DatagramCounts,
}

impl Flows {
    /// At most `most` flows.
    pub(super) fn new(role: Role, most: usize, seed: u64) -> Flows {
        Flows {
            table: Table::with_hasher(hasher(seed)),
            most,
            last_id: match role {
                Role::Client => 1,
                Role::Server => 0,
            },
            line: VecDeque::new(),
            ends: VecDeque::new(),
            opened: OpenedIds::new(role),
            unsent: 0,
            unread: 0,
            partial: Assembly::new(Some(LIFETIME)),
            partial_reliable: Assembly::new(None),
            ahead: 0,
            open_since: None,
            counts: DatagramCounts::default(),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Bytes of all datagrams that wait.
    pub(super) fn held(&self) -> usize {
        self.unsent + self.received()
    }

    /// Bytes of all datagrams that have come and wait.
    fn received(&self) -> usize {
        self.unread + self.partial.cost() + self.partial_reliable.cost()
    }

    /// Their numbers, in no order.
    pub(super) fn ids(&self) -> impl Iterator<Item = FlowId> {
        self.table.keys().copied().map(FlowId)
    }

    /// Whether there is something to send.
    pub(super) fn is_waiting(&self) -> bool {
        !self.line.is_empty() || !self.ends.is_empty()
    }

    // --- the owner ------------------------------------------------------------------------

    /// Open a flow.
    pub(super) fn open(&mut self, label: &[u8], class: Class) -> Result<FlowId, FlowError> {
        if label.len() > MAX_LABEL {
            return Err(FlowError::Label);
        }
        if self.table.len() >= self.most {
            return Err(FlowError::TooMany);
        }
        let id = self.last_id.checked_add(2).ok_or(FlowError::Exhausted)?;
        self.last_id = id;
        self.table.insert(id, Flow::new(label, true, class));
        Ok(FlowId(id))
    }

    /// What its opener says of a flow.
    pub(super) fn label(&self, id: FlowId) -> Option<&[u8]> {
        Some(&self.table.get(&id.0)?.label)
    }

    /// What is done for the datagrams that we send.
    pub(super) fn class(&self, id: FlowId) -> Option<Class> {
        Some(self.table.get(&id.0)?.class)
    }

    /// Queue a datagram; returns whether it was taken. If there is no room, the oldest that waits gives way, but for
    /// a reliable one, which is not taken then: an event follows when it may be tried again.
    pub(super) fn send(&mut self, id: FlowId, data: &[u8], now: Time) -> Result<bool, FlowError> {
        if data.len() > MAX_DATAGRAM {
            return Err(FlowError::Length(data.len()));
        }
        let flow = self.table.get_mut(&id.0).ok_or(FlowError::Unknown)?;
        let of_others = self.unsent - flow.unsent.bytes();
        let is_reliable = flow.class == Class::Reliable;
        while !flow.unsent.has_room(data.len())
            || of_others + flow.unsent.bytes() + data.len() > HELD
        {
            if is_reliable && flow.unsent.is_empty() {
                break;
            }
            if is_reliable {
                flow.is_blocked = true;
                return Ok(false);
            }
            self.counts.dropped += 1;
            if flow.pop_unsent().is_none() {
                return Ok(true); // others hold all that there is
            }
            self.unsent = of_others + flow.unsent.bytes();
        }
        flow.unsent.push(data.to_vec(), now);
        self.unsent = of_others + flow.unsent.bytes();
        if !core::mem::replace(&mut flow.is_in_line, true) {
            self.line.push_back(id.0);
        }
        Ok(true)
    }

    /// The oldest datagram that has come.
    pub(super) fn first(&self, id: FlowId) -> Option<&[u8]> {
        let (_, data) = self.table.get(&id.0)?.unread.first()?;
        Some(data)
    }

    /// Take the oldest datagram that has come.
    pub(super) fn take(&mut self, id: FlowId) -> Option<Vec<u8>> {
        let flow = self.table.get_mut(&id.0)?;
        let data = flow.unread.pop()?;
        self.unread -= cost(&data);
        Some(data)
    }

    /// An event that said that there is something to take has been taken itself.
    pub(super) fn note_announced(&mut self, id: FlowId) {
        if let Some(flow) = self.table.get_mut(&id.0) {
            flow.is_announced = false;
        }
    }

    /// End a flow: what waits is given up, and the peer is told.
    pub(super) fn end(&mut self, id: FlowId) {
        if self.forget(id.0) && self.ends.len() < ENDS {
            self.ends.push_back(id.0);
        }
    }

    fn forget(&mut self, id: u32) -> bool {
        let Some(flow) = self.table.remove(&id) else {
            return false;
        };
        self.unsent -= flow.unsent.bytes();
        self.unread -= flow.unread.bytes();
        self.partial.forget(id);
        self.partial_reliable.forget(id);
        // A number that stays in line is passed over in its turn, which may be far.
        if self.line.len() > 2 * self.table.len() + IN_LINE {
            self.line.retain(|id| self.table.contains_key(id));
        }
        true
    }

    /// Act on the clock: give up parts of datagrams that are too old.
    pub(super) fn handle_timeout(&mut self, now: Time) {
        self.counts.dropped += self.partial.expire(now);
    }

    // --- from the wire --------------------------------------------------------------------

    /// A datagram, or a part of one, has come for a flow, and opens it if it is the first.
    pub(super) fn receive(
        &mut self,
        id: u32,
        arrived: Arrived<'_>,
        now: Time,
        events: &mut VecDeque<Event>,
    ) {
        work::count(1);
        if !self.table.contains_key(&id) && !self.open_theirs(id, &arrived, events) {
            self.counts.dropped += 1;
            return;
        }
        let Some(flow) = self.table.get_mut(&id) else {
            return;
        };
        let is_reliable = arrived.class == Class::Reliable;
        let data = match arrived.part {
            None => Some(arrived.data.to_vec()),
            Some(part) => {
                let assembly = match is_reliable {
                    true => &mut self.partial_reliable,
                    false => &mut self.partial,
                };
                let assembled = assembly.add(id, part, arrived.data, now);
                self.counts.dropped += assembled.dropped;
                let is_new = |_: &Vec<u8>| !is_reliable || flow.seen.note(part.number);
                assembled.complete.filter(is_new)
            }
        };
        if let Some(data) = data {
            self.counts.received += 1;
            while !flow.unread.has_room(data.len()) {
                self.unread -= flow.unread.pop().as_deref().map_or(0, cost); // the newest are worth most
                self.counts.dropped += 1;
            }
            self.unread += cost(&data);
            flow.unread.push(data, now);
            if !core::mem::replace(&mut flow.is_announced, true) {
                events.push_back(Event::DatagramsReadable(FlowId(id)));
            }
        }
        while self.received() > HELD && self.give_up(id) {
            self.counts.dropped += 1;
        }
    }

    /// Give up a datagram to make room: an incomplete one of any flow, else the oldest of this flow.
    fn give_up(&mut self, id: u32) -> bool {
        if self.partial.drop_oldest() {
            return true;
        }
        let unread = self.table.get_mut(&id).and_then(|it| it.unread.pop());
        match unread {
            Some(data) => {
                self.unread -= cost(&data);
                true
            }
            None => self.partial_reliable.drop_oldest(),
        }
    }

    /// Open a flow of the peer; `false`: it is ours, has ended, or is one too many.
    fn open_theirs(
        &mut self,
        id: u32,
        arrived: &Arrived<'_>,
        events: &mut VecDeque<Event>,
    ) -> bool {
        if self.table.len() >= self.most || !self.opened.note(id) {
            return false; // if there are too many, a later datagram may open it
        }
        let flow = Flow::new(arrived.label, false, arrived.class);
        self.table.insert(id, flow);
        events.push_back(Event::FlowOpened(FlowId(id)));
        true
    }

    /// The peer has ended a flow. Its datagrams may come later, even the first.
    pub(super) fn on_end(&mut self, id: u32, events: &mut VecDeque<Event>) {
        self.opened.note(id);
        if self.forget(id) {
            events.push_back(Event::FlowEnded(FlowId(id)));
        }
    }

    /// The peer takes no datagrams: all flows have ended.
    pub(super) fn abandon(&mut self, events: &mut VecDeque<Event>) {
        let ids: Vec<u32> = self.table.keys().copied().collect();
        for id in ids {
            self.on_end(id, events);
        }
        self.line.clear();
        self.ends.clear();
    }

    // --- to the wire ----------------------------------------------------------------------

    /// Whether datagrams leave before streams, which have something to send if `streams_wait`.
    pub(super) fn go_first(&self, streams_wait: bool) -> bool {
        self.is_waiting() && (!streams_wait || self.ahead < AHEAD)
    }

    /// Streams have sent so many bytes.
    pub(super) fn note_streams(&mut self, bytes: usize) {
        if self.is_waiting() {
            self.ahead = (self.ahead - bytes as i64).max(-AHEAD);
        }
    }

    /// Fill a segment with datagrams of one class, or with ends. Returns the class; `None` if there was nothing.
    pub(super) fn transmit(
        &mut self,
        frames: &mut Writer<'_>,
        streams_wait: bool,
        now: Time,
        events: &mut VecDeque<Event>,
    ) -> Option<Class> {
        let open = *self.open_since.get_or_insert(now);
        let start = frames.position();
        while let Some(&id) = self.ends.front()
            && frames.end(id)
        {
            self.ends.pop_front();
        }
        let mut class = (frames.position() > start).then_some(Class::Reliable);
        while let Some(&id) = self.line.front() {
            work::count(1);
            let Some(flow) = self.table.get_mut(&id) else {
                self.line.pop_front();
                continue;
            };
            if class.is_some_and(|class| class != flow.class) {
                break;
            }
            let of_others = self.unsent - flow.unsent.bytes();
            self.counts.dropped += flow.drop_late(open, now);
            let any = write(id, flow, class.is_none(), frames, &mut self.counts);
            self.unsent = of_others + flow.unsent.bytes();
            if flow.is_blocked && flow.unsent.is_half_empty() {
                flow.is_blocked = false;
                events.push_back(Event::DatagramsWritable(FlowId(id)));
            }
            if any {
                class = Some(flow.class);
            }
            if flow.unsent.is_empty() {
                flow.is_in_line = false;
                self.line.pop_front();
            } else if any {
                self.line.rotate_left(1);
            } else if class.is_none() {
                // Not even a part of it fits into a segment: its label is too long for this MTU.
                flow.pop_unsent();
                self.unsent = of_others + flow.unsent.bytes();
                self.counts.dropped += 1;
            } else {
                break; // nothing more fits
            }
        }
        let sent = frames.position() - start;
        self.ahead = match streams_wait {
            true => (self.ahead + sent as i64).min(AHEAD),
            false => 0,
        };
        class
    }
}

/// Write as many datagrams of a flow as fit; of one that fits into no segment, a part. Returns whether any was
/// written.
fn write(
    id: u32,
    flow: &mut Flow,
    is_empty: bool,
    frames: &mut Writer<'_>,
    counts: &mut DatagramCounts,
) -> bool {
    let mut any = false;
    while let Some((_, data)) = flow.unsent.first() {
        work::count(1);
        let label: &[u8] = if flow.is_ours { &flow.label } else { &[] };
        let rest = &data[flow.begun.min(data.len())..];
        let header = (id, flow.class, label);
        let is_numbered = flow.begun > 0 || flow.class == Class::Reliable;
        if !is_numbered && frames.datagram(header, None, rest) {
            any = true;
            counts.sent += 1;
            flow.pop_unsent();
            continue;
        }
        // A part of one that could leave whole would only fill the segment up.
        let may_begin = is_numbered || (is_empty && !any);
        if !may_begin {
            return any;
        }
        let part = Part {
            number: flow.next_number,
            offset: flow.begun as u16,
            whole: data.len() as u16,
        };
        let fitting = frames.part_room(header).min(rest.len());
        let fills = fitting > 0 && is_empty && !any;
        if !(fitting == rest.len() || fills)
            || !frames.datagram(header, Some(part), &rest[..fitting])
        {
            return any;
        }
        any = true;
        flow.begun += fitting;
        if flow.begun >= data.len() {
            counts.sent += 1;
            flow.begun = flow.begun.max(1); // its number is used
            flow.pop_unsent();
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_that_end_before_their_turn_leave_nothing_behind() {
        let mut flows = Flows::new(Role::Client, 4, 1);
        for _ in 0..10_000 {
            let flow = flows.open(b"", Class::Plain).expect("room");
            assert_eq!(flows.send(flow, b"x", Time::ZERO), Ok(true));
            flows.end(flow);
            assert!(flows.line.len() <= IN_LINE + 1 && flows.ends.len() <= ENDS);
            assert_eq!(flows.held(), 0);
        }
    }
}
