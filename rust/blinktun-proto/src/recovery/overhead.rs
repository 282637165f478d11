//! How many bytes may leave that bring nothing new, in case others are lost.

/// Each account keeps so many bytes that were not used.
const KEPT: f64 = 32_000.0;

/// Copies earn this part: where they do not pay, as on a path that loses in bursts, nothing shows that.
const COPIES: f64 = 0.5;

/// Two accounts: bytes that leave for the first time earn a share, copies and parity spend it. Parity takes
/// all that it can get, so copies have an account of their own: those of a request are paid at once. Parity
/// earns whatever does not fit into it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overhead {
    share: f64,
    for_parity: f64,
    for_copies: f64,
}

impl Overhead {
    /// Copies and parity may have this share of the payload. With 0 there are none.
    pub(crate) fn new(share: f64) -> Overhead {
        let kept = if share > 0.0 { KEPT } else { 0.0 };
        Overhead {
            share,
            for_parity: kept,
            for_copies: kept,
        }
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
        let for_copies = (COPIES * earned).min(KEPT - self.for_copies);
        self.for_copies += for_copies;
        self.for_parity = (self.for_parity + earned - for_copies).min(KEPT);
    }

    /// Bytes that parity may spend now; below zero they were spent on credit.
    pub(crate) fn allowed(&self) -> f64 {
        self.for_parity
    }

    /// Whether a copy may be sent now; one that matters much is sent on credit if it has to be.
    pub(crate) fn allows_copy(&self, on_credit: bool) -> bool {
        let least = if on_credit { -KEPT } else { 0.0 };
        self.is_wanted() && self.for_copies > least
    }

    /// Spend so many bytes on a copy.
    pub(crate) fn spend_on_copy(&mut self, bytes: usize) {
        self.for_copies -= bytes as f64;
    }

    /// Spend so many bytes on parity.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.for_parity -= bytes as f64;
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
        assert!(
            overhead.allows_copy(false),
            "parity leaves their part to copies"
        );
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
        assert!(overhead.allowed() > 31_000.0);
    }

    #[test]
    fn credit_has_an_end_and_nothing_gets_none() {
        let (mut overhead, mut sent) = (Overhead::new(0.1), 0);
        while overhead.allows_copy(true) {
            assert_eq!(overhead.allows_copy(false), f64::from(sent) < 32_000.0);
            overhead.spend_on_copy(1000);
            sent += 1000;
        }
        assert_eq!(sent, 64_000);
        let mut none = Overhead::new(0.0);
        none.note_payload(1_000_000);
        assert!(none.allowed() <= 0.0 && !none.allows_copy(true) && !none.is_wanted());
    }
}
