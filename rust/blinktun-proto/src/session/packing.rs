//! Independent segments: whole frames, compressed where that saves something.
//!
//! A segment begins with a byte that says whether its frames are compressed. Each is compressed by itself,
//! because it may arrive before those that left earlier. So as many frames are taken as are thought to fill a
//! segment when they are compressed: what the last ones have shown.

use crate::kcp::pool::Pool;
use crate::smux::independent;
use crate::snappy;

/// The frames stand as they are.
const PLAIN: u8 = 0;
/// The frames are one block of snappy.
const COMPRESSED: u8 = 1;
/// After so many segments in a row that did not get smaller, only one of so many is tried.
const PATIENCE: u32 = 8;

/// Decides what is compressed.
#[derive(Clone, Debug)]
pub(super) struct Packing {
    compresses: bool,
    /// Bytes of frames that are thought to fill a segment.
    budget: usize,
    /// Segments in a row that did not get smaller.
    in_vain: u32,
}

impl Packing {
    /// Nothing is known of the data.
    pub(super) fn new(compresses: bool) -> Packing {
        Packing {
            compresses,
            budget: 0,
            in_vain: 0,
        }
    }

    /// How many bytes of frames to take for a segment of at most `most` bytes.
    pub(super) fn budget(&self, most: usize) -> usize {
        self.budget.max(most - 1).min(independent::MAX_SEGMENT)
    }

    /// Give segments of at most `most` bytes with the frames of `segment`, which is not compressed, to `emit`;
    /// usually it is one.
    pub(super) fn pack(
        &mut self,
        segment: Vec<u8>,
        most: usize,
        (pool, packed): (&mut Pool, &mut Vec<u8>),
        mut emit: impl FnMut(Vec<u8>),
    ) {
        if self.is_worth_trying() {
            packed.clear();
            packed.push(COMPRESSED);
            let is_smaller = snappy::compress_block(&segment[1..], packed);
            self.in_vain = if is_smaller { 0 } else { self.in_vain + 1 };
            if is_smaller && packed.len() <= most {
                self.learn(segment.len(), packed.len(), most);
                let mut smaller = pool.take(packed.len());
                smaller.extend_from_slice(packed);
                pool.give(segment);
                return emit(smaller);
            }
        }
        self.budget /= 2;
        if segment.len() <= most {
            return emit(segment);
        }
        cut(&segment[1..], most, pool, emit);
        pool.give(segment);
    }

    /// So many bytes have become `packed`. If there was enough to fill a segment, the next one may be as full.
    fn learn(&mut self, bytes: usize, packed: usize, most: usize) {
        let is_full = bytes + most / 4 >= self.budget(most);
        if is_full {
            // A little less than would fit if all was alike.
            self.budget = bytes * most / packed / 16 * 15;
        }
    }

    /// Data that does not get smaller is tried now and then only.
    fn is_worth_trying(&mut self) -> bool {
        let waits = !self.in_vain.is_multiple_of(PATIENCE) && self.in_vain > PATIENCE;
        if waits {
            self.in_vain += 1;
        }
        self.compresses && !waits
    }
}

/// An empty segment that is not compressed.
pub(super) fn begin(pool: &mut Pool, capacity: usize) -> Vec<u8> {
    let mut segment = pool.take(capacity);
    segment.push(PLAIN);
    segment
}

/// Give segments of at most `most` bytes with these frames to `emit`, not compressed.
pub(super) fn cut(frames: &[u8], most: usize, pool: &mut Pool, emit: impl FnMut(Vec<u8>)) {
    independent::cut(frames, most, || begin(pool, most), emit);
}

/// The parts of a segment, of at most `most` bytes each, not compressed; `plain` helps. There is one at least.
pub(super) fn cut_again(
    segment: Vec<u8>,
    most: usize,
    pool: &mut Pool,
    plain: &mut Vec<u8>,
) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let Ok(frames) = unpack(&segment, plain) else {
        return vec![segment]; // ours are proper
    };
    cut(frames, most, pool, |part| parts.push(part));
    if parts.is_empty() {
        parts.push(begin(pool, most));
    }
    pool.give(segment);
    parts
}

/// The frames of a segment; `plain` holds them if they were compressed.
///
/// # Errors
/// It is empty, of no known kind, or damaged.
pub(super) fn unpack<'a>(
    segment: &'a [u8],
    plain: &'a mut Vec<u8>,
) -> Result<&'a [u8], snappy::Error> {
    match segment.split_first() {
        Some((&PLAIN, frames)) => Ok(frames),
        Some((&COMPRESSED, block)) => {
            plain.clear();
            snappy::decompress_block(block, plain)?;
            Ok(plain)
        }
        Some((kind, _)) => Err(snappy::Error::Kind(*kind)),
        None => Err(snappy::Error::Length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::ByteQueue;
    use crate::random::Random;

    const MSS: usize = 1300;

    /// Segments for so much data of a stream, and what they are unpacked to.
    fn carry(packing: &mut Packing, data: &[u8]) -> (usize, Vec<u8>) {
        let (mut queue, mut offset, mut segments) = (ByteQueue::new(), 0u32, Vec::new());
        let (mut pool, mut packed) = (Pool::default(), Vec::new());
        queue.push(data);
        while !queue.is_empty() {
            let mut frames = begin(&mut pool, MSS);
            let mut writer = independent::Writer::new(&mut frames, packing.budget(MSS));
            offset += writer.data(3, offset, &mut queue, usize::MAX) as u32;
            packing.pack(frames, MSS, (&mut pool, &mut packed), |segment| {
                assert!(segment.len() <= MSS);
                segments.push(segment);
            });
        }
        let mut out = Vec::new();
        for segment in &segments {
            let mut plain = Vec::new();
            let mut frames = independent::Frames::new(unpack(segment, &mut plain).expect("proper"));
            while let Some(frame) = frames.next_frame().expect("proper") {
                let independent::Frame::Stream { data, .. } = frame else {
                    panic!("{frame:?}");
                };
                out.extend_from_slice(data);
            }
        }
        (segments.len(), out)
    }

    #[test]
    fn data_fills_its_segments_whether_it_gets_smaller_or_not() {
        let mut random = vec![0; 200_000];
        Random::from_number(1).fill(&mut random);
        let alike: Vec<u8> = (0..200_000u32).map(|at| (at / 40) as u8).collect();
        let mixed = [&alike[..], &random[..], &alike[..]].concat();
        let all = |size: usize| size.div_ceil(MSS - 8);
        for (compresses, data, most) in [
            (false, &alike, all(alike.len())),
            (true, &random, all(random.len())),
            (true, &alike, all(alike.len()) / 3),
            (true, &mixed, all(random.len()) + all(alike.len())),
        ] {
            let (count, seen) = carry(&mut Packing::new(compresses), data);
            assert!(seen == *data);
            assert!(count <= most, "{count} of {most}");
        }
    }

    #[test]
    fn damage_is_an_error() {
        for segment in [
            &[][..],
            &[2, 1],
            &[COMPRESSED],
            &[COMPRESSED, 0xff, 0xff, 0xff, 0xff, 0x0f],
        ] {
            assert!(unpack(segment, &mut Vec::new()).is_err(), "{segment:?}");
        }
    }
}
