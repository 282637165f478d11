//! Conversations whose source has not yet proved that it receives what we send.
//!
//! Anyone can put a foreign source address on a datagram. So an opening is answered with one small
//! datagram (smux's hello, sent with a `ts` that only the true owner of the address can echo), and
//! kept as an [`Embryo`] of at most 1 KB until the echo comes.
//!
//! Nothing is acknowledged before: so the opening comes again and again, and brings each time what
//! may have been lost, the answer or the proof or the embryo.

use std::collections::{HashMap, VecDeque};

use ahash::RandomState;

use super::directory::Key;
use crate::fec::{self, PacketKind};
use crate::kcp::segment::{ACK, HEADER, PUSH, Segment, Segments};
use crate::time::{Duration, Time};
use crate::wire::{Millis, Sn};

/// So much of an opening is kept, in bytes: whole segments from the first, which must fit.
pub const MAX_OPENING: usize = 512;
/// The most embryos at once: with their keys about 3 MB. The oldest makes room.
pub const MAX_EMBRYOS: usize = 4096;
/// How long an embryo may wait for its proof.
pub const EMBRYO_LIFE: Duration = Duration::from_secs(5);

/// An embryo is answered again, if its source goes on sending, after this time.
const ANSWER_EVERY: Duration = Duration::from_millis(200);

/// An opening that waits for proof.
#[derive(Debug)]
pub struct Embryo {
    /// The segments of the opening, to be given to a session once proved.
    pub opening: Vec<u8>,
    /// The clock offset whose echo is the proof.
    pub clock_offset: u32,
    /// When it arrived: the session is made as if then.
    pub born: Time,
    /// When it was answered last. It can be once the opening holds a whole frame, which a Go program
    /// with compression cuts over two datagrams; from then on it stays as it is, like the answer.
    pub answered: Option<Time>,
}

impl Embryo {
    /// One without opening, whose session will count time from `clock_offset`.
    pub fn new(clock_offset: u32, now: Time) -> Embryo {
        Embryo {
            opening: Vec::new(),
            clock_offset,
            born: now,
            answered: None,
        }
    }

    /// Add what `payload` of conversation `conv` brings to the opening, in order and as far as there
    /// is room. Returns whether it brings anything.
    pub fn absorb(&mut self, payload: &[u8], conv: u32) -> bool {
        let before = self.opening.len();
        let mut next = Sn(Segments::new(&self.opening, conv).count() as u32);
        for segment in kcp_segments(payload, conv).filter(|segment| segment.cmd == PUSH) {
            let start = self.opening.len();
            let end = start + HEADER + segment.data.len();
            if end <= MAX_OPENING && segment.sn == next {
                let una = Sn(0); // to the session that will be made, nothing was heard
                self.opening.resize(end, 0);
                Segment { una, ..segment }.write(&mut self.opening[start..]);
                next = next.plus(1);
            }
        }
        self.opening.len() > before
    }
}

/// All embryos of an endpoint.
pub struct Embryos {
    by_key: HashMap<Key, Embryo, RandomState>,
    /// Oldest first; entries of embryos that are gone are skipped.
    order: VecDeque<(Key, Time)>,
}

impl Embryos {
    /// None yet; `seeds` make the hashing unpredictable.
    pub fn new(seeds: [u64; 2]) -> Embryos {
        let hasher = RandomState::with_seeds(seeds[0], seeds[1], 0, 0);
        Embryos {
            by_key: HashMap::with_hasher(hasher),
            order: VecDeque::new(),
        }
    }

    /// Keep an opening. Returns how many others were dropped for it.
    pub fn insert(&mut self, key: Key, embryo: Embryo) -> u64 {
        let mut dropped = 0;
        while self.order.len() >= MAX_EMBRYOS
            && let Some((oldest, _)) = self.order.pop_front()
        {
            dropped += u64::from(self.by_key.remove(&oldest).is_some());
        }
        self.order.push_back((key, embryo.born));
        self.by_key.insert(key, embryo);
        dropped
    }

    /// Whether this conversation waits for its proof.
    pub fn contains(&self, key: &Key) -> bool {
        self.by_key.contains_key(key)
    }

    /// Take out the embryo that `payload` proves, if it does.
    pub fn prove(&mut self, key: &Key, payload: &[u8]) -> Option<Embryo> {
        let embryo = self.by_key.get(key)?;
        let clock = Millis((embryo.born.as_millis() as u32).wrapping_add(embryo.clock_offset));
        let echoes = kcp_segments(payload, key.1)
            .any(|segment| segment.cmd == ACK && segment.sn == Sn(0) && segment.ts == clock);
        if echoes {
            self.by_key.remove(key)
        } else {
            None
        }
    }

    /// Take out an embryo that may be answered again now, to be given back by [`Embryos::put_back`].
    pub fn take_to_answer(&mut self, key: &Key, now: Time) -> Option<Embryo> {
        let embryo = self.by_key.get(key)?;
        if embryo
            .answered
            .is_some_and(|at| now.since(at) < ANSWER_EVERY)
        {
            return None;
        }
        self.by_key.remove(key)
    }

    /// Give back what [`Embryos::take_to_answer`] took, answered.
    pub fn put_back(&mut self, key: Key, embryo: Embryo) {
        self.by_key.insert(key, embryo);
    }

    /// Drop what has waited too long. Returns how many.
    pub fn expire(&mut self, now: Time) -> u64 {
        let mut dropped = 0;
        while let Some((key, born)) = self.order.front()
            && now.since(*born) >= EMBRYO_LIFE
        {
            dropped += u64::from(self.by_key.remove(key).is_some());
            self.order.pop_front();
        }
        if self.order.is_empty() && self.order.capacity() > 64 {
            self.order = VecDeque::new();
            self.by_key.shrink_to_fit();
        }
        dropped
    }

    /// When [`Embryos::expire`] has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        self.order.front().map(|(_, born)| *born + EMBRYO_LIFE)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

/// The KCP bytes of a payload: behind the FEC header if there is one; `None` if it shows none.
pub fn kcp_bytes(payload: &[u8]) -> Option<&[u8]> {
    match fec::classify(payload) {
        PacketKind::Plain => Some(payload),
        PacketKind::Data => payload.get(fec::HEADER..),
        PacketKind::Parity | PacketKind::OutOfBand => None,
    }
}

/// The well-formed segments of a payload, up to the first that is not.
pub fn kcp_segments(payload: &[u8], conv: u32) -> impl Iterator<Item = Segment<'_>> {
    Segments::new(kcp_bytes(payload).unwrap_or(&[]), conv).map_while(Result::ok)
}

/// A payload that may open a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Its sender has heard nothing yet.
    Fresh,
    /// Its sender has got the hello of an embryo that is gone.
    Again,
}

/// Whether a payload may open conversation `conv`: whole, with data number 0, and at most our first
/// acknowledged.
pub fn opening(payload: &[u8], conv: u32) -> Option<Opening> {
    let (mut has_first, mut opening) = (false, Opening::Fresh);
    for segment in Segments::new(kcp_bytes(payload)?, conv) {
        let segment = segment.ok().filter(|segment| segment.una.0 <= 1)?;
        if segment.una.0 == 1 || segment.cmd == ACK {
            opening = Opening::Again;
        }
        has_first |= segment.cmd == PUSH && segment.sn == Sn(0) && !segment.data.is_empty();
    }
    has_first.then_some(opening)
}
