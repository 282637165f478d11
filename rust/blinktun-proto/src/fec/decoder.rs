//! FEC packets in, rebuilt KCP bytes out (kcptun wire, 4.6 to 4.8).

use super::rebuild::Rebuild;
use super::tuner::Tuner;
use super::window::{MAX_SHARD, MEMBER_BYTES, Window};
use super::{DecoderStats, KEPT_GROUPS, MAX_SHARDS, Shards};
use crate::wire::fec::{Packet, rebuilt_segments};
use crate::wire::kcp::Segments;

/// Packets from one search of the tuner to the next: a search sorts all samples.
const SEARCH_EVERY: u32 = 8;

/// Rebuilds the data packets that were lost, from the others of their groups.
///
/// Groups cut at the wrong places rebuild to garbage that looks sound: the coefficients of any
/// reconstruction sum to 1, so every field that all shards share comes out right (kcptun wire, 4.8).
/// The numbers are therefore believed by degrees:
///
/// | the numbers are | until | what is rebuilt |
/// | --- | --- | --- |
/// | *lost*: a packet's kind and position disagreed | the tuner finds numbers | nothing |
/// | *assumed*: configured, or found by the tuner | they are proved | groups with one member more than needed, which must be what the others make of it, and their last data shard among them |
/// | *proven* | a kind disagrees; a group contradicts itself | groups with just enough members |
///
/// A proof is exact. The members of a group agree, so it begins there and has no more data shards than
/// believed; its last data packet is one of them, so it has no fewer; its last parity packet is one of
/// them, so it has no fewer of these; and the next number is data, so it has no more. Less would not do:
/// what 3+5 or 4+3 sends fits the numbers 4+4 as far as it goes, for the rows do not depend on how many
/// there are, and a polynomial of degree 2 is one of degree 3 as well.
///
/// Without loss a packet costs one copy, and the first parity packet one encoding as proof. Memory is
/// taken on first use and bounded by [`Decoder::memory_bound`]; no packet costs more than storing it and
/// rebuilding its group, whatever its number.
#[derive(Clone, Debug)]
pub struct Decoder {
    shards: Shards,
    trust: Trust,
    tuner: Tuner,
    window: Window,
    rebuild: Rebuild,
    /// What has happened so far.
    pub stats: DecoderStats,
}

/// How far the numbers are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// Nothing is stored; the tuner is asked when `wait` more packets have come.
    Lost {
        wait: u32,
    },
    /// All members of the group `sound` agree, its last parity packet among them.
    Assumed {
        sound: Option<u32>,
    },
    Proven,
}

impl Decoder {
    /// A decoder for groups of `data + parity` packets. A receiver without FEC of its own says 1 and 1,
    /// which the tuner corrects; so it does numbers that no group can have, taken as 1 and 1.
    pub fn new(data: usize, parity: usize) -> Decoder {
        Decoder {
            shards: Shards::new(data, parity).unwrap_or(Shards::MIN),
            trust: Trust::Assumed { sound: None },
            tuner: Tuner::default(),
            window: Window::default(),
            rebuild: Rebuild::default(),
            stats: DecoderStats::default(),
        }
    }

    /// Take the numbers as proven, as only one who knows the sender's may.
    pub fn with_proven_numbers(mut self) -> Decoder {
        self.trust = Trust::Proven;
        self
    }

