//! What acknowledgements tell about the path: how long it takes, and how much it delivers.

pub mod delivery;
pub mod rtt;
mod windowed_min;
