//! What waits to leave for the first time: segments without a number.

use std::collections::VecDeque;

use super::care::Care;
use super::pool::Pool;
use crate::wire::kcp::HEADER;

/// A segment without a number.
#[derive(Debug)]
pub struct Unnumbered {
    /// Its bytes.
    pub data: Vec<u8>,
    /// What is done for it.
    pub care: Care,
    joint: Joint,
}

impl Unnumbered {
    /// Whether it is independent: whole frames, which may be cut between them.
    pub(super) fn is_whole(&self) -> bool {
        self.joint == Joint::Whole
    }
}

/// What may be done to a segment without a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joint {
    /// Bytes may be appended, and it may be cut.
    Open,
    /// It may be cut.
    Sealed,
    /// It is independent, and stays as it is.
    Whole,
}

/// So many segments that somebody waits for may overtake each of the others.
const OVERTAKING: u32 = 8;

/// The segments without a number, in order, cut for the largest segment.
#[derive(Debug)]
pub(super) struct Queue {
    mss: usize,
    segments: VecDeque<Unnumbered>,
    /// Segments that have overtaken others since the last of those left.
    overtaking: u32,
}

impl Queue {
    /// Nothing waits. Segments have at most `mss` bytes.
    pub(super) fn new(mss: usize) -> Queue {
        Queue {
            mss,
            segments: VecDeque::new(),
            overtaking: 0,
        }
    }

    /// The most bytes of a segment.
    pub(super) fn mss(&self) -> usize {
        self.mss
    }

