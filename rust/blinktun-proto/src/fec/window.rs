//! The few groups that a decoder keeps: the newest and those just behind it.

use super::{DecoderStats, Shards};
use crate::wire::fec::{MAX_PACKET, PARITY_HEADER, Packet};

/// Groups kept: the newest and three behind it (kcptun wire, 4.6).
pub(crate) const KEPT_GROUPS: usize = 4;

/// A number this many groups from the newest is a jump, to be believed only when seen twice: one
/// packet with a wild number must not put the window where no other packet falls.
const FAR: u32 = 64;

/// The longest shard, in bytes.
pub(super) const MAX_SHARD: usize = MAX_PACKET - PARITY_HEADER;

/// What a member costs at most, in bytes.
pub(super) const MEMBER_BYTES: usize = MAX_SHARD + size_of::<Span>();

/// The kept groups as a ring, found by arithmetic.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    ring: [Group; KEPT_GROUPS],
    /// Where in the ring the newest group is.
    head: usize,
    newest: Option<u32>,
    /// The group of the last packet that was far away.
    stray: Option<u32>,
    /// Memory of finished groups, the last used first: without loss one shelf serves all groups, and
    /// it stays in the cache.
    spare: Vec<Shelf>,
}

/// The members that have come of one group.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// Members with data, and with parity.
    pub data: usize,
    pub parity: usize,
    is_rebuilt: bool,
    is_done: bool,
    shelf: Shelf,
}

/// Shards one behind the other, and where each is.
#[derive(Clone, Debug, Default)]
struct Shelf {
    bytes: Vec<u8>,
    /// By position; an absent member has no bytes. Empty while the group has no member.
    spans: Vec<Span>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    len: u32,
}

impl Window {
    /// The place in the ring of group `number`, moving the window on if it is newer; `None` if the
    /// group is not kept. Costs at most [`KEPT_GROUPS`] steps, whatever the number.
    pub(crate) fn seek(
        &mut self,
        number: u32,
        shards: Shards,
        stats: &mut DecoderStats,
    ) -> Option<usize> {
        let newest = *self.newest.get_or_insert(number);
        let behind = distance(number, newest, shards);
        let ahead = distance(newest, number, shards);
        if (behind as usize) < KEPT_GROUPS {
            self.stray = None;
            return Some((self.head + KEPT_GROUPS - behind as usize) % KEPT_GROUPS);
        }
        if ahead > FAR && !(behind > FAR && self.is_second_stray(number, shards)) {
            stats.late += 1;
            return None;
        }
        for _ in 0..KEPT_GROUPS.min(ahead as usize) {
            self.head = (self.head + 1) % KEPT_GROUPS;
            self.discard(self.head, shards, stats);
        }
        (self.newest, self.stray) = (Some(number), None);
        Some(self.head)
    }

    /// The group at a place in the ring.
    pub(super) fn group(&self, at: usize) -> &Group {
        &self.ring[at]
    }

    /// Keep a packet; `false` if its group is finished or has this member.
    pub(super) fn store(
        &mut self,
        at: usize,
        position: usize,
        packet: &Packet<'_>,
        shards: Shards,
    ) -> bool {
        let group = &mut self.ring[at];
        if group.is_done {
            return false;
        }
        if group.shelf.spans.is_empty() {
            group.shelf = self.spare.pop().unwrap_or_default();
            group.shelf.spans.reserve_exact(shards.total());
            group.shelf.spans.resize(shards.total(), Span::default());
        }
        if !group.shelf.put(position, packet.shard) {
            return false;
        }
        if packet.is_data {
            group.data += 1;
        } else {
            group.parity += 1;
        }
        true
    }

    /// What was lost of a group has been rebuilt; it still takes packets.
    pub(crate) fn note_rebuilt(&mut self, at: usize) {
        self.ring[at].is_rebuilt = true;
    }

    /// Take no more packets for a group, and take its memory back.
    pub(super) fn finish(&mut self, at: usize) {
        self.ring[at].is_done = true;
        let mut shelf = core::mem::take(&mut self.ring[at].shelf);
        if !shelf.spans.is_empty() {
            shelf.bytes.clear();
            shelf.spans.clear();
            self.spare.push(shelf);
        }
    }

    /// Forget all groups and give the memory back.
    pub(crate) fn forget(&mut self, shards: Shards, stats: &mut DecoderStats) {
        for at in 0..KEPT_GROUPS {
            self.discard(at, shards, stats);
        }
        *self = Window::default();
    }

    /// Groups that hold packets.
    pub(crate) fn stored(&self) -> usize {
        let holds = |group: &&Group| !group.is_done() && group.members() > 0;
        self.ring.iter().filter(holds).count()
    }

    /// The number of the newest group.
    pub(super) fn newest(&self) -> Option<u32> {
        self.newest
    }

    /// Bytes of heap memory held.
    pub(super) fn memory(&self) -> usize {
        let shelves = self
            .ring
            .iter()
            .map(|group| &group.shelf)
            .chain(&self.spare);
        shelves
            .map(|shelf| shelf.bytes.capacity() + shelf.spans.capacity() * size_of::<Span>())
            .sum()
    }

