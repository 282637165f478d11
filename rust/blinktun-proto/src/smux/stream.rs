//! One stream: two byte queues, flow control, two ends.

use super::Version;
use super::credit::{Credit, SHOWN};
use super::fin::Ending;
use super::forgotten::{Ghost, is_due};
use super::peer::Peer;
use crate::buffer::ByteQueue;
use crate::qpp::StreamPads;
use crate::time::Time;

/// Our direction's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LocalEnd {
    /// More may be written.
    Open,
    /// The FIN follows when the data has left.
    Wanted,
    /// The data has left, since then the FIN waits for its moment.
    Held(Time),
    /// The FIN has left.
    Sent,
}

/// The state of one stream. Idle, it owns no heap memory but its pads' two cursors.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    /// Received and not yet consumed, plain.
    pub(super) unread: ByteQueue,
    /// Written and not yet sent, as it goes on the wire.
    pub(super) unsent: ByteQueue,
    /// What the bytes go through on their way into the queues.
    pads: Option<Box<StreamPads>>,

    /// Bytes sent, modulo 2^32.
    sent: u32,
    /// Bytes of those that the peer has read, and its window beyond them, by its last update.
    peer_consumed: u32,
    peer_window: u32,
    /// Bytes received, modulo 2^32.
    received: u32,
    /// Bytes consumed as of our last update.
    reported: Option<u32>,
    /// The window that the peer had before any update, and the one it has now.
    pub(super) floor: u32,
    pub(super) window: u32,
    /// Which time of fullness it was when the stream was read last; kept by [`super::fullness`].
    pub(super) last_read: Option<u32>,

    last_sent: Option<Time>,
    last_received: Option<Time>,
    pub(super) local_end: LocalEnd,
    pub(super) peer_finished: bool,
    /// When the held FIN may leave, or the stream is given up; kept by [`super::holds::Holds`].
    pub(super) deadline: Option<Time>,
    /// The turn that this stream waits for; kept by [`super::scheduler`].
    pub(super) ticket: Option<u32>,

    /// The SYN has yet to leave.
    pub(super) syn_due: bool,
    /// An update waits to be sent.
    pub(super) update_queued: bool,
    /// A `Readable` event waits to be taken.
    pub(super) readable_queued: bool,
    /// A write was cut short and nobody was told yet that there is room again.
    pub(super) write_blocked: bool,
}

impl Stream {
    /// A stream that we open (`syn_due`) or that the peer opened.
    /// Its windows are `floor` until an update says otherwise.
    pub(super) fn new(id: u32, syn_due: bool, floor: u32, pads: Option<StreamPads>) -> Stream {
        Stream {
            id,
            unread: ByteQueue::new(),
            unsent: ByteQueue::new(),
            pads: pads.map(Box::new),
            sent: 0,
            peer_consumed: 0,
            peer_window: floor,
            received: 0,
            reported: None,
            floor,
            window: floor,
            last_read: None,
            last_sent: None,
            last_received: None,
            local_end: LocalEnd::Open,
            peer_finished: false,
            deadline: None,
            ticket: None,
            syn_due,
            update_queued: false,
            readable_queued: false,
            write_blocked: false,
        }
    }

    /// Bytes that the peer's window lets us send (kcptun wire, 5.5).
    pub(super) fn send_window(&self, version: Version) -> usize {
        match version {
            Version::V1 => usize::MAX,
            Version::V2 => (self.peer_window as usize).saturating_sub(self.in_flight() as usize),
        }
    }

    /// Whether a data frame could leave now.
    pub(super) fn can_send(&self, version: Version) -> bool {
        !self.unsent.is_empty() && self.send_window(version) > 0
    }

    /// Whether there is something that a turn would move: a SYN, data, or the FIN.
    pub(super) fn wants_turn(&self, version: Version) -> bool {
        self.syn_due || self.can_send(version) || self.end_is_next()
    }

    /// Whether only our FIN is left to send.
    pub(super) fn end_is_next(&self) -> bool {
        self.unsent.is_empty() && matches!(self.local_end, LocalEnd::Wanted | LocalEnd::Held(_))
    }

    /// Note that a data frame of `n` bytes left.
    pub(super) fn note_sent(&mut self, n: usize, now: Time) {
        self.sent = self.sent.wrapping_add(n as u32);
        self.last_sent = Some(now);
    }

