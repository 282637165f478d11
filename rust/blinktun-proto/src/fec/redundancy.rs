//! How much parity a group gets.

use crate::time::Duration;

/// A group of which all data has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Data shards of each group.
    pub data: usize,
    /// Parity shards that there can be.
    pub parity: usize,
    /// The time between its last data packet and the one before; `None` if there was none before.
    pub gap: Option<Duration>,
}

/// Decides how many parity packets leave for each group.
///
/// The receiver is told nothing: the sequence numbers of those that do not leave are skipped, as of lost
/// ones.
pub trait Redundancy: Send + Sync {
    /// So many leave, the first ones; what is more than [`Group::parity`] counts as that.
    fn parity(&mut self, group: &Group) -> usize;
}

/// As kcp-go: all of it, but none for a group whose last data packet came late (kcptun wire, 4.4).
#[derive(Clone, Copy, Debug, Default)]
pub struct WholeGroups;

/// A last packet that comes so long after the one before it is late.
const PAUSE: Duration = Duration::from_millis(500);

impl Redundancy for WholeGroups {
    fn parity(&mut self, group: &Group) -> usize {
        match group.gap {
            Some(gap) if gap < PAUSE => group.parity,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_groups_get_all_parity_unless_the_last_packet_is_late() {
        let parity = |gap: Option<u64>| {
            let gap = gap.map(Duration::from_millis);
            let (data, parity) = (10, 3);
            WholeGroups.parity(&Group { data, parity, gap })
        };
        assert_eq!(parity(Some(0)), 3);
        assert_eq!(parity(Some(499)), 3);
        assert_eq!(parity(Some(500)), 0);
        assert_eq!(parity(None), 0);
    }
}
