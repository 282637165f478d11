//! smux, versions 1 and 2: many streams over one reliable byte stream (kcptun wire, section 5).
//!
//! [`Mux`] is one end: bytes of the lower stream go in and out, streams are opened, written, read
//! and finished. Its files, from the wire up:
//!
//! | file | what it is |
//! | --- | --- |
//! | [`frame`] | the eight-byte header, the incremental decoder, the bounded writer |
//! | `stream` | one stream's two byte queues, its flow control and its two ends |
//! | `scheduler` | whose turn it is to send |
//! | `budget` | how much of what was written may wait unsent |
//! | `credit` | how much of what arrives may wait unread, told to the peer as windows |
//! | `stuck` | streams that are not read, once they have filled the buffer |
//! | `fin` | when a FIN may leave, depending on who the peer is |
//! | `forgotten` | window updates for streams that we dropped but the peer still writes to |
//! | `keepalive` | NOPs, and noticing that the peer is silent |
//! | `mux`, `read` | the public face; its reading half |
//! | `receive`, `transmit` | from the wire; to the wire |
//!
//! Two blinktun speak version 2 as soon as both have said hello, whatever their first frames were.
//!
//! Two extensions, invisible to other implementations, are explained in
//! `docs/decisions/0001-smux-marks.md`: the hello and the abort mark.

mod budget;
mod credit;
mod fin;
mod forgotten;
pub mod frame;
mod keepalive;
mod mux;
mod read;
mod receive;
mod scheduler;
mod stream;
mod stuck;
mod transmit;

use crate::qpp::Pads;
use crate::time::Duration;
use core::fmt;
use std::sync::Arc;

pub use mux::Mux;
pub use transmit::MIN_TRANSMIT;

/// The id of the NOP by which one blinktun tells another what it is: "BLK2". "BLK1" was that of builds
/// that could not change to version 2 in a session; to these, and from them, a peer is another program.
pub const HELLO: u32 = 0x424c_4b32;

/// What a sender of version 2 assumes as window before the first update (kcptun wire, 5.5).
pub const INITIAL_WINDOW: u32 = 262_144;

/// What a peer may send beyond its window before it is called a violation, in bytes per stream.
pub const WINDOW_SLACK: usize = 65_536;

/// Memory of one idle stream in the table, without heap, in bytes.
pub const STREAM_BYTES: usize = size_of::<stream::Stream>();

/// Which end of the session this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Opened the conversation; its streams are 3, 5, 7, ...
    Client,
    /// Accepted it; its own streams, if any, are 2, 4, 6, ...
    Server,
}

/// The version byte of every frame; both ends must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// No flow control per stream.
    V1,
    /// Window updates per stream.
    V2,
}

/// The number of a stream within its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// What both ends of a session may be told alike; validated by the caller's configuration.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The version of the first frames. `None` on a server: learned from the first frame. A client without
    /// one speaks version 2.
    pub version: Option<Version>,
    /// The largest payload of the frames we send, 1 to 65535 bytes (`framesize`).
    pub frame_size: usize,
    /// Unread bytes of all streams together before delivery should stop (`smuxbuf`).
    pub receive_buffer: usize,
    /// Unread bytes of one stream, offered as window in version 2 (`streambuf`).
    pub stream_buffer: usize,
    /// Unsent bytes kept for one stream.
    pub send_buffer: usize,
    /// The time between two NOPs, at least one second (`keepalive`).
    pub keepalive: Duration,
    /// How often it is checked that anything was heard; Go's is 30 s.
    pub keepalive_timeout: Duration,
    /// The longest outage that a session with open streams outlives, if the peer is blinktun.
    pub outage: Duration,
    /// Streams at once; a peer's stream beyond is refused.
    pub max_streams: usize,
}

/// How one end of a session behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which end this is.
    pub role: Role,
    /// What may be the same at both ends.
    pub settings: Settings,
    /// What the bytes of every stream go through (QPP); `None`: they go as they are.
    pub pads: Option<Arc<Pads>>,
    /// Seeds the stream tables' hash, so that a peer cannot choose colliding ids.
    pub hash_seed: u64,
}

/// What happened, in order. All are facts; none needs an answer at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer opened a stream.
    Opened(StreamId),
    /// Bytes arrived. Not repeated while an earlier one waits in the queue.
    Readable(StreamId),
    /// A write that was cut short may go on: half of the send buffer is free.
    Writable(StreamId),
    /// The peer ended its direction cleanly, and everything before the end has been consumed.
    Finished(StreamId),
    /// The peer aborted: bytes may be missing. Unread data is gone. May follow `Finished`, then
    /// only our direction is cut.
    Reset(StreamId),
    /// The stream is over in both directions and forgotten.
    Closed(StreamId),
    /// The peer is blinktun: half-close and aborts are exact from now on.
    PeerHello,
}

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
    /// The peer says that it has read more of a stream than we sent.
    ConsumedUnsent(StreamId),
    /// No frame came for 30 to 60 seconds, or for [`Settings::outage`] if it was worth waiting.
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

/// What is known of the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// No frame has come yet.
    Unheard,
    /// Its first frame was no hello: another implementation.
    Plain,
    /// It said hello.
    Blinktun,
}

/// A map by stream id whose hash the peer cannot guess.
type Table<V> = std::collections::HashMap<u32, V, ahash::RandomState>;

/// The hash of all tables of one session.
fn hasher(seed: u64) -> ahash::RandomState {
    ahash::RandomState::with_seeds(seed, !seed, seed.rotate_left(21), seed.rotate_left(42))
}
