//! Lost shards from the others of their group.

use super::Shards;
use super::code::interpolate;
use super::window::Group;
use crate::work;

/// Memory to rebuild in, kept from group to group: at most `parity` rows of the longest shard.
#[derive(Clone, Debug, Default)]
pub(super) struct Rebuild {
    /// Positions that are interpolated from: as many as there are data shards.
    known: Vec<u8>,
    /// Positions that are interpolated: the lost data shards, then perhaps a member to check.
    wanted: Vec<u8>,
    coeffs: Vec<u8>,
    /// The shards at `wanted`, each of `len` bytes.
    rows: Vec<u8>,
    len: usize,
    lost: usize,
}

impl Rebuild {
    /// Rebuild the lost data shards of a group from its first `data` members, and check the last
    /// member, if there is one more, against what those make of it.
    ///
    /// `false` if the members contradict each other: no sender made this group.
    pub(super) fn run(&mut self, group: &Group, shards: Shards) -> bool {
        let checked = self.choose(group, shards);
        let len = common_length(group, shards);
        let Some(len) = len.filter(|_| self.known.len() == shards.data()) else {
            self.lost = 0;
            return false;
        };
        self.len = len;
        self.interpolate(group);
        checked.is_none_or(|position| self.rows[self.lost * len..] == *group.shard(position))
    }

    /// The rebuilt data shards in order, zero-padded to the longest shard of their group.
    pub(super) fn rebuilt(&self) -> impl Iterator<Item = &[u8]> {
        self.rows.chunks_exact(self.len.max(1)).take(self.lost)
    }

    /// Whether the members that were rebuilt from differ, each from the next: equal ones fit any
    /// numbers.
    pub(crate) fn knows_different(&self, group: &Group) -> bool {
        let shard = |position: u8| group.shard(position.into());
        let mut pairs = self.known.windows(2);
        pairs.all(|pair| shard(pair[0]) != shard(pair[1]))
    }

    /// Bytes of heap memory held.
    pub(super) fn memory(&self) -> usize {
        let positions = self.known.capacity() + self.wanted.capacity();
        positions + self.coeffs.capacity() + self.rows.capacity()
    }

    /// Choose what is known and what is wanted; gives the position of the member to check. As members
    /// are taken in order, that one is parity.
    fn choose(&mut self, group: &Group, shards: Shards) -> Option<usize> {
        self.known.clear();
        self.wanted.clear();
        let mut checked = None;
        for position in 0..shards.total() {
            let is_here = !group.shard(position).is_empty();
            if is_here && self.known.len() < shards.data() {
                self.known.push(position as u8);
            } else if is_here {
                checked = Some(position);
            } else if position < shards.data() {
                self.wanted.push(position as u8);
            }
        }
        self.lost = self.wanted.len();
        self.wanted.extend(checked.map(|position| position as u8));
        checked
    }

    fn interpolate(&mut self, group: &Group) {
        let count = self.wanted.len();
        work::count(count * self.known.len());
        interpolate(&self.known, &self.wanted, &mut self.coeffs);
        self.rows.clear();
        self.rows.reserve_exact(count * self.len);
        self.rows.resize(count * self.len, 0);
        for (k, &position) in self.known.iter().enumerate() {
            let (shard, coeffs) = (
                group.shard(position.into()),
                &self.coeffs[k * count..][..count],
            );
            blinktun_gf::mul_add_many(&mut self.rows, self.len, shard, coeffs);
        }
    }
}

/// The length of all parity shards of a group, if they agree on one and no data shard is longer:
/// parity is as long as the longest data shard (kcptun wire, 4.2).
fn common_length(group: &Group, shards: Shards) -> Option<usize> {
    let lengths = |positions| Iterator::map(positions, |position| group.shard(position).len());
    let mut parity = lengths(shards.data()..shards.total()).filter(|&len| len > 0);
    let len = parity.next()?;
    let agree =
        parity.all(|other| other == len) && lengths(0..shards.data()).all(|data| data <= len);
    agree.then_some(len)
}
