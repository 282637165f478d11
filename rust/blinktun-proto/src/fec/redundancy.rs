//! How much parity a group gets.

use crate::time::Duration;

/// How many parity packets leave for each group.
///
/// The receiver is told nothing: the sequence numbers of those that do not leave are skipped, as of lost
/// ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redundancy {
    /// As kcp-go: all of it, but none for a group whose last data packet came late (kcptun wire, 4.4).
    WholeGroups,
    /// So many, the first ones.
    Punctured(usize),
}

/// A last packet that comes so long after the one before it is late.
const PAUSE: Duration = Duration::from_millis(500);

impl Redundancy {
    /// How many are prepared for a group that begins, of `parity` that there can be.
    pub(super) fn prepared(self, parity: usize) -> usize {
        match self {
            Redundancy::WholeGroups => parity,
            Redundancy::Punctured(wanted) => wanted.min(parity),
        }
    }

    /// How many leave of those that were prepared. `gap` is the time between the group's last data packet and
    /// the one before; `None` if there was none before.
    pub(super) fn leaves(self, prepared: usize, gap: Option<Duration>) -> usize {
        match (self, gap) {
            (Redundancy::WholeGroups, Some(gap)) if gap < PAUSE => prepared,
            (Redundancy::WholeGroups, _) => 0,
            (Redundancy::Punctured(_), _) => prepared,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_groups_get_all_parity_unless_the_last_packet_is_late() {
        let parity = |gap: Option<u64>| {
            let whole = Redundancy::WholeGroups;
            whole.leaves(whole.prepared(3), gap.map(Duration::from_millis))
        };
        assert_eq!(parity(Some(0)), 3);
        assert_eq!(parity(Some(499)), 3);
        assert_eq!(parity(Some(500)), 0);
        assert_eq!(parity(None), 0);
    }

    #[test]
    fn punctured_groups_get_what_is_wanted_as_far_as_there_is_any() {
        for (wanted, expected) in [(0, 0), (2, 2), (3, 3), (9, 3)] {
            let punctured = Redundancy::Punctured(wanted);
            assert_eq!(punctured.leaves(punctured.prepared(3), None), expected);
        }
    }
}
