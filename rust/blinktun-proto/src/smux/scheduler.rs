//! Whose turn it is to send: streams have levels, and those of one level have turns (as the new and the old flows
//! of FQ-CoDel do, RFC 8290, 4.2).
//!
//! A stream is sparse until it has sent [`SPARSE`] bytes and more was always there to send. So a small request
//! does not wait for a turn of each download. What is told of a stream ([`StreamClass`]) counts before that.
//!
//! No level starves: each may send one byte for [`PART`] that have left before it.
//!
//! Only streams that can send something stand in a queue, so an idle stream costs nothing and each
//! frame costs the same however many streams there are.

use super::class::StreamClass;
use super::stream::Stream;
use std::collections::VecDeque;

/// A stream's place in a queue. Void unless the stream still holds the same ticket: a stream that
/// was dropped meanwhile needs no search through the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) id: u32,
    ticket: u32,
}

/// A stream that has sent so many bytes, and had always more to send, stands behind sparse ones.
const SPARSE: u32 = 16 << 10;

/// So many bytes may leave before those of a lower level.
const AHEAD: usize = 1 << 20;
/// After that the lower level sends one byte for so many, so that many requests do not stop a download.
const PART: usize = 8;
/// It keeps a claim on no more than so many bytes beyond that, however long none of its streams has waited.
const KEPT: usize = 64 << 10;

/// Where a stream stands; the first has its turn first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// It is told to be interactive, and is sparse.
    Interactive,
    /// It opens.
    Opening,
    /// It is sparse.
    Sparse,
    /// It is told to be interactive, and always has more to send.
    Steady,
    /// It always has more to send.
    Busy,
    /// It is told to be bulk.
    Bulk,
}

const LEVELS: usize = 6;

impl Level {
    const ALL: [Level; LEVELS] = [
        Level::Interactive,
        Level::Opening,
        Level::Sparse,
        Level::Steady,
        Level::Busy,
        Level::Bulk,
    ];

    fn of(stream: &Stream) -> Level {
        let sending = &stream.sending;
        let is_sparse = sending.without_pause < SPARSE;
        match stream.told.class() {
            StreamClass::Interactive if is_sparse => Level::Interactive,
            StreamClass::Interactive => Level::Steady,
            StreamClass::Learned if sending.state.is_ready() => Level::Opening,
            StreamClass::Learned if is_sparse => Level::Sparse,
            StreamClass::Learned => Level::Busy,
            StreamClass::Bulk => Level::Bulk,
        }
    }

    /// Whether the streams of this level send little, and somebody waits for it.
    pub(super) fn is_urgent(self) -> bool {
        matches!(self, Level::Interactive | Level::Opening | Level::Sparse)
    }
}

/// The queues of all levels.
#[derive(Debug, Default)]
pub(super) struct Scheduler {
    queues: [VecDeque<Turn>; LEVELS],
    /// Of each level: bytes that have left before its own, less [`PART`] times what it has sent.
    ahead: [usize; LEVELS],
    /// Turns in all queues that are not void.
    waiting: usize,
    issued: u32,
}

impl Scheduler {
    /// Give the stream a turn, unless it waits for one already. Its level is that of this moment.
    pub(super) fn add(&mut self, stream: &mut Stream) {
        self.enter(stream, VecDeque::push_back);
    }

    /// Let the stream go on with its turn, which the end of a segment has cut off.
    pub(super) fn go_on(&mut self, stream: &mut Stream) {
        self.enter(stream, VecDeque::push_front);
    }

    fn enter(&mut self, stream: &mut Stream, push: fn(&mut VecDeque<Turn>, Turn)) {
        if stream.ticket.is_some() {
            return;
        }
        self.waiting += 1;
        self.issued = self.issued.wrapping_add(1);
        stream.ticket = Some(self.issued);
        let turn = Turn {
            id: stream.id,
            ticket: self.issued,
        };
        push(&mut self.queues[Level::of(stream) as usize], turn);
    }

    /// The next turn, to be claimed for its stream, and its level.
    pub(super) fn next(&mut self) -> Option<(Turn, Level)> {
        let has_waited = |level: &Level| self.ahead[*level as usize] >= AHEAD;
        let levels = Level::ALL.into_iter();
        let mut order = levels.clone().filter(has_waited).chain(levels);
        order.find_map(|level| Some((self.queues[level as usize].pop_front()?, level)))
    }

    /// So many bytes have left for a stream of this level in its turn.
    pub(super) fn note_sent(&mut self, bytes: usize, level: Level) {
        let (own, lower) = self.ahead[level as usize..].split_at_mut(1);
        for ahead in own {
            *ahead = ahead.saturating_sub(PART * bytes);
        }
        for ahead in lower {
            *ahead = (*ahead + bytes).min(AHEAD + KEPT);
        }
    }

