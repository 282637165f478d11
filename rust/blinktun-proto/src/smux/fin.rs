//! When a FIN may leave.
//!
//! Between two blinktun a FIN is what it says: it leaves right after the data, and the other
//! direction stays open. Other implementations need care (kcptun wire, 5.3):
//!
//! - Up to 2025 they close both directions when a FIN arrives, which would cut the reply. So ours
//!   is held until theirs comes, or until nothing has come for a while.
//! - Since 2026 they throw away what they have not read yet when the second FIN arrives. So ours
//!   lingers a little behind the last data.
//! - In all their versions a stream that was dropped ends like a stream whose reader is slow: with a
//!   FIN, and no window update ever again. So what cannot be sent is given up in the end.

use super::peer::PeerKind;
use super::receiving::ReceiveState;
use crate::time::{Duration, Time};

/// How long a stream must be silent before our FIN goes first.
pub(super) const HOLD: Duration = Duration::from_secs(2);
/// How long our FIN stays behind the last data when it goes second.
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// How long a window may stay closed behind the peer's FIN before its stream is given up.
pub(super) const ABANDONED: Duration = Duration::from_secs(300);

/// What the decision depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) peer: PeerKind,
    /// The state of the peer's direction.
    pub(super) receive: ReceiveState,
    /// The peer is known to have read all we sent.
    pub(super) all_read: bool,
    /// When our last data frame left.
    pub(super) last_sent: Option<Time>,
    /// When the stream's last byte came.
    pub(super) last_received: Option<Time>,
    /// Since when the FIN is the next thing to send.
    pub(super) waiting_since: Time,
}

impl Ending {
    /// The moment from which the FIN may leave.
    pub(super) fn leaves_at(&self) -> Time {
        match (self.peer, self.receive) {
            (PeerKind::Blinktun, _) => Time::ZERO,
            (PeerKind::Unheard | PeerKind::Plain, ReceiveState::Receive) => {
                let last_received = self.last_received.unwrap_or_default();
                last_received.max(self.waiting_since) + HOLD
            }
            (
                PeerKind::Unheard | PeerKind::Plain,
                ReceiveState::DataReceived | ReceiveState::DataRead,
            ) => match self.last_sent {
                Some(sent) if !self.all_read => sent + LINGER,
                _ => Time::ZERO,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Ending = Ending {
        peer: PeerKind::Plain,
        receive: ReceiveState::Receive,
        all_read: false,
        last_sent: None,
        last_received: None,
        waiting_since: Time::from_millis(5_000),
    };

    #[test]
    fn leaves_at_once_towards_blinktun() {
        let ending = Ending {
            peer: PeerKind::Blinktun,
            last_sent: Some(Time::from_millis(9)),
            ..QUIET
        };
        assert_eq!(ending.leaves_at(), Time::ZERO);
    }

    #[test]
    fn goes_first_only_after_silence() {
        assert_eq!(QUIET.leaves_at(), Time::from_millis(7_000));
        let replying = Ending {
            last_received: Some(Time::from_millis(6_000)),
            ..QUIET
        };
        assert_eq!(replying.leaves_at(), Time::from_millis(8_000));
        let unheard = Ending {
            peer: PeerKind::Unheard,
            ..QUIET
        };
        assert_eq!(unheard.leaves_at(), Time::from_millis(7_000));
    }

    #[test]
    fn goes_second_a_little_behind_the_data() {
        for receive in [ReceiveState::DataReceived, ReceiveState::DataRead] {
            let second = Ending { receive, ..QUIET };
            assert_eq!(second.leaves_at(), Time::ZERO);
            let last_sent = Some(Time::from_millis(5_500));
            let behind = Ending {
                last_sent,
                ..second
            };
            assert_eq!(behind.leaves_at(), Time::from_millis(6_500));
            let all_read = Ending {
                all_read: true,
                ..behind
            };
            assert_eq!(all_read.leaves_at(), Time::ZERO);
        }
    }
}
