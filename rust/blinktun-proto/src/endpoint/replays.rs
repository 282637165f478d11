//! The datagrams of a socket that have been there before: our own, and openings.

use std::sync::{Arc, Mutex, PoisonError};

use crate::replay::{OpeningMemory, OwnNonces};

/// The openings that the sockets of a key remember together.
pub type Openings = Arc<Mutex<OpeningMemory>>;

/// What an endpoint knows again without a session; each session knows its own latest datagrams.
pub struct Replays {
    own: OwnNonces,
    openings: Openings,
}

impl Replays {
    /// `seeds` make the hashing unpredictable; our own nonces are made under `key`, which has to be random.
    pub fn new(seeds: [u64; 2], key: [u8; 16]) -> Replays {
        Replays {
            own: OwnNonces::new(key),
            openings: Arc::new(Mutex::new(OpeningMemory::new(seeds))),
        }
    }

    /// Remember openings in this memory from now on.
    pub fn share(&mut self, openings: Openings) {
        self.openings = openings;
    }

    /// The number for the nonce of the next datagram that is sent.
    pub fn next_number(&mut self) -> u64 {
        self.own.next_number()
    }

    /// Whether a datagram with this nonce was sent here.
    pub fn is_own(&self, nonce: u64) -> bool {
        self.own.is_own(nonce)
    }

    /// Remember an opening; returns whether it is new.
    pub fn remember_opening(&self, nonce: u64) -> bool {
        let mut openings = self.openings.lock().unwrap_or_else(PoisonError::into_inner);
        openings.insert(nonce)
    }
}
