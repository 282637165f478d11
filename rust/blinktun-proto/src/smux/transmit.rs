//! To the wire: control frames first, then the streams in turn.

use super::closing::Closing;
use super::flow::Class;
use super::frame::{SWITCH, UPDATE, Writer};
use super::independent;
use super::mux::Form;
use super::out::Out;
use super::peer::PeerKind;
use super::scheduler::Turn;
use super::sending::SendInput;
use super::stream::Stream;
use super::{Event, Mux, Role, StreamId, Support, Version};
use crate::time::Time;
use crate::work;

/// The room from which [`Mux::transmit`] always moves something, in bytes: the longest frames that
/// cannot be cut.
pub const MIN_TRANSMIT: usize = UPDATE;

/// What [`Mux::transmit`] has appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Bytes.
    pub bytes: usize,
    /// So many of them, the first ones, hold control frames, or frames of streams that open or are sparse:
    /// somebody waits for these.
    pub urgent: usize,
    /// The first stream has sent little without a pause, or is told to be interactive: somebody may wait for it.
    pub is_prompt: bool,
}

impl Mux {
    /// Whether [`transmit`](Mux::transmit) should be called. It may still move nothing, when there
    /// is too little room or when a FIN is found to be held: stop at 0 bytes.
    pub fn wants_transmit(&self) -> bool {
        self.streams_wait() || (self.may_send_datagrams() && self.flows.is_waiting())
    }

    fn may_send_datagrams(&self) -> bool {
        self.form == Form::Independent && self.peer.datagrams() == Support::Yes
    }

    fn streams_wait(&self) -> bool {
        let has_frames = !self.control.is_empty() || !self.scheduler.is_empty();
        self.version().is_some() && (has_frames || self.must_greet())
    }

    /// Whether the next segment is one of datagrams: they leave in segments of their own.
    pub fn datagrams_are_next(&self) -> bool {
        self.may_send_datagrams() && self.flows.go_first(self.streams_wait())
    }

    /// Append datagrams of one class to an independent segment, at most `max` bytes; returns the class.
    pub fn transmit_datagrams(
        &mut self,
        max: usize,
        out: &mut Vec<u8>,
        now: Time,
    ) -> Option<Class> {
        let streams_wait = self.streams_wait();
        let mut frames = independent::Writer::new(out, max);
        self.flows
            .transmit(&mut frames, streams_wait, now, &mut self.events)
    }

    /// Append whole frames to `out`, at most `max` bytes; returns how much was appended.
    ///
    /// Data is cut to fit; control frames are not, so less than [`MIN_TRANSMIT`] may move nothing.
    pub fn transmit(&mut self, max: usize, out: &mut Vec<u8>, now: Time) -> Moved {
        let Some(version) = self.version().filter(|_| self.streams_wait()) else {
            return Moved::default();
        };
        let (before, mut urgent, mut is_prompt) = (out.len(), 0, false);
        let mut frames = match self.form {
            Form::Ordered => Out::Ordered(Writer::new(version, out, max)),
            Form::Independent => Out::Independent(independent::Writer::new(out, max)),
        };
        let has_sent_all = self.send_control(&mut frames);
        urgent += frames.position() - before;
        if has_sent_all {
            let mut is_first = true;
            // A turn needs room for a header and one byte, else it would be wasted.
            while frames.room() > frames.header()
                && let Some((turn, level)) = self.scheduler.next()
            {
                work::count(1);
                let start = frames.position();
                if start == before {
                    let first = self.streams.get(&turn.id);
                    is_prompt = first.is_some_and(Stream::is_prompt);
                }
                self.serve(turn, version, &mut frames, now);
                let sent = frames.position() - start;
                self.scheduler.note_sent(sent, level);
                is_first &= level.is_urgent();
                if is_first && sent > 0 {
                    urgent = frames.position() - before;
                }
            }
        }
        let bytes = out.len() - before;
        self.flows.note_streams(bytes);
        Moved {
            bytes,
            urgent,
            is_prompt,
        }
    }

    /// Whether our segments can become independent: the peer takes them, and what must be said in order was.
    pub fn may_switch(&self) -> bool {
        self.form == Form::Ordered
            && self.peer.has_offered()
            && self.config.settings.independent
            && !self.control.begins()
    }

    /// Append the mark behind which our segments are independent; it must end its segment.
    pub fn switch(&mut self, out: &mut Vec<u8>) {
        let version = self.version().unwrap_or(Version::V2);
        if Writer::new(version, out, usize::MAX).nop(SWITCH) {
            self.form = Form::Independent;
            self.begin_telling_classes();
        }
    }

    /// Whether our segments are independent.
    pub fn is_independent(&self) -> bool {
        self.form == Form::Independent
    }

    /// A server answers the first frame with its hello, unless that has left as the greeting. A client's
    /// hello leads its first frame.
    fn must_greet(&self) -> bool {
        self.control.hello_is_due()
            && self.config.role == Role::Server
            && self.peer.kind() != PeerKind::Unheard
    }

    /// Send the frames that go before all data; whether there was room for all.
    fn send_control(&mut self, frames: &mut Out<'_>) -> bool {
        let first = self.peer.own_version().unwrap_or(Version::V1);
        self.control.send(frames, first, |id| {
            let open = self.streams.get_mut(&id).map(|it| &mut it.receiving);
            match open.filter(|it| it.report.is_queued()) {
                Some(receiving) => receiving.take_update(self.peer.kind(), &mut self.credit),
                None => self.forgotten.take_update(id),
            }
        })
    }

