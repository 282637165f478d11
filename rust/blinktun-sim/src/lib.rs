//! A seeded network with virtual time, and stories told on it.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`node`] | what can stand at an end of a path: an endpoint, or one session alone |
//! | [`flow`] | one stream's writers and readers, and the check of every byte |
//! | [`setup`] | what a world begins with: settings, weather, a seed |
//! | `builders` | from a setup to its world |
//! | [`world`] | two nodes, two links, many flows: time jumps from event to event |
//! | [`go`] | a peer that behaves as the Go programs do |
//! | [`end`] | what can stand at an end there: an endpoint of ours, or such a peer |
//! | [`download`] | a download over a link in words, and requests beside it: what it gets and costs |
//! | [`by_hand`] | the same with settings by hand, between programs of either kind |
//! | [`goals`] | what that must be over each link with a name |
//! | [`crowd`] | one server and many clients |
//! | [`seeds`] | with which seeds a story is told, and how to tell it again |
//!
//! What lies between two nodes is a [`Link`] each way, of the crate `blinktun-link`.
//!
//! Nothing here sleeps, reads a clock or opens a socket: an hour of loss takes milliseconds.

#![forbid(unsafe_code)]

mod builders;
pub mod by_hand;
pub mod crowd;
pub mod download;
pub mod end;
pub mod flow;
pub mod go;
pub mod goals;
pub mod node;
pub mod seeds;
pub mod setup;
pub mod traces;
pub mod world;

pub use blinktun_link::{Bursts, Link, Weather};
pub use crowd::{Client, Crowd};
pub use end::{End, Ours};
pub use flow::{Flow, Half, Side, Streams};
pub use go::GoPeer;
pub use node::{Lone, Node};
pub use seeds::for_each_seed;
pub use setup::{CLIENT, SERVER, Setup};
pub use world::World;
