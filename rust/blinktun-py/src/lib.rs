//! The Python face of the reactor: conversions only. `_core.pyi` is its documentation.

mod config;
mod descriptors;
mod enums;
mod event;
mod guard;
mod keys;
mod lab;
mod openings;
mod session;
mod stats;

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use blinktun_io as io;
use blinktun_proto::crypt;
use blinktun_proto::smux::Support;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use config::{Config, Pads, seconds};
use descriptors::owned;
use enums::{class_of, datagram_class, stream_class, stream_class_of};
use guard::{Guarded, guard};
use keys::{FlowKey, SessionKey, StreamKey, flow_key, from_flow, session_key, stream_key};
use lab::{Emulator, Link, LinkCounts, LinkPhase};
use openings::OpeningMemory;
use session::Session;
use stats::{Limit, SessionStats};

/// A label, and the class of what we send.
type Told<'py> = (Bound<'py, PyBytes>, Py<PyAny>);

#[pyclass(module = "blinktun._core")]
struct Reactor {
    inner: Guarded<io::Reactor>,
}

#[pymethods]
impl Reactor {
    #[new]
    fn new() -> PyResult<Reactor> {
        let inner = guard(|| Ok(io::Reactor::new()?))?;
        Ok(Reactor {
            inner: Guarded::new(inner),
        })
    }

    fn fileno(&self) -> RawFd {
        self.inner.any().as_raw_fd()
    }