    /// Give one stream its turn: its SYN and its class if they are due, one data frame, its FIN if that is next. A turn
    /// that the end of an independent segment cuts off goes on in the next one, so that the reader gets as much at once.
    fn serve(&mut self, turn: Turn, version: Version, frames: &mut Out<'_>, now: Time) {
        let id = turn.id;
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if !self.scheduler.claim(turn, stream) {
            return;
        }
        let sending = &mut stream.sending;
        if sending.state.is_ready() && frames.open(id) {
            sending.state.take(SendInput::SynSent);
            let first = self.credit.first();
            if version == Version::V2 && stream.receiving.queue_first_update(first) {
                self.control.queue_update(id); // behind the SYN, without which the peer ignores it
            }
        }
        if let Some(word) = stream.told.due()
            && frames.class(id, word)
        {
            stream.told.note_said();
        }
        let left = match self.form {
            Form::Ordered => self.config.settings.frame_size,
            Form::Independent => sending.left_of_turn(self.config.settings.frame_size),
        };
        let most = left.min(sending.window(version));
        let sent = frames.data(id, sending.sent(), &mut sending.unsent, most);
        if sent > 0 {
            sending.note_sent(sent, now);
            self.budget.note_gone(sent);
        }
        let is_cut_off = 0 < sent && sent < left && !sending.unsent.is_empty();
        if self.form == Form::Independent && is_cut_off && sending.wants_turn(version) {
            self.scheduler.go_on(stream);
        }
        let sending = &mut stream.sending;
        let unsent = sending.unsent.len();
        let half = unsent <= self.config.settings.send_buffer / 2;
        if sending.is_blocked && half && self.budget.is_worth_waking(unsent) {
            sending.is_blocked = false;
            self.events.push_back(Event::Writable(StreamId(id)));
        }
        self.end(id, version, frames, now);
        if sent > 0 {
            self.watch_window(id, version, now);
        }
        self.close_if_over(id);
    }

    /// Send the stream's FIN, or hold it, or let the stream stand in line again.
    fn end(&mut self, id: u32, version: Version, frames: &mut Out<'_>, now: Time) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let Some(leaves_at) = stream
            .ending(self.peer.kind(), version, now)
            .map(|it| it.leaves_at())
        else {
            return self.give_turn(id);
        };
        if leaves_at > now {
            self.holds.arm(stream, leaves_at);
        } else if frames.finish(id, stream.sending.sent()) {
            self.holds.disarm(stream);
            stream.sending.state.take(SendInput::FinSent);
        } else {
            self.scheduler.add(stream);
        }
    }

    /// Queue the last word on a stream that is dropped while the peer may still use it.
    pub(super) fn queue_closing(&mut self, stream: &Stream) {
        let (send, receive) = (stream.sending.state, &stream.receiving);
        if let Some(closing) = Closing::after_reset(send, receive.state(), self.peer.kind()) {
            self.control.queue_closing(stream.id, closing);
        }
        let may_be_written = !send.is_ready() && receive.is_open();
        if may_be_written
            && self.form == Form::Ordered
            && self.version() == Some(Version::V2)
            && self.forgotten.remember(stream.id, receive.report)
        {
            self.control.queue_update(stream.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Decoder, Frame};
    use super::super::{Config, Settings};
    use super::*;
    use crate::time::Duration;

    /// What a client says that opens a stream, if its streams read so much in a round trip.
    fn opening(version: Version, read: usize) -> Vec<String> {
        let settings = Settings {
            version: Some(version),
            frame_size: 8192,
            receive_buffer: 64 << 20,
            stream_buffer: 64 << 20,
            send_buffer: 1 << 18,
            keepalive: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(30),
            outage: Duration::from_secs(600),
            independent: true,
            max_streams: 10,
            max_flows: 0,
        };
        let config = Config {
            role: Role::Client,
            settings,
            pads: None,
            hash_seed: 1,
        };
        let mut mux = Mux::new(config, Time::ZERO);
        mux.control.skip_hello();
        mux.set_needs(64 << 20, 8 * read, read);
        let stream = mux.open().expect("the first one");
        mux.write(stream, b"x").expect("open");
        let mut bytes = Vec::new();
        while mux.transmit(100, &mut bytes, Time::ZERO).bytes > 0 {}
        let (mut decoder, mut rest, mut said) = (Decoder::new(None), &bytes[..], Vec::new());
        while let Some(frame) = decoder.next(&mut rest).expect("proper") {
            said.push(match frame {
                Frame::Update {
                    consumed, window, ..
                } => format!("update {consumed} {window}"),
                Frame::Open(_) => "open".to_owned(),
                Frame::Data(..) => "data".to_owned(),
                other => format!("{other:?}"),
            });
        }
        said
    }

    #[test]
    fn a_stream_of_a_busy_session_tells_its_window_behind_its_syn() {
        let said = opening(Version::V2, 3 << 20);
        assert_eq!(said, ["open", "data", "update 0 25165824"]);
        assert_eq!(opening(Version::V2, 300_000), ["open", "data"]);
        assert_eq!(opening(Version::V1, 3 << 20), ["open", "data"]);
    }
}
