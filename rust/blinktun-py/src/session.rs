//! One conversation without sockets, for those who carry its datagrams themselves.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use blinktun_io as io;
use blinktun_proto::crypt::PacketCrypt;
use blinktun_proto::endpoint::{Endpoint, EndpointEvent, Limits, SessionId};
use blinktun_proto::error::CloseReason;
use blinktun_proto::session::{self, Context, Role};
use blinktun_proto::time::Time;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::config::{Config, seconds};
use crate::enums::{stream_class, stream_class_of};
use crate::event;
use crate::guard::{Guarded, guard};
use crate::keys::{SessionKey, StreamKey, from_session, stream_key};
use crate::stats::SessionStats;

/// The only peer. Its address is one for documentation (RFC 5737) and is never shown.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 1);
/// The number of the socket in keys, although there is no socket.
const ENDPOINT: io::EndpointId = io::EndpointId(0);
/// One call of the protocol writes at most this much.
const BUFFER: usize = 65536;
/// Events that wait for the owner; with so many of them no datagram is taken.
const MAX_EVENTS: usize = 4096;
/// No datagram of UDP is longer.
const LONGEST: usize = 65535;

#[pyclass(module = "blinktun._core")]
pub struct Session {
    inner: Guarded<Alone>,
}

/// An endpoint with one session at most.
struct Alone {
    endpoint: Endpoint,
    /// `None`: no peer has opened it yet, or it is over.
    id: Option<SessionId>,
    events: VecDeque<io::Event>,
    buffer: Vec<u8>,
    /// The latest moment that was given.
    now: Time,
}

impl Alone {
    fn new(config: &io::SocketConfig, role: Role, seed: [u8; 32], now: Time) -> Alone {
        let limits = Limits {
            sessions: 1,
            sessions_per_source: 1,
        };
        let crypt = PacketCrypt::new(config.crypt, &config.pass);
        let mut session = config.session.clone();
        session.searches_mtu = false; // nobody knows what the owner's carrier does to long datagrams
        let mut endpoint = Endpoint::new(session, limits, role, crypt, seed, now);
        let id = (role == Role::Client).then(|| endpoint.dial(PEER, now));
        Alone {
            endpoint,
            id,
            events: VecDeque::new(),
            buffer: vec![0; BUFFER],
            now,
        }
    }

    /// Time does not go back, whatever the caller's clock does.
    fn advance(&mut self, now: Time) -> Time {
        self.now = self.now.max(now);
        self.now
    }

    fn key(&self) -> Option<io::SessionKey> {
        self.id.map(|session| io::SessionKey {
            endpoint: ENDPOINT,
            session,
        })
    }

    /// Without room for what it would report the datagram is lost, as a full kernel buffer loses it.
    fn receive(&mut self, mut datagram: Vec<u8>, now: Time) {
        if self.events.len() >= MAX_EVENTS {
            return;
        }
        let stride = datagram.len();
        self.endpoint
            .handle_datagrams(PEER, &mut datagram, stride, now);
        self.endpoint.finish_input(now);
        self.collect();
    }

    fn transmit(&mut self, now: Time) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(sent) = self.endpoint.poll_transmit(&mut self.buffer, now) {
            let run = self.buffer.get(..sent.len).unwrap_or_default();
            all.extend(run.chunks(sent.stride.max(1)).map(<[u8]>::to_vec));
        }
        self.collect();
        all
    }

    /// Queue what happened for the owner.
    fn collect(&mut self) {
        while let Some(event) = self.endpoint.next_event() {
            self.queue(event);
        }
        while let Some(event) = self.next_of_session() {
            self.queue(event);
        }
    }

    fn next_of_session(&mut self) -> Option<EndpointEvent> {
        let id = self.id?;
        let (session, _) = self.endpoint.session_mut(id)?;
        session
            .next_event()
            .map(|event| EndpointEvent::Session(id, event))
    }

    fn queue(&mut self, event: EndpointEvent) {
        match &event {
            EndpointEvent::Opened(id, _) => self.id = Some(*id),
            EndpointEvent::Session(id, session::Event::Closed(_)) => {
                self.endpoint.remove(*id);
                self.id = None;
            }
            _ => {}
        }
        self.events.push_back(io::Event::of(ENDPOINT, event));
    }

    fn look(&self) -> PyResult<&session::Session> {
        let session = self.id.and_then(|id| self.endpoint.session(id));
        session.ok_or_else(|| error(ErrorKind::NotConnected))
    }

    fn change(&mut self) -> PyResult<(&mut session::Session, &mut Context)> {
        let id = self.id.ok_or_else(|| error(ErrorKind::NotConnected))?;
        let session = self.endpoint.session_mut(id);
        session.ok_or_else(|| error(ErrorKind::NotConnected))
    }

    /// The session of a stream.
    fn of(&mut self, stream: StreamKey) -> PyResult<(&mut session::Session, &mut Context)> {
        if self.key() != Some(stream_key(stream).session) {
            return Err(error(ErrorKind::NotConnected));
        }
        self.change()
    }
}

#[pymethods]
impl Session {
    #[staticmethod]
    #[pyo3(signature = (config, seed=None, now=0.0))]
    fn client(config: &Config, seed: Option<[u8; 32]>, now: f64) -> PyResult<Session> {
        make(config, Role::Client, seed, now)
    }

    #[staticmethod]
    #[pyo3(signature = (config, seed=None, now=0.0))]
    fn server(config: &Config, seed: Option<[u8; 32]>, now: f64) -> PyResult<Session> {
        make(config, Role::Server, seed, now)
    }

