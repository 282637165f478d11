//! Where frames are written: to the one ordered stream, or to an independent segment.

use super::frame::{self, CLASSES, DATAGRAMS, HELLO, MOVES, OFFER};
use super::offer::Offer;
use super::{StreamClass, Version, independent};
use crate::buffer::ByteQueue;

/// A writer of either form. Each method writes its frame or, when the room does not suffice, nothing and says
/// so.
#[derive(Debug)]
pub(super) enum Out<'a> {
    /// Frames of smux.
    Ordered(frame::Writer<'a>),
    /// Frames that say where in their stream they belong.
    Independent(independent::Writer<'a>),
}

impl Out<'_> {
    /// Bytes that may still be appended.
    pub(super) fn room(&self) -> usize {
        match self {
            Out::Ordered(frames) => frames.room(),
            Out::Independent(frames) => frames.room(),
        }
    }

    /// Bytes in the buffer, those before the first frame included.
    pub(super) fn position(&self) -> usize {
        match self {
            Out::Ordered(frames) => frames.position(),
            Out::Independent(frames) => frames.position(),
        }
    }

    /// The bytes of a frame around its data, at most.
    pub(super) fn header(&self) -> usize {
        match self {
            Out::Ordered(_) => frame::HEADER,
            Out::Independent(_) => independent::MAX_HEADER,
        }
    }

    /// The bytes of a window update, at most.
    pub(super) fn update_len(&self) -> usize {
        match self {
            Out::Ordered(_) => frame::UPDATE,
            Out::Independent(_) => independent::MAX_WINDOW,
        }
    }

    /// Our hello, in the version that the peer knows.
    pub(super) fn hello(&mut self, version: Version) -> bool {
        match self {
            Out::Ordered(frames) => frames.nop_in(version, HELLO),
            Out::Independent(_) => true, // it has left long ago
        }
    }

    /// What we offer the peer.
    pub(super) fn offer(&mut self, offer: Offer) -> bool {
        let Out::Ordered(frames) = self else {
            return true; // it left before the switch
        };
        match offer {
            Offer::Moves(token) => {
                let fits = frames.room() >= 2 * frame::HEADER;
                fits && frames.nop(MOVES) && frames.nop(token.get())
            }
            Offer::Datagrams => frames.nop(DATAGRAMS),
            Offer::Classes => frames.nop(CLASSES),
            Offer::Segments => frames.nop(OFFER),
        }
    }

    /// A sign of life.
    pub(super) fn ping(&mut self) -> bool {
        match self {
            Out::Ordered(frames) => frames.nop(0),
            Out::Independent(frames) => frames.ping(),
        }
    }

    /// The stream is open.
    pub(super) fn open(&mut self, id: u32) -> bool {
        match self {
            Out::Ordered(frames) => frames.open(id),
            Out::Independent(frames) => frames.mark(id, 0, false),
        }
    }

    /// The class of the stream, our word of this number.
    pub(super) fn class(&mut self, id: u32, (number, class): (u8, StreamClass)) -> bool {
        match self {
            Out::Ordered(_) => true, // there are no words for it
            Out::Independent(frames) => frames.class(id, number, class),
        }
    }

    /// The stream ends behind `sent` bytes.
    pub(super) fn finish(&mut self, id: u32, sent: u32) -> bool {
        match self {
            Out::Ordered(frames) => frames.finish(id),
            Out::Independent(frames) => frames.mark(id, sent, true),
        }
    }

    /// The FIN of a stream that has left the table.
    pub(super) fn last_fin(&mut self, id: u32) -> bool {
        match self {
            Out::Ordered(frames) => frames.finish(id),
            Out::Independent(_) => true, // the peer has dropped the stream
        }
    }

    /// The stream is dropped in both directions.
    pub(super) fn abort(&mut self, id: u32) -> bool {
        match self {
            Out::Ordered(frames) => frames.abort(id),
            Out::Independent(frames) => frames.reset(id),
        }
    }

    /// What was read of the stream, and the window beyond.
    pub(super) fn update(&mut self, id: u32, consumed: u32, window: u32) -> bool {
        match self {
            Out::Ordered(frames) => frames.update(id, consumed, window),
            Out::Independent(frames) => frames.window(id, consumed, window),
        }
    }

    /// At most `most` bytes taken off `queue`, those behind the first `sent` of the stream; returns how many
    /// fitted.
    pub(super) fn data(&mut self, id: u32, sent: u32, queue: &mut ByteQueue, most: usize) -> usize {
        match self {
            Out::Ordered(frames) => frames.data(id, queue, most),
            Out::Independent(frames) => frames.data(id, sent, queue, most),
        }
    }
}
