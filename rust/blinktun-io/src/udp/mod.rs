//! A UDP socket that moves many datagrams with one system call, where the system can.
//!
//! Linux: `UDP_SEGMENT` on send (one call for up to 64 equal datagrams), `UDP_GRO` and `recvmmsg` on
//! receive. Elsewhere, and where the kernel refuses the offload, one call a datagram.

#[cfg(target_os = "linux")]
pub(crate) mod control;
pub(crate) mod expiring;
pub(crate) mod fragments;
#[cfg(target_os = "linux")]
pub(crate) mod linux;
#[cfg(not(target_os = "linux"))]
mod plain;
pub(crate) mod send_error;
pub(crate) mod singly;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use plain as system;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

use blinktun_proto::endpoint::Transmit;
use blinktun_proto::path::FourTuple;
use blinktun_proto::time::Time;
use socket2::{Domain, Protocol, Socket, Type};

use crate::inbox::{BUFFERS, Inbox};
use fragments::{Fragments, Sent};
use send_error::{Refusals, SendError};
use singly::{Singly, send_singly};

/// Errors in a row that are taken for those of earlier datagrams. After more the socket counts as
/// empty, until the poller says otherwise: an error that stays must not stop the reactor.
const MAX_ERRORS: usize = 64;
/// The longest run that is sent, in bytes: what one datagram over IPv4 holds. The kernel refuses more.
pub const LONGEST_RUN: usize = 65_507;
/// How often one datagram is tried again because of errors of earlier ones.
const MAX_RETRIES: usize = 8;

/// A bound, non-blocking UDP socket.
pub struct Udp {
    socket: UdpSocket,
    /// Whether the kernel can send equal datagrams as one run.
    segmentation: bool,
    refusals: Refusals,
    fragments: Fragments,
    refused: u64,
    granted: usize,
}

/// Bytes of the header that UDP puts in front of a datagram.
const HEADER: usize = 8;
/// Whether a socket can send datagrams that nobody may cut into fragments.
pub const CAN_FORBID_FRAGMENTS: bool = system::CAN_FORBID_FRAGMENTS;

impl Udp {
    /// Bind to `address`, with `buffer` bytes for the kernel's queues and the differentiated
    /// services code point `dscp`.
    ///
    /// # Errors
    /// What the system says. Buffer sizes that it does not grant are not an error.
    pub fn bind(address: SocketAddr, buffer: usize, dscp: u8) -> io::Result<Udp> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        if address.is_ipv6() {
            // "[::]" serves both families, as the Go program's ":port" does.
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        socket.bind(&address.into())?;
        Udp::adopt(socket, buffer, dscp)
    }

    /// Take over a bound socket.
    ///
    /// # Errors
    /// What the system says, for one that is no UDP socket.
    pub fn adopt(socket: Socket, buffer: usize, dscp: u8) -> io::Result<Udp> {
        let v6 = socket.local_addr()?.is_ipv6();
        if dscp > 0 {
            system::set_traffic_class(&socket, v6, u32::from(dscp) << 2)?;
        }
        let granted = system::set_buffers(&socket, buffer)?;
        system::allow_fragments(&socket, v6);
        socket.set_nonblocking(true)?;
        let segmentation = system::enable_offloads(&socket);
        Ok(Udp {
            socket: socket.into(),
            segmentation,
            refusals: Refusals::default(),
            fragments: Fragments::allowed(v6),
            refused: 0,
            granted,
        })
    }

    /// If this socket has all addresses of the machine, learn from each datagram which one its
    /// sender has asked, so that the answer can come from there.
    ///
    /// # Errors
    /// What the system says.
    pub fn receive_local_ip(&self) -> io::Result<()> {
        let local = self.local_addr()?;
        if local.ip().is_unspecified() {
            system::receive_local_ip(&self.socket, local.is_ipv6())?;
        }
        Ok(())
    }

    /// Bytes that each of the kernel's two queues may hold.
    pub fn granted(&self) -> usize {
        self.granted
    }

    /// Datagrams that the system refused to send.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Send datagrams that lie back to back, as `transmit` says. A datagram that the kernel refuses is
    /// counted; for the protocol that is a loss, which it repairs. But one that is too long to leave whole
    /// leaves so that it may be cut.
    pub fn send(&mut self, transmit: &Transmit, datagrams: &[u8], now: Time) -> Sent {
        let is_whole = transmit.whole.is_some();
        self.fragments.forbid(&self.socket, is_whole);
        let done = self.send_run(transmit, datagrams, now);
        self.fragments.sent(done, transmit.to, HEADER)
    }

