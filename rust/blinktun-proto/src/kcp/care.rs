//! What is done for a segment, and what becomes of it when it is lost.

/// What is done for a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// It leaves again when it is lost.
    Ordinary,
    /// Somebody waits for it: copies leave, or parity, before anybody knows that it is lost.
    Urgent,
    /// Somebody may wait for it, but its stream has sent more than a small request: it gets the same, and
    /// otherwise counts as ordinary data.
    Prompt,
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

    /// The same for a whole segment.
    pub fn of_segment(is_urgent: bool, is_prompt: bool) -> Care {
        match (is_urgent, is_prompt) {
            (true, _) => Care::Urgent,
            (false, true) => Care::Prompt,
            (false, false) => Care::Ordinary,
        }
    }

    /// Whether somebody may wait for it.
    pub(super) fn is_awaited(self) -> bool {
        matches!(self, Care::Urgent | Care::Prompt)
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
