//! Enums of Python's own kind, made from those of Rust: their members are decided on by identity, and
//! a type checker sees whether a `match` over them is complete. The value of a member is what a
//! person reads.

use blinktun_io::RelayEnd;
use blinktun_proto::error::CloseReason;
use blinktun_proto::session::LimitKind;
use blinktun_proto::smux::{Class, StreamClass};
use blinktun_proto::stats::{Kind, Stats};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyMappingProxy};

/// An enum of Python, made when it is first asked for.
struct Enum {
    name: &'static str,
    made: PyOnceLock<(Py<PyAny>, Vec<Py<PyAny>>)>,
}

impl Enum {
    const fn new(name: &'static str) -> Enum {
        Enum {
            name,
            made: PyOnceLock::new(),
        }
    }

    /// The class, and its members in the order of `members`, which are names and values.
    fn get<'a>(
        &'a self,
        py: Python<'_>,
        members: impl FnOnce() -> Vec<(&'static str, String)>,
    ) -> PyResult<&'a (Py<PyAny>, Vec<Py<PyAny>>)> {
        self.made.get_or_try_init(py, || {
            let keywords = PyDict::new(py);
            keywords.set_item("module", "blinktun._core")?;
            let base = py.import("enum")?.getattr("Enum")?;
            let members = members();
            let class = base.call((self.name, PyList::new(py, &members)?), Some(&keywords))?;
            let made: PyResult<Vec<_>> = members
                .iter()
                .map(|(name, _)| Ok(class.getattr(*name)?.unbind()))
                .collect();
            Ok((class.unbind(), made?))
        })
    }
}

static CLOSE_REASON: Enum = Enum::new("CloseReason");
static RELAY_END: Enum = Enum::new("RelayEnd");
static COUNTER_KIND: Enum = Enum::new("CounterKind");
static DATAGRAM_CLASS: Enum = Enum::new("DatagramClass");
static LIMIT_KIND: Enum = Enum::new("LimitKind");
static STREAM_CLASS: Enum = Enum::new("StreamClass");

fn close_reasons() -> Vec<(&'static str, String)> {
    let all = CloseReason::ALL.iter();
    all.map(|reason| (reason.name(), reason.to_string()))
        .collect()
}

fn relay_ends() -> Vec<(&'static str, String)> {
    RelayEnd::KINDS
        .map(|(name, text)| (name, text.into()))
        .into()
}

fn counter_kinds() -> Vec<(&'static str, String)> {
    let all = Kind::ALL.iter();
    all.map(|kind| (kind.name(), kind.to_string())).collect()
}

fn limit_kinds() -> Vec<(&'static str, String)> {
    let all = LimitKind::ALL.iter();
    all.map(|kind| (kind.name(), kind.name().to_lowercase()))
        .collect()
}

const CLASSES: [(&str, Class); 3] = [
    ("PLAIN", Class::Plain),
    ("PROTECTED", Class::Protected),
    ("RELIABLE", Class::Reliable),
];

const STREAM_CLASSES: [(&str, StreamClass); 3] = [
    ("LEARNED", StreamClass::Learned),
    ("INTERACTIVE", StreamClass::Interactive),
    ("BULK", StreamClass::Bulk),
];

fn datagram_classes() -> Vec<(&'static str, String)> {
    CLASSES.map(|(name, _)| (name, name.to_lowercase())).into()
}

/// The member for a class of datagrams.
pub fn datagram_class(py: Python<'_>, class: Class) -> PyResult<Py<PyAny>> {
    let (_, members) = DATAGRAM_CLASS.get(py, datagram_classes)?;
    let at = CLASSES.iter().position(|(_, it)| *it == class);
    Ok(members[at.unwrap_or(0)].clone_ref(py))
}

/// The class of datagrams that is this member.
pub fn class_of(py: Python<'_>, member: &Bound<'_, PyAny>) -> PyResult<Class> {
    let (_, members) = DATAGRAM_CLASS.get(py, datagram_classes)?;
    let at = members.iter().position(|it| it.bind(py).is(member));
    at.map(|at| CLASSES[at].1)
        .ok_or_else(|| PyTypeError::new_err("a class of datagrams must be a DatagramClass"))
}

fn stream_classes() -> Vec<(&'static str, String)> {
    STREAM_CLASSES
        .map(|(name, _)| (name, name.to_lowercase()))
        .into()
}

/// The member for a class of streams.
pub fn stream_class(py: Python<'_>, class: StreamClass) -> PyResult<Py<PyAny>> {
    let (_, members) = STREAM_CLASS.get(py, stream_classes)?;
    let at = STREAM_CLASSES.iter().position(|(_, it)| *it == class);
    Ok(members[at.unwrap_or(0)].clone_ref(py))
}

/// The class of streams that is this member; `None`: nothing is said of it.
pub fn stream_class_of(py: Python<'_>, member: Option<&Bound<'_, PyAny>>) -> PyResult<StreamClass> {
    let Some(member) = member else {
        return Ok(StreamClass::Learned);
    };
    let (_, members) = STREAM_CLASS.get(py, stream_classes)?;
    let at = members.iter().position(|it| it.bind(py).is(member));
    at.map(|at| STREAM_CLASSES[at].1)
        .ok_or_else(|| PyTypeError::new_err("a class of streams must be a StreamClass"))
}

/// The member for a kind of limit.
pub fn limit_kind(py: Python<'_>, kind: LimitKind) -> PyResult<Py<PyAny>> {
    let (_, members) = LIMIT_KIND.get(py, limit_kinds)?;
    Ok(members[kind as usize].clone_ref(py))
}

/// The member for a reason.
pub fn close_reason(py: Python<'_>, reason: CloseReason) -> PyResult<Py<PyAny>> {
    let (_, members) = CLOSE_REASON.get(py, close_reasons)?;
    Ok(members[reason as usize].clone_ref(py))
}

/// The member for the kind of an end.
pub fn relay_end(py: Python<'_>, end: &RelayEnd) -> PyResult<Py<PyAny>> {
    let (_, members) = RELAY_END.get(py, relay_ends)?;
    Ok(members[end.kind()].clone_ref(py))
}

/// Add the enums to `module`, and `COUNTERS`: the kind of each counter.
pub fn export(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let (kind, kinds) = COUNTER_KIND.get(py, counter_kinds)?;
    module.add(CLOSE_REASON.name, &CLOSE_REASON.get(py, close_reasons)?.0)?;
    module.add(RELAY_END.name, &RELAY_END.get(py, relay_ends)?.0)?;
    module.add(COUNTER_KIND.name, kind)?;
    let classes = &DATAGRAM_CLASS.get(py, datagram_classes)?.0;
    let about = "What is done for a datagram that the path may lose.";
    classes.bind(py).setattr("__doc__", about)?;
    module.add(DATAGRAM_CLASS.name, classes)?;
    let classes = &STREAM_CLASS.get(py, stream_classes)?.0;
    let about = "How soon a stream of a session has its turns.";
    classes.bind(py).setattr("__doc__", about)?;
    module.add(STREAM_CLASS.name, classes)?;
    module.add(LIMIT_KIND.name, &LIMIT_KIND.get(py, limit_kinds)?.0)?;
    let counters = PyDict::new(py);
    for (name, kind) in Stats::KINDS {
        counters.set_item(name, &kinds[*kind as usize])?;
    }
    module.add("COUNTERS", PyMappingProxy::new(py, counters.as_mapping()))
}