    /// Send a datagram without bytes, or lose it.
    pub fn send_empty(&self, path: FourTuple) {
        let _ = attempt(|| match system::send(&self.socket, path, &[], None) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                system::send_each(&self.socket, path, &[], 0).map(|_| ())
            }
            sent => sent,
        });
    }

    /// Send with one call, if the system can; else one by one. Returns how many bytes are dealt with.
    fn send_run(&mut self, transmit: &Transmit, datagrams: &[u8], now: Time) -> usize {
        let (to, stride) = (transmit.to, transmit.stride);
        let path = FourTuple {
            remote: to,
            local_ip: transmit.src_ip,
            socket: transmit.socket,
        };
        let path = self.refusals.usable(path, now);
        let is_run = self.segmentation && datagrams.len() > stride;
        if !is_run || !self.refusals.allows_run(to.ip(), stride, now) {
            return self.send_singly(path, datagrams, stride, now).0.done;
        }
        match attempt(|| system::send(&self.socket, path, datagrams, Some(stride))) {
            Ok(()) => datagrams.len(),
            Err(SendError::NoRoom) => 0,
            Err(error) => {
                self.fragments.gives_in(&self.socket, stride, error);
                let (singly, used) = self.send_singly(path, datagrams, stride, now);
                // What leaves from another address only, or not at all, was not refused as a run.
                if singly.left > 0 && used == path {
                    self.refusals.note_run(to.ip(), stride, error, now);
                }
                singly.done
            }
        }
    }

    /// Returns beside what became of them the path that was used in the end.
    fn send_singly(
        &mut self,
        mut path: FourTuple,
        datagrams: &[u8],
        stride: usize,
        now: Time,
    ) -> (Singly, FourTuple) {
        let singly = send_singly(datagrams, stride, |rest| {
            self.send_each(path, rest, stride)
                .or_else(|error| self.send_from_elsewhere(&mut path, error, rest, stride, now))
        });
        self.refused += singly.refused;
        (singly, path)
    }

    /// Send the first of these, again if it is too long to leave whole. Returns how many left.
    fn send_each(
        &mut self,
        path: FourTuple,
        datagrams: &[u8],
        stride: usize,
    ) -> Result<usize, SendError> {
        let send = |socket| attempt(|| system::send_each(socket, path, datagrams, stride));
        send(&self.socket).or_else(|error| {
            let len = stride.min(datagrams.len());
            match self.fragments.gives_in(&self.socket, len, error) {
                true => send(&self.socket),
                false => Err(error),
            }
        })
    }

    /// What the system refused because of our address, maybe, leaves from the one that it prefers:
    /// better than not at all, and programs of Go do not mind.
    fn send_from_elsewhere(
        &mut self,
        path: &mut FourTuple,
        error: SendError,
        datagrams: &[u8],
        stride: usize,
        now: Time,
    ) -> Result<usize, SendError> {
        if path.local_ip.is_none() || !matches!(error, SendError::Invalid | SendError::NoRoute) {
            return Err(error);
        }
        let elsewhere = FourTuple::from(path.remote);
        let count = attempt(|| system::send_each(&self.socket, elsewhere, datagrams, stride))?;
        self.refusals.note_source(*path, now);
        *path = elsewhere;
        Ok(count)
    }

    /// Receive what is there; returns whether there may be more.
    pub fn receive(&self, inbox: &mut Inbox) -> bool {
        inbox.runs.clear();
        for _ in 0..MAX_ERRORS {
            match system::receive(&self.socket, &mut inbox.bytes, &mut inbox.runs) {
                Ok(count) => return count == BUFFERS,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // An ICMP error for an earlier datagram, or a signal: look again.
                Err(_) => {}
            }
        }
        false
    }
}

impl AsRawFd for Udp {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Send, again if the error was that of an earlier datagram.
pub(crate) fn attempt<T>(mut send: impl FnMut() -> io::Result<T>) -> Result<T, SendError> {
    let mut result = Err(SendError::Earlier);
    for _ in 0..MAX_RETRIES {
        result = send().map_err(|error| SendError::from(&error));
        if !matches!(result, Err(SendError::Earlier)) {
            break;
        }
    }
    result
}

#[cfg(test)]
mod tests;
