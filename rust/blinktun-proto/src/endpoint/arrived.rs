//! A datagram that the crypt layer has opened.

use super::directory::Key;
use super::four_tuple::FourTuple;
use crate::wire::Payload;
use crate::wire::kcp::Segments;

/// What came, and from where.
#[derive(Clone, Copy)]
pub struct Arrived<'a> {
    /// By which path.
    pub path: FourTuple,
    /// What is in it.
    pub payload: Payload<'a>,
    /// The bytes of that.
    pub bytes: &'a [u8],
    /// Bytes of the whole datagram.
    pub size: usize,
}

impl<'a> Arrived<'a> {
    /// The conversation that it names, as the network sees it, and the segments. Parity names none.
    pub fn named(&self) -> Option<(Key, Segments<'a>)> {
        let segments = self.payload.segments()?;
        Some(((self.path, segments.conv()), segments))
    }
}
