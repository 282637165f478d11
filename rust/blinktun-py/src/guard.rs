//! The border for panics: a bug in the core is an exception of ours in Python, never a
//! `PanicException`, which no `except Exception` catches.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;

pyo3::import_exception!(blinktun.errors, InternalError);

/// Run `work`; a panic becomes `InternalError`.
pub fn guard<T>(work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    // What a panic leaves half done is dropped here, or shut off by `Guarded`.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(internal(&*panic)))
}

/// A value that is used no more after a panic: what it holds may be half changed.
pub struct Guarded<T> {
    inner: T,
    broken: AtomicBool,
}

impl<T> Guarded<T> {
    pub fn new(inner: T) -> Guarded<T> {
        Guarded {
            inner,
            broken: AtomicBool::new(false),
        }
    }

    /// Look at the value, whatever happened to it.
    pub fn any(&self) -> &T {
        &self.inner
    }

    /// Look at the value.
    pub fn look<R>(&self, work: impl FnOnce(&T) -> PyResult<R>) -> PyResult<R> {
        self.check()?;
        note(&self.broken, || work(&self.inner))
    }

    /// Change the value.
    pub fn change<R>(&mut self, work: impl FnOnce(&mut T) -> PyResult<R>) -> PyResult<R> {
        self.check()?;
        let inner = &mut self.inner;
        note(&self.broken, || work(inner))
    }

    fn check(&self) -> PyResult<()> {
        match self.broken.load(Ordering::Relaxed) {
            true => Err(InternalError::new_err("the core has failed before")),
            false => Ok(()),
        }
    }
}

fn note<R>(broken: &AtomicBool, work: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        broken.store(true, Ordering::Relaxed);
        Err(internal(&*panic))
    })
}

fn internal(panic: &(dyn Any + Send)) -> PyErr {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message");
    InternalError::new_err(format!("a bug in the core: {text}"))
}
