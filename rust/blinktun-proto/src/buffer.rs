//! Byte queues: what waits to be read or sent.

use std::collections::VecDeque;

/// The smallest chunk a queue allocates, in bytes.
const SMALL: usize = 2 * 1024;
/// The largest chunk a queue allocates, in bytes.
const LARGE: usize = 64 * 1024;

/// A first-in-first-out queue of bytes, kept in chunks that never move.
///
/// An empty queue owns no heap memory. A queue of `n` bytes owns at most `2n` bytes and two chunks
/// (of at most 64 KiB each): one partly read at the front, one partly filled at the back.
#[derive(Clone, Debug, Default)]
pub struct ByteQueue {
    chunks: VecDeque<Vec<u8>>,
    /// Bytes of the first chunk that are consumed already.
    start: usize,
    len: usize,
}

impl ByteQueue {
    /// An empty queue; allocates nothing.
    pub fn new() -> ByteQueue {
        ByteQueue::default()
    }

    /// Bytes in the queue.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte in the queue.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of heap memory held by the chunks.
    pub fn allocated(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum()
    }

    /// Append a copy of `bytes`: to the last chunk while it has room, then to new ones.
    ///
    /// A new chunk is as large as what is queued, within 2 KiB and 64 KiB: a queue that backs up
    /// gets few large chunks, one that is read at once stays small.
    pub fn push(&mut self, bytes: &[u8]) {
        self.push_changed(bytes, |_| {});
    }

    /// As [`push`](ByteQueue::push), with each piece of the copy changed by `change` in its place,
    /// in order.
    pub(crate) fn push_changed(&mut self, bytes: &[u8], mut change: impl FnMut(&mut [u8])) {
        self.len += bytes.len();
        let mut rest = bytes;
        if let Some(tail) = self.chunks.back_mut() {
            let room = tail.capacity() - tail.len();
            let (fitting, beyond) = rest.split_at(room.min(rest.len()));
            let end = tail.len();
            tail.extend_from_slice(fitting);
            change(&mut tail[end..]);
            rest = beyond;
        }
        while !rest.is_empty() {
            let mut chunk = Vec::with_capacity(self.len.clamp(SMALL, LARGE));
            let (fitting, beyond) = rest.split_at(chunk.capacity().min(rest.len()));
            chunk.extend_from_slice(fitting);
            change(&mut chunk);
            self.chunks.push_back(chunk);
            rest = beyond;
        }
    }

    /// The first contiguous bytes; empty only when the queue is.
    pub fn front(&self) -> &[u8] {
        self.chunks().next().unwrap_or_default()
    }

    /// All bytes in order, as the contiguous pieces they are stored in (for a vectored write).
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let starts = core::iter::once(self.start).chain(core::iter::repeat(0));
        self.chunks
            .iter()
            .zip(starts)
            .map(|(chunk, start)| &chunk[start..])
    }

    /// Drop the first `n` bytes, or all when there are fewer.
    pub fn consume(&mut self, n: usize) {
        if n >= self.len {
            return self.clear();
        }
        self.len -= n;
        self.start += n;
        while let Some(chunk) = self.chunks.front()
            && self.start >= chunk.len()
        {
            self.start -= chunk.len();
            self.chunks.pop_front();
        }
    }

    /// Move bytes to the front of `out`; returns how many, at most `out.len()`.
    pub fn read(&mut self, out: &mut [u8]) -> usize {
        let mut done = 0;
        for chunk in self.chunks() {
            let n = chunk.len().min(out.len() - done);
            out[done..done + n].copy_from_slice(&chunk[..n]);
            done += n;
        }
        self.consume(done);
        done
    }

    /// Move the first `n` bytes, or all when there are fewer, to the end of `out`.
    pub(crate) fn move_to(&mut self, n: usize, out: &mut Vec<u8>) {
        let mut left = n.min(self.len);
        self.chunks()
            .map_while(|chunk| (left > 0).then(|| &chunk[..take(&mut left, chunk.len())]))
            .for_each(|piece| out.extend_from_slice(piece));
        self.consume(n);
    }

    /// Drop everything and free the memory.
    pub fn clear(&mut self) {
        *self = ByteQueue::new();
    }
}

