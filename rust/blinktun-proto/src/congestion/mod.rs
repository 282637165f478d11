//! How much may be in flight, and how fast it leaves: the trait of a controller, and its implementations.

mod adaptive;
mod controller;
mod fixed;
mod reno;

pub use adaptive::Adaptive;
pub use controller::{Acked, Controller, InFlight, LossKind, Lost, Metrics, Restraint, Sent};
pub use fixed::Fixed;
pub use reno::Reno;

/// The controllers by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `nc=1` of kcptun: [`Fixed`], not paced.
    Fixed,
    /// [`Fixed`], at so many bytes of data a second.
    Paced(u64),
    /// `nc=0` of kcptun: [`Reno`].
    Reno,
    /// [`Adaptive`].
    Adaptive,
}

impl Algorithm {
    /// A controller for segments of at most `segment` bytes; `resend` is the threshold of fast
    /// retransmission.
    pub fn build(self, segment: usize, resend: u32) -> Box<dyn Controller> {
        match self {
            Algorithm::Fixed => Box::new(Fixed { rate: None }),
            Algorithm::Paced(rate) => Box::new(Fixed { rate: Some(rate) }),
            Algorithm::Reno => Box::new(Reno::new(segment, resend)),
            Algorithm::Adaptive => Box::new(Adaptive::new(segment)),
        }
    }
}
