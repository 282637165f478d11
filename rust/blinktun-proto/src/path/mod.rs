//! The network paths of a session: where its peer is, and where it may be.

pub mod candidate;
pub mod four_tuple;

pub use four_tuple::FourTuple;
