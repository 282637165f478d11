//! The share of its transmissions that a path loses, those included that a copy or parity made good.

/// So many transmissions count.
const MEMORY: f64 = 256.0;
/// Before anything is known, as if so many had arrived.
const DOUBT: f64 = 16.0;

/// What became of a transmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was acknowledged.
    Arrived,
    /// A copy was acknowledged in its place.
    Copied,
    /// It is lost.
    Lost,
}

/// What became of the last transmissions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loss {
    share: f64,
    counted: f64,
}

impl Default for Loss {
    fn default() -> Loss {
        Loss {
            share: 0.0,
            counted: DOUBT,
        }
    }
}

impl Loss {
    /// It is known of one more what became of it.
    pub(crate) fn note(&mut self, fate: Fate) {
        let lost = match fate {
            Fate::Arrived => 0.0,
            // It may also be that its acknowledgement was lost, and that of the copy was not.
            Fate::Copied => 0.5,
            Fate::Lost => 1.0,
        };
        self.counted = (self.counted + 1.0).min(MEMORY);
        self.share += (lost - self.share) / self.counted;
    }

    /// The share that is lost, 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This happens to each `every`th of so many.
    fn after(count: u32, every: u32, fate: Fate) -> f64 {
        let mut loss = Loss::default();
        (1..=count).for_each(|n| loss.note(if n % every == 0 { fate } else { Fate::Arrived }));
        loss.share()
    }

    #[test]
    fn it_is_learned_soon_and_one_loss_is_not_everything() {
        assert!((0.04..0.07).contains(&after(1, 1, Fate::Lost)));
        assert!((0.06..0.12).contains(&after(100, 10, Fate::Lost)));
        assert!((0.08..0.13).contains(&after(1000, 10, Fate::Lost)));
        assert!((0.18..0.23).contains(&after(1000, 5, Fate::Lost)));
        assert!((0.08..0.13).contains(&after(1000, 5, Fate::Copied)));
    }

    #[test]
    fn a_path_that_loses_no_more_is_believed() {
        let mut loss = Loss::default();
        (0..1000).for_each(|_| loss.note(Fate::Lost));
        (0..1500).for_each(|_| loss.note(Fate::Arrived));
        assert!(loss.share() < 0.01);
    }
}
