//! A count of the steps that loops take, for tests: what a datagram costs must not grow with what is
//! held. Time would say the same, but not on a busy machine.
//!
//! Each loop over something that a peer can make long counts its steps. Without the feature `work`
//! nothing is counted, and nothing is left of this in the program; `blinktun-sim` switches it on, so
//! all tests have it.

#[cfg(feature = "work")]
std::thread_local! {
    static STEPS: core::cell::Cell<u64> = const { core::cell::Cell::new(0) };
}

/// Count `steps` steps of a loop.
#[inline]
pub(crate) fn count(steps: usize) {
    #[cfg(feature = "work")]
    STEPS.with(|count| count.set(count.get() + steps as u64));
    #[cfg(not(feature = "work"))]
    let _ = steps;
}

/// The steps that this thread has taken so far.
#[cfg(feature = "work")]
pub fn steps() -> u64 {
    STEPS.with(core::cell::Cell::get)
}