    #[getter]
    fn key(&self) -> PyResult<Option<SessionKey>> {
        self.inner.look(|inner| Ok(inner.key().map(from_session)))
    }

    fn receive_datagram(&mut self, data: &[u8], now: f64) -> PyResult<()> {
        let now = moment(now)?;
        if data.len() > LONGEST {
            let text = format!("a datagram has at most {LONGEST} bytes");
            return Err(PyValueError::new_err(text));
        }
        self.inner.change(|inner| {
            let now = inner.advance(now);
            inner.receive(data.to_vec(), now);
            Ok(())
        })
    }

    fn datagrams_to_send<'py>(
        &mut self,
        py: Python<'py>,
        now: f64,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let now = moment(now)?;
        self.inner.change(|inner| {
            let now = inner.advance(now);
            let all = inner.transmit(now);
            Ok(all.iter().map(|it| PyBytes::new(py, it)).collect())
        })
    }

    fn next_timeout(&self) -> PyResult<Option<f64>> {
        self.inner.look(|inner| {
            let at = inner.endpoint.next_timeout();
            // Rounded up: a moment too early would find nothing to do.
            Ok(at.map(|at| (at.as_micros() as f64 / 1e6).next_up()))
        })
    }

    fn handle_timeout(&mut self, now: f64) -> PyResult<()> {
        let now = moment(now)?;
        self.inner.change(|inner| {
            let now = inner.advance(now);
            inner.endpoint.handle_timeout(now);
            inner.collect();
            Ok(())
        })
    }

    fn next_event<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.change(|inner| {
            while let Some(event) = inner.events.pop_front() {
                if let Some(made) = event::to_python(py, event)? {
                    return Ok(Some(made));
                }
            }
            Ok(None)
        })
    }

    #[pyo3(signature = (class_=None))]
    fn open_stream(
        &mut self,
        py: Python<'_>,
        class_: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<StreamKey> {
        let class = stream_class_of(py, class_)?;
        self.inner.change(|inner| {
            let stream = inner.change()?.0.open_stream_as(class);
            let stream = stream.map_err(|_| std::io::Error::other("too many streams"))?;
            let (endpoint, session) = inner.key().map(from_session).unwrap_or_default();
            Ok((endpoint, session, stream.0))
        })
    }

    fn set_class(&mut self, stream: StreamKey, class_: &Bound<'_, PyAny>) -> PyResult<()> {
        let class = stream_class_of(class_.py(), Some(class_))?;
        self.inner.change(|inner| {
            let session = inner.of(stream)?.0;
            session.set_class(stream_key(stream).stream, class);
            Ok(())
        })
    }

    fn stream_class(&mut self, py: Python<'_>, stream: StreamKey) -> PyResult<Option<Py<PyAny>>> {
        self.inner.change(|inner| {
            let session = inner.of(stream)?.0;
            let class = session.mux().class(stream_key(stream).stream);
            class.map(|class| stream_class(py, class)).transpose()
        })
    }

    fn write(&mut self, stream: StreamKey, data: &[u8]) -> PyResult<usize> {
        self.inner.change(|inner| {
            let taken = inner.of(stream)?.0.write(stream_key(stream).stream, data);
            taken.map_err(|_| error(ErrorKind::BrokenPipe))
        })
    }

    fn read<'py>(
        &mut self,
        py: Python<'py>,
        stream: StreamKey,
        max_bytes: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.inner.change(|inner| {
            let now = inner.now;
            let (session, cx) = inner.of(stream)?;
            let out = session.read(stream_key(stream).stream, max_bytes, now, cx);
            Ok(PyBytes::new(py, &out))
        })
    }

    fn finish(&mut self, stream: StreamKey) -> PyResult<()> {
        self.inner.change(|inner| {
            inner.of(stream)?.0.finish(stream_key(stream).stream);
            Ok(())
        })
    }

    fn reset(&mut self, stream: StreamKey) -> PyResult<()> {
        self.inner.change(|inner| {
            inner.of(stream)?.0.reset(stream_key(stream).stream);
            Ok(())
        })
    }

    fn close(&mut self) -> PyResult<()> {
        self.inner.change(|inner| {
            if let Ok((session, _)) = inner.change() {
                session.close(CloseReason::Local);
            }
            inner.collect();
            Ok(())
        })
    }

    #[getter]
    fn is_drained(&self) -> PyResult<bool> {
        self.inner
            .look(|inner| Ok(inner.look().map_or(true, session::Session::is_drained)))
    }

    fn stats(&self, py: Python<'_>) -> PyResult<Option<SessionStats>> {
        self.inner.look(|inner| {
            let session = inner.look().ok();
            let stats = session.map(|session| session.stats(inner.now));
            stats.map(|stats| SessionStats::new(py, stats)).transpose()
        })
    }
}

fn make(config: &Config, role: Role, seed: Option<[u8; 32]>, now: f64) -> PyResult<Session> {
    let now = moment(now)?;
    guard(|| {
        let seed = match seed {
            Some(seed) => seed,
            None => fresh_seed()?,
        };
        let inner = Guarded::new(Alone::new(config.get(), role, seed, now));
        Ok(Session { inner })
    })
}

/// Randomness of the system.
fn fresh_seed() -> PyResult<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| PyOSError::new_err(error.to_string()))?;
    Ok(seed)
}

/// A moment of the caller's clock.
fn moment(now: f64) -> PyResult<Time> {
    let since = seconds("now", now)?;
    Ok(Time::from_micros(
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX),
    ))
}

fn error(kind: ErrorKind) -> PyErr {
    std::io::Error::from(kind).into()
}
