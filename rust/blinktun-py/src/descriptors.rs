//! Descriptors that Python hands over.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use pyo3::prelude::*;

/// What systems say of a descriptor that is none.
const EBADF: i32 = 9;

/// A descriptor that the caller gives away.
pub fn owned(descriptor: RawFd) -> PyResult<OwnedFd> {
    check(descriptor)?;
    // SAFETY: the caller detached `descriptor` from its Python socket (`socket.detach()`), so nothing
    // else owns it. It is not -1, the one value that cannot be owned.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// A descriptor of our own for a device of the caller's.
pub fn duplicate(descriptor: RawFd) -> PyResult<OwnedFd> {
    check(descriptor)?;
    // SAFETY: it is not -1, and it is used for one system call, which refuses what is not open.
    let theirs = unsafe { BorrowedFd::borrow_raw(descriptor) };
    Ok(theirs.try_clone_to_owned()?)
}

fn check(descriptor: RawFd) -> io::Result<()> {
    match descriptor < 0 {
        true => Err(io::Error::from_raw_os_error(EBADF)),
        false => Ok(()),
    }
}
