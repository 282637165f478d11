//! The openings of conversations and connections, remembered beyond the end of a process.

use super::Recent;

/// Openings that are remembered: a million, 16 MiB.
pub const OPENINGS: u32 = 1 << 20;
/// Bytes of a record on disk: the fingerprint and its CRC-32, both little-endian.
pub const RECORD: usize = 12;

/// The fingerprints of the latest openings, and which of them are not on disk yet.
///
/// The memory itself does no I/O: its owner appends [`OpeningMemory::take_unsaved`] to a file, and
/// gives what stands in the file to [`OpeningMemory::load`]. Several processes can share a file so.
#[derive(Debug)]
pub struct OpeningMemory {
    recent: Recent,
    unsaved: usize,
}

/// What [`OpeningMemory::load`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Records that were not known before.
    pub new: usize,
    /// Records whose checksum is wrong, a last one that is cut off included.
    pub damaged: usize,
}

impl OpeningMemory {
    /// An empty one; `seeds` as for [`Recent::new`].
    pub fn new(seeds: [u64; 2]) -> OpeningMemory {
        OpeningMemory {
            recent: Recent::new(OPENINGS, seeds),
            unsaved: 0,
        }
    }

    /// Remember an opening; returns whether it is new.
    pub fn insert(&mut self, fingerprint: u64) -> bool {
        let is_new = self.recent.insert(fingerprint);
        self.unsaved = (self.unsaved + usize::from(is_new)).min(self.recent.len());
        is_new
    }

    /// Whether an opening is remembered.
    pub fn contains(&self, fingerprint: u64) -> bool {
        self.recent.contains(fingerprint)
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.recent.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.recent.is_empty()
    }

    /// Bytes of memory taken.
    pub fn memory(&self) -> usize {
        self.recent.memory()
    }

    /// How many openings were not taken to be saved yet.
    pub fn unsaved(&self) -> usize {
        self.unsaved
    }

    /// The records of what is not on disk yet, to be appended there.
    pub fn take_unsaved(&mut self) -> Vec<u8> {
        let count = core::mem::take(&mut self.unsaved);
        self.records(count)
    }

    /// The records of all that is remembered, the oldest first: for a new file.
    pub fn take_all(&mut self) -> Vec<u8> {
        self.unsaved = 0;
        self.records(usize::MAX)
    }

    /// Remember what stands in `records`, which may be anything.
    pub fn load(&mut self, records: &[u8]) -> Loaded {
        let mut loaded = Loaded { new: 0, damaged: 0 };
        for record in records.chunks(RECORD) {
            match fingerprint(record) {
                Some(fingerprint) => loaded.new += usize::from(self.recent.insert(fingerprint)),
                None => loaded.damaged += 1,
            }
        }
        loaded
    }

    fn records(&self, count: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(count.min(self.len()) * RECORD);
        for fingerprint in self.recent.newest(count) {
            let bytes = fingerprint.to_le_bytes();
            out.extend_from_slice(&bytes);
            out.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        }
        out
    }
}

fn fingerprint(record: &[u8]) -> Option<u64> {
    let (bytes, checksum) = record.split_first_chunk::<8>()?;
    (checksum == crc32fast::hash(bytes).to_le_bytes()).then_some(u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn memory() -> OpeningMemory {
        OpeningMemory::new([1, 2])
    }

    #[test]
    fn an_opening_of_a_million_ago_is_known() {
        let mut memory = memory();
        assert!((0..3_000_000).all(|number| memory.insert(number)));
        assert!((2_000_000..3_000_000).all(|number| !memory.insert(number)));
        assert_eq!((memory.len(), memory.memory()), (1 << 20, 16 << 20));
    }

    #[test]
    fn what_was_saved_is_known_after_it_is_loaded() {
        let (mut before, mut after) = (memory(), memory());
        let mut file = Vec::new();
        for round in 0..100_u64 {
            (0..round).for_each(|number| assert!(before.insert(round << 8 | number)));
            file.extend(before.take_unsaved());
            assert_eq!(before.unsaved(), 0);
        }
        assert_eq!(file.len(), before.len() * RECORD);
        assert_eq!(file, before.take_all());
        let loaded = Loaded {
            new: before.len(),
            damaged: 0,
        };
        assert_eq!(after.load(&file), loaded);
        assert!(!after.insert(5 << 8 | 1) && after.unsaved() == 0);
    }

    #[test]
    fn a_torn_or_damaged_record_is_counted_and_the_others_are_taken() {
        let mut whole = memory();
        (0..10).for_each(|number| assert!(whole.insert(number)));
        let file = whole.take_unsaved();
        let torn = memory().load(&file[..file.len() - 5]);
        assert_eq!((torn.new, torn.damaged), (9, 1));
        let mut damaged = file.clone();
        damaged[3 * RECORD + 2] ^= 1;
        damaged.extend([0; RECORD]); // as a file system may leave it after a power cut
        let loaded = memory().load(&damaged);
        assert_eq!((loaded.new, loaded.damaged), (9, 2));
    }

    #[test]
    fn any_bytes_can_be_loaded() {
        let mut random = Random::from_number(3);
        for len in 0..200 {
            let mut bytes = vec![0; len];
            random.fill(&mut bytes);
            let loaded = memory().load(&bytes);
            assert_eq!((loaded.new, loaded.damaged), (0, len.div_ceil(RECORD)));
        }
    }
}