    /// Take the peer's window update; `false` when it claims to have read what we never sent.
    pub(super) fn apply_update(&mut self, consumed: u32, window: u32) -> bool {
        self.peer_consumed = consumed;
        // What is in flight must fit a signed 32-bit number.
        self.peer_window = window.min(i32::MAX as u32);
        self.in_flight() as i32 >= 0
    }

    fn in_flight(&self) -> u32 {
        self.sent.wrapping_sub(self.peer_consumed)
    }

    /// Queue bytes to be sent.
    pub(super) fn take_written(&mut self, bytes: &[u8]) {
        match &mut self.pads {
            None => self.unsent.push(bytes),
            Some(pads) => self.unsent.push_changed(bytes, |piece| pads.encrypt(piece)),
        }
    }

    /// Queue received bytes.
    pub(super) fn take_data(&mut self, bytes: &[u8], now: Time) {
        match &mut self.pads {
            None => self.unread.push(bytes),
            Some(pads) => self.unread.push_changed(bytes, |piece| pads.decrypt(piece)),
        }
        self.received = self.received.wrapping_add(bytes.len() as u32);
        self.last_received = Some(now);
    }

    fn consumed(&self) -> u32 {
        self.received.wrapping_sub(self.unread.len() as u32)
    }

    /// Whether the peer should hear how much was consumed: at the first received byte, which saves
    /// a round trip, then at each quarter of the window. Not once it has finished.
    pub(super) fn update_is_due(&self) -> bool {
        let quarter = (self.window / 4).max(1);
        let begun = self.received != 0 || self.reported.is_some();
        let useful = begun && !self.peer_finished && !self.update_queued;
        useful && is_due(self.consumed(), self.reported, quarter)
    }

    /// The bytes to report as consumed in the update that was queued, and the window beyond; `None` if
    /// the peer has finished meanwhile and waits for no window any more.
    pub(super) fn take_update(&mut self, peer: Peer, credit: &mut Credit) -> Option<(u32, u32)> {
        self.update_queued = false;
        let consumed = self.consumed();
        let taken = consumed.wrapping_sub(self.reported.unwrap_or(0));
        self.reported = Some(consumed);
        if self.peer_finished {
            return None;
        }
        let wants = match peer {
            Peer::Blinktun => SHOWN.saturating_mul(consumed as usize),
            Peer::Unheard | Peer::Plain => usize::MAX,
        };
        self.window = credit.grant(self.floor, self.window, wants, taken);
        Some((consumed, self.window))
    }

    /// Whether the peer's direction ended and everything was consumed.
    pub(super) fn is_read_out(&self) -> bool {
        self.peer_finished && self.unread.is_empty()
    }

    /// Whether nothing more can happen on this stream.
    pub(super) fn is_over(&self) -> bool {
        self.local_end == LocalEnd::Sent && self.is_read_out()
    }

    /// Whether the peer, another program, may have dropped the stream: it sends nothing more, and has
    /// not opened its window.
    pub(super) fn may_be_abandoned(&self, peer: Peer, version: Version) -> bool {
        let is_shut = self.send_window(version) == 0 && !self.end_is_next();
        peer != Peer::Blinktun && self.peer_finished && is_shut && self.local_end != LocalEnd::Sent
    }

    /// What the FIN's moment depends on; `None` unless the FIN is next.
    pub(super) fn ending(&mut self, peer: Peer, version: Version, now: Time) -> Option<Ending> {
        let waiting_since = match self.local_end {
            _ if !self.end_is_next() => return None,
            LocalEnd::Held(since) => since,
            _ => now,
        };
        self.local_end = LocalEnd::Held(waiting_since);
        Some(Ending {
            peer,
            peer_finished: self.peer_finished,
            all_read: version == Version::V2 && self.peer_consumed == self.sent,
            last_sent: self.last_sent,
            last_received: self.last_received,
            waiting_since,
        })
    }

    /// What must be remembered of the stream when it is dropped.
    pub(super) fn ghost(&self) -> Ghost {
        Ghost {
            received: self.received,
            reported: self.reported,
            queued: self.update_queued,
        }
    }
}