    fn turn<'py>(&mut self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.inner.change(|inner| {
            py.detach(|| inner.turn())?;
            let events = std::iter::from_fn(|| inner.next_event());
            let events = events.map(|event| event::to_python(py, event));
            events.filter_map(Result::transpose).collect()
        })
    }

    fn next_timeout(&self) -> PyResult<Option<f64>> {
        let seconds = |timeout: Duration| timeout.as_secs_f64();
        self.inner
            .look(|inner| Ok(inner.next_timeout().map(seconds)))
    }

    fn listen(&mut self, host: &str, port: u16, config: &Config) -> PyResult<u64> {
        let at = address(host, port)?;
        self.inner
            .change(|inner| Ok(inner.listen(at, config.get())?.0))
    }

    fn adopt(&mut self, descriptor: RawFd, config: &Config) -> PyResult<u64> {
        let socket = owned(descriptor)?;
        self.inner
            .change(|inner| Ok(inner.adopt(socket, config.get())?.0))
    }

    fn listen_too(&mut self, endpoint: u64, host: &str, port: u16) -> PyResult<()> {
        let at = address(host, port)?;
        self.inner
            .change(|inner| Ok(inner.listen_too(io::EndpointId(endpoint), at)?))
    }

    fn adopt_too(&mut self, endpoint: u64, descriptor: RawFd) -> PyResult<()> {
        let socket = owned(descriptor)?;
        self.inner
            .change(|inner| Ok(inner.adopt_too(io::EndpointId(endpoint), socket)?))
    }

    fn hop(&mut self, session: SessionKey, host: &str, port: u16) -> PyResult<bool> {
        let to = address(host, port)?;
        self.inner
            .change(|inner| Ok(inner.hop(session_key(session), to)?))
    }

    fn renew_paths(&mut self, endpoint: u64) -> PyResult<()> {
        self.inner.change(|inner| {
            inner.renew_paths(io::EndpointId(endpoint));
            Ok(())
        })
    }

    fn dial(&mut self, host: &str, port: u16, config: &Config) -> PyResult<SessionKey> {
        let to = address(host, port)?;
        self.inner.change(|inner| {
            let key = inner.dial(to, config.get())?;
            Ok((key.endpoint.0, key.session.0))
        })
    }

    fn listen_tcp(&mut self, host: &str, port: u16, config: &Config) -> PyResult<u64> {
        let at = address(host, port)?;
        self.inner
            .change(|inner| Ok(inner.listen_tcp(at, config.get())?.0))
    }

    fn dial_tcp(
        &mut self,
        local: (&str, u16),
        host: &str,
        port: u16,
        config: &Config,
    ) -> PyResult<SessionKey> {
        let (local, to) = (address(local.0, local.1)?, address(host, port)?);
        self.inner.change(|inner| {
            let key = inner.dial_tcp(local, to, config.get())?;
            Ok((key.endpoint.0, key.session.0))
        })
    }

    fn share_openings(&mut self, endpoint: u64, openings: &OpeningMemory) -> PyResult<()> {
        self.inner.change(|inner| {
            inner.share_openings(io::EndpointId(endpoint), openings.share());
            Ok(())
        })
    }

    fn admit(&mut self, endpoint: u64, local: &str, host: &str, port: u16) -> PyResult<bool> {
        let (local, peer) = (address(local, 0)?.ip(), address(host, port)?);
        self.inner
            .change(|inner| Ok(inner.admit(io::EndpointId(endpoint), local, peer)))
    }

    fn expire_peers(&mut self, endpoint: u64, idle: f64) -> PyResult<Vec<(String, u16)>> {
        let idle = seconds("idle", idle)?;
        self.inner.change(|inner| {
            let gone = inner.expire_peers(io::EndpointId(endpoint), idle);
            let named = gone
                .into_iter()
                .map(|peer| (peer.ip().to_string(), peer.port()));
            Ok(named.collect())
        })
    }

    fn local_address(&self, endpoint: u64) -> PyResult<(String, u16)> {
        self.inner.look(|inner| {
            let address = inner.link(io::EndpointId(endpoint))?.local_addr()?;
            Ok((address.ip().to_canonical().to_string(), address.port()))
        })
    }

    fn local_addresses(&self, endpoint: u64) -> PyResult<Vec<(String, u16)>> {
        self.inner.look(|inner| {
            let all = inner.local_addresses(io::EndpointId(endpoint))?.into_iter();
            Ok(all
                .map(|it| (it.ip().to_canonical().to_string(), it.port()))
                .collect())
        })
    }

    fn socket_buffer(&self, endpoint: u64) -> PyResult<usize> {
        self.inner
            .look(|inner| Ok(inner.link(io::EndpointId(endpoint))?.granted()))
    }

    fn close_endpoint(&mut self, endpoint: u64) -> PyResult<()> {
        self.inner.change(|inner| {
            inner.close_endpoint(io::EndpointId(endpoint));
            Ok(())
        })
    }

    fn close_session(&mut self, session: SessionKey) -> PyResult<()> {
        self.inner.change(|inner| {
            inner.close_session(session_key(session));
            Ok(())
        })
    }

    fn is_drained(&self, session: SessionKey) -> PyResult<bool> {
        self.inner
            .look(|inner| Ok(inner.is_drained(session_key(session))))
    }

    fn session_stats(&self, py: Python<'_>, session: SessionKey) -> PyResult<Option<SessionStats>> {
        self.inner.look(|inner| {
            let stats = inner.session_stats(session_key(session));
            stats.map(|stats| SessionStats::new(py, stats)).transpose()
        })
    }

    #[pyo3(signature = (session, class_=None))]
    fn open_stream(
        &mut self,
        py: Python<'_>,
        session: SessionKey,
        class_: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<StreamKey> {
        let class = stream_class_of(py, class_)?;
        self.inner.change(|inner| {
            let key = inner.open_stream(session_key(session), class)?;
            Ok((session.0, session.1, key.stream.0))
        })
    }

    fn set_class(&mut self, stream: StreamKey, class_: &Bound<'_, PyAny>) -> PyResult<()> {
        let class = stream_class_of(class_.py(), Some(class_))?;
        self.inner.change(|inner| {
            inner.set_class(stream_key(stream), class);
            Ok(())
        })
    }

    fn stream_class(&self, py: Python<'_>, stream: StreamKey) -> PyResult<Option<Py<PyAny>>> {
        self.inner.look(|inner| {
            let class = inner.class(stream_key(stream));
            class.map(|class| stream_class(py, class)).transpose()
        })
    }

    fn relay(
        &mut self,
        stream: StreamKey,
        descriptor: RawFd,
        token: u64,
        connecting: bool,
    ) -> PyResult<()> {
        let connection = owned(descriptor)?;
        self.inner
            .change(|inner| Ok(inner.relay(stream_key(stream), connection, token, connecting)?))
    }

    fn relayed(&self, stream: StreamKey) -> PyResult<Option<(u64, u64)>> {
        self.inner
            .look(|inner| Ok(inner.relayed(stream_key(stream))))
    }

    fn relay_idle(&self, stream: StreamKey) -> PyResult<Option<f64>> {
        let seconds = |idle: Duration| idle.as_secs_f64();
        self.inner
            .look(|inner| Ok(inner.relay_idle(stream_key(stream)).map(seconds)))
    }

    fn abort_relay(&mut self, stream: StreamKey) -> PyResult<()> {
        self.inner.change(|inner| {
            inner.abort_relay(stream_key(stream));
            Ok(())
        })
    }

    fn read<'py>(
        &mut self,
        py: Python<'py>,
        stream: StreamKey,
        max_bytes: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.inner.change(|inner| {
            let bytes = inner.read(stream_key(stream), max_bytes)?;
            Ok(PyBytes::new(py, &bytes))
        })
    }

    fn write(&mut self, stream: StreamKey, data: &[u8]) -> PyResult<usize> {
        self.inner
            .change(|inner| Ok(inner.write(stream_key(stream), data)?))
    }

    fn finish(&mut self, stream: StreamKey) -> PyResult<()> {
        self.inner.change(|inner| {
            inner.finish(stream_key(stream));
            Ok(())
        })
    }

    fn reset(&mut self, stream: StreamKey) -> PyResult<()> {
        self.inner.change(|inner| {
            inner.reset(stream_key(stream));
            Ok(())
        })
    }

    fn takes_datagrams(&self, session: SessionKey) -> PyResult<Option<bool>> {
        self.inner.look(|inner| {
            let support = inner.datagram_support(session_key(session))?;
            Ok(match support {
                Support::Unknown => None,
                Support::Yes => Some(true),
                Support::No => Some(false),
            })
        })
    }

    fn open_flow(
        &mut self,
        session: SessionKey,
        label: &[u8],
        class_: &Bound<'_, PyAny>,
    ) -> PyResult<FlowKey> {
        let class = class_of(class_.py(), class_)?;
        self.inner.change(|inner| {
            let flow = inner.open_flow(session_key(session), label, class)?;
            Ok(from_flow(flow))
        })
    }

    fn send_datagram(&mut self, flow: FlowKey, data: &[u8]) -> PyResult<bool> {
        self.inner
            .change(|inner| Ok(inner.send_datagram(flow_key(flow), data)?))
    }

    fn take_datagram<'py>(
        &mut self,
        py: Python<'py>,
        flow: FlowKey,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.inner.change(|inner| {
            let data = inner.take_datagram(flow_key(flow));
            Ok(data.map(|data| PyBytes::new(py, &data)))
        })
    }

    fn flow<'py>(&self, py: Python<'py>, flow: FlowKey) -> PyResult<Option<Told<'py>>> {
        self.inner.look(|inner| {
            let told = inner.flow(flow_key(flow));
            told.map(|(label, class)| Ok((PyBytes::new(py, label), datagram_class(py, class)?)))
                .transpose()
        })
    }

    fn end_flow(&mut self, flow: FlowKey) -> PyResult<()> {
        self.inner.change(|inner| {
            inner.end_flow(flow_key(flow));
            Ok(())
        })
    }

    fn add_datagram_port(&mut self, descriptor: RawFd) -> PyResult<u64> {
        let socket = owned(descriptor)?;
        self.inner.change(|inner| Ok(inner.add_port(socket)?.0))
    }

    fn join_source(
        &mut self,
        datagram_port: u64,
        host: &str,
        port: u16,
        flow: FlowKey,
    ) -> PyResult<bool> {
        let source = address(host, port)?;
        self.inner.change(|inner| {
            let id = io::PortId(datagram_port);
            Ok(inner.join_source(id, source, flow_key(flow))?)
        })
    }

    fn refuse_source(&mut self, datagram_port: u64, host: &str, port: u16) -> PyResult<()> {
        let source = address(host, port)?;
        self.inner.change(|inner| {
            inner.refuse_source(io::PortId(datagram_port), source);
            Ok(())
        })
    }

    fn join_target(
        &mut self,
        flow: FlowKey,
        host: &str,
        port: u16,
        descriptor: RawFd,
    ) -> PyResult<u64> {
        let socket = owned(descriptor)?;
        let target = address(host, port)?;
        self.inner
            .change(|inner| Ok(inner.join_target(flow_key(flow), target, socket)?.0))
    }

    fn end_idle_flows(&mut self, datagram_port: u64, idle: f64) -> PyResult<Vec<FlowKey>> {
        let idle = seconds("idle", idle)?;
        self.inner.change(|inner| {
            let ended = inner.end_idle_flows(io::PortId(datagram_port), idle);
            Ok(ended.into_iter().map(from_flow).collect())
        })
    }

    fn close_datagram_port(&mut self, datagram_port: u64) -> PyResult<()> {
        self.inner.change(|inner| {
            inner.close_port(io::PortId(datagram_port));
            Ok(())
        })
    }

    fn limit_memory(&mut self, bound: usize) -> PyResult<()> {
        self.inner.change(|inner| {
            inner.memory().set_bound(bound);
            Ok(())
        })
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.inner.look(|inner| {
            let stats = PyDict::new(py);
            for (name, value) in inner.stats().entries() {
                stats.set_item(name, value)?;
            }
            stats.set_item("memory_held", inner.memory().held())?;
            stats.set_item("memory_promised", inner.memory().promised())?;
            Ok(stats)
        })
    }

    fn fail_for_tests(&mut self) -> PyResult<()> {
        self.inner.change(|_| panic!("as a test wants it"))
    }
}

