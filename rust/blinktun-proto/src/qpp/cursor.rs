//! Where a direction stands: the generator and its current word (kcptun wire, 7.3 and 7.4).

use super::pads::Pads;

/// Bytes that one output of the generator serves.
const WORD: usize = 8;

/// A place in the endless sequence of pads and masks. How the bytes are cut does not matter.
#[derive(Clone)]
pub struct Cursor {
    /// xoshiro256**, seeded from the key.
    state: [u64; 4],
    /// Its last output: the low 16 bits choose the pad, each byte is the mask of one position.
    word: u64,
    /// Bytes of `word` that are used up.
    used: usize,
}

impl Cursor {
    /// Where each direction of each stream begins.
    pub fn new(pads: &Pads) -> Cursor {
        let (words, _) = pads.seed().as_chunks();
        let mut state = [0; 4];
        for (part, word) in state.iter_mut().zip(words) {
            *part = u64::from_le_bytes(*word);
        }
        Cursor {
            state,
            word: 0,
            used: WORD,
        }
    }

    /// Encrypt the next bytes in place: mask, then permute.
    pub fn encrypt(&mut self, pads: &Pads, bytes: &mut [u8]) {
        self.walk(bytes, |word, byte, mask| {
            pads.permutation(word)[usize::from(byte ^ mask)]
        });
    }

    /// Decrypt the next bytes in place: permute back, then unmask.
    pub fn decrypt(&mut self, pads: &Pads, bytes: &mut [u8]) {
        self.walk(bytes, |word, byte, mask| {
            pads.inverse(word)[usize::from(byte)] ^ mask
        });
    }

    /// Map each byte by the word and the mask of its position.
    fn walk(&mut self, bytes: &mut [u8], map: impl Fn(u64, u8, u8) -> u8) {
        let (begun, rest) = bytes.split_at_mut(bytes.len().min(WORD - self.used));
        self.walk_within(begun, &map);
        let (whole, last) = rest.as_chunks_mut::<WORD>();
        for group in whole {
            let word = self.next_word();
            for (byte, mask) in group.iter_mut().zip(word.to_le_bytes()) {
                *byte = map(word, *byte, mask);
            }
        }
        if !last.is_empty() {
            self.word = self.next_word();
            self.used = 0;
            self.walk_within(last, &map);
        }
    }

    /// The same for bytes that all belong to the current word.
    fn walk_within(&mut self, bytes: &mut [u8], map: &impl Fn(u64, u8, u8) -> u8) {
        let masks = self.word.to_le_bytes().into_iter().skip(self.used);
        for (byte, mask) in bytes.iter_mut().zip(masks) {
            *byte = map(self.word, *byte, mask);
        }
        self.used += bytes.len();
    }

    /// The next output of xoshiro256**.
    fn next_word(&mut self) -> u64 {
        let [s0, s1, s2, s3] = &mut self.state;
        let word = s1.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *s1 << 17;
        *s2 ^= *s0;
        *s3 ^= *s1;
        *s1 ^= *s2;
        *s0 ^= *s3;
        *s2 ^= shifted;
        *s3 = s3.rotate_left(45);
        word
    }
}

/// What comes next is secret.
impl core::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Cursor").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cursor, Pads, Revision};
    use core::num::NonZeroU16;

    #[test]
    fn the_generator_gives_the_known_words() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/qpp.json");
        let text = std::fs::read_to_string(path).expect("the vectors are in the repository");
        let file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        for vector in file["vectors"].as_array().expect("vectors") {
            let key = hex::decode(vector["seed_hex"].as_str().expect("text")).expect("hex");
            let mut cursor = Cursor::new(&Pads::new(&key, NonZeroU16::MIN, Revision::B));
            let state = cursor.state.map(|word| format!("{word:016x}"));
            assert_eq!(serde_json::json!(state), vector["prng_state_le_u64_hex"]);
            for word in vector["prng_first_outputs_hex"].as_array().expect("words") {
                assert_eq!(
                    format!("{:016x}", cursor.next_word()),
                    word.as_str().expect("text")
                );
            }
        }
    }
}
