//! Which session a datagram belongs to: by address and conversation, by either alone.

use std::collections::HashMap;
use std::net::IpAddr;

use ahash::RandomState;

use super::four_tuple::FourTuple;

/// A conversation as the network sees it.
pub type Key = (FourTuple, u32);

/// The sessions' addresses and numbers. Values are indices into the endpoint's table.
#[derive(Debug)]
pub struct Directory {
    by_key: HashMap<Key, usize, RandomState>,
    /// The newest proven session of a conversation's number, wherever its peer is.
    by_conv: HashMap<u32, usize, RandomState>,
    /// The newest proven session of an address: parity names no conversation.
    by_peer: HashMap<FourTuple, usize, RandomState>,
    per_source: HashMap<IpAddr, usize, RandomState>,
}

impl Directory {
    /// Empty; `seeds` make the hashing unpredictable.
    pub fn new(seeds: [u64; 2]) -> Directory {
        let hasher = RandomState::with_seeds(seeds[0], seeds[1], 0, 0);
        Directory {
            by_key: HashMap::with_hasher(hasher.clone()),
            by_conv: HashMap::with_hasher(hasher.clone()),
            by_peer: HashMap::with_hasher(hasher.clone()),
            per_source: HashMap::with_hasher(hasher),
        }
    }

    /// Session `index` talks with `peer` in conversation `conv`. Until that is [`prove`]d it takes
    /// nothing that another session goes by.
    ///
    /// [`prove`]: Directory::prove
    pub fn add(&mut self, index: usize, (peer, conv): Key) {
        self.by_key.insert((peer, conv), index);
        self.by_conv.entry(conv).or_insert(index);
        self.by_peer.entry(peer).or_insert(index);
        *self.per_source.entry(peer.remote.ip()).or_insert(0) += 1;
    }

    /// Session `index`, which was added, has a true peer.
    pub fn prove(&mut self, index: usize, (peer, conv): Key) {
        self.by_conv.insert(conv, index);
        self.by_peer.insert(peer, index);
    }

    /// It does no longer.
    pub fn remove(&mut self, index: usize, (peer, conv): Key) {
        self.by_key.remove(&(peer, conv));
        if self.by_conv.get(&conv) == Some(&index) {
            self.by_conv.remove(&conv);
        }
        if self.by_peer.get(&peer) == Some(&index) {
            self.by_peer.remove(&peer);
        }
        if let Some(count) = self.per_source.get_mut(&peer.remote.ip()) {
            *count -= 1;
            if *count == 0 {
                self.per_source.remove(&peer.remote.ip());
            }
        }
    }

    /// The session of a datagram that came by `path`, which may name a conversation.
    pub fn find(&self, path: FourTuple, conv: Option<u32>) -> Option<usize> {
        match conv {
            Some(conv) => self.by_key.get(&(path, conv)),
            None => self.by_peer.get(&path),
        }
        .copied()
    }

    /// The session of a conversation, wherever its peer is.
    pub fn find_anywhere(&self, conv: u32) -> Option<usize> {
        self.by_conv.get(&conv).copied()
    }

    /// How many sessions an IP address has.
    pub fn count(&self, source: IpAddr) -> usize {
        self.per_source.get(&source).copied().unwrap_or(0)
    }
}
