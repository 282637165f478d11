//! The last word on a stream that we forgot.

use super::frame::Writer;
use super::stream::{LocalEnd, Stream};

/// The last word on a stream that we forgot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Farewell {
    pub(super) id: u32,
    /// Not a clean end: the abort mark goes before the FIN.
    pub(super) aborted: bool,
}

impl Farewell {
    /// Ends our direction too when the peer aborts; it may still count on our FIN.
    pub(super) fn answering_abort(stream: &Stream) -> Option<Farewell> {
        let owed = stream.local_end != LocalEnd::Sent && !stream.syn_due;
        owed.then_some(Farewell {
            id: stream.id,
            aborted: false,
        })
    }

    pub(super) fn write(self, frames: &mut Writer<'_>) -> bool {
        if self.aborted {
            frames.abort(self.id)
        } else {
            frames.finish(self.id)
        }
    }
}