    /// Segments that wait.
    pub(super) fn len(&self) -> usize {
        self.segments.len()
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The segment that leaves next.
    pub(super) fn first(&self) -> Option<&Unnumbered> {
        self.segments.front()
    }

    /// How many of the first `most` segments somebody waits for, from the first one on.
    pub(super) fn awaited(&self, most: usize) -> usize {
        let first = self.segments.iter().take(most);
        first.take_while(|it| it.care.is_awaited()).count()
    }

    /// Take the segment that leaves next.
    pub(super) fn pop(&mut self) -> Option<Unnumbered> {
        let segment = self.segments.pop_front()?;
        if !segment.care.is_awaited() {
            self.overtaking = 0;
        }
        Some(segment)
    }

    // --- the ordered stream ---------------------------------------------------------------

    /// Bytes that still fit into the last segment.
    pub(super) fn tail(&self) -> usize {
        let last = self.segments.back();
        let open = last.filter(|last| last.joint == Joint::Open);
        open.map_or(0, |last| self.mss.saturating_sub(last.data.len()))
    }

    /// Append bytes to the stream. They fill the last segment.
    pub(super) fn push(&mut self, data: &[u8], is_urgent: bool, pool: &mut Pool) {
        let (head, rest) = data.split_at(data.len().min(self.tail()));
        if let Some(last) = self.segments.back_mut()
            && !head.is_empty()
        {
            last.data.extend_from_slice(head);
            last.care = Care::of_stream(is_urgent || last.care == Care::Urgent);
        }
        for piece in rest.chunks(self.mss) {
            let mut data = pool.take(piece.len());
            data.extend_from_slice(piece);
            self.segments.push_back(Unnumbered {
                data,
                care: Care::of_stream(is_urgent),
                joint: Joint::Open,
            });
        }
    }

    /// What follows begins a segment.
    pub(super) fn seal(&mut self) {
        if let Some(last) = self.segments.back_mut() {
            last.joint = Joint::Sealed;
        }
    }

    // --- independent segments -------------------------------------------------------------

    /// Append an independent segment. One that somebody waits for overtakes others.
    pub(super) fn push_whole(&mut self, data: Vec<u8>, care: Care) {
        let joint = Joint::Whole;
        let segment = Unnumbered { data, care, joint };
        let overtakes =
            |it: &&Unnumbered| care.is_awaited() && it.is_whole() && !it.care.is_awaited();
        let overtaken = match self.overtaking < OVERTAKING {
            true => self.segments.iter().rev().take_while(overtakes).count(),
            false => 0,
        };
        self.overtaking += u32::from(overtaken > 0);
        self.segments
            .insert(self.segments.len() - overtaken, segment);
    }

    /// Let an independent segment leave next.
    pub(super) fn push_first(&mut self, data: Vec<u8>, care: Care) {
        let joint = Joint::Whole;
        self.segments.push_front(Unnumbered { data, care, joint });
    }

    /// Take the segment that leaves next, if it is independent. One that is not must leave first.
    pub(super) fn take_whole(&mut self) -> Option<Unnumbered> {
        let is_whole = self.first().is_some_and(Unnumbered::is_whole);
        if is_whole { self.pop() } else { None }
    }

    // --- other lengths --------------------------------------------------------------------

    /// From now on segments have at most `mss` bytes. Returns the independent segments that are too long: they
    /// must be cut between their frames.
    #[must_use]
    pub(super) fn set_mss(&mut self, mss: usize, pool: &mut Pool) -> Vec<Unnumbered> {
        self.mss = mss;
        let mut too_long = Vec::new();
        for segment in core::mem::take(&mut self.segments) {
            match segment.joint {
                Joint::Whole if segment.data.len() <= mss => self.segments.push_back(segment),
                Joint::Whole => too_long.push(segment),
                Joint::Open | Joint::Sealed => {
                    self.push(&segment.data, segment.care == Care::Urgent, pool);
                    if segment.joint == Joint::Sealed {
                        self.seal();
                    }
                    pool.give(segment.data);
                }
            }
        }
        too_long
    }

    /// Cut the segment that leaves next for a probe of the MTU, whose payload has `room` bytes beside its header:
    /// the rest must be headers too. Returns its length.
    pub(super) fn cut_for_probe(&mut self, room: usize, pool: &mut Pool) -> Option<usize> {
        let first = self.segments.front_mut()?;
        if first.joint == Joint::Whole {
            return Some(first.data.len()).filter(|len| *len <= room);
        }
        let most = first.data.len().min(room);
        let excess = most.saturating_sub(room % HEADER) % HEADER;
        let len = if excess == most { most } else { most - excess };
        if len < first.data.len() {
            let mut data = pool.take(len);
            data.extend_from_slice(&first.data[..len]);
            first.data.drain(..len);
            let care = first.care;
            let joint = Joint::Sealed;
            self.segments.push_front(Unnumbered { data, care, joint });
        }
        Some(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: usize = 1000;

    fn lengths(queue: &Queue) -> Vec<usize> {
        queue.segments.iter().map(|it| it.data.len()).collect()
    }

    /// Two segments of the stream, the last one sealed, and an independent one.
    fn switched(pool: &mut Pool) -> Queue {
        let mut queue = Queue::new(MSS);
        queue.push(&[1; 1300], false, pool);
        queue.seal();
        queue.push_whole(vec![2; 700], Care::Urgent);
        queue
    }

    #[test]
    fn awaited_segments_overtake_others_so_often_and_no_more() {
        let mut queue = Queue::new(MSS);
        for len in [1, 2] {
            queue.push_whole(vec![0; len], Care::Ordinary);
        }
        for len in 3..15 {
            queue.push_whole(vec![0; len], Care::Urgent);
        }
        let overtaking = 3 + OVERTAKING as usize;
        let expected = (3..overtaking).chain([1, 2]).chain(overtaking..15);
        assert!(lengths(&queue).into_iter().eq(expected));
        while queue.pop().is_some() {}
        for (len, care) in [(1, Care::Ordinary), (2, Care::Prompt), (3, Care::Urgent)] {
            queue.push_whole(vec![0; len], care);
        }
        assert_eq!(lengths(&queue), [2, 3, 1]);
        // Bytes in one order cannot be overtaken.
        let mut queue = switched(&mut Pool::default());
        queue.push_whole(vec![0; 9], Care::Urgent);
        assert_eq!(lengths(&queue), [1000, 300, 700, 9]);
    }

    #[test]
    fn only_an_open_segment_is_filled_up() {
        let mut pool = Pool::default();
        let mut queue = Queue::new(MSS);
        queue.push(&[1; 1300], false, &mut pool);
        assert_eq!(queue.tail(), 700);
        queue.push(&[1; 900], false, &mut pool);
        assert_eq!(
            (lengths(&queue), queue.tail()),
            (vec![1000, 1000, 200], 800)
        );
        let mut queue = switched(&mut pool);
        assert_eq!(queue.tail(), 0);
        queue.push(&[1; 10], false, &mut pool);
        assert_eq!(lengths(&queue), [1000, 300, 700, 10]);
    }

    #[test]
    fn another_mss_cuts_bytes_and_leaves_independent_segments_whole() {
        let mut pool = Pool::default();
        let mut queue = switched(&mut pool);
        assert!(queue.set_mss(800, &mut pool).is_empty());
        assert_eq!((lengths(&queue), queue.tail()), (vec![800, 500, 700], 0));
        let too_long = queue.set_mss(600, &mut pool);
        assert_eq!(too_long.len(), 1);
        assert!(too_long[0].data.len() == 700 && too_long[0].care == Care::Urgent);
        assert_eq!(lengths(&queue), [600, 600, 100]);
    }

    #[test]
    fn an_independent_segment_is_taken_back_only_if_it_is_next() {
        let mut pool = Pool::default();
        let mut queue = switched(&mut pool);
        for _ in 0..2 {
            assert!(queue.take_whole().is_none());
            queue.pop();
        }
        queue.push_first(vec![3; 9], Care::Ordinary);
        let taken = queue.take_whole().expect("it is next");
        assert_eq!((taken.data.len(), queue.len()), (9, 1));
    }
}
