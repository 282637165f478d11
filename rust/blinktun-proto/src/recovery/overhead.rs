//! How many bytes may leave that bring nothing new, in case others are lost.

/// What was not used is kept, up to so many bytes.
const KEPT: f64 = 64_000.0;

/// An account: what leaves for the first time earns a share of its bytes, copies and parity spend them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overhead {
    share: f64,
    allowed: f64,
}

impl Overhead {
    /// Copies and parity may have this share of the payload. With 0 there are none.
    pub(crate) fn new(share: f64) -> Overhead {
        let allowed = if share > 0.0 { KEPT } else { 0.0 };
        Overhead { share, allowed }
    }

    /// Whether there may be any at all.
    pub(crate) fn is_wanted(&self) -> bool {
        self.share > 0.0
    }

    /// So many bytes leave for the first time.
    pub(crate) fn note_payload(&mut self, bytes: usize) {
        self.allowed = (self.allowed + self.share * bytes as f64).min(KEPT);
    }

    /// Bytes that may be spent now; below zero they were spent on credit.
    pub(crate) fn allowed(&self) -> f64 {
        self.allowed
    }

    /// Whether something that matters much may be sent now, on credit if it has to be.
    pub(crate) fn has_credit(&self) -> bool {
        self.is_wanted() && self.allowed > -KEPT
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
    fn credit_has_an_end_and_nothing_gets_none() {
        let (mut overhead, mut sent) = (Overhead::new(0.1), 0);
        while overhead.has_credit() {
            overhead.spend(1000);
            sent += 1000;
        }
        assert_eq!(sent, 128_000);
        let mut none = Overhead::new(0.0);
        none.note_payload(1_000_000);
        assert!(none.allowed() <= 0.0 && !none.has_credit() && !none.is_wanted());
    }
}
