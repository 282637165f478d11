//! Which session a datagram belongs to: by address and conversation, by either alone.

use std::collections::HashMap;
use std::net::IpAddr;

use ahash::RandomState;

use crate::path::{FourTuple, network};

/// A conversation as the network sees it.
pub type Key = (FourTuple, u32);

/// The sessions' addresses and numbers. Values are indices into the endpoint's table.
#[derive(Debug)]
pub struct Directory {
    by_key: HashMap<Key, usize, RandomState>,
    /// The newest session of a conversation's number, wherever its peer is.
    by_conv: HashMap<u32, usize, RandomState>,
    /// The newest session of an address: parity names no conversation.
    by_peer: HashMap<FourTuple, usize, RandomState>,
    /// Sessions of each [`network`].
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

    /// Session `index` talks with `peer` in conversation `conv`.
    pub fn add(&mut self, index: usize, (peer, conv): Key) {
        self.by_key.insert((peer, conv), index);
        self.by_conv.insert(conv, index);
        self.by_peer.insert(peer, index);
        *self
            .per_source
            .entry(network(peer.remote.ip()))
            .or_insert(0) += 1;
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
        let source = network(peer.remote.ip());
        if let Some(count) = self.per_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.per_source.remove(&source);
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

    /// How many sessions an IP address has, or the network of an IPv6 address.
    pub fn count(&self, source: IpAddr) -> usize {
        let source = network(source);
        self.per_source.get(&source).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> Key {
        let address: std::net::SocketAddr = address.parse().expect("an address");
        (address.into(), 7)
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        let mut directory = Directory::new([1, 2]);
        for (index, address) in ["[2001:db8::1]:1", "[2001:db8::ffff:2]:1"]
            .iter()
            .enumerate()
        {
            directory.add(index, key(address));
        }
        directory.add(2, key("[2001:db8:0:1::1]:1"));
        directory.add(3, key("[::ffff:192.0.2.1]:1"));
        let count =
            |directory: &Directory, ip: &str| directory.count(ip.parse().expect("an address"));
        assert_eq!(count(&directory, "2001:db8::9"), 2);
        assert_eq!(count(&directory, "2001:db8:0:1::9"), 1);
        assert_eq!(count(&directory, "192.0.2.1"), 1);
        assert_eq!(count(&directory, "192.0.2.2"), 0);
        directory.remove(0, key("[2001:db8::1]:1"));
        assert_eq!(count(&directory, "2001:db8::9"), 1);
    }
}
