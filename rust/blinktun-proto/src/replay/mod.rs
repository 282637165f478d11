//! What tells a datagram, or a whole connection, that was recorded and is sent again.
//!
//! | value | what it answers |
//! | --- | --- |
//! | [`OpeningMemory`] | has this opening been seen before, by this process or an earlier one? |
//! | [`Recent`] | is this one of the latest numbers? A session has one for its own datagrams |
//! | [`OwnNonces`] | did we send this datagram ourselves? Without a memory |
//!
//! They are apart so that one cannot push another's numbers out: the datagrams of a busy session
//! cost neither the openings nor another session a place.

mod memory;
mod own;
mod recent;

pub use memory::{Loaded, OPENINGS, OpeningMemory, RECORD};
pub(crate) use own::OwnNonces;
pub(crate) use recent::Recent;
