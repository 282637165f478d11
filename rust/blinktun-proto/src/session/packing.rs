//! Independent segments: whole frames, compressed where that saves something.
//!
//! A segment begins with a byte that says whether its frames are compressed. Each is compressed by itself,
//! because it may arrive before those that left earlier. So as many frames are taken as are thought to fill a
//! segment when they are compressed: what the last ones have shown.

use crate::smux::independent;
use crate::snappy;

/// The frames stand as they are.
const PLAIN: u8 = 0;
/// The frames are one block of snappy.
const COMPRESSED: u8 = 1;
/// After so many segments in a row that did not get smaller, only one of so many is tried.
const PATIENCE: u32 = 8;

/// Packs frames into segments.
#[derive(Clone, Debug)]
pub(super) struct Packing {
    compresses: bool,
    /// Bytes of frames that are thought to fill a segment.
    budget: usize,
    /// Segments in a row that did not get smaller.
    in_vain: u32,
    packed: Vec<u8>,
}

impl Packing {
    /// Nothing is known of the data.
    pub(super) fn new(compresses: bool) -> Packing {
        Packing {
            compresses,
            budget: 0,
            in_vain: 0,
            packed: Vec::new(),
        }
    }

    /// How many bytes of frames to take for a segment of at most `most` bytes.
    pub(super) fn budget(&self, most: usize) -> usize {
        self.budget.max(most - 1).min(independent::MAX_SEGMENT)
    }

    /// Give segments of at most `most` bytes with these frames to `emit`; usually it is one.
    pub(super) fn pack(&mut self, frames: &[u8], most: usize, mut emit: impl FnMut(&[u8])) {
        self.packed.clear();
        if self.is_worth_trying() {
            self.packed.push(COMPRESSED);
            let is_smaller = snappy::compress_block(frames, &mut self.packed);
            self.in_vain = if is_smaller { 0 } else { self.in_vain + 1 };
            if is_smaller && self.packed.len() <= most {
                let is_full = frames.len() + most / 4 >= self.budget(most);
                if is_full {
                    // A little less than would fit if all was alike.
                    self.budget = frames.len() * most / self.packed.len() / 16 * 15;
                }
                return emit(&self.packed);
            }
            self.packed.clear();
        }
        self.budget /= 2;
        plain(frames, most, emit);
    }

    /// Cut a segment that is longer than `most` bytes.
    pub(super) fn cut(&mut self, segment: &[u8], most: usize, emit: impl FnMut(&[u8])) {
        let mut plain = Vec::new();
        if let Ok(frames) = unpack(segment, &mut plain) {
            self.pack(frames, most, emit);
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

/// Give segments of at most `most` bytes with these frames to `emit`, not compressed; usually it is one.
pub(super) fn plain(frames: &[u8], most: usize, mut emit: impl FnMut(&[u8])) {
    let mut packed = vec![PLAIN];
    if frames.len() < most {
        packed.extend_from_slice(frames);
        return emit(&packed);
    }
    independent::cut(frames, most - 1, |part| {
        packed.truncate(1);
        packed.extend_from_slice(part);
        emit(&packed);
    });
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
        queue.push(data);
        while !queue.is_empty() {
            let mut frames = Vec::new();
            let mut writer = independent::Writer::new(&mut frames, packing.budget(MSS));
            offset += writer.data(3, offset, &mut queue, usize::MAX) as u32;
            packing.pack(&frames, MSS, |segment| {
                assert!(segment.len() <= MSS);
                segments.push(segment.to_vec());
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
    fn a_segment_is_cut_for_a_smaller_path() {
        let mut packing = Packing::new(true);
        let data: Vec<u8> = (0..100_000u32).map(|at| (at / 9) as u8).collect();
        let mut queue = ByteQueue::new();
        queue.push(&data);
        let mut frames = Vec::new();
        independent::Writer::new(&mut frames, 4000).data(3, 0, &mut queue, usize::MAX);
        let mut whole = Vec::new();
        packing.pack(&frames, 5000, |segment| whole = segment.to_vec());
        let mut parts = 0;
        packing.cut(&whole, 200, |part| {
            assert!(part.len() <= 200);
            parts += 1;
        });
        assert!(parts > 1);
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
