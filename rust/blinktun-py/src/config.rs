//! The settings of a socket and its sessions.

use std::num::NonZeroU16;
use std::sync::Arc;

use blinktun_io::SocketConfig;
use blinktun_proto::congestion::Algorithm;
use blinktun_proto::crypt::{CryptKind, PacketCrypt};
use blinktun_proto::qpp::{self, Revision};
use blinktun_proto::session;
use blinktun_proto::smux::{self, Version};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::guard::guard;
use crate::seconds;

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

/// Checked settings; making one is the only way to make them wrong, and then it raises.
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
    #[pyo3(signature = (*, crypt, pass_, mtu, sndwnd, rcvwnd, ratelimit, datashard, parityshard, nodelay,
        interval, resend, nc, nocomp, smuxver, smuxbuf, framesize, streambuf, keepalive, closewait,
        sockbuf, dscp, pads))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword settings, one a name of kcptun's"
    )]
    fn new(
        crypt: &str,
        pass_: [u8; 32],
        mtu: usize,
        sndwnd: u32,
        rcvwnd: u32,
        ratelimit: u64,
        datashard: usize,
        parityshard: usize,
        nodelay: bool,
        interval: u32,
        resend: u32,
        nc: bool,
        nocomp: bool,
        smuxver: Option<u8>,
        smuxbuf: usize,
        framesize: usize,
        streambuf: usize,
        keepalive: f64,
        closewait: f64,
        sockbuf: usize,
        dscp: u8,
        pads: Option<&Pads>,
    ) -> PyResult<Config> {
        guard(|| {
            let kind = CryptKind::parse(crypt)
                .ok_or_else(|| PyValueError::new_err(format!("unknown crypt {crypt:?}")))?;
            let version = match smuxver {
                None => None,
                Some(1) => Some(Version::V1),
                Some(2) => Some(Version::V2),
                Some(_) => return Err(PyValueError::new_err("smuxver must be 1 or 2")),
            };
            let defaults = session::Config::new(&PacketCrypt::new(kind, &pass_));
            let session = session::Config {
                mtu,
                shards: (datashard > 0 && parityshard > 0).then_some((datashard, parityshard)),
                compress: !nocomp,
                nodelay,
                interval_ms: interval,
                resend,
                congestion: match nc {
                    true => Algorithm::Fixed,
                    false => Algorithm::Reno,
                },
                send_window: sndwnd,
                receive_window: rcvwnd,
                rate_limit: ratelimit,
                smux: smux::Settings {
                    version,
                    frame_size: framesize,
                    receive_buffer: smuxbuf,
                    stream_buffer: streambuf,
                    keepalive: seconds("keepalive", keepalive)?,
                    ..defaults.smux
                },
                pads: pads.map(|pads| Arc::clone(&pads.inner)),
                ..defaults
            };
            session
                .check()
                .map_err(|error| PyValueError::new_err(error.to_string()))?;
            let inner = SocketConfig {
                session,
                crypt: kind,
                pass: pass_,
                close_wait: seconds("closewait", closewait)?,
                buffer: sockbuf,
                dscp,
            };
            Ok(Config { inner })
        })
    }
}
