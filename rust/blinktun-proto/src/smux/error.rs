//! What ends a session, and what a stream is refused for.

use super::event::StreamId;
use core::fmt;

/// The peer broke the protocol, or is gone: the session must die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The version byte is neither 1 nor 2, or not the session's.
    Version(u8),
    /// The command is unknown, or not of this version.
    Command(u8),
    /// A frame of this command cannot have this length.
    Length {
        /// The command byte.
        command: u8,
        /// The length field.
        length: u16,
    },
    /// The peer sent more on a stream than its window and the slack.
    WindowExceeded(StreamId),
    /// A frame of an independent segment cannot be.
    Segment,
    /// The peer says that it has read more of a stream than we sent.
    ConsumedUnsent(StreamId),
    /// No frame came for 30 to 60 seconds, or for [`Settings::outage`](super::Settings::outage) if it was worth waiting.
    KeepaliveTimeout,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Version(byte) => write!(f, "smux: version byte {byte} is not the session's"),
            Error::Command(byte) => write!(f, "smux: unknown command {byte}"),
            Error::Length { command, length } => {
                write!(f, "smux: command {command} with {length} bytes of data")
            }
            Error::WindowExceeded(id) => write!(f, "smux: stream {} exceeded its window", id.0),
            Error::Segment => write!(f, "smux: an independent segment has a frame that cannot be"),
            Error::ConsumedUnsent(id) => {
                write!(f, "smux: stream {} reads more than was sent", id.0)
            }
            Error::KeepaliveTimeout => write!(f, "smux: the peer has been silent for too long"),
        }
    }
}

impl core::error::Error for Error {}

/// Why a stream cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// `max_streams` are open.
    TooMany,
    /// All 2^31 ids of this session were used.
    Exhausted,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::TooMany => write!(f, "too many streams are open on this session"),
            OpenError::Exhausted => write!(f, "this session has used all its stream ids"),
        }
    }
}

impl core::error::Error for OpenError {}

/// Why a flow cannot be opened, or a datagram not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowError {
    /// So many flows are open as there may be.
    TooMany,
    /// All 2^31 ids of this session were used.
    Exhausted,
    /// There is no such flow (any more).
    Unknown,
    /// The label is longer than [`MAX_LABEL`](super::MAX_LABEL).
    Label,
    /// A datagram of so many bytes is longer than [`MAX_DATAGRAM`](super::MAX_DATAGRAM).
    Length(usize),
    /// The peer takes no datagrams.
    Unsupported,
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlowError::TooMany => write!(f, "too many flows of datagrams are open on this session"),
            FlowError::Exhausted => write!(f, "this session has used all its flow ids"),
            FlowError::Unknown => write!(f, "no such flow of datagrams"),
            FlowError::Label => write!(f, "the label of a flow is too long"),
            FlowError::Length(len) => write!(f, "a datagram of {len} bytes is too long"),
            FlowError::Unsupported => write!(f, "the peer takes no datagrams"),
        }
    }
}

impl core::error::Error for FlowError {}

/// Why a stream cannot be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// There is no such stream (any more).
    Unknown,
    /// We have finished this stream.
    Finished,
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamError::Unknown => write!(f, "no such stream"),
            StreamError::Finished => write!(f, "the stream was finished on this side"),
        }
    }
}

impl core::error::Error for StreamError {}
