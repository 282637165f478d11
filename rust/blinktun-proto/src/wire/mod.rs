//! The wire formats: numbers that wrap, KCP segments, FEC headers, and payloads of these.
//!
//! A payload is parsed once, into a [`Payload`] that is well-formed. The layers above check whether it
//! fits a conversation.

pub mod fec;
pub mod kcp;
mod numbers;
mod payload;
mod token;

pub use numbers::{Millis, SeqId, Sn, u16_at, u32_at, u64_at};
pub use payload::{Malformed, Payload};
pub use token::Token;
