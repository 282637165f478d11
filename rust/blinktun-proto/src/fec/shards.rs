//! The numbers of a sender's groups, and the arithmetic of sequence numbers (kcptun wire, 4.3).

use crate::wire::SeqId;
use core::fmt;

/// The most shards a group can have: the elements of the field. kcptun refuses more, too, or falls
/// back to a code that nobody else decodes.
pub(crate) const MAX_SHARDS: usize = 256;

/// How many data and parity shards a group has: each at least 1, together at most [`MAX_SHARDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shards {
    data: u32,
    total: u32,
    groups: u32,
}

/// Numbers that no group can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardError {
    /// The data shards asked for.
    pub data: usize,
    /// The parity shards asked for.
    pub parity: usize,
}

impl fmt::Display for ShardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ShardError { data, parity } = self;
        write!(
            f,
            "{data} data and {parity} parity shards: each must be at least 1, both at most {MAX_SHARDS}"
        )
    }
}

impl core::error::Error for ShardError {}

impl Shards {
    /// The smallest group, which a receiver without FEC of its own starts from.
    pub const MIN: Shards = Shards {
        data: 1,
        total: 2,
        groups: u32::MAX / 2,
    };

    /// Check the numbers.
    pub fn new(data: usize, parity: usize) -> Result<Shards, ShardError> {
        if data == 0 || parity == 0 || data.saturating_add(parity) > MAX_SHARDS {
            return Err(ShardError { data, parity });
        }
        let (data, total) = (data as u32, (data + parity) as u32);
        Ok(Shards {
            data,
            total,
            groups: u32::MAX / total,
        })
    }

    /// Data shards in a group.
    pub const fn data(self) -> usize {
        self.data as usize
    }

    /// Parity shards in a group.
    pub const fn parity(self) -> usize {
        (self.total - self.data) as usize
    }

    /// All shards of a group.
    pub const fn total(self) -> usize {
        self.total as usize
    }

    /// Sequence numbers are below this, a whole number of groups.
    pub const fn paws(self) -> u32 {
        self.groups * self.total
    }

    /// Groups until the numbers start again.
    pub(super) const fn groups(self) -> u32 {
        self.groups
    }

    /// The number `n` further on, where `n` is below `paws`.
    pub(super) const fn advance(self, seqid: SeqId, n: u32) -> SeqId {
        SeqId(((seqid.0 as u64 + n as u64) % self.paws() as u64) as u32)
    }

    /// The group of a number and the position in it.
    pub(super) const fn place(self, seqid: SeqId) -> (u32, usize) {
        (seqid.0 / self.total, (seqid.0 % self.total) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_checked() {
        for (data, parity) in [
            (0, 1),
            (1, 0),
            (0, 0),
            (200, 57),
            (usize::MAX, 1),
            (1, usize::MAX),
        ] {
            assert_eq!(Shards::new(data, parity), Err(ShardError { data, parity }));
        }
        assert!(Shards::new(200, 56).is_ok());
        assert_eq!(Shards::new(1, 1), Ok(Shards::MIN));
    }

    #[test]
    fn numbers_wrap_at_whole_groups() {
        let shards = Shards::new(10, 3).expect("sound numbers");
        assert_eq!(shards.paws(), 4_294_967_287);
        assert_eq!(shards.advance(SeqId(4_294_967_284), 3), SeqId(0));
        assert_eq!(shards.place(SeqId(27)), (2, 1));
    }
}
