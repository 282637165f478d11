//! What acknowledgements tell about the path: its round trip, and the rate at which it delivers.

pub mod delivery;
pub(crate) mod loss;
pub(crate) mod overhead;
pub(crate) mod reordering;
pub mod rtt;
pub(crate) mod windowed_min;
