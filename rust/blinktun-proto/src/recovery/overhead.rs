//! How many bytes may leave that bring nothing new, in case others are lost.

/// What was not used is kept, up to so many bytes.
const KEPT: f64 = 64_000.0;

/// Copies may have this part of it: where they do not pay, as on a path that loses in bursts, nothing shows that.
const COPIES: f64 = 0.5;

/// An account: bytes that leave for the first time earn a share, copies and parity spend it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overhead {
    share: f64,
    allowed: f64,
    /// What copies may spend of it.
    for_copies: f64,
    /// Parity leaves that to copies. Else it takes all that it can get, and nothing is left for a burst of copies.
    is_kept: bool,
}

impl Overhead {
    /// Copies and parity may have this share of the payload. With 0 there are none.
    pub(crate) fn new(share: f64) -> Overhead {
        let allowed = if share > 0.0 { KEPT } else { 0.0 };
        Overhead {
            share,
            allowed,
            for_copies: COPIES * allowed,
            is_kept: false,
        }
    }

    /// From now on copies have their part for themselves.
    pub(crate) fn keep_for_copies(&mut self) {
        self.is_kept = true;
    }

    /// Whether there may be any at all.
    pub(crate) fn is_wanted(&self) -> bool {
        self.share > 0.0
    }

    /// The share.
    pub(crate) fn share(&self) -> f64 {
        self.share
    }

    /// So many bytes leave for the first time.
    pub(crate) fn note_payload(&mut self, bytes: usize) {
        let earned = self.share * bytes as f64;
        self.allowed = (self.allowed + earned).min(KEPT);
        self.for_copies = (self.for_copies + COPIES * earned).min(COPIES * KEPT);
    }

    /// Bytes that parity may spend now; below zero they were spent on credit.
    pub(crate) fn allowed(&self) -> f64 {
        match self.is_kept {
            true => self.allowed - self.for_copies.max(0.0),
            false => self.allowed,
        }
    }

    /// Whether a copy may be sent now; one that matters much is sent on credit if it has to be.
    pub(crate) fn allows_copy(&self, on_credit: bool) -> bool {
        let least = if on_credit { -KEPT } else { 0.0 };
        self.is_wanted() && self.allowed.min(self.for_copies) > least
    }

    /// Spend so many bytes on a copy.
    pub(crate) fn spend_on_copy(&mut self, bytes: usize) {
        self.spend(bytes);
        self.for_copies -= bytes as f64;
    }

    /// Spend so many bytes.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.allowed -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_what_leaves_may_be_spent_and_no_more() {
        let (mut overhead, mut spent) = (Overhead::new(0.1), 0);
        for _ in 0..10_000 {
            overhead.note_payload(1000);
            while overhead.allowed() > 0.0 {
                overhead.spend(1000);
                spent += 1000;
            }
        }
        assert!((1_000_000..=1_065_000).contains(&spent), "{spent}");
    }

    #[test]
    fn copies_leave_a_part_to_parity() {
        let (mut overhead, mut copied) = (Overhead::new(0.1), 0);
        for _ in 0..10_000 {
            overhead.note_payload(1000);
            while overhead.allows_copy(false) {
                overhead.spend_on_copy(1000);
                copied += 1000;
            }
        }
        assert!((500_000..=540_000).contains(&copied), "{copied}");
        assert!(overhead.allowed() > 50_000.0);
    }

    #[test]
    fn parity_leaves_a_part_to_copies_if_it_must() {
        for is_kept in [false, true] {
            let mut overhead = Overhead::new(0.1);
            if is_kept {
                overhead.keep_for_copies();
            }
            overhead.note_payload(1_000_000);
            while overhead.allowed() > 0.0 {
                overhead.spend(1000);
            }
            assert_eq!(overhead.allows_copy(false), is_kept);
        }
    }

    #[test]
    fn credit_has_an_end_and_nothing_gets_none() {
        let (mut overhead, mut sent) = (Overhead::new(0.1), 0);
        while overhead.allows_copy(true) {
            assert_eq!(overhead.allows_copy(false), f64::from(sent) < 32_000.0);
            overhead.spend_on_copy(1000);
            sent += 1000;
        }
        assert_eq!(sent, 96_000);
        let mut none = Overhead::new(0.0);
        none.note_payload(1_000_000);
        assert!(none.allowed() <= 0.0 && !none.allows_copy(true) && !none.is_wanted());
    }
}
