//! What has come of a stream ahead of bytes that are missing.

use std::collections::BTreeMap;

/// Pieces of a stream that wait for what is missing before them: in order, and none twice.
///
/// Places are bytes from the stream's beginning. The owner bounds how far ahead they may be.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps {
    pieces: BTreeMap<u64, Vec<u8>>,
    bytes: usize,
}

impl Gaps {
    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Pieces that wait.
    pub(super) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Where the last piece ends.
    pub(super) fn end(&self) -> Option<u64> {
        let (at, piece) = self.pieces.last_key_value()?;
        Some(at + piece.len() as u64)
    }

    /// Bytes of heap memory, about.
    pub(super) fn allocated(&self) -> usize {
        self.pieces.values().map(Vec::capacity).sum()
    }

    /// Keep what is new of `data`, which belongs at `place`.
    pub(super) fn insert(&mut self, mut place: u64, mut data: &[u8]) {
        if let Some((&before, piece)) = self.pieces.range(..=place).next_back() {
            let known = (before + piece.len() as u64).saturating_sub(place);
            (place, data) = skip(place, data, known);
        }
        while !data.is_empty() {
            let next = self.pieces.range(place..).next();
            let next = next.map(|(&at, piece)| (at, piece.len() as u64));
            let new = next.map_or(data.len() as u64, |(at, _)| at - place);
            let (piece, _) = data.split_at(data.len().min(new as usize));
            if !piece.is_empty() {
                self.bytes += piece.len();
                self.pieces.insert(place, piece.to_vec());
            }
            let known = next.map_or(0, |(_, len)| len);
            (place, data) = skip(place, data, new + known);
        }
    }

    /// The piece that goes on at `place`, if it has come.
    pub(super) fn take(&mut self, place: u64) -> Option<Vec<u8>> {
        let piece = self.pieces.remove(&place)?;
        self.bytes -= piece.len();
        Some(piece)
    }

    /// `place` is reached without what waits here: give up what lies before it.
    pub(super) fn pass(&mut self, place: u64) {
        while let Some(first) = self.pieces.first_entry()
            && *first.key() < place
        {
            let (at, piece) = first.remove_entry();
            self.bytes -= piece.len();
            let (at, rest) = skip(at, &piece, place - at);
            self.insert(at, rest);
        }
    }
}

/// `data` at `place` without its first `count` bytes.
fn skip(place: u64, data: &[u8], count: u64) -> (u64, &[u8]) {
    let skipped = count.min(data.len() as u64);
    (place + skipped, &data[skipped as usize..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(from: u64, count: u64) -> Vec<u8> {
        (from..from + count).map(|at| (at % 251) as u8).collect()
    }

    proptest! {
        #[test]
        fn any_pieces_in_any_order_give_the_same_bytes_and_nothing_is_kept_twice(
            pieces in proptest::collection::vec((0u64..2_000, 1u64..300, 0u8..8), 1..200),
        ) {
            let mut gaps = Gaps::default();
            let (mut reached, mut seen) = (0u64, vec![false; 4_000]);
            for (place, count, kind) in pieces {
                seen[place as usize..(place + count) as usize].fill(true);
                let data = bytes(place, count);
                if place > reached || kind == 0 {
                    let (place, data) = skip(place, &data, reached.saturating_sub(place));
                    gaps.insert(place, data);
                } else {
                    reached = reached.max(place + count);
                    gaps.pass(reached);
                }
                while let Some(piece) = gaps.take(reached) {
                    prop_assert_eq!(&piece, &bytes(reached, piece.len() as u64));
                    reached += piece.len() as u64;
                }
                let ahead = seen.iter().skip(reached as usize).filter(|it| **it).count();
                prop_assert_eq!(gaps.bytes(), ahead);
                prop_assert!(!seen[reached as usize]);
            }
        }
    }
}
