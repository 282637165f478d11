//! Packets as the kernel hands them over, each in its slot.

use std::net::SocketAddr;

/// Segments moved by one call.
pub const MESSAGES: usize = 64;
/// Room for one packet: the largest datagram (1500 bytes), headers and options.
pub const SLOT: usize = 2048;

/// What the kernel says of a packet in its slot.
#[derive(Clone, Copy)]
pub struct Packet {
    /// The sender; its port is in the segment.
    pub from: SocketAddr,
    /// Its bytes.
    pub len: usize,
}
