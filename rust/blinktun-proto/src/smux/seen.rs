//! The numbers of reliable datagrams that have come.

/// So many numbers below the newest are remembered.
const SPAN: u32 = 4096;
const WORDS: usize = SPAN as usize / 64;

/// The newest numbers that have come. A segment that is cut again for a smaller MTU may bring a datagram a
/// second time.
///
/// Bound: [`SPAN`] bits. A number further behind counts as new: a second datagram is better than none.
#[derive(Debug, Default)]
pub(super) struct Seen {
    newest: u32,
    /// The bit of a number is at its place modulo [`SPAN`].
    bits: Option<Box<[u64; WORDS]>>,
}

impl Seen {
    /// A number has come; whether it is new.
    pub(super) fn note(&mut self, number: u32) -> bool {
        let bits = self.bits.get_or_insert_with(|| {
            self.newest = number;
            Box::new([0; WORDS])
        });
        let ahead = number.wrapping_sub(self.newest);
        if ahead.cast_signed() > 0 {
            match ahead < SPAN {
                true => (1..=ahead).for_each(|step| {
                    let (word, bit) = place(self.newest.wrapping_add(step));
                    bits[word] &= !bit;
                }),
                false => bits.fill(0),
            }
            self.newest = number;
        } else if self.newest.wrapping_sub(number) >= SPAN {
            return true;
        }
        let (word, bit) = place(number);
        let is_new = bits[word] & bit == 0;
        bits[word] |= bit;
        is_new
    }
}

/// The word of a number, and its bit.
fn place(number: u32) -> (usize, u64) {
    let at = number % SPAN;
    (at as usize / 64, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_is_new_once(
            start in prop_oneof![Just(0u32), Just(u32::MAX - 3000), any::<u32>()],
            steps in proptest::collection::vec(-4095i32..9000, 1..300),
        ) {
            let (mut seen, mut model, mut newest) = (Seen::default(), BTreeSet::new(), start);
            for (turn, step) in steps.into_iter().enumerate() {
                let step = if turn == 0 { 0 } else { step };
                let number = newest.wrapping_add_signed(step);
                newest = if step > 0 { number } else { newest };
                prop_assert_eq!(seen.note(number), model.insert(number), "{} {}", number, step);
            }
        }
    }

    #[test]
    fn what_is_too_old_counts_as_new() {
        let mut seen = Seen::default();
        assert!(seen.note(10) && seen.note(10 + SPAN));
        assert!(seen.note(10) && seen.note(10));
        assert!(!seen.note(10 + SPAN));
    }
}
