//! A UDP socket that moves many datagrams with one system call, where the system can.
//!
//! Linux: `UDP_SEGMENT` on send (one call for up to 64 equal datagrams), `UDP_GRO` and `recvmmsg` on
//! receive. Elsewhere, and where the kernel refuses the offload, one call a datagram.

#[cfg(target_os = "linux")]
pub(crate) mod linux;
#[cfg(not(target_os = "linux"))]
mod plain;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use plain as system;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Domain, Protocol, Socket, Type};

use crate::inbox::{BUFFERS, Inbox};

/// Errors in a row that are taken for those of earlier datagrams. After more the socket counts as
/// empty, until the poller says otherwise: an error that stays must not stop the reactor.
const MAX_ERRORS: usize = 64;
/// A bound, non-blocking UDP socket.
pub struct Udp {
    socket: UdpSocket,
    /// Whether equal datagrams may be sent as one.
    segmentation: AtomicBool,
}

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
        system::set_buffers(&socket, buffer);
        socket.set_nonblocking(true)?;
        let segmentation = system::enable_offloads(&socket);
        Ok(Udp {
            socket: socket.into(),
            segmentation: AtomicBool::new(segmentation),
        })
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Send datagrams that lie back to back, each `stride` bytes long, the last maybe shorter.
    ///
    /// # Errors
    /// `WouldBlock` if none of them left. Any other failure to send a datagram is a loss, which the
    /// protocol repairs.
    pub fn send(&self, to: SocketAddr, datagrams: &[u8], stride: usize) -> io::Result<()> {
        if datagrams.len() > stride && self.segmentation.load(Ordering::Relaxed) {
            match system::send_run(&self.socket, to, datagrams, stride) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                // The route or the kernel refuses segmentation: never ask again.
                Err(error) if system::is_refusal(&error) => {
                    self.segmentation.store(false, Ordering::Relaxed)
                }
                Err(_) => return Ok(()),
            }
        }
        for (index, datagram) in datagrams.chunks(stride).enumerate() {
            match self.socket.send_to(datagram, to) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && index == 0 => {
                    return Err(error);
                }
                _ => {}
            }
        }
        Ok(())
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
