//! How one end of a session behaves.

use crate::qpp::Pads;
use crate::time::Duration;
use std::sync::Arc;

/// Which end of the session this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Opened the conversation; its streams are 3, 5, 7, ...
    Client,
    /// Accepted it; its own streams, if any, are 2, 4, 6, ...
    Server,
}

impl Role {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Role::Client => "client",
            Role::Server => "server",
        }
    }
}

/// The version byte of every frame; both ends must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// No flow control per stream.
    V1,
    /// Window updates per stream.
    V2,
}

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
    /// Whether segments may be independent between two blinktun.
    pub independent: bool,
    /// Streams at once; a peer's stream beyond is refused.
    pub max_streams: usize,
    /// Flows of datagrams at once; datagrams of a peer's flow beyond are dropped. 0: we take no datagrams.
    pub max_flows: usize,
}

impl Settings {
    /// The largest window that is offered to a stream.
    pub(super) fn window(&self) -> u32 {
        self.stream_buffer.min(i32::MAX as usize) as u32
    }
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
