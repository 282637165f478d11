//! From KCP to smux: data in order, decompressed.

use super::compression::Compression;
use super::memory::SEGMENT;
use super::packing::unpack;
use crate::error::CloseReason;
use crate::kcp::receiver::Sink;
use crate::smux::Mux;
use crate::time::Time;

/// Where KCP delivers to.
pub(super) struct Ingest<'a> {
    mux: &'a mut Mux,
    compression: Option<&'a mut Compression>,
    plain: &'a mut Vec<u8>,
    pub(super) received: u64,
    pub(super) failed: Option<CloseReason>,
    now: Time,
}

impl<'a> Ingest<'a> {
    /// Deliver to `mux`.
    pub(super) fn new(
        mux: &'a mut Mux,
        compression: Option<&'a mut Compression>,
        plain: &'a mut Vec<u8>,
        now: Time,
    ) -> Ingest<'a> {
        Ingest {
            mux,
            compression,
            plain,
            received: 0,
            failed: None,
            now,
        }
    }
}

impl Sink for Ingest<'_> {
    fn has_room(&mut self, behind: usize) -> bool {
        self.mux.reserve(behind * SEGMENT);
        self.failed.is_none() && self.mux.receive_space() > 0
    }

    fn has_switched(&self) -> bool {
        self.mux.peer_has_switched()
    }

    fn has_room_ahead(&mut self, span: usize, behind: usize) -> bool {
        self.mux.reserve(behind * SEGMENT);
        self.failed.is_none() && self.mux.has_room_ahead(span * SEGMENT)
    }

    fn deliver_independent(&mut self, data: &[u8]) {
        self.received += data.len() as u64;
        let Ok(frames) = unpack(data, self.plain) else {
            self.failed = Some(CloseReason::Compression);
            return;
        };
        if let Err(error) = self.mux.receive_independent(frames, self.now) {
            self.failed = Some(error.into());
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
