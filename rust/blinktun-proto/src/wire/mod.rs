//! What stands on the wire: numbers that wrap, KCP segments, FEC headers.

pub mod fec;
pub mod kcp;
mod numbers;

pub use numbers::{Millis, SeqId, Sn, u16_at, u32_at, u64_at};
