//! A datagram that the crypt layer has opened, and that names a conversation.

use super::directory::Key;
use crate::wire::Payload;
use crate::wire::kcp::Segments;

/// What came, and from where.
#[derive(Clone, Copy)]
pub struct Arrived<'a> {
    /// The conversation as the network sees it.
    pub key: Key,
    /// The payload.
    pub payload: Payload<'a>,
    /// Its segments.
    pub segments: Segments<'a>,
    /// The payload's bytes.
    pub bytes: &'a [u8],
    /// Bytes of the whole datagram.
    pub size: usize,
}
