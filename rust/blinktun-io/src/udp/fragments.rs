//! Whether what a socket sends may be cut into fragments.
//!
//! The system has no such choice for one datagram, only for a socket. So it is changed between two sends, if
//! the second one wants something else.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use super::send_error::SendError;
use super::system;

/// A datagram that was refused because of its length, and was sent again so that it may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Its length in bytes.
    pub len: usize,
    /// How many bytes may pass, if the system knows that.
    pub known: Option<usize>,
}

/// What became of datagrams that were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Bytes that are dealt with: fewer than all if the kernel has no room now.
    pub done: usize,
    /// One was too long to leave whole.
    pub too_long: Option<TooLong>,
}

/// What holds for a socket at the moment.
#[derive(Debug)]
pub struct Fragments {
    v6: bool,
    are_forbidden: bool,
    /// The length of a datagram that was too long to leave whole.
    too_long: Option<usize>,
}

impl Fragments {
    /// A socket whose datagrams may be cut.
    pub fn allowed(v6: bool) -> Fragments {
        Fragments {
            v6,
            are_forbidden: false,
            too_long: None,
        }
    }

    /// Forbid fragments from now on, or allow them.
    pub fn forbid(&mut self, socket: &impl AsRawFd, forbid: bool) {
        let changes = forbid != self.are_forbidden;
        if changes && system::forbid_fragments(socket, self.v6, forbid).is_ok() {
            self.are_forbidden = forbid;
        }
    }

    /// A datagram of `len` bytes met this error. Returns whether it may be cut now, and was not before.
    pub fn gives_in(&mut self, socket: &impl AsRawFd, len: usize, error: SendError) -> bool {
        if !self.are_forbidden || error != SendError::TooLong {
            return false;
        }
        self.too_long.get_or_insert(len);
        self.forbid(socket, false);
        !self.are_forbidden
    }

    /// What became of datagrams to `to`, of which `done` bytes are dealt with. In front of each stand `header`
    /// bytes behind the IP header.
    pub fn sent(&mut self, done: usize, to: SocketAddr, header: usize) -> Sent {
        let too_long = self.too_long.take().map(|len| TooLong {
            len,
            known: known(to, header),
        });
        Sent { done, too_long }
    }
}

/// The bytes of a datagram that leaves whole, as far as the system knows.
fn known(to: SocketAddr, header: usize) -> Option<usize> {
    let ip = to.ip().to_canonical();
    let headers = header + if ip.is_ipv4() { 20 } else { 40 };
    let mtu = system::known_mtu(SocketAddr::new(ip, to.port()))?;
    Some(mtu.saturating_sub(headers))
}
