//! Quantum permutation pads: kcptun's extra layer over the bytes of each stream (kcptun wire, 7).
//!
//! [`Pads`] are the permutations of 256 values that a key gives: made once, shared by all streams.
//! A [`Cursor`] walks one direction of one stream and says which pad and which mask each byte takes;
//! [`StreamPads`] is both directions of a stream.
//!
//! | file | what it is |
//! | --- | --- |
//! | `pads` | the key schedule: from the key to the permutations, in three revisions |
//! | `cursor` | the pseudo-random walk, and the bytes in place |
//!
//! It is no cipher to rely on: both directions and all streams of a key use the same sequence. What
//! protects a session is its packet cipher.

mod cursor;
mod pads;

use std::sync::Arc;

pub use cursor::Cursor;
pub use pads::{Pads, Revision};

/// Both directions of one stream. Each begins at the same state, at both ends.
#[derive(Debug)]
pub struct StreamPads {
    pads: Arc<Pads>,
    outgoing: Cursor,
    incoming: Cursor,
}

impl StreamPads {
    /// A stream that has carried nothing yet.
    pub fn new(pads: &Arc<Pads>) -> StreamPads {
        StreamPads {
            pads: Arc::clone(pads),
            outgoing: Cursor::new(pads),
            incoming: Cursor::new(pads),
        }
    }

    /// Turn the next plain bytes that leave into what goes on the wire, in place.
    pub fn encrypt(&mut self, bytes: &mut [u8]) {
        self.outgoing.encrypt(&self.pads, bytes);
    }

    /// Turn the next bytes from the wire into plain ones, in place.
    pub fn decrypt(&mut self, bytes: &mut [u8]) {
        self.incoming.decrypt(&self.pads, bytes);
    }
}
