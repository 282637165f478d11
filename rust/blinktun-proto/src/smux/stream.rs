//! One stream: a sending and a receiving part.

use super::ahead::Ahead;
use super::class::{StreamClass, Told};
use super::fin::Ending;
use super::peer::PeerKind;
use super::receiving::{ReceiveState, Receiving};
use super::sending::{SendInput, SendState, Sending};
use super::{Error, Version};
use crate::qpp::StreamPads;
use crate::time::Time;

/// A stream that has sent so many bytes, and had always more to send, is a download: most pages are shorter.
const PROMPT: u32 = 48 << 10;

/// The state of one stream. Idle, it owns no heap memory but its pads' two cursors.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) sending: Sending,
    pub(super) receiving: Receiving,
    /// How soon it has its turn.
    pub(super) told: Told,
    /// What the bytes go through on their way into the queues.
    pads: Option<Box<StreamPads>>,
    /// When the held FIN may leave, or the stream is given up; kept by [`super::holds::Holds`].
    pub(super) deadline: Option<Time>,
    /// The turn that this stream waits for; kept by [`super::scheduler`].
    pub(super) ticket: Option<u32>,
}

impl Stream {
    /// A stream that we open (`Ready`) or that the peer opened (`Send`). Its windows are `floor` until an
    /// update says otherwise.
    pub(super) fn new(id: u32, state: SendState, floor: u32, pads: Option<StreamPads>) -> Stream {
        Stream {
            id,
            sending: Sending::new(state, floor),
            receiving: Receiving::new(floor),
            told: Told::default(),
            pads: pads.map(Box::new),
            deadline: None,
            ticket: None,
        }
    }

    /// Queue bytes to be sent.
    pub(super) fn take_written(&mut self, bytes: &[u8]) {
        let unsent = &mut self.sending.unsent;
        match &mut self.pads {
            None => unsent.push(bytes),
            Some(pads) => unsent.push_changed(bytes, |piece| pads.encrypt(piece)),
        }
    }

    /// Queue received bytes.
    pub(super) fn take_data(&mut self, bytes: &[u8], now: Time) {
        let unread = &mut self.receiving.unread;
        match &mut self.pads {
            None => unread.push(bytes),
            Some(pads) => unread.push_changed(bytes, |piece| pads.decrypt(piece)),
        }
        self.receiving.note_received(bytes.len(), now);
    }

    /// Bytes have come, those from `offset` on, and behind them the stream ends if they are the last. Returns
    /// whether all bytes up to the end have come now.
    ///
    /// # Errors
    /// [`Error::Segment`]: there are bytes behind the end, or two ends.
    pub(super) fn take_piece(
        &mut self,
        offset: u32,
        bytes: &[u8],
        is_last: bool,
        now: Time,
    ) -> Result<bool, Error> {
        let distance = offset.wrapping_sub(self.receiving.report.received()) as i32;
        let mut ahead = self.receiving.ahead.take();
        if ahead.is_none() && distance == 0 && !is_last {
            self.take_data(bytes, now); // the usual case
            return Ok(false);
        }
        let place = ahead.get_or_insert_with(|| Box::new(Ahead::new()));
        place.take(distance, bytes, is_last, |piece| self.take_data(piece, now))?;
        let is_complete = place.is_complete();
        self.receiving.ahead = ahead.filter(|it| !it.is_idle() && !is_complete);
        Ok(is_complete)
    }

    /// We say how soon it has its turn. That counts from its next turn on, and the peer hears it if it `listens`.
    pub(super) fn set_class(&mut self, class: StreamClass, listens: bool) {
        self.told.set(class, listens);
    }

    /// Whether somebody may wait for its bytes.
    pub(super) fn is_prompt(&self) -> bool {
        match self.told.class() {
            StreamClass::Interactive => true,
            StreamClass::Learned => self.sending.without_pause < PROMPT,
            StreamClass::Bulk => false,
        }
    }

    /// Whether there is something that a turn would move.
    pub(super) fn wants_turn(&self, version: Version) -> bool {
        self.told.due().is_some() || self.sending.wants_turn(version)
    }

    /// Whether nothing more can happen on this stream.
    pub(super) fn is_over(&self) -> bool {
        let ends = (self.sending.state, self.receiving.state());
        ends == (SendState::FinSent, ReceiveState::DataRead)
    }

    /// Whether the peer, another program, may have dropped the stream: it sends nothing more, and has
    /// not opened its window.
    pub(super) fn may_be_abandoned(&self, peer: PeerKind, version: Version) -> bool {
        peer != PeerKind::Blinktun && !self.receiving.is_open() && self.sending.is_shut(version)
    }

    /// What the FIN's moment depends on; `None` unless the FIN is next.
    pub(super) fn ending(&mut self, peer: PeerKind, version: Version, now: Time) -> Option<Ending> {
        if !self.sending.fin_is_next() {
            return None;
        }
        self.sending.state.take(SendInput::DataSent(now));
        let waiting_since = match self.sending.state {
            SendState::FinHeld(since) => since,
            _ => now,
        };
        Some(Ending {
            peer,
            receive: self.receiving.state(),
            all_read: version == Version::V2 && self.sending.is_all_read(),
            last_sent: self.sending.last_sent(),
            last_received: self.receiving.last_received(),
            waiting_since,
        })
    }
}
