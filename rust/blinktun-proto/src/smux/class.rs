//! The class of a stream: how soon it has its turn, and what the two ends say of it.

/// How soon a stream has its turn to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StreamClass {
    /// As it behaves: soon while it sends little, in turn with the others once it always has more.
    #[default]
    Learned,
    /// Soon, whatever it sends.
    Interactive,
    /// Behind all others, from its first byte on.
    Bulk,
}

impl StreamClass {
    /// All of them, by their numbers on the wire.
    pub const ALL: [StreamClass; 3] = [
        StreamClass::Learned,
        StreamClass::Interactive,
        StreamClass::Bulk,
    ];

    /// Its number on the wire.
    pub(super) fn number(self) -> u8 {
        match self {
            StreamClass::Learned => 0,
            StreamClass::Interactive => 1,
            StreamClass::Bulk => 2,
        }
    }
}

/// The class of one stream. Either end may say it, and the last word counts.
///
/// Words are numbered, because a later one may overtake an earlier one. However often the class changes between
/// two turns of the stream, one word leaves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    class: StreamClass,
    /// The peer has yet to hear it.
    is_due: bool,
    /// How many words we have said, and the number of the peer's newest one, modulo 256.
    said: u8,
    heard: u8,
}

impl Told {
    /// The class.
    pub(super) fn class(self) -> StreamClass {
        self.class
    }

    /// We say it. Whether the peer `listens` decides whether it hears so.
    pub(super) fn set(&mut self, class: StreamClass, listens: bool) {
        let before = core::mem::replace(&mut self.class, class);
        self.is_due |= listens && before != class;
    }

    /// From now on the peer listens: it hears of what it does not take for granted.
    pub(super) fn begin(&mut self) {
        self.is_due = self.class != StreamClass::Learned;
    }

    /// The peer has said it. A word of ours that has yet to leave is the last one.
    pub(super) fn hear(&mut self, number: u8, class: StreamClass) {
        let is_newer = number.wrapping_sub(self.heard) as i8 > 0;
        if is_newer {
            self.heard = number;
        }
        if is_newer && !self.is_due {
            self.class = class;
        }
    }

    /// The word that has yet to leave: its number and the class.
    pub(super) fn due(self) -> Option<(u8, StreamClass)> {
        self.is_due
            .then_some((self.said.wrapping_add(1), self.class))
    }

    /// That word has left.
    pub(super) fn note_said(&mut self) {
        self.said = self.said.wrapping_add(1);
        self.is_due = false;
    }
}

#[cfg(test)]
mod tests {
    use super::StreamClass::{Bulk, Interactive, Learned};
    use super::*;

    #[test]
    fn classes_have_the_numbers_of_their_places() {
        for (place, class) in StreamClass::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(class.number()), place);
        }
    }

    #[test]
    fn many_changes_are_one_word() {
        let mut told = Told::default();
        for class in [Bulk, Interactive, Bulk] {
            told.set(class, true);
        }
        assert_eq!(told.due(), Some((1, Bulk)));
        told.note_said();
        assert_eq!(told.due(), None);
        told.set(Bulk, true);
        assert_eq!(told.due(), None, "the peer knows that");
        told.set(Learned, true);
        assert_eq!(told.due(), Some((2, Learned)));
    }

    #[test]
    fn a_peer_that_begins_to_listen_hears_what_it_does_not_take_for_granted() {
        for class in StreamClass::ALL {
            let mut told = Told::default();
            told.set(Bulk, false);
            told.set(class, false);
            assert_eq!(told.due(), None);
            told.begin();
            assert_eq!(told.due().is_some(), class != Learned);
        }
    }

    #[test]
    fn the_newest_word_counts_in_whatever_order_they_arrive() {
        let mut told = Told::default();
        for (number, class, expected) in [
            (2, Bulk, Bulk),
            (1, Interactive, Bulk),
            (2, Interactive, Bulk),
            (100, Learned, Learned),
            (200, Interactive, Interactive),
            (150, Bulk, Interactive),
            (20, Bulk, Bulk),
        ] {
            told.hear(number, class);
            assert_eq!(told.class(), expected, "{number}");
        }
    }

    #[test]
    fn a_word_of_ours_that_has_yet_to_leave_is_the_last_one() {
        let mut told = Told::default();
        told.set(Bulk, true);
        told.hear(1, Interactive);
        assert_eq!(told.due(), Some((1, Bulk)));
        told.note_said();
        told.hear(2, Interactive);
        assert_eq!(told.class(), Interactive);
    }
}
