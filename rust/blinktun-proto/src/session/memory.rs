//! What a session holds for its peer, and how much of that it lets come.
//!
//! A session that tunes itself has as much memory as its streams need: what has come and waits, and eight times
//! what they read in a round trip. So neither a sender that doubles its rate from one to the next is held up,
//! nor one whose segments are lost twice or three times while all that follows waits for them. The window that
//! the peer is told is the free part of it (dynamic right-sizing, as receivers of TCP do it). A session that
//! begins, or that is not used, has a little of what is left in the budget.

use core::cmp::Reverse;
use std::net::IpAddr;

use super::config::MAX_MTU;
use crate::memory::{Account, LEAST, Wanted};
use crate::path::network;
use crate::recovery::windowed_min::WindowedMin;
use crate::time::{Duration, Time};

/// What a segment may hold, in bytes.
pub(super) const SEGMENT: usize = MAX_MTU;
const _: () = assert!(LEAST >= crate::kcp::LEAST_WINDOW as usize * SEGMENT);
/// What a session begins with and keeps while it is not used, in bytes.
const MODEST: usize = 1 << 20;
/// If less is left: this part of it.
const MODEST_SHARE: usize = 128;
/// There is room for so many times what was read in a round trip. With 4, a path of 280 ms that loses 3 % got
/// 4 % less.
const GROWTH: usize = 8;
/// The window of a stream, which counts what waits for other data as well, is at most so many times that.
const STREAM: usize = 4;
/// What was read in a round trip counts for half of this time at least.
const MEMORY: Duration = Duration::from_secs(30);
/// The shortest round trip that is measured.
const LEAST_ROUND: Duration = Duration::from_millis(5);
/// A window has at most so many segments on the wire.
const MOST: usize = u16::MAX as usize * SEGMENT;
/// A session that cannot work because nothing is left looks again after this.
const RETRY: Duration = Duration::from_millis(250);

/// The account of a session, and what it wants to have in it. With fixed windows nothing is in it.
#[derive(Debug)]
pub(super) struct ReceiveMemory {
    account: Account,
    reading: Reading,
    /// When to look again whether there is more.
    retry: Option<Time>,
    /// The segments that fit into the account, if it has less than the session wants.
    short: Option<u32>,
}

/// What the receiving side of a session looks like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Bytes that streams have not read.
    pub(super) unread: usize,
    /// Segments in order that wait for room in the streams.
    pub(super) waiting: usize,
    /// Segments beyond these, up to the last that has come.
    pub(super) ahead: usize,
    /// Segments beyond those in order that the peer may send, without those that were delivered.
    pub(super) promised: usize,
    /// Bytes of those that were delivered and wait for missing ones.
    pub(super) in_gaps: usize,
    /// Segments that were delivered ahead of order.
    pub(super) delivered: usize,
    /// Whether what is unread must not stop the rest of what comes.
    pub(super) is_shared: bool,
}

impl Seen {
    /// Bytes that have come in order.
    fn parked(&self) -> usize {
        self.unread + self.waiting * SEGMENT
    }
}

/// What an update gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Given {
    /// For this many bytes there is memory.
    pub(super) granted: usize,
    /// For so many there could be.
    pub(super) could_have: usize,
    /// What a stream could use.
    pub(super) stream: usize,
    /// What is read in a round trip.
    pub(super) read: usize,
    /// Segments that the peer may send.
    pub(super) window: u32,
}

impl ReceiveMemory {
    /// An account with nothing in it yet.
    pub(super) fn new(account: Account, now: Time) -> ReceiveMemory {
        ReceiveMemory {
            account,
            reading: Reading::new(now),
            retry: None,
            short: None,
        }
    }

    /// When the session has to look again.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.retry
    }

    /// The segments that the session has room for, if others have the memory that it wants as well.
    pub(super) fn short(&self) -> Option<u32> {
        self.short
    }

    /// The peer is at another address.
    pub(super) fn move_to(&mut self, source: IpAddr) {
        self.account.move_to(network(source));
    }

    /// The session holds so many bytes.
    pub(super) fn note_held(&mut self, bytes: usize) {
        self.account.note_held(bytes);
    }

    /// The streams have read so many bytes since the session began.
    pub(super) fn note_read(&mut self, bytes: u64, round_trip: Duration, now: Time) {
        self.reading.note(bytes, round_trip, now);
    }

    /// Have as much as the streams need now.
    pub(super) fn update(&mut self, seen: Seen, now: Time) -> Given {
        let parked = seen.parked();
        let modest = (self.account.left() / MODEST_SHARE).clamp(LEAST, MODEST);
        let needed = self.reading.most().saturating_mul(GROWTH);
        let needed = needed.clamp(modest, MOST);
        // What has come ahead of order is not on the path any more.
        let wide = needed + seen.ahead * SEGMENT;
        let all = match seen.is_shared {
            true => wide + parked,
            false => wide,
        };
        let wanted = Wanted {
            kept: parked + seen.in_gaps + seen.promised * SEGMENT,
            all,
        };
        let granted = self.account.resize(wanted);
        let free = granted.saturating_sub(parked + seen.in_gaps).min(wide);
        let window = (free / SEGMENT + seen.delivered).min(wide / SEGMENT) as u32;
        self.short = (granted < all).then_some((granted / SEGMENT) as u32);
        let is_stuck = self.short.is_some() && (window == 0 || granted < LEAST);
        self.retry = is_stuck.then_some(now + RETRY);
        Given {
            granted,
            could_have: self.account.left(),
            stream: STREAM * needed,
            read: self.reading.most(),
            window,
        }
    }
}

