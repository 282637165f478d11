//! What the sender knows of whether parity pays.

use super::{Next, Sender};
use crate::kcp::detection::Detection;
use crate::kcp::in_flight::Again;
use crate::path::Path;
use crate::time::{Duration, Time};

/// Somebody who has asked so long ago may ask again.
const ASKED: Duration = Duration::from_secs(10);

/// So many segments of requests in a row are worth parity: a copy of one costs less.
const RUN: usize = 2;

/// What leaves next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextUp {
    /// A segment that has not left yet.
    New,
    /// One that was lost. `is_awaited` says that a request waits behind it.
    Again {
        /// Somebody waits for it.
        is_awaited: bool,
    },
    /// A copy of one that may not be lost.
    Copy,
}

/// What decides whether parity pays.
#[derive(Clone, Copy, Debug)]
pub struct Outlook {
    /// What leaves next.
    pub next: NextUp,
    /// The share of transmissions that the path loses.
    pub loss: f64,
    /// What leaves in a round trip, in segments.
    pub flight: u32,
    /// The round trip.
    pub round_trip: Duration,
    /// Several segments leave next that somebody waits for, beside other data.
    pub is_run: bool,
    /// There are requests.
    pub is_asked: bool,
    /// The share of the payload that copies and parity may have.
    pub share: f64,
    /// Bytes that parity may have now.
    pub allowed: f64,
    /// Groups that have failed since the last time.
    pub failures: u32,
}

impl Sender {
    /// See [`crate::kcp::Kcp::outlook`].
    pub fn outlook(&mut self, path: &Path, now: Time) -> Option<Outlook> {
        let again = match self.next_up(path)? {
            Next::Again(index) => self.again.front().zip(self.buffer[index].queued),
            Next::New => None,
        };
        let Detection::Time(by) = &mut self.detection else {
            return None;
        };
        let next = match again {
            Some((_, Again::Copy)) => NextUp::Copy,
            Some((sn, _)) => NextUp::Again {
                is_awaited: by.copies.is_awaited(*sn),
            },
            None => NextUp::New,
        };
        Some(Outlook {
            next,
            loss: by.loss.share(),
            flight: self.in_flight.segments,
            is_run: next == NextUp::New
                && by.copies.may_be_parity(now)
                && self.queue.awaited(RUN) == RUN,
            round_trip: path.rtt.smoothed(),
            is_asked: by.copies.asked_within(ASKED, now),
            share: by.overhead.share(),
            allowed: by.overhead.allowed(),
            failures: by.coded.take_failures(),
        })
    }

    /// See [`crate::kcp::Kcp::set_group`].
    pub fn set_group(&mut self, group: Option<u32>) {
        if let Detection::Time(by) = &mut self.detection {
            by.coded.set_group(group);
        }
    }

    /// All data of the group has left.
    pub fn note_full_group(&mut self, now: Time) {
        if let Detection::Time(by) = &mut self.detection {
            by.coded.note_full(now);
        }
    }

    /// So many bytes of parity leave.
    pub fn note_parity(&mut self, bytes: usize) {
        if let Detection::Time(by) = &mut self.detection {
            by.overhead.spend(bytes);
        }
    }
}
