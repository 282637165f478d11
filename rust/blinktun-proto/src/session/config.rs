//! The settings that all sessions of an endpoint share.

use core::fmt;
use std::sync::Arc;

use crate::congestion::Algorithm;
use crate::crypt::{MAX_DATAGRAM, PacketCrypt};
use crate::fec;
use crate::kcp::{self, LossDetection};
use crate::path;
use crate::path::mtu_search::BASE;
use crate::qpp::Pads;
use crate::session::fec_layer::Groups;
use crate::session::layout::Layout;
use crate::session::pace::{MAX_RATE, Pace};
use crate::session::repair::Repair;
use crate::smux::{self, Role, Version};
use crate::time::{Duration, Time};
use crate::wire;
use crate::wire::kcp::HEADER;

/// The largest datagram: what every Go receiver's buffer holds (kcptun wire, section 1.4).
pub const MAX_MTU: usize = MAX_DATAGRAM;
/// The smallest KCP block that every Go version accepts.
const MIN_BLOCK: usize = 50;

/// The largest window, in segments: what the wire can say.
const MAX_WINDOW: u32 = 65535;

/// The largest datagram of a session that asks for no other, in bytes: kcptun's.
pub const DEFAULT_MTU: usize = 1350;

/// The share of the payload that a session spends at most to make good what may be lost, if it is asked for no
/// other.
pub const DEFAULT_OVERHEAD: f64 = 0.05;

/// The settings of an endpoint's sessions.
#[derive(Clone, Debug)]
pub struct Config {
    /// Largest datagram, in bytes. It counts unless that is searched.
    pub mtu: usize,
    /// Sessions find out which datagrams their path carries, from [`BASE`] bytes on.
    pub searches_mtu: bool,
    /// Bytes of the crypt layer in front of a payload.
    pub head: usize,
    /// Bytes of the crypt layer behind a payload.
    pub tail: usize,
    /// Data and parity shards of a group; `None` switches FEC off for sending.
    pub shards: Option<(usize, usize)>,
    /// Whether the stream is compressed (not `nocomp`).
    pub compress: bool,
    /// Lower RTO floor and softer backoff.
    pub nodelay: bool,
    /// Milliseconds; a term of the RTO.
    pub interval_ms: u32,
    /// Acknowledgements for a peer that is no blinktun wait for so long (not `acknodelay`).
    pub ack_delay: Duration,
    /// Acknowledgements past a segment before it is sent again; 0 is never.
    pub resend: u32,
    /// Sessions find windows and parity themselves, within what else is set.
    pub tunes_itself: bool,
    /// Who decides how much may be in flight, within the windows below.
    pub congestion: Algorithm,
    /// A client that finds its rate itself sends at most so many bytes of datagrams a second.
    pub up_ceiling: Option<u64>,
    /// The same of a server.
    pub down_ceiling: Option<u64>,
    /// A session that finds its rate itself may make good what may be lost, before that is known, with bytes of
    /// up to this share of the payload. With 0 it does not.
    pub max_overhead: f64,
    /// Send window, in segments.
    pub send_window: u32,
    /// Receive window, in segments.
    pub receive_window: u32,
    /// Bytes of datagrams sent a second by each session; 0 is no limit.
    pub rate_limit: u64,
    /// A client whose first data was not answered for so long gives the session up.
    pub answer_within: Duration,
    /// A server follows its clients to other addresses and to its other sockets, and tells them so. It must get all
    /// that comes to its ports.
    pub follows: bool,
    /// The smux settings.
    pub smux: smux::Settings,
    /// What the bytes of every stream go through (QPP).
    pub pads: Option<Arc<Pads>>,
    /// Seeds the hash of the stream tables; secret. The endpoint draws it.
    pub hash_seed: u64,
}

/// Settings that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// `mtu` is above [`MAX_MTU`] or leaves no room for data.
    Mtu,
    /// The shard numbers are not usable.
    Shards,
    /// A window is 0 or above 65535.
    Window,
    /// `rate_limit` is above [`MAX_RATE`].
    RateLimit,
    /// `max_overhead` is not between 0 and 1.
    Overhead,
    /// `smux.frame_size` is 0 or above 65535.
    FrameSize,
    /// A buffer of smux is 0.
    Buffer,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConfigError::Mtu => "mtu must leave at least 50 bytes for KCP and be at most 1500",
            ConfigError::Shards => "datashard + parityshard must be at most 255",
            ConfigError::Window => "sndwnd and rcvwnd must be 1..65535",
            ConfigError::Overhead => "max_overhead must be 0..1",
            ConfigError::FrameSize => "framesize must be 1..65535",
            ConfigError::Buffer => "smuxbuf and streambuf must be at least 1",
            ConfigError::RateLimit => "ratelimit must be at most 2147483647",
        })
    }
}

