//! How far requests may leave ahead of others.
//!
//! When a download has lost much, or has too much on the way, nothing new leaves for a while. A request that
//! comes then need not wait for that: its few bytes make the queue of the path hardly longer.

/// So many bytes leave ahead.
const MOST: u64 = 16 << 10;
/// This part of what may be on the way, if that is less.
const PART: u64 = 8;

/// What has left ahead of lost data, or while the controller allowed no more on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Overdraft {
    bytes: u64,
}

impl Overdraft {
    /// Whether a request may leave ahead. So many bytes may be on the way.
    pub(super) fn is_allowed(self, most_on_way: u64) -> bool {
        self.bytes < MOST.min(most_on_way / PART)
    }

    /// Nothing lost waits, and the path has room.
    pub(super) fn clear(&mut self) {
        self.bytes = 0;
    }

    /// So many new bytes leave.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// So many lost bytes leave again: as many new ones may leave ahead of the next.
    pub(super) fn repay(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_leave_ahead_up_to_a_limit_and_then_in_turn() {
        let mut overdraft = Overdraft::default();
        let spend = |overdraft: &mut Overdraft| {
            let mut count = 0;
            while overdraft.is_allowed(u64::MAX) {
                overdraft.spend(1000);
                count += 1;
            }
            count
        };
        assert_eq!(spend(&mut overdraft), 17);
        overdraft.repay(1000);
        assert_eq!(spend(&mut overdraft), 1);
        overdraft.repay(3000);
        assert_eq!(spend(&mut overdraft), 3);
        overdraft.clear();
        assert!(overdraft.is_allowed(8));
        overdraft.spend(1000);
        assert!(!overdraft.is_allowed(8000) && overdraft.is_allowed(8008));
    }
}