    fn discard(&mut self, at: usize, shards: Shards, stats: &mut DecoderStats) {
        let group = &self.ring[at];
        if !group.is_done && !group.is_rebuilt {
            if group.data == shards.data() {
                stats.full_groups += 1;
            } else {
                stats.short += group.data as u64;
            }
        }
        self.finish(at);
        self.ring[at] = Group::default();
    }

    /// Whether the far packet before this one, with no near one between, was close to it.
    fn is_second_stray(&mut self, number: u32, shards: Shards) -> bool {
        let last = self.stray.replace(number);
        let near = |a, b| (distance(a, b, shards) as usize) < KEPT_GROUPS;
        last.is_some_and(|last| near(last, number) || near(number, last))
    }
}

impl Group {
    /// All members.
    pub(super) fn members(&self) -> usize {
        self.data + self.parity
    }

    /// Whether its lost data was rebuilt.
    pub(crate) fn is_rebuilt(&self) -> bool {
        self.is_rebuilt
    }

    /// Whether nothing more is to be done with it.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// The shard at a position; empty if it has not come.
    pub(super) fn shard(&self, position: usize) -> &[u8] {
        let span = self.shelf.spans.get(position).copied().unwrap_or_default();
        &self.shelf.bytes[span.start as usize..][..span.len as usize]
    }
}

impl Shelf {
    fn put(&mut self, position: usize, shard: &[u8]) -> bool {
        let most = self.spans.len() * MAX_SHARD;
        let Some(span) = self.spans.get_mut(position).filter(|span| span.len == 0) else {
            return false;
        };
        *span = Span {
            start: self.bytes.len() as u32,
            len: shard.len() as u32,
        };
        let needed = self.bytes.len() + shard.len();
        if needed > self.bytes.capacity() {
            // Doubling, but never beyond what a whole group can fill.
            self.bytes
                .reserve_exact((2 * needed).min(most) - self.bytes.len());
        }
        self.bytes.extend_from_slice(shard);
        true
    }
}

/// Groups from `from` on to `to`, over the end of the numbers if need be.
fn distance(from: u32, to: u32, shards: Shards) -> u32 {
    if to >= from {
        to - from
    } else {
        shards.groups() - (from - to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::SeqId;

    fn shards() -> Shards {
        Shards::new(3, 2).expect("sound numbers")
    }

    fn packet(shard: &[u8]) -> Packet<'_> {
        Packet {
            seqid: SeqId(0),
            is_data: true,
            shard,
        }
    }

    fn seek(window: &mut Window, number: u32) -> Option<usize> {
        window.seek(number, shards(), &mut DecoderStats::default())
    }

    #[test]
    fn the_window_goes_on_over_the_end_of_the_numbers() {
        let (mut window, last) = (Window::default(), shards().groups() - 1);
        let before = seek(&mut window, last).expect("the first group is kept");
        assert!(window.store(before, 0, &packet(&[2, 0]), shards()));
        let after = seek(&mut window, 1).expect("the next group but one is kept");
        assert_ne!(before, after);
        assert_eq!(seek(&mut window, last), Some(before));
        assert_eq!(window.group(before).shard(0), [2, 0]);
    }

    #[test]
    fn a_far_number_is_believed_the_second_time() {
        let mut window = Window::default();
        assert!(seek(&mut window, 10).is_some());
        assert_eq!(seek(&mut window, 1_000_000), None);
        assert!(seek(&mut window, 11).is_some());
        assert_eq!(seek(&mut window, 1_000_000), None);
        assert_eq!(seek(&mut window, 2_000_000), None);
        assert!(seek(&mut window, 2_000_001).is_some());
        assert_eq!(seek(&mut window, 11), None);
        assert!(seek(&mut window, 12).is_some());
    }

    #[test]
    fn groups_more_than_three_behind_are_gone_for_good() {
        let mut window = Window::default();
        seek(&mut window, 10);
        assert!(seek(&mut window, 7).is_some());
        for _ in 0..5 {
            assert_eq!(seek(&mut window, 6), None);
        }
    }

    #[test]
    fn finished_groups_hand_their_memory_on() {
        let mut window = Window::default();
        for number in 0..100 {
            let at = seek(&mut window, number).expect("kept");
            for position in 0..3 {
                assert!(window.store(at, position, &packet(&[7; 1000]), shards()));
            }
            window.finish(at);
            assert!(!window.store(at, 4, &packet(&[7; 1000]), shards()));
        }
        assert_eq!(window.spare.len(), 1);
    }

    #[test]
    fn memory_never_exceeds_whole_groups() {
        let mut window = Window::default();
        for number in 0..20 {
            let at = seek(&mut window, number).expect("kept");
            for position in 0..5 {
                window.store(at, position, &packet(&[7; MAX_SHARD]), shards());
            }
        }
        assert!(
            window.memory() <= KEPT_GROUPS * 5 * MEMBER_BYTES,
            "{}",
            window.memory()
        );
    }
}
