//! The settings of a socket and its sessions.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use blinktun_io::SocketConfig;
use blinktun_proto::congestion::Algorithm;
use blinktun_proto::crypt::{CryptKind, PacketCrypt};
use blinktun_proto::qpp::{self, Revision};
use blinktun_proto::session;
use blinktun_proto::smux::{self, Version};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::guard::guard;

/// The permutations of a key. Immutable: made once, shared by all that need them.
#[pyclass(frozen, module = "blinktun._core")]
pub struct Pads {
    inner: Arc<qpp::Pads>,
}

#[pymethods]
impl Pads {
    #[new]
    fn new(py: Python<'_>, key: &[u8], count: u16, revision: &str) -> PyResult<Pads> {
        let count = NonZeroU16::new(count)
            .ok_or_else(|| PyValueError::new_err("QPPCount must be at least 1"))?;
        let revision = Revision::parse(revision)
            .ok_or_else(|| PyValueError::new_err("QPPRevision must be A, M or B"))?;
        guard(|| {
            let inner = Arc::new(py.detach(|| qpp::Pads::new(key, count, revision)));
            Ok(Pads { inner })
        })
    }
}

/// The attributes that the core takes from the settings of Python: kcptun's names, and what follows from
/// them.
#[derive(FromPyObject)]
struct Settings {
    crypt: String,
    is_auto: bool,
    mtu: usize,
    searches_mtu: bool,
    sndwnd: u32,
    rcvwnd: u32,
    ratelimit: u64,
    datashard: usize,
    parityshard: usize,
    nodelay: u32,
    interval: u32,
    resend: u32,
    nc: u32,
    nocomp: bool,
    smuxver: Option<u8>,
    session_buffer: usize,
    framesize: usize,
    stream_buffer: usize,
    up_rate: Option<u64>,
    down_rate: Option<u64>,
    overhead_share: f64,
    acknodelay: bool,
    keepalive: f64,
    closewait: f64,
    sockbuf: usize,
    dscp: u8,
    datagrams: bool,
    follows: bool,
}

/// Flows of datagrams that a session has at once.
const FLOWS: usize = 4096;

impl Settings {
    fn session(&self, crypt: &PacketCrypt, pads: Option<&Pads>) -> PyResult<session::Config> {
        let version = match self.smuxver {
            None => None,
            Some(1) => Some(Version::V1),
            Some(2) => Some(Version::V2),
            Some(_) => return Err(PyValueError::new_err("smuxver must be 1 or 2")),
        };
        let has_parity = self.datashard > 0 && self.parityshard > 0;
        let defaults = session::Config::new(crypt);
        let config = session::Config {
            mtu: self.mtu,
            shards: has_parity.then_some((self.datashard, self.parityshard)),
            compress: !self.nocomp,
            nodelay: self.nodelay != 0,
            interval_ms: self.interval,
            ack_delay: match self.acknodelay {
                true => Duration::ZERO,
                false => Duration::from_millis(self.interval.into()),
            },
            resend: self.resend,
            congestion: match self.nc {
                0 => Algorithm::Reno,
                _ => Algorithm::Adaptive,
            },
            up_ceiling: self.up_rate,
            down_ceiling: self.down_rate,
            send_window: self.sndwnd,
            receive_window: self.rcvwnd,
            rate_limit: self.ratelimit,
            follows: self.follows,
            smux: smux::Settings {
                version,
                frame_size: self.framesize,
                receive_buffer: self.session_buffer,
                stream_buffer: self.stream_buffer,
                keepalive: seconds("keepalive", self.keepalive)?,
                max_flows: if self.datagrams { FLOWS } else { 0 },
                ..defaults.smux
            },
            pads: pads.map(|pads| Arc::clone(&pads.inner)),
            ..defaults
        };
        let config = match self.is_auto {
            true => session::Config {
                searches_mtu: self.searches_mtu,
                max_overhead: self.overhead_share,
                ..config.tuning_itself()
            },
            false => config,
        };
        config
            .check()
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(config)
    }
}

/// Checked settings. Wrong ones raise when this is made, and nothing can change them afterwards.
#[pyclass(frozen, module = "blinktun._core")]
pub struct Config {
    inner: SocketConfig,
}

impl Config {
    pub fn get(&self) -> &SocketConfig {
        &self.inner
    }
}

#[pymethods]
impl Config {
    #[new]
    #[pyo3(signature = (settings, pass_, pads, trace=None))]
    fn new(
        settings: Settings,
        pass_: [u8; 32],
        pads: Option<&Pads>,
        trace: Option<PathBuf>,
    ) -> PyResult<Config> {
        guard(|| {
            let kind = kind(&settings.crypt)?;
            let inner = SocketConfig {
                session: settings.session(&PacketCrypt::new(kind, &pass_), pads)?,
                crypt: kind,
                pass: pass_,
                close_wait: seconds("closewait", settings.closewait)?,
                buffer: settings.sockbuf,
                dscp: settings.dscp,
                trace,
            };
            Ok(Config { inner })
        })
    }
}

fn kind(crypt: &str) -> PyResult<CryptKind> {
    CryptKind::parse(crypt).ok_or_else(|| PyValueError::new_err(format!("unknown crypt {crypt:?}")))
}

#[pyfunction]
pub fn least_mtu(crypt: &str, fec: bool) -> PyResult<usize> {
    guard(|| {
        // The sizes are those of every key.
        let crypt = PacketCrypt::new(kind(crypt)?, &[0; 32]);
        let mut config = session::Config::new(&crypt);
        config.shards = config.shards.filter(|_| fec);
        Ok(config.least_mtu())
    })
}

/// A time that Python gives in seconds.
pub fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| PyValueError::new_err(format!("{name} must be a time of at least 0 seconds")))
}
