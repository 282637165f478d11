//! How much unsent data the streams of a session may hold, each and together.

/// What a stream may always hold, however many there are.
const FLOOR: usize = 8 << 10;
/// What all streams may hold beyond their floors.
const SHARED: usize = 16 << 20;

/// Unsent bytes of a session.
///
/// A lone stream may hold `per_stream`. Ten thousand may not: once they hold 16 MiB together, each
/// takes more only up to 8 KiB. Bound: 16 MiB + 8 KiB a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendBudget {
    per_stream: usize,
    held: usize,
}

impl SendBudget {
    /// Nothing held yet; `per_stream` bytes at most for one.
    pub(super) fn new(per_stream: usize) -> SendBudget {
        SendBudget {
            per_stream,
            held: 0,
        }
    }

    /// What all streams hold.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// How many bytes a stream that holds `unsent` may take now.
    pub(super) fn room(&self, unsent: usize) -> usize {
        let own = self.per_stream.min(FLOOR).saturating_sub(unsent);
        let shared = SHARED.saturating_sub(self.held);
        self.per_stream.saturating_sub(unsent).min(shared.max(own))
    }

    /// Whether a stream that holds `unsent` may take as much as is worth waking its writer for.
    pub(super) fn is_worth_waking(&self, unsent: usize) -> bool {
        self.room(unsent) >= self.per_stream.min(FLOOR) / 2
    }

    /// A stream has taken `count` bytes.
    pub(super) fn note_taken(&mut self, count: usize) {
        self.held += count;
    }

    /// `count` bytes were sent, or dropped with their stream.
    pub(super) fn note_gone(&mut self, count: usize) {
        self.held -= count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stream_takes_all_of_its_own_and_many_share() {
        let mut budget = SendBudget::new(256 << 10);
        assert_eq!(budget.room(0), 256 << 10);
        assert_eq!(budget.room(200 << 10), 56 << 10);
        budget.note_taken(SHARED - 1000);
        assert_eq!(budget.room(100 << 10), 1000);
        assert_eq!(budget.room(0), FLOOR);
        budget.note_taken(1000);
        assert_eq!((budget.room(3000), budget.room(FLOOR)), (FLOOR - 3000, 0));
        budget.note_gone(SHARED);
        assert_eq!(budget.room(0), 256 << 10);
    }

    #[test]
    fn a_small_buffer_is_its_own_floor() {
        let mut budget = SendBudget::new(1000);
        budget.note_taken(SHARED);
        assert_eq!(budget.room(0), 1000);
        assert!(budget.is_worth_waking(500) && !budget.is_worth_waking(501));
    }
}
