//! A link of `blinktun-link` between two TUN devices, in real time. Linux only; on other systems
//! [`Emulator::start`] says so.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`emulator`] | the thread that carries packets, seen from outside |
//! | `cables` | the two devices, and the packets that go into the link and come out of it |
//! | `rest` | how long the thread may sleep |
//!
//! It makes no devices: its owner opens them, in whatever network they belong to.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod cables;
#[cfg(target_os = "linux")]
pub mod emulator;
#[cfg(not(target_os = "linux"))]
#[path = "plain.rs"]
pub mod emulator;
#[cfg(target_os = "linux")]
mod rest;

pub use emulator::Emulator;
