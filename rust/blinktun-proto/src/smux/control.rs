//! The frames that leave before all data, and wait for that.

use super::Version;
use super::closing::Closing;
use super::offer::Offer;
use super::out::Out;
use crate::wire::Token;
use crate::work;
use std::collections::VecDeque;

/// Last words that may wait before we stop taking frames: a peer that makes us refuse streams
/// faster than it takes the refusals must not fill our memory.
const CLOSINGS: usize = 1024;

/// The control frames that wait to be sent.
#[derive(Debug)]
pub(super) struct ControlFrames {
    hello_due: bool,
    /// What we offer and have not said yet.
    offers: VecDeque<Offer>,
    nop_due: bool,
    /// Streams whose window update waits.
    updates: VecDeque<u32>,
    /// Last words on streams that have left the table.
    closings: VecDeque<(u32, Closing)>,
}

impl ControlFrames {
    /// Only our hello waits.
    pub(super) fn new() -> ControlFrames {
        ControlFrames {
            hello_due: true,
            offers: VecDeque::new(),
            nop_due: false,
            updates: VecDeque::new(),
            closings: VecDeque::new(),
        }
    }

    /// Our hello has left already, or need not leave.
    pub(super) fn skip_hello(&mut self) {
        self.hello_due = false;
    }

    /// Whether our hello waits.
    pub(super) fn hello_is_due(&self) -> bool {
        self.hello_due
    }

    /// Offer to take independent segments, datagrams in them or not, and to follow the peer by this token or not.
    pub(super) fn queue_offers(&mut self, token: Option<Token>, with_datagrams: bool) {
        let datagrams = with_datagrams.then_some(Offer::Datagrams);
        self.offers.extend(token.map(Offer::Moves));
        self.offers.extend(datagrams);
        self.offers.extend([Offer::Classes, Offer::Segments]);
    }

    /// Whether an offer of ours waits, or our hello.
    pub(super) fn begins(&self) -> bool {
        self.hello_due || !self.offers.is_empty()
    }

    /// Send a NOP.
    pub(super) fn queue_nop(&mut self) {
        self.nop_due = true;
    }

    /// Send a window update for stream `id`, with what is known when it leaves.
    pub(super) fn queue_update(&mut self, id: u32) {
        self.updates.push_back(id);
    }

    /// Send the last word on stream `id`.
    pub(super) fn queue_closing(&mut self, id: u32, closing: Closing) {
        self.closings.push_back((id, closing));
    }

    /// Whether too many last words wait.
    pub(super) fn is_full(&self) -> bool {
        self.closings.len() >= CLOSINGS
    }

    /// Whether no frame waits but hello and offer, which are no reason to speak by themselves.
    pub(super) fn is_empty(&self) -> bool {
        !self.nop_due && self.updates.is_empty() && self.closings.is_empty()
    }

    /// Write what waits, the hello in the version `first`; returns whether there was room for all.
    /// `update` says what to report for a stream: bytes consumed, and the window beyond; `None`: nothing.
    pub(super) fn send(
        &mut self,
        frames: &mut Out<'_>,
        first: Version,
        mut update: impl FnMut(u32) -> Option<(u32, u32)>,
    ) -> bool {
        self.hello_due = self.hello_due && !frames.hello(first);
        while let Some(&offer) = self.offers.front()
            && frames.offer(offer)
        {
            self.offers.pop_front();
        }
        self.nop_due = self.nop_due && !frames.ping();
        if self.begins() || self.nop_due {
            return false;
        }
        while let Some(&id) = self.updates.front() {
            work::count(1);
            if frames.room() < frames.update_len() {
                return false;
            }
            self.updates.pop_front();
            if let Some((consumed, window)) = update(id) {
                frames.update(id, consumed, window);
            }
        }
        while let Some(&(id, closing)) = self.closings.front() {
            work::count(1);
            if !closing.write(id, frames) {
                return false;
            }
            self.closings.pop_front();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Writer;
    use super::*;

    /// What leaves if `waits` says which of hello, NOP, update and last word wait, and there are `room`
    /// bytes: how many bytes, and whether that was all.
    fn leaves(waits: [bool; 4], room: usize) -> (usize, bool) {
        let mut control = ControlFrames::new();
        let [hello, nop, update, closing] = waits;
        if !hello {
            control.skip_hello();
        }
        if nop {
            control.queue_nop();
        }
        if update {
            control.queue_update(3);
        }
        if closing {
            control.queue_closing(5, Closing::Abort);
        }
        assert_eq!(control.is_empty(), !nop && !update && !closing);
        let mut out = Vec::new();
        let mut frames = Out::Ordered(Writer::new(Version::V2, &mut out, room));
        let is_all = control.send(&mut frames, Version::V2, |_| Some((1, 2)));
        assert_eq!(is_all, control.is_empty() && !control.hello_is_due());
        (out.len(), is_all)
    }

    #[test]
    fn whatever_waits_leaves_as_far_as_it_fits() {
        for bits in 0..16 {
            let waits = [1, 2, 4, 8].map(|bit| bits & bit != 0);
            let sizes = waits.iter().zip([8, 8, 16, 16]);
            let all: usize = sizes.map(|(waits, size)| usize::from(*waits) * size).sum();
            assert_eq!(leaves(waits, all), (all, true), "{waits:?}");
            if all > 0 {
                let (sent, is_all) = leaves(waits, all - 1);
                assert!(sent < all && !is_all, "{waits:?}");
            }
        }
    }
}
