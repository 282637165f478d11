//! What is done for a segment, and what becomes of it when it is lost.

/// What is done for a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// It leaves again when it is lost.
    Ordinary,
    /// Somebody waits for it: copies leave before anybody knows that it is lost.
    Urgent,
    /// It does not leave again: what is in it is worth nothing later.
    Expendable,
    /// Nor does it, but copies leave at once.
    Protected,
}

impl Care {
    /// That for bytes of streams.
    pub fn of_stream(is_urgent: bool) -> Care {
        if is_urgent {
            Care::Urgent
        } else {
            Care::Ordinary
        }
    }

    /// Whether a segment that is lost leaves again without what was in it. Its number must arrive, because the peer
    /// acknowledges in order.
    pub fn is_expendable(self) -> bool {
        matches!(self, Care::Expendable | Care::Protected)
    }
}

/// So many bytes are left of an expendable segment that is lost: the first says that it holds plain frames, and
/// none follow.
pub(super) const HUSK: usize = 1;
