//! From the wire: what each frame does.

use super::closing::Closing;
use super::flows::Arrived;
use super::frame::Frame;
use super::independent::{self, Frames};
use super::peer::Said;
use super::sending::SendState;
use super::{Error, Event, INITIAL_WINDOW, Mux, StreamId, Support, Version, WINDOW_SLACK};
use crate::time::Time;

impl Mux {
    /// Take bytes of the lower stream, split anywhere.
    ///
    /// Unread data may exceed [`receive_space`](Mux::receive_space) by what one call brings.
    ///
    /// # Errors
    /// The peer broke the protocol: the session must die. The frames before have taken effect.
    pub fn receive(&mut self, mut data: &[u8], now: Time) -> Result<(), Error> {
        while let Some(said) = self.peer.next(&mut data)? {
            self.keepalive.heard();
            match said {
                Said::Hello => self.on_hello(),
                Said::Switch if data.is_empty() && self.peer.own_version() == Some(Version::V2) => {
                }
                Said::Switch => return Err(Error::Segment),
                Said::Abort(id) => self.on_abort(id),
                Said::Frame(Frame::Open(id)) => self.on_open(id),
                Said::Frame(Frame::Data(id, bytes)) => self.on_data(id, bytes, now)?,
                Said::Frame(Frame::Update {
                    id,
                    consumed,
                    window,
                }) => self.on_update(id, consumed, window, now)?,
                Said::Frame(Frame::Finish(id)) => self.on_finish(id, now),
                Said::Frame(Frame::Nop(_)) => {}
            }
        }
        self.note_taken(now);
        if self.flows.len() > 0 {
            self.note_unanswered(now);
            self.look_after_flows(now);
        }
        if self.peer.datagrams() == Support::Yes && self.control.begins() {
            self.control.queue_nop(); // it may wait for our word with datagrams, and have nothing else to say
        }
        Ok(())
    }

    /// Whether what the peer says from now on comes in independent segments.
    pub fn peer_has_switched(&self) -> bool {
        self.peer.has_switched()
    }

    /// Take the frames of an independent segment, which may have overtaken others.
    ///
    /// # Errors
    /// The peer broke the protocol: the session must die. The frames before have taken effect.
    pub fn receive_independent(&mut self, segment: &[u8], now: Time) -> Result<(), Error> {
        let mut frames = Frames::new(segment);
        while let Some(frame) = frames.next_frame()? {
            self.keepalive.heard();
            match frame {
                independent::Frame::Ping => {}
                independent::Frame::Reset(id) => {
                    self.opened.note(id);
                    self.on_abort(id);
                }
                independent::Frame::Window {
                    id,
                    consumed,
                    window,
                } => {
                    self.open_if_new(id);
                    let stream = self.streams.get(&id);
                    if stream.is_some_and(|stream| !stream.sending.is_old(consumed)) {
                        self.on_update(id, consumed, window, now)?;
                    }
                }
                independent::Frame::Stream {
                    id,
                    offset,
                    data,
                    is_last,
                } => self.on_piece(id, (offset, data, is_last), now)?,
                independent::Frame::End(id) => self.flows.on_end(id, &mut self.events),
                independent::Frame::Class { id, number, class } => {
                    self.open_if_new(id);
                    // A stream that waits keeps its place: to change the class costs nothing more.
                    if let Some(stream) = self.streams.get_mut(&id) {
                        stream.told.hear(number, class);
                    }
                }
                independent::Frame::Datagram {
                    flow,
                    class,
                    label,
                    part,
                    data,
                } => {
                    let arrived = Arrived {
                        class,
                        label,
                        part,
                        data,
                    };
                    self.flows.receive(flow, arrived, now, &mut self.events);
                }
            }
        }
        self.note_taken(now);
        Ok(())
    }

