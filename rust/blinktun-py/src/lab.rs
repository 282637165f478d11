//! Links in words, and the emulator that carries packets over one.

use std::os::fd::RawFd;

use blinktun_lab as lab;
use blinktun_link::{Counts, Description, Direction, Error, Schedule, catalog, keys};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMappingProxy};

use crate::descriptors::duplicate;
use crate::guard::guard;

pyo3::import_exception!(blinktun.errors, ConfigError);

/// A link that was described in words.
#[pyclass(frozen, module = "blinktun._core")]
pub struct Link {
    inner: Description,
}

#[pymethods]
impl Link {
    #[new]
    #[pyo3(signature = (*words))]
    fn new(py: Python<'_>, words: Vec<String>) -> PyResult<Link> {
        let parsed = guard(|| Ok(Description::parse(words.iter().map(String::as_str))))?;
        match parsed {
            Ok(inner) => Ok(Link { inner }),
            Err(error) => Err(config_error(py, &error)?),
        }
    }

    #[getter]
    fn words(&self) -> Vec<String> {
        self.inner.words.clone()
    }

    #[getter]
    fn seed(&self) -> Option<u64> {
        self.inner.seed
    }

    #[getter]
    fn largest_mtu(&self) -> usize {
        self.inner.largest_mtu()
    }

    #[getter]
    fn up(&self) -> Vec<LinkPhase> {
        phases(&self.inner.up)
    }

    #[getter]
    fn down(&self) -> Vec<LinkPhase> {
        phases(&self.inner.down)
    }
}

/// One direction of a link for as long as it stays as it is.
#[pyclass(frozen, get_all, module = "blinktun._core")]
pub struct LinkPhase {
    begin: f64,
    rate: Option<u64>,
    delay: f64,
    jitter: f64,
    loss: f64,
}

fn phases(schedule: &Schedule) -> Vec<LinkPhase> {
    let phases = schedule.phases();
    phases
        .map(|(begin, weather)| LinkPhase {
            begin: begin.as_secs_f64(),
            rate: weather.rate,
            delay: weather.delay.as_secs_f64(),
            jitter: weather.jitter.as_secs_f64(),
            loss: weather.lost(),
        })
        .collect()
}

fn config_error(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let facts = PyDict::new(py);
    facts.set_item("fix", &error.fix)?;
    facts.set_item("key", &error.key)?;
    facts.set_item("value", &error.value)?;
    let kind = py.get_type::<ConfigError>();
    let raised = kind.call((&error.problem,), Some(&facts))?;
    Ok(PyErr::from_value(raised))
}

/// What one direction of a link has done.
#[pyclass(frozen, get_all, module = "blinktun._core")]
pub struct LinkCounts {
    sent: u64,
    sent_bytes: u64,
    delivered: u64,
    delivered_bytes: u64,
    lost: u64,
    dropped: u64,
    dropped_bytes: u64,
    too_long: u64,
}

impl From<Counts> for LinkCounts {
    fn from(counts: Counts) -> LinkCounts {
        LinkCounts {
            sent: counts.sent,
            sent_bytes: counts.bytes,
            delivered: counts.delivered,
            delivered_bytes: counts.delivered_bytes,
            lost: counts.lost,
            dropped: counts.dropped,
            dropped_bytes: counts.dropped_bytes,
            too_long: counts.too_long,
        }
    }
}

/// A link between two TUN devices.
#[pyclass(frozen, module = "blinktun._core")]
pub struct Emulator {
    inner: lab::Emulator,
}

#[pymethods]
impl Emulator {
    #[new]
    fn new(client: RawFd, server: RawFd, link: &Link, seed: u64) -> PyResult<Emulator> {
        let (client, server) = (duplicate(client)?, duplicate(server)?);
        let link = link.inner.clone();
        let inner = guard(|| Ok(lab::Emulator::start(client, server, link, seed)?))?;
        Ok(Emulator { inner })
    }

    fn change(&self, link: &Link) -> PyResult<()> {
        guard(|| {
            self.inner.follow(link.inner.clone());
            Ok(())
        })
    }

    fn counts(&self) -> PyResult<(LinkCounts, LinkCounts)> {
        let counts = |direction| self.inner.counts(direction).into();
        guard(|| Ok((counts(Direction::Up), counts(Direction::Down))))
    }

    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        guard(|| Ok(py.detach(|| self.inner.stop())?))
    }
}

/// The names of links and the keys of their descriptions.
pub fn export(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let links = PyDict::new(module.py());
    for link in catalog::LINKS {
        links.set_item(link.name, (link.words, link.summary))?;
    }
    module.add(
        "LINKS",
        PyMappingProxy::new(module.py(), links.as_mapping()),
    )?;
    let described = PyDict::new(module.py());
    for key in keys::KEYS {
        described.set_item(key.name, (key.example, key.summary))?;
    }
    let described = PyMappingProxy::new(module.py(), described.as_mapping());
    module.add("LINK_KEYS", described)
}
