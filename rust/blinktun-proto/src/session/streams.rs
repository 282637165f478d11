//! The streams, as the application sees them.

use super::{Context, Session};
use crate::smux::{OpenError, StreamClass, StreamError, StreamId};
use crate::time::Time;

impl Session {
    /// Open a stream.
    ///
    /// # Errors
    /// [`OpenError`] if this session can open no more.
    pub fn open_stream(&mut self) -> Result<StreamId, OpenError> {
        self.mux.open()
    }

    /// Open a stream of this class.
    ///
    /// # Errors
    /// [`OpenError`] if this session can open no more.
    pub fn open_stream_as(&mut self, class: StreamClass) -> Result<StreamId, OpenError> {
        self.mux.open_as(class)
    }

    /// Say how soon a stream has its turns ([`Mux::set_class`](crate::smux::Mux::set_class)).
    pub fn set_class(&mut self, stream: StreamId, class: StreamClass) {
        self.mux.set_class(stream, class);
    }

    /// Queue bytes; returns how many were taken. Fewer than given: an event
    /// [`smux::Event::Writable`] follows.
    ///
    /// # Errors
    /// [`StreamError`] if the stream is unknown or its write side is over.
    pub fn write(&mut self, stream: StreamId, data: &[u8]) -> Result<usize, StreamError> {
        self.mux.write(stream, data)
    }

    /// How many bytes [`Session::write`] takes now. At none, an event [`smux::Event::Writable`]
    /// follows.
    pub fn write_room(&mut self, stream: StreamId) -> usize {
        self.mux.write_room(stream)
    }

    /// The first contiguous piece of what has arrived on a stream.
    pub fn read_front(&self, stream: StreamId) -> &[u8] {
        self.mux.read_front(stream)
    }

    /// `count` bytes of [`Session::read_front`] have been taken.
    pub fn consume(&mut self, stream: StreamId, count: usize, now: Time, cx: &mut Context) {
        self.mux.consume(stream, count);
        self.drain(now, cx);
    }

    /// Take up to `most` bytes that have arrived on a stream.
    pub fn read(&mut self, stream: StreamId, most: usize, now: Time, cx: &mut Context) -> Vec<u8> {
        let mut out = Vec::new();
        while out.len() < most {
            let front = self.read_front(stream);
            let piece = &front[..front.len().min(most - out.len())];
            if piece.is_empty() {
                break;
            }
            out.extend_from_slice(piece);
            let count = piece.len();
            self.consume(stream, count, now, cx);
        }
        out
    }

    /// No more will be written: the peer reads the end after the data.
    pub fn finish(&mut self, stream: StreamId) {
        self.mux.finish(stream);
    }

    /// Send something that the peer answers with an echo of our clock, even if there is no data: a
    /// question for its window, small enough for any limit, and a NOP for those who answer without.
    pub fn ping(&mut self) {
        self.kcp.ask();
        self.mux.ping();
    }

    /// Break a stream off in both directions.
    pub fn reset(&mut self, stream: StreamId) {
        self.mux.reset(stream);
    }
}