/// Take at most `most` from `left`; returns how much.
fn take(left: &mut usize, most: usize) -> usize {
    let n = most.min(*left);
    *left -= n;
    n
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(usize),
        PushInverted(usize),
        Consume(usize),
        Read(usize),
        MoveTo(usize),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0usize..200_000).prop_map(Step::Push),
            4 => (0usize..3_000).prop_map(Step::Push),
            2 => (0usize..100_000).prop_map(Step::PushInverted),
            2 => (0usize..150_000).prop_map(Step::Consume),
            2 => (0usize..5_000).prop_map(Step::Read),
            2 => (0usize..150_000).prop_map(Step::MoveTo),
            1 => Just(Step::Clear),
        ]
    }

    fn count_on(counter: &mut usize, n: usize) -> Vec<u8> {
        let bytes = (*counter..*counter + n).map(|i| (i % 251) as u8);
        *counter += n;
        bytes.collect()
    }

    /// The same operation on the queue and on a plain deque: both must hand out the same bytes.
    fn apply(step: &Step, queue: &mut ByteQueue, model: &mut VecDeque<u8>, counter: &mut usize) {
        match *step {
            Step::Push(n) => {
                let bytes = count_on(counter, n);
                queue.push(&bytes);
                model.extend(bytes);
            }
            Step::PushInverted(n) => {
                let bytes = count_on(counter, n);
                queue.push_changed(&bytes, |piece| piece.iter_mut().for_each(|b| *b = !*b));
                model.extend(bytes.iter().map(|b| !b));
            }
            Step::Consume(n) => {
                queue.consume(n);
                model.drain(..n.min(model.len()));
            }
            Step::Read(n) => {
                let mut out = vec![0; n];
                let got = queue.read(&mut out);
                assert!(
                    model
                        .drain(..n.min(model.len()))
                        .eq(out[..got].iter().copied())
                );
            }
            Step::MoveTo(n) => {
                let mut out = b"kept".to_vec();
                queue.move_to(n, &mut out);
                assert!(out.starts_with(b"kept"));
                assert!(
                    model
                        .drain(..n.min(model.len()))
                        .eq(out[4..].iter().copied())
                );
            }
            Step::Clear => {
                queue.clear();
                model.clear();
            }
        }
    }

    proptest! {
        #[test]
        fn behaves_like_a_plain_deque(steps in prop::collection::vec(step(), 1..40)) {
            let (mut queue, mut model, mut counter) = (ByteQueue::new(), VecDeque::new(), 0);
            for step in &steps {
                apply(step, &mut queue, &mut model, &mut counter);
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.is_empty(), model.is_empty());
                prop_assert_eq!(queue.front().is_empty(), model.is_empty());
                prop_assert!(queue.chunks().flatten().eq(model.iter()));
                prop_assert!(queue.chunks().all(|chunk| !chunk.is_empty()));
                prop_assert!(queue.allocated() <= 2 * queue.len() + 2 * LARGE);
            }
        }
    }

    #[test]
    fn an_empty_queue_owns_nothing() {
        let mut queue = ByteQueue::new();
        queue.push(&[]);
        assert_eq!(queue.chunks.capacity(), 0);
        queue.push(b"some bytes");
        assert_eq!(queue.allocated(), SMALL);
        queue.consume(10);
        assert_eq!((queue.allocated(), queue.chunks.capacity()), (0, 0));
        assert!(size_of::<ByteQueue>() <= 48);
    }

    #[test]
    fn small_pushes_share_a_chunk_and_backlog_grows_chunks() {
        let mut queue = ByteQueue::new();
        for _ in 0..200 {
            queue.push(&[7; 10]);
        }
        assert_eq!(queue.chunks().count(), 1);
        for _ in 0..1000 {
            queue.push(&[7; 1298]);
        }
        assert!(
            queue.chunks().count() < 32,
            "{} chunks",
            queue.chunks().count()
        );
    }
}
