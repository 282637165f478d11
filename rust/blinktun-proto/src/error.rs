//! Why a conversation or a stream ended other than cleanly.

use core::fmt;

/// Declares [`CloseReason`]: for each reason its name in Python, and what a person reads.
macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident, $name:literal, $text:literal;)*) => {
        /// Why a session ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum CloseReason {
            $($(#[$doc])* $reason,)*
        }

        impl CloseReason {
            /// Every reason; a reason stands at the place of its number.
            pub const ALL: &[CloseReason] = &[$(CloseReason::$reason),*];

            /// The name that programs know it by.
            pub const fn name(self) -> &'static str {
                match self {
                    $(CloseReason::$reason => $name,)*
                }
            }
        }

        impl fmt::Display for CloseReason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(CloseReason::$reason => $text,)*
                })
            }
        }
    };
}

reasons! {
    /// We closed it.
    Local, "LOCAL", "closed here";
    /// The server has never answered.
    NoAnswer, "NO_ANSWER",
        "no answer: is the server running there, with the same key and crypt?";
    /// Nothing was heard for too long (smux keepalive).
    KeepaliveTimeout, "KEEPALIVE_TIMEOUT", "nothing heard for too long";
    /// The peer has forgotten the conversation: it restarted, or closed it.
    PeerRestarted, "PEER_RESTARTED", "the peer restarted or forgot the session";
    /// The peer sent bytes that break smux.
    SmuxViolation, "SMUX_VIOLATION",
        "invalid smux frame: do smuxver and nocomp agree at both ends?";
    /// The peer sent bytes that break the compression's framing: often one end has `nocomp`.
    Compression, "COMPRESSION", "invalid snappy data: does nocomp agree at both ends?";
    /// A segment is too long for the path, though what is shorter arrives; it cannot be cut any more.
    PathTooNarrow, "PATH_TOO_NARROW",
        "the path carries shorter datagrams than before, and no fragments";
}