#[pyfunction]
fn derive_key<'py>(py: Python<'py>, key: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    guard(|| Ok(PyBytes::new(py, &py.detach(|| crypt::derive_key(key)))))
}

/// `host` is an IP address; one of IPv6 may end in `%` and the number of its scope.
fn address(host: &str, port: u16) -> PyResult<SocketAddr> {
    let (ip, scope) = host.split_once('%').unwrap_or((host, "0"));
    let parsed = match (ip.parse(), scope.parse()) {
        (Ok(IpAddr::V6(ip)), Ok(scope)) => Some(SocketAddrV6::new(ip, port, 0, scope).into()),
        (Ok(ip), Ok(0)) => Some(SocketAddr::new(ip, port)),
        _ => None,
    };
    parsed.ok_or_else(|| PyValueError::new_err("host must be an IP address"))
}

#[pymodule(gil_used = false)]
mod _core {
    use blinktun_proto::crypt::CryptKind;
    use blinktun_proto::{replay, session};
    use pyo3::prelude::*;
    use pyo3::types::PyTuple;

    #[pymodule_export]
    use super::{
        Config, Emulator, Limit, Link, LinkCounts, LinkPhase, OpeningMemory, Pads, Reactor,
        Session, SessionStats, config::least_mtu, derive_key,
    };

    #[pymodule_export]
    const OPENING_RECORD: usize = replay::RECORD;

    #[pymodule_export]
    const OPENINGS: u32 = replay::OPENINGS;

    #[pymodule_export]
    const DEFAULT_MTU: usize = session::DEFAULT_MTU;

    #[pymodule_export]
    const DEFAULT_OVERHEAD: f64 = session::DEFAULT_OVERHEAD;

    #[pymodule_export]
    const MAX_MTU: usize = session::MAX_MTU;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's own name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let crypts = CryptKind::ALL.iter().map(|kind| kind.name());
        let crypts: Vec<_> = crypts.collect();
        module.add("CRYPTS", PyTuple::new(module.py(), crypts)?)?;
        super::enums::export(module)?;
        super::lab::export(module)?;
        super::event::export(module)
    }
}