/// How much is read in a round trip.
#[derive(Debug)]
struct Reading {
    began: Time,
    read_before: u64,
    most: WindowedMin<Reverse<usize>>,
}

impl Reading {
    fn new(now: Time) -> Reading {
        Reading {
            began: now,
            read_before: 0,
            most: WindowedMin::new(MEMORY),
        }
    }

    /// So many bytes were read since the session began.
    fn note(&mut self, read: u64, round_trip: Duration, now: Time) {
        let (took, round_trip) = (now.since(self.began), round_trip.max(LEAST_ROUND));
        if took < round_trip {
            return;
        }
        let bytes = (read - self.read_before) as f64;
        let in_a_round = bytes * round_trip.as_secs_f64() / took.as_secs_f64();
        self.most.add(Reverse(in_a_round as usize), now);
        (self.began, self.read_before) = (now, read);
    }

    /// The most of the last rounds, in bytes.
    fn most(&self) -> usize {
        self.most.get().map_or(0, |most| most.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Budget, DEFAULT_BOUND};

    const SECOND: Duration = Duration::from_secs(1);

    fn seen(unread: usize, is_shared: bool) -> Seen {
        Seen {
            unread,
            waiting: 0,
            ahead: 0,
            promised: 0,
            in_gaps: 0,
            delivered: 0,
            is_shared,
        }
    }

    fn memory(bound: usize) -> ReceiveMemory {
        ReceiveMemory::new(Budget::new(bound).open(None), Time::ZERO)
    }

    /// One whose streams read so many bytes in each round trip of 100 ms.
    fn reading(bytes: u64) -> ReceiveMemory {
        let mut memory = memory(DEFAULT_BOUND);
        for round in 1..=10 {
            let now = Time::from_millis(round * 100);
            memory.reading.note(round * bytes, SECOND / 10, now);
        }
        memory
    }

    #[test]
    fn the_window_has_room_for_what_is_read_and_no_more_than_the_wire_can_say() {
        let now = Time::from_millis(1000);
        let window = |bytes| reading(bytes).update(seen(0, true), now).window;
        assert_eq!(window(0), (MODEST / SEGMENT) as u32);
        assert_eq!(window(1_500_000), 8000);
        assert!(window(u64::from(u32::MAX)) <= u16::MAX.into());
    }

    #[test]
    fn what_was_read_is_forgotten_after_a_while() {
        let mut memory = reading(1_500_000);
        for second in 2..=60 {
            let now = Time::ZERO + SECOND * second;
            memory.reading.note(15_000_000, SECOND / 10, now);
            let is_remembered = memory.update(seen(0, true), now).window == 8000;
            match second {
                ..=16 => assert!(is_remembered, "{second}"),
                32.. => assert!(!is_remembered, "{second}"),
                _ => {}
            }
        }
    }

    #[test]
    fn what_waits_unread_closes_the_window_unless_others_would_wait_for_it() {
        let now = Time::ZERO;
        let update = |unread, is_shared| memory(DEFAULT_BOUND).update(seen(unread, is_shared), now);
        assert_eq!(update(MODEST, false).window, 0);
        assert_eq!(update(MODEST - SEGMENT, false).window, 1);
        assert_eq!(
            update(MODEST, true),
            Given {
                granted: 2 * MODEST,
                ..update(0, true)
            }
        );
    }

    #[test]
    fn one_for_which_nothing_is_left_looks_again() {
        let mut memory = memory(LEAST / 2);
        let given = memory.update(seen(0, true), Time::ZERO);
        assert_eq!((given.granted, given.window), (LEAST / 2, 16));
        assert_eq!(memory.short(), Some(16));
        assert_eq!(memory.next_timeout(), Some(Time::ZERO + RETRY));
        let mut memory = reading(1);
        memory.update(seen(0, true), Time::ZERO);
        assert_eq!((memory.next_timeout(), memory.short()), (None, None));
    }

    #[test]
    fn what_is_delivered_ahead_of_order_counts_once() {
        let mut memory = memory(DEFAULT_BOUND);
        let promised = 400;
        let in_order = Seen {
            promised,
            ..seen(0, true)
        };
        let window = memory.update(in_order, Time::ZERO).window;
        // A hundred segments have come ahead: half are unread, half wait for missing bytes.
        let ahead = Seen {
            ahead: 101,
            promised: promised - 100,
            in_gaps: 50 * SEGMENT,
            delivered: 100,
            ..seen(50 * SEGMENT, true)
        };
        let given = memory.update(ahead, Time::ZERO);
        assert_eq!(given.window, window + 101, "{given:?}");
        assert!(given.granted >= 100 * SEGMENT + (promised - 100) * SEGMENT);
    }
}
