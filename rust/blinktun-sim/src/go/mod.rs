//! A peer that is not blinktun: it behaves as the Go programs do, where that differs from us.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`kcp`] | the conversation with its flush clock, its held acknowledgements, its timeouts |
//! | [`peer`] | one conversation from smux to datagrams: no hello, no questions, FEC from the first |

pub mod kcp;
pub mod peer;

pub use peer::GoPeer;
