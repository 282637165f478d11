//! Finding the sender's numbers in the kinds of the packets that arrive (kcptun wire, 4.7).

use crate::wire::SeqId;
use crate::work;

/// Samples kept: two more than the longest group.
pub(crate) const SAMPLES: usize = 258;

/// The last [`SAMPLES`] sequence numbers and kinds, and the periods in them.
///
/// Taking a sample costs O(1) and no memory once the ring is full; only [`Tuner::periods`] searches.
#[derive(Clone, Debug, Default)]
pub struct Tuner {
    samples: Vec<Sample>,
    oldest: usize,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    seqid: SeqId,
    is_data: bool,
}

impl Tuner {
    /// The most heap memory that samples take, in bytes.
    pub const MEMORY_BOUND: usize = SAMPLES.next_power_of_two() * size_of::<Sample>();

    /// Remember a packet.
    pub fn sample(&mut self, seqid: SeqId, is_data: bool) {
        let sample = Sample { seqid, is_data };
        if self.samples.len() < SAMPLES {
            self.samples.push(sample);
            return;
        }
        self.samples[self.oldest] = sample;
        self.oldest = if self.oldest + 1 == SAMPLES {
            0
        } else {
            self.oldest + 1
        };
    }

    /// The lengths of a run of data packets and of one of parity packets, `None` where not found.
    ///
    /// Each is the first whole run in the order of sequence numbers, found only if no number is
    /// missing or doubled from the oldest sample to the run's end.
    pub fn periods(&self) -> (Option<usize>, Option<usize>) {
        let sorted = self.sorted();
        (period(&sorted, true), period(&sorted, false))
    }

    /// Bytes of heap memory held.
    pub fn memory(&self) -> usize {
        self.samples.capacity() * size_of::<Sample>()
    }

    fn sorted(&self) -> Vec<Sample> {
        work::count(self.samples.len());
        let (newer, older) = self.samples.split_at(self.oldest);
        let mut sorted = [older, newer].concat();
        if let Some(&Sample {
            seqid: reference, ..
        }) = sorted.first()
        {
            // Distances to one reference are a total order, which wrapping distances to each other
            // are not when a peer chooses the numbers.
            sorted.sort_by_key(|sample| sample.seqid.diff(reference));
        }
        sorted
    }
}

fn period(sorted: &[Sample], of_data: bool) -> Option<usize> {
    let mut start = None;
    for (i, pair) in sorted.windows(2).enumerate() {
        if pair[1].seqid.diff(pair[0].seqid) != 1 {
            return None;
        }
        match (
            pair[0].is_data == of_data,
            pair[1].is_data == of_data,
            start,
        ) {
            (false, true, None) => start = Some(i),
            (true, false, Some(start)) => return Some(i - start),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubled_number_hides_the_period() {
        let mut tuner = Tuner::default();
        for seqid in [0, 1, 1, 2, 3, 4, 5, 6, 7] {
            tuner.sample(SeqId(seqid), seqid % 3 < 2);
        }
        assert_eq!(tuner.periods(), (None, None));
    }

    #[test]
    fn memory_is_the_ring_alone() {
        let mut tuner = Tuner::default();
        for seqid in 0..10_000 {
            tuner.sample(SeqId(seqid), true);
        }
        assert_eq!(tuner.samples.len(), SAMPLES);
        assert!(tuner.memory() <= Tuner::MEMORY_BOUND);
    }
}
