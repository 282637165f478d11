//! One flow of datagrams: what waits to leave, and what waits to be taken.

use std::collections::VecDeque;

use super::seen::Seen;
use crate::time::{Duration, Time};

/// The number of a flow within its session. The client's are odd, the server's even; each is used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u32);

/// What is done for a datagram that the path may lose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Class {
    /// Nothing: it is lost rather than late.
    #[default]
    Plain,
    /// Copies leave at once, as many as the loss asks for.
    Protected,
    /// It leaves until it has arrived, in no order.
    Reliable,
}

impl Class {
    /// All of them, by their numbers on the wire.
    pub const ALL: [Class; 3] = [Class::Plain, Class::Protected, Class::Reliable];

    /// Its number on the wire.
    pub(super) fn number(self) -> u8 {
        match self {
            Class::Plain => 0,
            Class::Protected => 1,
            Class::Reliable => 2,
        }
    }
}

/// A datagram has at most so many bytes: what UDP carries.
pub const MAX_DATAGRAM: usize = 65507;
/// What a flow says of itself with each datagram has at most so many bytes.
pub const MAX_LABEL: usize = 255;

/// One queue of a flow holds at most so many bytes, or one datagram that is longer.
const QUEUE: usize = 256 << 10;
/// What a datagram counts beside its bytes.
const EACH: usize = 64;
/// The bytes that a datagram counts.
pub(super) fn cost(data: &[u8]) -> usize {
    data.len() + EACH
}

/// One that is not reliable leaves within this time, or not at all.
const LATEST: Duration = Duration::from_secs(1);

/// Datagrams in the order in which they came.
///
/// Bound: [`QUEUE`] bytes, [`EACH`] for a datagram included.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    waiting: VecDeque<(Time, Vec<u8>)>,
    bytes: usize,
}

impl Datagrams {
    /// The bytes that it counts.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether one of so many bytes fits without another that must go.
    pub(super) fn has_room(&self, len: usize) -> bool {
        self.is_empty() || self.bytes + len + EACH <= QUEUE
    }

    /// Whether much more would fit.
    pub(super) fn is_half_empty(&self) -> bool {
        self.bytes <= QUEUE / 2
    }

    /// Append one.
    pub(super) fn push(&mut self, data: Vec<u8>, now: Time) {
        self.bytes += cost(&data);
        self.waiting.push_back((now, data));
    }

    /// The oldest, and when it came.
    pub(super) fn first(&self) -> Option<(Time, &[u8])> {
        let (at, data) = self.waiting.front()?;
        Some((*at, data))
    }

    /// Take the oldest.
    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        let (_, data) = self.waiting.pop_front()?;
        self.bytes -= cost(&data);
        Some(data)
    }
}

/// One flow.
#[derive(Debug)]
pub(super) struct Flow {
    /// What its opener says of it, with each datagram.
    pub(super) label: Box<[u8]>,
    pub(super) is_ours: bool,
    /// That of what we send.
    pub(super) class: Class,
    pub(super) unsent: Datagrams,
    pub(super) unread: Datagrams,
    /// The numbers of the reliable datagrams that have come.
    pub(super) seen: Seen,
    /// How many bytes of the first one that is unsent have left, in parts.
    pub(super) begun: usize,
    /// The number of the next datagram that has one.
    pub(super) next_number: u32,
    /// It stands in line to send.
    pub(super) is_in_line: bool,
    /// Somebody waits until it takes more.
    pub(super) is_blocked: bool,
    /// An event that says that there is something to read has not been taken.
    pub(super) is_announced: bool,
}

impl Flow {
    /// A flow without datagrams.
    pub(super) fn new(label: &[u8], is_ours: bool, class: Class) -> Flow {
        Flow {
            label: label.into(),
            is_ours,
            class,
            unsent: Datagrams::default(),
            unread: Datagrams::default(),
            seen: Seen::default(),
            begun: 0,
            next_number: 0,
            is_in_line: false,
            is_blocked: false,
            is_announced: false,
        }
    }

    /// Take the oldest datagram that has not left; none of it leaves any more.
    pub(super) fn pop_unsent(&mut self) -> Option<Vec<u8>> {
        if core::mem::take(&mut self.begun) > 0 {
            self.next_number = self.next_number.wrapping_add(1);
        }
        self.unsent.pop()
    }

    /// Give up what has waited too long since it came, or since `open`; returns how many.
    pub(super) fn drop_late(&mut self, open: Time, now: Time) -> u64 {
        let mut dropped = 0;
        while self.class != Class::Reliable
            && let Some((at, _)) = self.unsent.first()
            && now.since(at.max(open)) > LATEST
        {
            self.pop_unsent();
            dropped += 1;
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_has_room_for_one_at_least() {
        let mut queue = Datagrams::default();
        assert!(queue.has_room(QUEUE));
        queue.push(vec![0; QUEUE], Time::ZERO);
        assert!(!queue.has_room(0));
        assert_eq!(queue.pop().map(|it| it.len()), Some(QUEUE));
        assert_eq!((queue.bytes(), queue.is_empty()), (0, true));
    }

    #[test]
    fn only_what_is_reliable_waits_for_ever() {
        for class in Class::ALL {
            let mut flow = Flow::new(b"", true, class);
            for second in 0..3 {
                flow.unsent.push(vec![1], Time::from_millis(second * 1000));
            }
            let now = Time::from_millis(2500);
            let late = if class == Class::Reliable { 0 } else { 2 };
            assert_eq!(flow.drop_late(Time::from_millis(1600), now), 0, "{class:?}");
            assert_eq!(flow.drop_late(Time::ZERO, now), late, "{class:?}");
        }
    }
}
