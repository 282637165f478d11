//! In-order KCP data on its way to smux.

use super::MAX_MTU;
use super::compression::Compression;
use crate::error::CloseReason;
use crate::kcp::receiver::Sink;
use crate::smux::Mux;
use crate::time::Time;

/// Segments that a server holds for a source that has not proved its address. An honest client sends
/// 32 before it hears anything.
pub const UNPROVEN_SEGMENTS: usize = 64;
/// The same in bytes unread, once unpacked.
pub const UNPROVEN_BYTES: usize = UNPROVEN_SEGMENTS * MAX_MTU;
/// Streams that a server serves for such a source. With more, all wait for the proof.
pub const UNPROVEN_STREAMS: usize = 8;

/// In-order KCP data on its way to smux.
pub(super) struct Upward<'a> {
    mux: &'a mut Mux,
    compression: Option<&'a mut Compression>,
    plain: &'a mut Vec<u8>,
    pub(super) received: u64,
    pub(super) failed: Option<CloseReason>,
    now: Time,
    restrained: bool,
}

impl<'a> Upward<'a> {
    /// Deliver to `mux`, within the bounds for unproven sources if `restrained`.
    pub(super) fn new(
        (mux, restrained): (&'a mut Mux, bool),
        compression: Option<&'a mut Compression>,
        plain: &'a mut Vec<u8>,
        now: Time,
    ) -> Upward<'a> {
        Upward {
            mux,
            compression,
            plain,
            received: 0,
            failed: None,
            now,
            restrained,
        }
    }

    fn is_within_restraint(&self) -> bool {
        self.mux.unread_in_all() < UNPROVEN_BYTES && self.mux.stream_count() <= UNPROVEN_STREAMS
    }
}

impl Sink for Upward<'_> {
    fn has_room(&self) -> bool {
        self.failed.is_none()
            && self.mux.receive_space() > 0
            && (!self.restrained || self.is_within_restraint())
    }

    fn hold_limit(&self) -> usize {
        match self.restrained {
            true => UNPROVEN_SEGMENTS,
            false => usize::MAX,
        }
    }

    fn deliver(&mut self, data: &[u8]) {
        self.received += data.len() as u64;
        let frames = match &mut self.compression {
            None => data,
            Some(compression) => {
                self.plain.clear();
                if compression.decode(data, self.plain).is_err() {
                    self.failed = Some(CloseReason::Compression);
                    return;
                }
                &self.plain[..]
            }
        };
        if let Err(error) = self.mux.receive(frames, self.now) {
            self.failed = Some(error.into());
        }
    }
}
