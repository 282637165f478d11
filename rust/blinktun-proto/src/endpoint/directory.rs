//! Which session a datagram belongs to: by address and conversation, by either alone.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use ahash::RandomState;

use crate::path::{FourTuple, network};
use crate::wire::Token;

/// A token that is taken is drawn again, so many times at most.
const DRAWS: usize = 8;

/// A conversation as the network sees it.
pub type Key = (FourTuple, u32);

/// The sessions' addresses and numbers. Values are indices into the endpoint's table.
#[derive(Debug)]
pub struct Directory {
    by_key: HashMap<Key, usize, RandomState>,
    /// The sessions of a conversation's number, wherever their peers are.
    by_conv: BTreeSet<(u32, usize)>,
    /// The session of such a number and a token.
    by_token: HashMap<(u32, Token), usize, RandomState>,
    /// Tokens that were drawn so far, modulo 2^64.
    drawn: u64,
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
            by_conv: BTreeSet::new(),
            by_token: HashMap::with_hasher(hasher.clone()),
            drawn: 0,
            by_peer: HashMap::with_hasher(hasher.clone()),
            per_source: HashMap::with_hasher(hasher),
        }
    }

    /// Session `index` talks with `peer` in conversation `conv`.
    pub fn add(&mut self, index: usize, (peer, conv): Key) {
        self.by_key.insert((peer, conv), index);
        self.by_conv.insert((conv, index));
        self.by_peer.insert(peer, index);
        *self
            .per_source
            .entry(network(peer.remote.ip()))
            .or_insert(0) += 1;
    }

    /// It does no longer.
    pub fn remove(&mut self, index: usize, (peer, conv): Key) {
        self.remove_alias(index, (peer, conv));
        self.by_conv.remove(&(conv, index));
        let source = network(peer.remote.ip());
        if let Some(count) = self.per_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.per_source.remove(&source);
            }
        }
    }

    /// Datagrams of session `index` come from `peer` as well.
    pub fn add_alias(&mut self, index: usize, (peer, conv): Key) {
        self.by_key.entry((peer, conv)).or_insert(index);
        self.by_peer.entry(peer).or_insert(index);
    }

    /// They do no longer.
    pub fn remove_alias(&mut self, index: usize, (peer, conv): Key) {
        if self.by_key.get(&(peer, conv)) == Some(&index) {
            self.by_key.remove(&(peer, conv));
        }
        if self.by_peer.get(&peer) == Some(&index) {
            self.by_peer.remove(&peer);
        }
    }

    /// Name session `index` by a token that no other of its number has. Nobody can tell which it will be.
    pub fn draw_token(&mut self, index: usize, conv: u32) -> Option<Token> {
        for _ in 0..DRAWS {
            self.drawn = self.drawn.wrapping_add(1);
            let number = self.by_token.hasher().hash_one(self.drawn) as u32;
            if let Some(token) = Token::new(number)
                && let Entry::Vacant(place) = self.by_token.entry((conv, token))
            {
                place.insert(index);
                return Some(token);
            }
        }
        None
    }

    /// The session has gone.
    pub fn remove_token(&mut self, conv: u32, token: Token) {
        self.by_token.remove(&(conv, token));
    }

    /// The session of a datagram that came by `path`, which may name a conversation.
    pub fn find(&self, path: FourTuple, conv: Option<u32>) -> Option<usize> {
        match conv {
            Some(conv) => self.by_key.get(&(path, conv)),
            None => self.by_peer.get(&path),
        }
        .copied()
    }

    /// The only session of a conversation, wherever its peer is. Clients draw the numbers, so two may have the same:
    /// then it names neither.
    pub fn find_by_number(&self, conv: u32) -> Option<usize> {
        let mut same = self.by_conv.range((conv, 0)..=(conv, usize::MAX));
        let (_, index) = same.next()?;
        same.next().is_none().then_some(*index)
    }

    /// The session of a conversation and a token, wherever its peer is.
    pub fn find_by_token(&self, conv: u32, token: Token) -> Option<usize> {
        self.by_token.get(&(conv, token)).copied()
    }

    /// Whether there is a session of this number at all.
    pub fn has_number(&self, conv: u32) -> bool {
        let mut same = self.by_conv.range((conv, 0)..=(conv, usize::MAX));
        same.next().is_some()
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

    #[test]
    fn a_number_names_a_session_if_it_is_its_alone() {
        let mut directory = Directory::new([1, 2]);
        assert!(directory.find_by_number(7).is_none() && !directory.has_number(7));
        directory.add(3, key("192.0.2.1:1"));
        assert_eq!(directory.find_by_number(7), Some(3));
        directory.add(4, key("192.0.2.2:1"));
        assert!(directory.find_by_number(7).is_none() && directory.has_number(7));
        let mut draw = |index| directory.draw_token(index, 7).expect("a token");
        let [first, second] = [3, 4].map(&mut draw);
        assert_ne!(first, second);
        assert_eq!(directory.find_by_token(7, second), Some(4));
        assert_eq!(directory.find_by_token(8, second), None);
        directory.remove(3, key("192.0.2.1:1"));
        directory.remove_token(7, first);
        assert_eq!(directory.find_by_number(7), Some(4));
        assert_eq!(directory.find_by_token(7, first), None);
    }

    #[test]
    fn an_alias_takes_nothing_from_another_session() {
        let mut directory = Directory::new([1, 2]);
        let (peer, _) = key("192.0.2.1:1");
        directory.add(3, (peer, 7));
        directory.add_alias(4, (peer, 7));
        directory.remove_alias(4, (peer, 7));
        assert_eq!(directory.find(peer, Some(7)), Some(3));
        assert_eq!(directory.find(peer, None), Some(3));
    }
}