impl Config {
    /// Check the settings, so that a session made from them cannot fail.
    ///
    /// # Errors
    /// [`ConfigError`] says which setting cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(self.least_mtu()..=MAX_MTU).contains(&self.mtu) {
            return Err(ConfigError::Mtu);
        }
        if let Some((data, parity)) = self.shards {
            fec::Encoder::new(data, parity).map_err(|_| ConfigError::Shards)?;
        }
        let windows = [self.send_window, self.receive_window];
        if windows
            .iter()
            .any(|window| !(1..=MAX_WINDOW).contains(window))
        {
            return Err(ConfigError::Window);
        }
        if !(0.0..=1.0).contains(&self.max_overhead) {
            return Err(ConfigError::Overhead);
        }
        if self.rate_limit > MAX_RATE {
            return Err(ConfigError::RateLimit);
        }
        if !(1..=65535).contains(&self.smux.frame_size) {
            return Err(ConfigError::FrameSize);
        }
        if self.smux.receive_buffer.min(self.smux.stream_buffer) == 0 {
            return Err(ConfigError::Buffer);
        }
        Ok(())
    }

    /// Defaults of kcptun's mode `fast`, behind this packet envelope.
    pub fn new(crypt: &PacketCrypt) -> Config {
        let (head, tail) = (crypt.head(), crypt.tail());
        Config {
            mtu: DEFAULT_MTU,
            searches_mtu: false,
            head,
            tail,
            shards: Some((10, 3)),
            compress: true,
            nodelay: false,
            interval_ms: 30,
            ack_delay: Duration::ZERO,
            resend: 2,
            tunes_itself: false,
            congestion: Algorithm::Fixed,
            up_ceiling: None,
            down_ceiling: None,
            max_overhead: 0.0,
            send_window: 128,
            receive_window: 512,
            rate_limit: 0,
            answer_within: Duration::from_secs(9),
            follows: true,
            smux: smux::Settings {
                version: None,
                frame_size: 8192,
                receive_buffer: 4 << 20,
                stream_buffer: 2 << 20,
                send_buffer: 256 << 10,
                keepalive: Duration::from_secs(10),
                keepalive_timeout: Duration::from_secs(30),
                outage: Duration::from_secs(1800),
                independent: true,
                max_streams: 65536,
                max_flows: 0,
            },
            pads: None,
            hash_seed: 0,
        }
    }

    /// The same, but sessions find rate, windows, retransmission, parity and MTU themselves.
    pub fn tuning_itself(self) -> Config {
        Config {
            searches_mtu: true,
            shards: None,
            nodelay: true,
            interval_ms: 10,
            ack_delay: Duration::ZERO,
            max_overhead: DEFAULT_OVERHEAD,
            tunes_itself: true,
            congestion: Algorithm::Adaptive,
            send_window: MAX_WINDOW,
            receive_window: MAX_WINDOW,
            ..self
        }
    }

    /// The window of a session that does not exist yet, in segments.
    pub(crate) fn first_window(&self) -> u16 {
        let window = match self.tunes_itself {
            true => kcp::LEAST_WINDOW.min(self.receive_window),
            false => self.receive_window,
        };
        window.min(u16::MAX.into()) as u16
    }

    pub(super) fn pace(&self, now: Time) -> Option<Pace> {
        (self.rate_limit > 0).then(|| Pace::new(self.rate_limit, now))
    }

    pub(super) fn kcp(&self, conv: u32, block: usize, clock_offset: u32) -> kcp::Config {
        kcp::Config {
            conv,
            block,
            nodelay: self.nodelay,
            loss_detection: match self.congestion {
                Algorithm::Adaptive => LossDetection::Time(self.max_overhead),
                _ => LossDetection::Packets(self.resend),
            },
            send_window: self.send_window,
            receive_window: self.receive_window,
            tunes_itself: self.tunes_itself,
            ack_delay: self.ack_delay,
            clock_offset,
        }
    }

    /// Whether our data may leave with FEC.
    fn has_fec(&self) -> bool {
        !matches!(self.groups(), Groups::None)
    }

    pub(super) fn groups(&self) -> Groups {
        match (self.tunes_itself, self.shards) {
            (true, None) if self.max_overhead > 0.0 => Groups::Punctured(Repair::default()),
            (_, None) => Groups::None,
            (_, Some((data, parity))) => Groups::Whole(data, parity),
        }
    }

    pub(super) fn layout(&self) -> Layout {
        Layout {
            head: self.head,
            tail: self.tail,
            has_fec: self.has_fec(),
            mtus: self.least_mtu()..=MAX_MTU,
        }
    }

    /// The MTU that a session begins with.
    pub(super) fn first_mtu(&self) -> usize {
        if self.searches_mtu { BASE } else { self.mtu }
    }

    /// The smallest MTU that a session can work with.
    pub fn least_mtu(&self) -> usize {
        let header = if self.has_fec() { wire::fec::HEADER } else { 0 };
        self.head + self.tail + header + MIN_BLOCK.max(HEADER + 1)
    }

    pub(super) fn path(&self, role: Role) -> path::Settings {
        path::Settings {
            nodelay: self.nodelay,
            interval_ms: self.interval_ms,
            resend: self.resend,
            congestion: self.congestion,
            send_ceiling: match role {
                Role::Client => self.up_ceiling,
                Role::Server => self.down_ceiling,
            },
            asks_after_data: role == Role::Client,
            searches_mtu: self.searches_mtu,
        }
    }

    pub(super) fn mux(&self, role: Role) -> smux::Config {
        let version = match role {
            Role::Client => Some(self.smux.version.unwrap_or(Version::V1)),
            Role::Server => self.smux.version,
        };
        smux::Config {
            role,
            settings: smux::Settings {
                version,
                ..self.smux
            },
            pads: self.pads.clone(),
            hash_seed: self.hash_seed,
        }
    }
}
