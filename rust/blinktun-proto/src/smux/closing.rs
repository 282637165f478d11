//! The last word on a stream that leaves the table before both of its directions have ended.

use super::out::Out;
use super::peer::PeerKind;
use super::receiving::ReceiveState;
use super::sending::SendState;

/// How the peer is told that a stream is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// By a FIN.
    Fin,
    /// By the abort mark and a FIN: this is no clean end.
    Abort,
}

impl Closing {
    /// The last word if we reset a stream in these states; `None` if there is nothing to say.
    pub(super) fn after_reset(
        send: SendState,
        receive: ReceiveState,
        peer: PeerKind,
    ) -> Option<Closing> {
        use ReceiveState::{DataRead, DataReceived, Receive};
        use SendState::{FinHeld, FinSent, Finished, Ready, ReadyFinished, Send};
        match (send, receive, peer) {
            // The peer does not know of the stream.
            (Ready | ReadyFinished, ..) => None,
            // Both directions have ended on the wire.
            (FinSent, DataReceived | DataRead, _) => None,
            // Another program knows nothing but the FIN that it has.
            (FinSent, Receive, PeerKind::Plain) => None,
            (Send | Finished | FinHeld(_), _, PeerKind::Plain) => Some(Closing::Fin),
            // Before its first frame a peer may still turn out to be blinktun.
            (Send | Finished | FinHeld(_), _, PeerKind::Unheard | PeerKind::Blinktun)
            | (FinSent, Receive, PeerKind::Unheard | PeerKind::Blinktun) => Some(Closing::Abort),
        }
    }

    /// The last word if the peer aborts: it may still count on our FIN.
    pub(super) fn after_abort(send: SendState) -> Option<Closing> {
        match send {
            SendState::Ready | SendState::ReadyFinished | SendState::FinSent => None,
            SendState::Send | SendState::Finished | SendState::FinHeld(_) => Some(Closing::Fin),
        }
    }

    /// Write the frames for stream `id`; returns whether they fitted.
    pub(super) fn write(self, id: u32, frames: &mut Out<'_>) -> bool {
        match self {
            Closing::Fin => frames.last_fin(id),
            Closing::Abort => frames.abort(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{receiving, sending};
    use super::*;

    #[test]
    fn every_state_has_its_last_word_to_every_peer() {
        let peers = [PeerKind::Unheard, PeerKind::Plain, PeerKind::Blinktun];
        let nothing = [None; 3];
        let word = [
            Some(Closing::Abort),
            Some(Closing::Fin),
            Some(Closing::Abort),
        ];
        let mark = [Some(Closing::Abort), None, Some(Closing::Abort)];
        // Rows: our state; columns: the peer's direction is open, unread, over.
        let table = [
            [nothing, nothing, nothing],
            [nothing, nothing, nothing],
            [word, word, word],
            [word, word, word],
            [word, word, word],
            [mark, nothing, nothing],
        ];
        for (send, row) in sending::tests::STATES.into_iter().zip(table) {
            for (receive, words) in receiving::tests::STATES.into_iter().zip(row) {
                let said = peers.map(|peer| Closing::after_reset(send, receive, peer));
                assert_eq!(said, words, "{send:?} {receive:?}");
            }
        }
    }

    #[test]
    fn an_abort_is_answered_if_our_fin_has_yet_to_leave() {
        let fin = Some(Closing::Fin);
        let said = sending::tests::STATES.map(Closing::after_abort);
        assert_eq!(said, [None, None, fin, fin, fin, None]);
    }
}
