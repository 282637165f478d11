//! Other systems have no lab.

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;

use blinktun_link::{Counts, Description, Direction};

/// What does not exist here.
#[derive(Debug)]
pub struct Emulator(Infallible);

impl Emulator {
    /// An error of the kind `Unsupported`.
    pub fn start(_: OwnedFd, _: OwnedFd, _: Description, _: u64) -> io::Result<Emulator> {
        let text = "the lab needs TUN devices and network namespaces, which Linux has";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    /// Never called.
    pub fn follow(&self, _: Description) {
        match self.0 {}
    }

    /// Never called.
    pub fn counts(&self, _: Direction) -> Counts {
        match self.0 {}
    }

    /// Never called.
    pub fn stop(&self) -> io::Result<()> {
        match self.0 {}
    }
}
