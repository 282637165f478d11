//! From the key to the permutations (kcptun wire, 7.2).

use core::fmt;
use core::num::NonZeroU16;

use aes::Aes256Enc;
use aes::cipher::array::Array;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use hmac::{Hmac, Mac};
use pbkdf2::pbkdf2_hmac_array;
use sha1::Sha1;
use sha2::Sha256;

/// Bytes of a derived seed, chunk or key.
const LENGTH: usize = 32;
const DERIVE: &[u8] = b"___QUANTUM_PERMUTATION_PAD_SEED_DERIVE___";
const SHUFFLE: &[u8] = b"___QUANTUM_PERMUTATION_PAD_SHUFFLE_SALT___";
const PRNG: &[u8] = b"___QUANTUM_PERMUTATION_PAD_PRNG_SALT___";
const SELECTOR: &[u8] = b"PERMUTATION_MATRIX_SELECTOR";

/// How pads are made. The revisions are incompatible, and nothing on the wire tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Revision {
    /// kcptun builds from 16 July 2024 to 17 December 2025.
    A,
    /// Builds of 18 to 21 December 2025.
    M,
    /// Builds since 22 December 2025.
    B,
}

impl Revision {
    /// The revision of this name: `A`, `M` or `B`.
    pub fn parse(name: &str) -> Option<Revision> {
        match name {
            "A" => Some(Revision::A),
            "M" => Some(Revision::M),
            "B" => Some(Revision::B),
            _ => None,
        }
    }

    /// Pieces of the key that steer the shuffles.
    fn chunks(self) -> usize {
        match self {
            Revision::A => 6,
            Revision::M | Revision::B => 7,
        }
    }

    /// Blocks of the digest that each step encrypts.
    fn blocks(self) -> usize {
        match self {
            Revision::A | Revision::M => 1,
            Revision::B => 2,
        }
    }
}

/// A permutation of the byte values.
type Permutation = [u8; 256];

/// All permutations of a key, and where every stream begins. It never changes: share it freely.
///
/// A pad takes 512 bytes, and some 50 to 100 microseconds to make.
pub struct Pads {
    permutations: Vec<Permutation>,
    inverses: Vec<Permutation>,
    /// Seeds the generator of each direction of each stream.
    seed: [u8; 32],
}

impl Pads {
    /// `count` pads of the key: its UTF-8 bytes, not what ciphers derive from it.
    pub fn new(key: &[u8], count: NonZeroU16, revision: Revision) -> Pads {
        let shuffler = Shuffler::new(key, revision);
        let permutations: Vec<Permutation> = (0..count.get())
            .map(|number| shuffler.permutation(number))
            .collect();
        Pads {
            inverses: permutations.iter().map(invert).collect(),
            permutations,
            seed: derive(&keyed_digest(key, SELECTOR), PRNG, 128),
        }
    }

    /// What seeds the generator of each direction of each stream.
    pub(super) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The pad that a word of the generator chooses.
    pub(super) fn permutation(&self, word: u64) -> &Permutation {
        choose(&self.permutations, word)
    }

    /// The same pad backwards.
    pub(super) fn inverse(&self, word: u64) -> &Permutation {
        choose(&self.inverses, word)
    }
}

/// How many, but never which.
impl fmt::Debug for Pads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pads({})", self.permutations.len())
    }
}

fn choose(pads: &[Permutation], word: u64) -> &Permutation {
    // At most 65535 pads, at least one.
    &pads[usize::from(word as u16 % pads.len() as u16)]
}

/// What steers the making of pads.
struct Shuffler {
    /// Each chunk of the key, and the cipher under it.
    chunks: Vec<([u8; LENGTH], Aes256Enc)>,
    blocks: usize,
}

impl Shuffler {
    fn new(key: &[u8], revision: Revision) -> Shuffler {
        let stretched = derive(key, DERIVE, 128);
        let seed = if key.len() < LENGTH { &stretched } else { key };
        let mut endless = seed.iter().copied().cycle();
        let chunks = (0..revision.chunks()).map(|_| {
            let piece: Vec<u8> = endless.by_ref().take(LENGTH).collect();
            let chunk = derive(&piece, DERIVE, 1024);
            let cipher = Aes256Enc::new(&Array(derive(&chunk, SHUFFLE, 128)));
            (chunk, cipher)
        });
        Shuffler {
            chunks: chunks.collect(),
            blocks: revision.blocks(),
        }
    }

