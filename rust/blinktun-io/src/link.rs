//! What carries datagrams to and from a socket's peers.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

use blinktun_proto::endpoint::Transmit;
use blinktun_proto::time::Time;

use crate::inbox::Inbox;
use crate::raw_tcp::RawTcp;
use crate::udp::Udp;
use crate::udp::fragments::Sent;

/// A carrier of datagrams; whoever holds it need not know which.
pub enum Link {
    /// Datagrams of UDP.
    Udp(Udp),
    /// Datagrams disguised as TCP segments.
    RawTcp(RawTcp),
}

impl Link {
    /// The address it is bound to.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Link::Udp(udp) => udp.local_addr(),
            Link::RawTcp(raw) => Ok(raw.local_addr()),
        }
    }

    /// Send datagrams that lie back to back, as `transmit` says.
    pub fn send(&mut self, transmit: &Transmit, datagrams: &[u8], now: Time) -> Sent {
        match self {
            Link::Udp(udp) => udp.send(transmit, datagrams, now),
            Link::RawTcp(raw) => raw.send(transmit, datagrams, now),
        }
    }

    /// Datagrams that the system refused to send.
    pub fn refused(&self) -> u64 {
        match self {
            Link::Udp(udp) => udp.refused(),
            Link::RawTcp(raw) => raw.refused(),
        }
    }

    /// Bytes that each of the kernel's two queues may hold.
    pub fn granted(&self) -> usize {
        match self {
            Link::Udp(udp) => udp.granted(),
            Link::RawTcp(raw) => raw.granted(),
        }
    }

    /// Receive what is there; returns whether there may be more.
    pub fn receive(&mut self, inbox: &mut Inbox, now: Time) -> bool {
        match self {
            Link::Udp(udp) => udp.receive(inbox),
            Link::RawTcp(raw) => raw.receive(inbox, now),
        }
    }

    /// What came and could not be a datagram of a peer.
    pub fn dropped(&self) -> u64 {
        match self {
            Link::Udp(_) => 0, // the kernel looked
            Link::RawTcp(raw) => raw.dropped(),
        }
    }

    /// The disguise, if this has one.
    pub fn raw_tcp_mut(&mut self) -> Option<&mut RawTcp> {
        match self {
            Link::Udp(_) => None,
            Link::RawTcp(raw) => Some(raw),
        }
    }
}

impl AsRawFd for Link {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Link::Udp(udp) => udp.as_raw_fd(),
            Link::RawTcp(raw) => raw.as_raw_fd(),
        }
    }
}
