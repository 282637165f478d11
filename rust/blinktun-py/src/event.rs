//! The reactor's events as Python values.

use std::net::SocketAddr;

use blinktun_io as io;
use blinktun_proto::session::{self, PeerShards};
use blinktun_proto::smux;
use pyo3::PyClass;
use pyo3::prelude::*;

use crate::enums::{close_reason, limit_kind, relay_end};
use crate::keys::{FlowKey, SessionKey, StreamKey, from_session};

/// Declares the class of an event, with attributes that `match` takes apart.
macro_rules! class {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[pyclass(frozen, get_all, module = "blinktun._core")]
        pub struct $name {
            $($field: $type,)*
        }

        #[pymethods]
        impl $name {
            #[new]
            fn new($($field: $type),*) -> $name {
                $name { $($field),* }
            }

            #[classattr]
            #[pyo3(name = "__match_args__")]
            fn match_args() -> ($(text!($field),)*) {
                ($(stringify!($field),)*)
            }
        }
    };
}

/// Declares the events of each owner, and those of none, as a class each. Python gets the classes,
/// the union of each owner's, and `Event`, the union of all.
macro_rules! events {
    (
        $($union:ident { $($(#[$doc:meta])* $name:ident $fields:tt)* })*
        ; $($(#[$other_doc:meta])* $other:ident $other_fields:tt)*
    ) => {
        $($(class! { $(#[$doc])* $name $fields })*)*
        $(class! { $(#[$other_doc])* $other $other_fields })*

        /// Add all of them to `module`.
        pub fn export(module: &Bound<'_, PyModule>) -> PyResult<()> {
            let mut all = None;
            $(
                let mut group = None;
                $(
                    module.add_class::<$name>()?;
                    join(&mut group, module.py().get_type::<$name>().into_any())?;
                )*
                module.add(stringify!($union), &group)?;
                if let Some(group) = group {
                    join(&mut all, group)?;
                }
            )*
            $(
                module.add_class::<$other>()?;
                join(&mut all, module.py().get_type::<$other>().into_any())?;
            )*
            module.add("Event", all)
        }
    };
}

/// Make a union in Python, which is what `A | B` is, one class or union after the other.
fn join<'py>(union: &mut Option<Bound<'py, PyAny>>, class: Bound<'py, PyAny>) -> PyResult<()> {
    *union = Some(match union.take() {
        None => class,
        Some(union) => union.bitor(class)?,
    });
    Ok(())
}

macro_rules! text {
    ($field:ident) => {
        &'static str
    };
}

events! {
    SocketEvent {
        /// A peer opened a session.
        SessionOpened { session: SessionKey, host: String, port: u16, }
        /// Datagrams do not decrypt.
        Undecryptable { endpoint: u64, host: String, port: u16, }
    }
    SessionEvent {
        /// The peer has another address.
        SessionMoved { session: SessionKey, host: String, port: u16, }
        /// The session is over.
        SessionClosed { session: SessionKey, reason: Py<PyAny>, }
        /// Data in flight makes no progress.
        SessionSilent { session: SessionKey, heard: bool, }
        /// A silent peer answers again.
        SessionRecovered { session: SessionKey, }
        /// We send without FEC because of the peer's numbers.
        SessionFecMismatch { session: SessionKey, theirs: Option<(usize, usize)>, }
        /// The session, or what its peer sends, is held back.
        SessionLimited { session: SessionKey, kind: Py<PyAny>, }
        /// The peer opened a stream.
        StreamOpened { stream: StreamKey, session: SessionKey, }
        /// Bytes can be read.
        StreamReadable { stream: StreamKey, session: SessionKey, }
        /// The peer ended the stream cleanly.
        StreamFinished { stream: StreamKey, session: SessionKey, }
        /// The stream takes bytes again.
        StreamWritable { stream: StreamKey, session: SessionKey, }
        /// The peer broke the stream off.
        StreamReset { stream: StreamKey, session: SessionKey, }
        /// The peer opened a flow of datagrams.
        FlowOpened { flow: FlowKey, session: SessionKey, }
        /// Datagrams can be taken.
        FlowReadable { flow: FlowKey, session: SessionKey, }
        /// The flow takes reliable datagrams again.
        FlowWritable { flow: FlowKey, session: SessionKey, }
        /// The peer ended the flow, or takes no datagrams.
        FlowEnded { flow: FlowKey, session: SessionKey, }
    }
    PortEvent {
        /// Datagrams come from a source that has no flow.
        NewSource { datagram_port: u64, host: String, port: u16, }
    }
    ;
    /// A relay is over.
    RelayFinished {
        token: u64,
        sent: u64,
        received: u64,
        connected: bool,
        end: Py<PyAny>,
        reason: Option<Py<PyAny>>,
        error: Option<String>,
    }
}

/// An event as the object of its class; `None` if Python has no use for it.
pub fn to_python(py: Python<'_>, event: io::Event) -> PyResult<Option<Bound<'_, PyAny>>> {
    let made = match event {
        io::Event::SessionOpened(key, peer) => object(
            py,
            SessionOpened {
                session: from_session(key),
                host: peer.ip().to_canonical().to_string(),
                port: peer.port(),
            },
        ),
        io::Event::SessionMoved(key, peer) => object(
            py,
            SessionMoved {
                session: from_session(key),
                host: peer.ip().to_canonical().to_string(),
                port: peer.port(),
            },
        ),
        io::Event::Session(key, event) => return report(py, key, event),
        io::Event::RelayFinished {
            token,
            sent,
            received,
            connected,
            end,
        } => object(
            py,
            RelayFinished {
                token,
                sent,
                received,
                connected,
                reason: match end {
                    io::RelayEnd::SessionLost(reason) => Some(close_reason(py, reason)?),
                    _ => None,
                },
                error: (end != io::RelayEnd::Clean).then(|| end.to_string()),
                end: relay_end(py, &end)?,
            },
        ),
        io::Event::NewSource(id, from) => object(
            py,
            NewSource {
                datagram_port: id.0,
                host: scoped(from),
                port: from.port(),
            },
        ),
        io::Event::Undecryptable(endpoint, from) => object(
            py,
            Undecryptable {
                endpoint: endpoint.0,
                host: from.ip().to_canonical().to_string(),
                port: from.port(),
            },
        ),
    };
    made.map(Some)
}

/// The IP address, with its scope if it has one: the same text leads to it again.
fn scoped(from: SocketAddr) -> String {
    match from {
        SocketAddr::V6(v6) if v6.scope_id() > 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
        _ => from.ip().to_string(),
    }
}

/// What a session reports.
fn report(
    py: Python<'_>,
    key: io::SessionKey,
    event: session::Event,
) -> PyResult<Option<Bound<'_, PyAny>>> {
    let session = from_session(key);
    let stream = |id: smux::StreamId| (session.0, session.1, id.0);
    let flow = |id: smux::FlowId| (session.0, session.1, id.0);
    let made = match event {
        session::Event::Silent { heard } => object(py, SessionSilent { session, heard }),
        session::Event::Recovered => object(py, SessionRecovered { session }),
        session::Event::FecMismatch(theirs) => {
            let theirs = numbers(theirs);
            object(py, SessionFecMismatch { session, theirs })
        }
        session::Event::Limited(kind) => {
            let kind = limit_kind(py, kind)?;
            object(py, SessionLimited { session, kind })
        }
        session::Event::Closed(reason) => {
            let reason = close_reason(py, reason)?;
            object(py, SessionClosed { session, reason })
        }
        session::Event::Stream(event) => match event {
            smux::Event::Opened(id) => {
                let stream = stream(id);
                object(py, StreamOpened { stream, session })
            }
            smux::Event::Readable(id) => {
                let stream = stream(id);
                object(py, StreamReadable { stream, session })
            }
            smux::Event::Finished(id) => {
                let stream = stream(id);
                object(py, StreamFinished { stream, session })
            }
            smux::Event::Writable(id) => {
                let stream = stream(id);
                object(py, StreamWritable { stream, session })
            }
            smux::Event::Reset(id) => {
                let stream = stream(id);
                object(py, StreamReset { stream, session })
            }
            smux::Event::FlowOpened(id) => {
                let flow = flow(id);
                object(py, FlowOpened { flow, session })
            }
            smux::Event::DatagramsReadable(id) => {
                let flow = flow(id);
                object(py, FlowReadable { flow, session })
            }
            smux::Event::DatagramsWritable(id) => {
                let flow = flow(id);
                object(py, FlowWritable { flow, session })
            }
            smux::Event::FlowEnded(id) => {
                let flow = flow(id);
                object(py, FlowEnded { flow, session })
            }
            smux::Event::Closed(_) | smux::Event::PeerHello => return Ok(None),
        },
    };
    made.map(Some)
}

fn object<'py, T>(py: Python<'py>, event: T) -> PyResult<Bound<'py, PyAny>>
where
    T: PyClass + Into<PyClassInitializer<T>>,
{
    Ok(Bound::new(py, event)?.into_any())
}

/// 0 and 0 for no FEC, `None` for numbers that are not known.
fn numbers(theirs: PeerShards) -> Option<(usize, usize)> {
    match theirs {
        PeerShards::Off => Some((0, 0)),
        PeerShards::Other => None,
        PeerShards::Proven(data, parity) => Some((data, parity)),
    }
}
