//! One stream's application: who writes and reads how much, how fast, and the check of every byte.

use blinktun_proto::random::Random;
use blinktun_proto::session::{Context, Session};
use blinktun_proto::smux::{StreamClass, StreamId};
use blinktun_proto::time::{Duration, Time, earliest};

/// An end of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Dials, and opens the streams.
    Client,
    /// Accepts.
    Server,
}

/// What an application does with the streams of one conversation.
pub trait Streams {
    /// Open a stream of this class, if there may be one more.
    fn open(&mut self, class: StreamClass) -> Option<StreamId>;
    /// Whether the stream is open in any direction.
    fn contains(&self, stream: StreamId) -> bool;
    /// How many bytes [`Streams::write`] takes now.
    fn write_room(&mut self, stream: StreamId) -> usize;
    /// Queue bytes; returns how many were taken.
    fn write(&mut self, stream: StreamId, data: &[u8]) -> usize;
    /// No more will be written.
    fn finish(&mut self, stream: StreamId);
    /// The first contiguous piece of what has arrived.
    fn read_front(&self, stream: StreamId) -> &[u8];
    /// `count` bytes of that have been taken.
    fn consume(&mut self, stream: StreamId, count: usize, now: Time);
}

impl Streams for (&mut Session, &mut Context) {
    fn open(&mut self, class: StreamClass) -> Option<StreamId> {
        self.0.open_stream_as(class).ok()
    }

    fn contains(&self, stream: StreamId) -> bool {
        self.0.mux().contains(stream)
    }

    fn write_room(&mut self, stream: StreamId) -> usize {
        self.0.write_room(stream)
    }

    fn write(&mut self, stream: StreamId, data: &[u8]) -> usize {
        self.0.write(stream, data).unwrap_or(0)
    }

    fn finish(&mut self, stream: StreamId) {
        self.0.finish(stream);
    }

    fn read_front(&self, stream: StreamId) -> &[u8] {
        self.0.read_front(stream)
    }

    fn consume(&mut self, stream: StreamId, count: usize, now: Time) {
        self.0.consume(stream, count, now, self.1);
    }
}

impl<T: Streams + ?Sized> Streams for &mut T {
    fn open(&mut self, class: StreamClass) -> Option<StreamId> {
        (**self).open(class)
    }

    fn contains(&self, stream: StreamId) -> bool {
        (**self).contains(stream)
    }

    fn write_room(&mut self, stream: StreamId) -> usize {
        (**self).write_room(stream)
    }

    fn write(&mut self, stream: StreamId, data: &[u8]) -> usize {
        (**self).write(stream, data)
    }

    fn finish(&mut self, stream: StreamId) {
        (**self).finish(stream);
    }

    fn read_front(&self, stream: StreamId) -> &[u8] {
        (**self).read_front(stream)
    }

    fn consume(&mut self, stream: StreamId, count: usize, now: Time) {
        (**self).consume(stream, count, now);
    }
}

/// One direction of a stream: so many bytes, then the end.
#[derive(Clone, Debug)]
pub struct Half {
    /// Bytes to carry.
    pub total: u64,
    /// Bytes a second that the reader takes; `None` takes all at once.
    pub rate: Option<u64>,
    /// Bytes a second that the writer has; `None`: all at once.
    pub source: Option<u64>,
    /// The reader does nothing from the first moment until the second.
    pub pauses: Vec<(Time, Time)>,
    /// Nothing makes the bytes smaller; else compression makes them a little more than half as many.
    pub is_random: bool,
    /// The writer begins then.
    pub from: Time,
    /// Bytes written so far.
    pub written: u64,
    /// Bytes read and found right so far.
    pub read: u64,
    /// The writer has finished.
    pub finished: bool,
    /// The reader has seen the clean end.
    pub ended: bool,
    /// When the last byte was read.
    pub done_at: Option<Time>,
    seed: u64,
}

/// A stream and its two directions.
#[derive(Clone, Debug)]
pub struct Flow {
    /// From client to server.
    pub up: Half,
    /// From server to client.
    pub down: Half,
    /// Its number, the same at both ends, once it is open.
    pub stream: Option<StreamId>,
    /// When the client opens it.
    pub opens: Time,
    /// What the client says of it.
    pub class: StreamClass,
}

/// A slow reader looks this often.
const TICK: Duration = Duration::from_millis(20);

impl Flow {
    /// `up` bytes to the server and `down` bytes to the client, at once and both at a time.
    pub fn new(up: u64, down: u64) -> Flow {
        Flow {
            up: Half::new(up),
            down: Half::new(down),
            stream: None,
            opens: Time::ZERO,
            class: StreamClass::Learned,
        }
    }

    /// Whether every byte and both ends have arrived.
    pub fn is_done(&self) -> bool {
        self.up.is_done() && self.down.is_done()
    }

    /// Let the application of one side open, write and read, when it is `now` and the clock there shows `clock`.
    pub(crate) fn apply(
        &mut self,
        side: Side,
        streams: &mut dyn Streams,
        (now, clock): (Time, Time),
    ) {
        if self.stream.is_none() && side == Side::Client {
            self.stream = streams.open(self.class);
        }
        if let Some(stream) = self.stream {
            self.written_by(side).write(streams, stream, now);
            self.read_by(side).read(streams, stream, (now, clock));
        }
    }