    /// Use up the turn; `false` when it is void.
    pub(super) fn claim(&mut self, turn: Turn, stream: &mut Stream) -> bool {
        let valid = stream.ticket == Some(turn.ticket);
        if valid {
            self.withdraw(stream);
        }
        valid
    }

    /// The stream waits no longer.
    pub(super) fn withdraw(&mut self, stream: &mut Stream) {
        if stream.ticket.take().is_some() {
            self.waiting -= 1;
        }
        if self.waiting == 0 {
            self.queues.iter_mut().for_each(VecDeque::clear);
        }
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::sending::SendState;
    use super::StreamClass::{Bulk, Interactive, Learned};
    use super::*;

    /// A stream of each level, the first one first. Its number is that of the level.
    fn streams() -> Vec<Stream> {
        let busy = SPARSE;
        let kinds = [
            (Interactive, SendState::Ready, 0),
            (Learned, SendState::Ready, 0),
            (Learned, SendState::Send, busy - 1),
            (Interactive, SendState::Send, busy),
            (Learned, SendState::Send, busy),
            (Bulk, SendState::Ready, 0),
        ];
        let make = |(id, (class, state, sent))| {
            let mut stream = Stream::new(id, state, 1, None);
            stream.set_class(class, false);
            stream.sending.without_pause = sent;
            stream
        };
        (0..).zip(kinds).map(make).collect()
    }

    /// The next stream has its turn and sends so many bytes; returns its number.
    fn serve(scheduler: &mut Scheduler, streams: &mut [Stream], bytes: usize) -> Option<usize> {
        let (turn, level) = scheduler.next()?;
        let stream = &mut streams[turn.id as usize];
        assert!(scheduler.claim(turn, stream));
        assert_eq!(level as u32, turn.id);
        scheduler.note_sent(bytes, level);
        Some(turn.id as usize)
    }

    #[test]
    fn levels_have_their_turns_in_order() {
        let (mut scheduler, mut streams) = (Scheduler::default(), streams());
        for stream in streams.iter_mut().rev() {
            scheduler.add(stream);
        }
        let order = std::iter::from_fn(|| serve(&mut scheduler, &mut streams, 100));
        assert!(order.eq(0..LEVELS));
        assert!(scheduler.is_empty());
    }

    #[test]
    fn no_level_starves_beside_those_before_it() {
        let (mut scheduler, mut streams) = (Scheduler::default(), streams());
        streams.iter_mut().for_each(|it| scheduler.add(it));
        let mut sent = [0; LEVELS];
        for _ in 0..20_000 {
            let id = serve(&mut scheduler, &mut streams, 1000).expect("all wait");
            sent[id] += 1000;
            scheduler.add(&mut streams[id]);
        }
        for level in 1..LEVELS {
            let before: usize = sent[..level].iter().sum();
            let share = (before - AHEAD) / PART;
            assert!(
                sent[level].abs_diff(share) < KEPT / PART,
                "{level} {sent:?}"
            );
        }
        assert!(sent[0] > 20_000_000 / 2, "{sent:?}");
    }

    #[test]
    fn a_level_that_nobody_waited_in_has_kept_little() {
        let (mut scheduler, mut streams) = (Scheduler::default(), streams());
        for _ in 0..100 {
            scheduler.add(&mut streams[3]);
            serve(&mut scheduler, &mut streams, 1 << 20);
        }
        let mut sent = [0; LEVELS];
        while sent[3] == 0 {
            streams.iter_mut().skip(3).for_each(|it| scheduler.add(it));
            let id = serve(&mut scheduler, &mut streams, 1000).expect("three wait");
            sent[id] += 1000;
        }
        let kept = 1000..KEPT / PART + 2000;
        assert!(sent[4..].iter().all(|it| kept.contains(it)), "{sent:?}");
        for _ in 0..90 {
            streams.iter_mut().skip(3).for_each(|it| scheduler.add(it));
            let id = serve(&mut scheduler, &mut streams, 1000).expect("three wait");
            sent[id] += 1000;
        }
        assert!(sent[3] > 60_000, "{sent:?}");
    }

    #[test]
    fn a_stream_that_waits_keeps_its_place() {
        let (mut scheduler, mut streams) = (Scheduler::default(), streams());
        for _ in 0..1000 {
            for class in StreamClass::ALL {
                streams[4].set_class(class, false);
                scheduler.add(&mut streams[4]);
            }
        }
        let held: usize = scheduler.queues.iter().map(VecDeque::len).sum();
        assert_eq!((held, scheduler.waiting), (1, 1));
    }
}