    /// Shuffle the byte values (Fisher-Yates) as the ever re-encrypted digest tells.
    fn permutation(&self, number: u16) -> Permutation {
        let mut pad = core::array::from_fn(|value| value as u8);
        let (chunk, _) = &self.chunks[usize::from(number) % self.chunks.len()];
        let mut digest = keyed_digest(chunk, format!("QPP_{number:b}").as_bytes());
        for last in (1..pad.len()).rev() {
            let (blocks, _) = digest.as_chunks_mut();
            let blocks = &mut Array::cast_slice_from_core_mut(blocks)[..self.blocks];
            for (_, cipher) in &self.chunks {
                blocks
                    .iter_mut()
                    .for_each(|block| cipher.encrypt_block(block));
            }
            pad.swap(last, remainder(&digest, last + 1));
        }
        pad
    }
}

/// The digest as a big-endian number, modulo at most 256.
fn remainder(digest: &[u8; LENGTH], modulus: usize) -> usize {
    let (words, _) = digest.as_chunks();
    let modulus = modulus as u64;
    let rest = words.iter().fold(0, |rest, word| {
        ((rest << 32) | u64::from(u32::from_be_bytes(*word))) % modulus
    });
    rest as usize
}

fn invert(pad: &Permutation) -> Permutation {
    let mut inverse = [0; 256];
    for (value, &image) in (0..=u8::MAX).zip(pad) {
        inverse[usize::from(image)] = value;
    }
    inverse
}

fn derive(secret: &[u8], salt: &[u8], rounds: u32) -> [u8; LENGTH] {
    pbkdf2_hmac_array::<Sha1, LENGTH>(secret, salt, rounds)
}

/// HMAC-SHA256.
fn keyed_digest(key: &[u8], message: &[u8]) -> [u8; LENGTH] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("HMAC takes keys of any length")
    };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest;

    fn vectors() -> Vec<serde_json::Value> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/qpp.json");
        let text = std::fs::read_to_string(path).expect("the vectors are in the repository");
        let file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        file["vectors"].as_array().expect("vectors").clone()
    }

    #[test]
    fn every_pad_is_as_known_and_its_inverse_undoes_it() {
        for vector in vectors() {
            let key = hex::decode(vector["seed_hex"].as_str().expect("text")).expect("hex");
            let count = NonZeroU16::new(vector["pads"].as_u64().expect("a number") as u16);
            for (name, answers) in vector["revisions"].as_object().expect("revisions") {
                let revision = Revision::parse(name).expect("a revision");
                let pads = Pads::new(&key, count.expect("not 0"), revision);
                assert_eq!(hex::encode(pads.permutations[0]), answers["pad0_hex"]);
                let all = sha2::Sha256::digest(pads.permutations.as_flattened());
                assert_eq!(hex::encode(all), answers["all_pads_sha256"]);
                for (pad, inverse) in pads.permutations.iter().zip(&pads.inverses) {
                    assert!((0..=255u8).all(|b| inverse[usize::from(pad[usize::from(b)])] == b));
                }
            }
        }
    }

    #[test]
    fn the_remainder_is_of_the_whole_number() {
        let mut digest = [0; LENGTH];
        digest[0] = 1; // 2^248
        assert_eq!(remainder(&digest, 256), 0);
        assert_eq!(remainder(&digest, 255), 1);
        assert_eq!(remainder(&digest, 3), 1);
        digest[31] = 7;
        assert_eq!(remainder(&digest, 256), 7);
        assert_eq!(remainder(&digest, 5), (1 + 7) % 5);
    }

    #[test]
    fn the_most_pads_are_all_reached() {
        let pads = vec![[0; 256]; 65535];
        let last = choose(&pads, 65534);
        assert!(core::ptr::eq(last, &pads[65534]));
        assert!(core::ptr::eq(choose(&pads, 65535), &pads[0]));
    }
}
