//! When our data travels with FEC, and what is told when it may not.
//!
//! A receiver of 2021 that cuts our groups at other places than we do delivers garbage (kcptun wire,
//! 4.8). So FEC packets leave only towards a peer that cannot be harmed: another blinktun, whose
//! decoder proves the numbers, or one whose own packets prove that its numbers are ours.

use super::{Event, Session, transmit};

/// Payloads without FEC after which a peer is said to have none.
const PLAIN_ENOUGH: u32 = 64;
/// FEC packets after which numbers that cannot be found are said to be others: four of the longest
/// groups.
const CODED_ENOUGH: u32 = 1024;

/// The numbers of a peer's FEC, as far as its packets show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerShards {
    /// It sends no FEC.
    Off,
    /// They are not ours.
    Other,
    /// Data and parity shards, proved.
    Proven(usize, usize),
}

/// What has come from the peer.
#[derive(Debug, Default)]
pub(super) struct PeerFecStats {
    /// Payloads without FEC header.
    pub plain: u32,
    /// FEC packets.
    pub coded: u32,
    /// The owner knows of a mismatch.
    told: bool,
}

impl Session {
    /// Whether data leaves with FEC now.
    pub fn is_protected(&self) -> bool {
        let is_safe = self.mux.peer_is_blinktun()
            || self.peer_shards().is_some_and(|s| Some(s) == self.shards);
        self.shards.is_some() && is_safe
    }

    /// The numbers that the peer's packets have proved.
    pub fn peer_shards(&self) -> Option<(usize, usize)> {
        self.decoder.as_ref().and_then(|decoder| decoder.proven())
    }

    /// Let FEC begin or end before the next datagram; it begins with a group.
    pub(super) fn update_protection(&mut self) {
        self.protected = self.is_protected();
        match &mut self.encoder {
            None if self.protected => self.encoder = transmit::new_encoder(self.shards),
            Some(encoder) if !self.protected => encoder.abandon_group(),
            _ => {}
        }
    }

    /// Tell the owner, once, that the peer's numbers keep FEC off. Another blinktun's do not.
    pub(super) fn report_mismatch(&mut self) {
        if self.peer_fec.told || !self.mux.peer_is_other() {
            return;
        }
        if let Some(theirs) = self.mismatch() {
            self.peer_fec.told = true;
            self.events.push_back(Event::FecMismatch(theirs));
        }
    }

    fn mismatch(&self) -> Option<PeerShards> {
        let Some(decoder) = &self.decoder else {
            let is_off = self.shards.is_some() && self.peer_fec.plain >= PLAIN_ENOUGH;
            return is_off.then_some(PeerShards::Off);
        };
        if let Some((data, parity)) = decoder.proven() {
            let differs = self.shards != Some((data, parity));
            return differs.then_some(PeerShards::Proven(data, parity));
        }
        let is_hopeless = decoder.is_lost() && self.peer_fec.coded >= CODED_ENOUGH;
        is_hopeless.then_some(PeerShards::Other)
    }
}
