//! Another address of the peer, another network or another port of ours.

use super::Session;
use crate::path::FourTuple;
use crate::path::candidate::Proof;
use crate::path::hop::Hop;
use crate::smux::Role;
use crate::time::Time;
use crate::wire::kcp::{HEADER, Segments, WASK, WINS};
use crate::wire::{Millis, Token};

impl Session {
    /// By this a server follows its client to another address, if that says who it is.
    pub fn token(&self) -> Option<Token> {
        self.mux.token()
    }

    /// Offer the client to follow it by this token. Nothing has come from it yet.
    pub(crate) fn offer_moves(&mut self, token: Token) {
        self.mux.offer_moves(token);
    }

    /// The peer is at another address, which has proved itself. Returns the old one.
    pub fn migrate(&mut self, to: FourTuple, proof: Proof, now: Time) -> FourTuple {
        let from = self.path.address;
        let is_other_network = self.path.migrate(to, proof, now);
        if let Some(memory) = &mut self.memory {
            memory.move_to(to.remote.ip());
        }
        if is_other_network {
            self.kcp.begin_path(&mut self.path, now);
            self.limits.forget_path();
        }
        from
    }

    /// This machine has another network, or has slept: nothing is known of the path, and a client's server is
    /// asked at once. What is under way is sent again as if nothing had been waited for so far.
    pub fn renew_path(&mut self, now: Time) {
        if self.is_closed() {
            return;
        }
        self.path.begin_again(now);
        self.path.liveness.begin_path(now);
        self.kcp.begin_path(&mut self.path, now);
        self.limits.forget_path();
    }

    // --- hops of a client -----------------------------------------------------------------

    /// Whether the server follows to another port and address.
    pub fn can_hop(&self) -> bool {
        self.role == Role::Client && self.mux.peer_token().is_some() && !self.is_closed()
    }

    /// Go to another address of the server, or by another socket of ours, as soon as that has answered. A hop that
    /// is under way is given up. Returns false if the server does not follow.
    pub fn hop(&mut self, to: FourTuple, now: Time) -> bool {
        let can_hop = self.can_hop();
        if can_hop {
            self.hop = Some(Hop::new(to, now));
        }
        can_hop
    }

    /// Where it wants to go.
    pub fn hops_to(&self) -> Option<FourTuple> {
        self.hop.as_ref().map(Hop::to)
    }

    /// The question that must leave by the new way now, as a payload.
    pub(crate) fn poll_hop(&mut self, now: Time) -> Option<(FourTuple, [u8; HEADER])> {
        let clock = self.kcp.clock(now);
        let hop = self.hop.as_mut()?;
        let to = hop.to();
        hop.ask(clock, now).then(|| (to, self.kcp.question(now)))
    }

    /// Whether a payload from `from` answers a question that left there, and asks in its turn. A server that has
    /// this port and knows nothing of the session answers too, but does not ask.
    pub(crate) fn is_hop_answer(
        &self,
        from: FourTuple,
        segments: Segments<'_>,
        now: Time,
    ) -> Option<Proof> {
        let hop = self.hop.as_ref().filter(|hop| hop.to() == from)?;
        segments.into_iter().find(|segment| segment.cmd == WASK)?;
        let mut tells = segments.into_iter().filter(|segment| segment.cmd == WINS);
        let round_trip = tells.find_map(|tell| hop.is_answered_by(tell.ts, now))?;
        Some(Proof {
            round_trip,
            began: now,
        })
    }

    /// It has got there.
    pub(crate) fn end_hop(&mut self) {
        self.hop = None;
    }

    pub(super) fn give_up_hop(&mut self, now: Time) {
        self.hop.take_if(|hop| hop.is_over(now));
    }

    // --- clients that ask by another way --------------------------------------------------

    /// The answer to a client's question from elsewhere, with the clock `asked`, and a challenge of this clock.
    pub(crate) fn answer_elsewhere(
        &mut self,
        asked: Millis,
        challenge: Millis,
    ) -> [u8; 2 * HEADER] {
        self.path.validation.note_peer_clock(asked);
        self.kcp.answer_and_challenge(asked, challenge)
    }
}
