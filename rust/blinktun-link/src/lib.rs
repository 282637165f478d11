//! A model of a network path, for simulations and for the lab.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`weather`] | what one direction of a path does to datagrams, and how that changes over time |
//! | [`link`] | one direction of a path: datagrams in, datagrams out, later or never |
//! | [`packet`] | what a router does with an IP packet that is too long |
//! | [`duplex`] | both directions of a path for IP packets |
//! | [`catalog`] | links with names |
//! | [`description`] | a link in words |
//! | [`keys`], `values` | the keys of such words, and their values: numbers with units |
//! | `traits` | from what the words ask for to weather |
//! | [`error`] | what is wrong with a description |
//!
//! It has no clock and no sockets: simulations give it virtual time, the lab gives it the system's.

#![forbid(unsafe_code)]

pub mod catalog;
pub mod description;
pub mod duplex;
pub mod error;
pub mod keys;
pub mod link;
pub mod packet;
mod traits;
mod values;
pub mod weather;

pub use description::Description;
pub use duplex::Duplex;
pub use error::Error;
pub use link::{Counts, Link, Sent};
pub use weather::{Bursts, Direction, Schedule, Weather};
