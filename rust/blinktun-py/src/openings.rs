//! The memory of openings, which both programs share with the file that Python keeps.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blinktun_proto::endpoint::Openings;
use blinktun_proto::replay;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Fingerprints of openings.
#[pyclass(frozen, module = "blinktun._core")]
pub struct OpeningMemory {
    inner: Openings,
}

impl OpeningMemory {
    pub fn share(&self) -> Openings {
        Arc::clone(&self.inner)
    }

    fn lock(&self) -> MutexGuard<'_, replay::OpeningMemory> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl OpeningMemory {
    #[new]
    fn new() -> PyResult<OpeningMemory> {
        let mut seeds = [0; 16];
        getrandom::fill(&mut seeds).map_err(|error| PyOSError::new_err(error.to_string()))?;
        let seeds = u128::from_le_bytes(seeds);
        let memory = replay::OpeningMemory::new([seeds as u64, (seeds >> 64) as u64]);
        Ok(OpeningMemory {
            inner: Arc::new(Mutex::new(memory)),
        })
    }

    fn insert(&self, fingerprint: u64) -> bool {
        self.lock().insert(fingerprint)
    }

    fn __contains__(&self, fingerprint: u64) -> bool {
        self.lock().contains(fingerprint)
    }

    fn __len__(&self) -> usize {
        self.lock().len()
    }

    #[getter]
    fn unsaved(&self) -> usize {
        self.lock().unsaved()
    }

    fn take_unsaved<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.lock().take_unsaved())
    }

    fn take_all<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.lock().take_all())
    }

    fn load(&self, records: &[u8]) -> (usize, usize) {
        let loaded = self.lock().load(records);
        (loaded.new, loaded.damaged)
    }
}