    /// Take one packet, and call `recovered` with the segments of conversation `conv` of each packet
    /// rebuilt by it.
    ///
    /// The packet's own segments are the caller's to use, before this.
    pub fn receive(
        &mut self,
        packet: &Packet<'_>,
        conv: u32,
        recovered: &mut dyn FnMut(Segments<'_>),
    ) {
        if packet.shard.len() > MAX_SHARD {
            self.stats.too_long += 1;
            return;
        }
        self.stats.parity_received += u64::from(!packet.is_data);
        self.tuner.sample(packet.seqid, packet.is_data);
        if packet.seqid.0 >= self.shards.paws() {
            return;
        }
        let (group, position) = self.shards.place(packet.seqid);
        if packet.is_data != (position < self.shards.data()) {
            self.lose_numbers();
        }
        if let Trust::Lost { wait } = self.trust {
            return self.find_numbers(wait);
        }
        let Some(at) = self.window.seek(group, self.shards, &mut self.stats) else {
            return;
        };
        if self.window.store(at, position, packet, self.shards)
            && self.settle(at, conv, recovered)
            && self.trust != Trust::Proven
        {
            self.trust = Trust::Assumed { sound: Some(group) };
        }
        let Trust::Assumed { sound: Some(sound) } = self.trust else {
            return;
        };
        if position == 0 && group == (sound + 1) % self.shards.groups() {
            // What was waiting for proof has it.
            self.trust = Trust::Proven;
            (0..KEPT_GROUPS).for_each(|at| {
                self.settle(at, conv, recovered);
            });
        }
    }

    /// Data and parity shards of a group, as now believed.
    pub fn shards(&self) -> (usize, usize) {
        (self.shards.data(), self.shards.parity())
    }

    /// Groups in store that are not complete.
    pub(crate) fn stored(&self) -> usize {
        self.window.stored()
    }

    /// The number of the newest group in store.
    pub fn newest(&self) -> Option<u32> {
        self.window.newest()
    }

    /// The sender's numbers, data and parity, once they are proved, until something contradicts them.
    pub(crate) fn proven(&self) -> Option<(usize, usize)> {
        (self.trust == Trust::Proven).then(|| self.shards())
    }

    /// Whether a packet has contradicted the numbers, and no others were found yet.
    pub fn is_lost(&self) -> bool {
        matches!(self.trust, Trust::Lost { .. })
    }

    /// Give the memory of stored packets back, as when the conversation falls idle.
    pub fn release(&mut self) {
        self.window.forget(self.shards, &mut self.stats);
        self.rebuild = Rebuild::default();
    }

    /// Bytes of heap memory now held.
    pub fn memory(&self) -> usize {
        self.window.memory() + self.rebuild.memory() + self.tuner.memory()
    }

    /// The most that [`Decoder::memory`] can be, in bytes: four groups, a row for each parity shard to
    /// rebuild in, and the tuner's samples. 87 kB for 10 and 3.
    pub const fn memory_bound(shards: Shards) -> usize {
        let stored = KEPT_GROUPS * shards.total() * MEMBER_BYTES;
        let rows = shards.parity() * (MAX_SHARD + shards.data());
        let positions = 4 * shards.total();
        stored + rows + positions + Tuner::MEMORY_BOUND + 64
    }

    /// See whether a group can be rebuilt, or is full. Returns whether its members were checked and
    /// agree, the last parity packet among them.
    fn settle(&mut self, at: usize, conv: u32, recovered: &mut dyn FnMut(Segments<'_>)) -> bool {
        let group = self.window.group(at);
        let is_full = group.data == self.shards.data();
        let is_whole = is_full || group.is_rebuilt();
        let is_proven = self.trust == Trust::Proven;
        let needed = self.shards.data() + usize::from(!is_proven);
        if group.is_done() || group.members() < needed {
            return false;
        }
        let has_last = !group.shard(self.shards.total() - 1).is_empty();
        if is_whole && is_proven {
            self.window.finish(at);
            self.stats.full_groups += u64::from(is_full);
            return false;
        }
        let has_last_data = !group.shard(self.shards.data() - 1).is_empty();
        if !is_proven && !has_last_data || is_whole && !has_last {
            return false; // what is missing says whether the numbers are right
        }
        if !self.is_sound(at, conv) {
            self.window.finish(at);
            self.stats.errors += 1;
            self.trust = Trust::Assumed { sound: None };
            return false;
        }
        let tells = has_last && self.rebuild.knows_different(self.window.group(at));
        if !is_whole {
            self.hand_on(conv, recovered);
            self.window.note_rebuilt(at);
        }
        if is_proven || has_last {
            self.window.finish(at);
            self.stats.full_groups += u64::from(is_full);
        }
        tells
    }

    /// Rebuild a group. One wrong shard condemns all: they come from the same members.
    fn is_sound(&mut self, at: usize, conv: u32) -> bool {
        let group = self.window.group(at);
        self.rebuild.run(group, self.shards)
            && self
                .rebuild
                .rebuilt()
                .all(|shard| rebuilt_segments(shard, conv).is_some())
    }

    fn hand_on(&mut self, conv: u32, recovered: &mut dyn FnMut(Segments<'_>)) {
        let shards = self.rebuild.rebuilt();
        for segments in shards.filter_map(|shard| rebuilt_segments(shard, conv)) {
            self.stats.recovered += 1;
            recovered(segments);
        }
    }

    fn lose_numbers(&mut self) {
        if !matches!(self.trust, Trust::Lost { .. }) {
            self.trust = Trust::Lost { wait: 0 };
            self.window.forget(self.shards, &mut self.stats);
        }
    }

    fn find_numbers(&mut self, wait: u32) {
        if wait > 0 {
            self.trust = Trust::Lost { wait: wait - 1 };
            return;
        }
        let found = match self.tuner.periods() {
            // The peers' bound (kcptun wire, 4.6), one below what can be configured.
            (Some(data), Some(parity)) if data + parity < MAX_SHARDS => {
                Shards::new(data, parity).ok()
            }
            _ => None,
        };
        let Some(shards) = found else {
            self.trust = Trust::Lost {
                wait: SEARCH_EVERY - 1,
            };
            return;
        };
        self.stats.retuned += u64::from(shards != self.shards);
        self.shards = shards;
        self.trust = Trust::Assumed { sound: None };
    }
}
