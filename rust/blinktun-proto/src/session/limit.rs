//! What can hold a session back, and the figures that explain its rate.

use crate::time::Duration;

/// It was the limit for a time if it held for three quarters of it.
const MOST: (u32, u32) = (3, 4);
/// Losses keep a window full if one datagram of so many repeats something.
const LOSSY: u64 = 50;

/// Declares [`LimitKind`]: for each kind its name in Python.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $name:literal;)*) => {
        /// What can hold a sender back.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum LimitKind {
            $($(#[$doc])* $kind,)*
        }

        impl LimitKind {
            /// Every kind; a kind stands at the place of its number.
            pub const ALL: [LimitKind; [$($name),*].len()] = [$(LimitKind::$kind),*];

            /// The name that programs know it by.
            pub const fn name(self) -> &'static str {
                match self {
                    $(LimitKind::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// The application has nothing more to send.
    Application, "APPLICATION";
    /// The peer's window.
    PeerWindow, "PEER_WINDOW";
    /// Our own `sndwnd`.
    SendWindow, "SEND_WINDOW";
    /// The peer's windows of single streams.
    StreamWindow, "STREAM_WINDOW";
    /// The peer's application, which does not read what has arrived.
    PeerApplication, "PEER_APPLICATION";
    /// `ratelimit`.
    RateLimit, "RATE_LIMIT";
    /// The `up` of a client or the `down` of a server.
    Hint, "HINT";
    /// Nothing yet: the session still finds out what the path carries.
    Searching, "SEARCHING";
    /// The path carries no more.
    Link, "LINK";
    /// Loss that grows with the rate: a policer, or a queue that is full.
    Loss, "LOSS";
    /// A queue on the path.
    Queue, "QUEUE";
    /// Losses: the window is full of what waits for them to be repaired.
    LossRecovery, "LOSS_RECOVERY";
    /// The congestion window of `nc` 0, which shrinks at each loss.
    CongestionWindow, "CONGESTION_WINDOW";
    /// Nothing comes back from the peer.
    Silence, "SILENCE";
    /// Our machine: its socket or its processor.
    Machine, "MACHINE";
    /// Of what the peer sends: our own `rcvwnd`.
    ReceiveWindow, "RECEIVE_WINDOW";
    /// Of what the peer sends: what is left for this session of the memory for all of the process.
    Memory, "MEMORY";
}

/// What held a session back in the last seconds, and the figures that belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What it was for the longest time.
    pub kind: LimitKind,
    /// For how long.
    pub held: Duration,
    /// Out of this time.
    pub watched: Duration,
    /// Bytes a second that the peer has acknowledged meanwhile; of what the peer sends, those that
    /// have come from it.
    pub rate: u64,
    /// Bytes a second that the limit allows at this round trip, if it is such a limit: datagrams with
    /// `ratelimit` and `up`, else data.
    pub allows: Option<u64>,
    /// The window in bytes, if it is one.
    pub window: Option<u64>,
    /// The window in segments, if it is counted in these.
    pub segments: Option<u32>,
    /// The round trip, if it is known: the smoothed one; of what the peer sends, the shortest.
    pub rtt: Option<Duration>,
    /// By how much the smoothed round trip is longer than the shortest.
    pub queue: Option<Duration>,
    /// Datagrams sent meanwhile.
    pub sent: u64,
    /// Retransmissions among them.
    pub repeated: u64,
}

impl Limit {
    /// The share of the time for which it held; 1 if no time has passed.
    pub fn share(&self) -> f64 {
        match self.watched.is_zero() {
            true => 1.0,
            false => self.held.as_secs_f64() / self.watched.as_secs_f64(),
        }
    }

    /// The share of what was sent that repeated something.
    pub fn share_repeated(&self) -> f64 {
        self.repeated as f64 / self.sent.max(1) as f64
    }

    /// Whether the rate is at least half of what the limit allows. If not, something else holds as well.
    fn explains_rate(&self) -> bool {
        self.allows
            .is_none_or(|allows| self.rate.saturating_mul(2) >= allows)
    }

    /// Whether it explains the rate, and held for most of the time.
    pub(super) fn is_clear(&self) -> bool {
        self.held * MOST.1 >= self.watched * MOST.0 && self.explains_rate()
    }

    /// The same, or losses: lost segments keep a window full that would allow much more.
    pub(super) fn or_loss(self) -> Limit {
        let is_lossy = self.repeated * LOSSY >= self.sent && self.repeated > 0;
        if self.window.is_none() || self.explains_rate() || !is_lossy {
            return self;
        }
        Limit {
            kind: LimitKind::LossRecovery,
            allows: None,
            window: None,
            segments: None,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_window_that_allows_much_more_is_full_of_losses() {
        let limit = Limit {
            kind: LimitKind::PeerWindow,
            held: Duration::from_secs(2),
            watched: Duration::from_secs(2),
            rate: 100,
            allows: Some(300),
            window: Some(36),
            segments: Some(3),
            rtt: None,
            queue: None,
            sent: 100,
            repeated: 2,
        };
        assert_eq!(limit.or_loss().kind, LimitKind::LossRecovery);
        let others = [
            Limit { rate: 150, ..limit },
            Limit {
                repeated: 1,
                ..limit
            },
            Limit {
                window: None,
                ..limit
            },
        ];
        assert!(others.iter().all(|other| other.or_loss() == *other));
    }
}