    fn on_piece(
        &mut self,
        id: u32,
        (offset, bytes, is_last): (u32, &[u8], bool),
        now: Time,
    ) -> Result<(), Error> {
        self.open_if_new(id);
        if self.receive_buffer.is_overrun(self.streams.len()) {
            return Err(Error::Segment);
        }
        let limit = self.window_limit() as i64;
        let Some(stream) = self
            .streams
            .get_mut(&id)
            .filter(|stream| stream.receiving.is_open())
        else {
            self.forgotten.note_dropped(bytes.len());
            return Ok(());
        };
        let receiving = &stream.receiving;
        let (unread, waiting) = (receiving.unread.len(), receiving.waiting());
        let distance = offset.wrapping_sub(receiving.report.received()) as i32;
        if i64::from(distance) + (unread + bytes.len()) as i64 > limit {
            return Err(Error::WindowExceeded(StreamId(id)));
        }
        let is_complete = stream.take_piece(offset, bytes, is_last, now)?;
        let receiving = &mut stream.receiving;
        self.receive_buffer
            .note_received(receiving.unread.len() - unread);
        self.receive_buffer.note_ahead(waiting, receiving.waiting());
        if receiving.unread.len() > unread
            && !core::mem::replace(&mut receiving.readable_queued, true)
        {
            self.events.push_back(Event::Readable(StreamId(id)));
        }
        self.queue_update_if_due(id);
        if is_complete {
            self.on_finish(id, now);
        }
        Ok(())
    }

    fn on_hello(&mut self) {
        if self.config.settings.independent {
            let takes_datagrams = self.config.settings.max_flows > 0;
            self.control.queue_offers(self.token, takes_datagrams);
        }
        self.events.push_back(Event::PeerHello);
        while self.holds.next().is_some() {
            self.release_first_hold();
        }
    }

    fn on_open(&mut self, id: u32) {
        if self.streams.contains_key(&id) {
            return;
        }
        self.forgotten.remove(id);
        self.opened.note_in_order(id);
        self.open_theirs(id);
    }

    /// Open the stream if this is the first frame of it that comes.
    fn open_if_new(&mut self, id: u32) {
        if self.opened.note(id) {
            self.open_theirs(id);
        }
    }

    /// Open a stream of the peer, or refuse it.
    fn open_theirs(&mut self, id: u32) {
        let stream = self.fresh_stream(id, SendState::Send);
        if self.streams.len() >= self.config.settings.max_streams {
            return self.queue_closing(&stream);
        }
        self.streams.insert(id, stream);
        self.events.push_back(Event::Opened(StreamId(id)));
    }

    fn on_data(&mut self, id: u32, bytes: &[u8], now: Time) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        let limit = self.unread_limit();
        let Some(stream) = self
            .streams
            .get_mut(&id)
            .filter(|stream| stream.receiving.is_open())
        else {
            if self.forgotten.swallow(id, bytes.len()) {
                self.control.queue_update(id);
            }
            return Ok(());
        };
        if stream.receiving.unread.len() + bytes.len() > limit {
            return Err(Error::WindowExceeded(StreamId(id)));
        }
        stream.take_data(bytes, now);
        self.receive_buffer.note_received(bytes.len());
        if !core::mem::replace(&mut stream.receiving.readable_queued, true) {
            self.events.push_back(Event::Readable(StreamId(id)));
        }
        self.queue_update_if_due(id);
        Ok(())
    }

    /// Unread bytes that one stream may have by what the peer sends now. Version 1 limits only all
    /// streams together.
    fn unread_limit(&self) -> usize {
        match self.peer.own_version() {
            Some(Version::V2) => self.window_limit(),
            _ => usize::MAX,
        }
    }

    fn window_limit(&self) -> usize {
        self.config.settings.window().max(INITIAL_WINDOW) as usize + WINDOW_SLACK
    }

    fn on_update(&mut self, id: u32, consumed: u32, window: u32, now: Time) -> Result<(), Error> {
        if let Some(stream) = self.streams.get_mut(&id) {
            if !stream.sending.apply_update(consumed, window) {
                return Err(Error::ConsumedUnsent(StreamId(id)));
            }
            self.give_turn(id);
            self.watch_window(id, Version::V2, now);
        }
        Ok(())
    }

    fn on_finish(&mut self, id: u32, now: Time) {
        self.forgotten.remove(id);
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if !stream.receiving.take_fin() {
            return;
        }
        if stream.receiving.ends() {
            self.events.push_back(Event::Finished(StreamId(id)));
        }
        self.give_turn(id);
        self.watch_window(id, self.version().unwrap_or(Version::V1), now);
        self.close_if_over(id);
    }

    fn on_abort(&mut self, id: u32) {
        self.forgotten.remove(id);
        let Some(stream) = self.remove(id) else {
            return;
        };
        self.events.push_back(Event::Reset(StreamId(id)));
        self.events.push_back(Event::Closed(StreamId(id)));
        if let Some(closing) = Closing::after_abort(stream.sending.state) {
            self.control.queue_closing(id, closing);
        }
    }
}
