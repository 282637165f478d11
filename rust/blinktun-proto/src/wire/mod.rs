//! What stands on the wire: numbers that wrap, KCP segments, FEC headers, and payloads of these.
//!
//! A payload is parsed once, into a [`Payload`] that is well-formed. Whether it fits a conversation is
//! for the rooms above.

pub mod fec;
pub mod kcp;
mod numbers;
mod payload;

pub use numbers::{Millis, SeqId, Sn, u16_at, u32_at, u64_at};
pub use payload::{Malformed, Payload};