    /// When the flow wants to be looked at although nothing happens on the network.
    pub(crate) fn next_look(&self, now: Time) -> Option<Time> {
        let opens = Some(self.opens).filter(|at| *at > now);
        earliest(
            opens,
            earliest(self.up.next_look(now), self.down.next_look(now)),
        )
    }

    /// The direction in which `side` writes.
    pub fn written_by(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.up,
            Side::Server => &mut self.down,
        }
    }

    /// The direction in which `side` reads.
    pub fn read_by(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.down,
            Side::Server => &mut self.up,
        }
    }

    /// Whose bytes it carries.
    pub fn set_seed(&mut self, seed: u64) {
        self.up.seed = seed;
        self.down.seed = !seed;
    }
}

impl Half {
    fn new(total: u64) -> Half {
        Half {
            total,
            rate: None,
            source: None,
            pauses: Vec::new(),
            is_random: false,
            from: Time::ZERO,
            written: 0,
            read: 0,
            finished: false,
            ended: false,
            done_at: None,
            seed: 0,
        }
    }

    /// Whether all bytes and the end have arrived.
    pub fn is_done(&self) -> bool {
        self.ended && self.read == self.total
    }

    /// Write what the session takes, then finish.
    fn write(&mut self, streams: &mut dyn Streams, stream: StreamId, now: Time) {
        if now < self.from || self.finished || !streams.contains(stream) {
            return;
        }
        // In portions: bytes that come one by one would leave one by one.
        let tick =
            Time::ZERO + TICK * (now.since(Time::ZERO).as_micros() / TICK.as_micros()) as u32;
        let there = self.since_begin(self.source, tick).min(self.total);
        loop {
            let room = streams.write_room(stream) as u64;
            let count = room.min(there - self.written).min(65536) as usize;
            if count == 0 {
                break;
            }
            let piece = pattern((self.seed, self.is_random), self.written, count);
            self.written += streams.write(stream, &piece) as u64;
        }
        if self.written == self.total {
            streams.finish(stream);
            self.finished = true;
        }
    }

    /// Read what the reader is in the mood for, and check it.
    fn read(&mut self, streams: &mut dyn Streams, stream: StreamId, (now, clock): (Time, Time)) {
        let mut allowed = self.allowance(now);
        loop {
            let front = streams.read_front(stream);
            let count = front.len().min(allowed as usize);
            if count == 0 {
                return;
            }
            assert!(
                self.read + count as u64 <= self.total,
                "stream {} carries more bytes than were written",
                stream.0
            );
            let expected = pattern((self.seed, self.is_random), self.read, count);
            assert!(
                front[..count] == expected,
                "stream {}: wrong bytes in {}..{}",
                stream.0,
                self.read,
                self.read + count as u64
            );
            streams.consume(stream, count, clock);
            self.read += count as u64;
            allowed -= count as u64;
            self.done_at = Some(now);
        }
    }

    /// How many bytes the reader would take now.
    fn allowance(&self, now: Time) -> u64 {
        if self.pauses.iter().any(|(a, b)| (*a..*b).contains(&now)) {
            return 0;
        }
        self.since_begin(self.rate, now).saturating_sub(self.read)
    }

    /// The bytes that a rate has brought so far.
    fn since_begin(&self, rate: Option<u64>, now: Time) -> u64 {
        let micros = now.since(self.from).as_micros() as u64;
        rate.map_or(u64::MAX, |rate| micros * rate / 1_000_000)
    }

    /// When this direction wants to be looked at although nothing happens on the network.
    fn next_look(&self, now: Time) -> Option<Time> {
        let begins = Some(self.from).filter(|at| *at > now);
        let ends = self.pauses.iter().map(|(_, end)| *end);
        let resumes = ends.filter(|at| *at > now).min();
        let reads = self.rate.is_some() && self.read < self.written;
        let ticks = reads || (self.source.is_some() && !self.finished);
        let look = earliest(begins, resumes);
        earliest(look, ticks.then(|| now + TICK))
    }

    /// The peer's clean end was seen.
    pub(crate) fn note_end(&mut self) {
        assert!(!self.ended, "a stream ended twice");
        assert!(
            self.finished && self.read == self.total,
            "a clean end after {} of {} bytes",
            self.read,
            self.total
        );
        self.ended = true;
    }
}

/// The bytes of a stream from `at` on: all are random, or half of the blocks are and half repeat one byte.
fn pattern((seed, is_random): (u64, bool), at: u64, count: usize) -> Vec<u8> {
    const BLOCK: u64 = 256;
    let mut out = Vec::with_capacity(count + 2 * BLOCK as usize);
    let first = at / BLOCK;
    let skip = (at % BLOCK) as usize;
    let mut block = [0; BLOCK as usize];
    for n in first.. {
        let mut random = Random::from_number(seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        if random.next_u32() & 1 == 0 || is_random {
            random.fill(&mut block);
        } else {
            block.fill(random.next_u32() as u8);
        }
        out.extend_from_slice(&block);
        if out.len() >= skip + count {
            break;
        }
    }
    out.drain(..skip);
    out.truncate(count);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_is_the_same_from_any_offset() {
        let whole = pattern((7, false), 0, 5000);
        for (at, count) in [(0, 1), (255, 2), (256, 300), (4000, 1000)] {
            assert_eq!(pattern((7, false), at as u64, count), whole[at..at + count]);
        }
        assert_ne!(pattern((8, false), 0, 5000), whole);
    }
}
