//! Why a conversation or a stream ended other than cleanly.

use core::fmt;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// We closed it.
    Local,
    /// The server has never answered.
    NoAnswer,
    /// Nothing was heard for too long (smux keepalive).
    KeepaliveTimeout,
    /// The peer has forgotten the conversation: it restarted, or closed it.
    PeerRestarted,
    /// The peer sent bytes that break smux.
    SmuxViolation,
    /// The peer sent bytes that break the compression's framing: often one end has `nocomp`.
    Compression,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseReason::Local => "closed here",
            CloseReason::NoAnswer => {
                "no answer: is the server running there, with the same key and crypt?"
            }
            CloseReason::KeepaliveTimeout => "nothing heard for too long",
            CloseReason::PeerRestarted => "the peer restarted or forgot the session",
            CloseReason::SmuxViolation => {
                "invalid smux frame: do smuxver and nocomp agree at both ends?"
            }
            CloseReason::Compression => "invalid snappy data: does nocomp agree at both ends?",
        })
    }
}
