//! Datagrams disguised as TCP segments (kcptun wire, 8.9).
//!
//! The kernel makes a real TCP connection, which the owner keeps open and silent; the datagrams
//! travel as segments of it that are made here, through a raw socket. Nothing is sent twice and
//! nothing put in order.

mod flows;
#[cfg(target_os = "linux")]
mod linux;
mod packet;
#[cfg(not(target_os = "linux"))]
mod plain;
mod segment;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use plain as system;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use blinktun_proto::endpoint::Transmit;
use blinktun_proto::time::Time;
use socket2::Socket;

use crate::inbox::Inbox;
use crate::udp::attempt;
use crate::udp::fragments::{Fragments, Sent};
use crate::udp::send_error::SendError;
use crate::udp::singly::send_singly;
use flows::Flows;
use packet::{MESSAGES, Packet, SLOT};

/// Errors in a row that are taken for those of earlier segments.
const MAX_ERRORS: usize = 64;

/// A raw socket that gets the segments for one TCP port of one address family.
pub struct RawTcp {
    socket: Socket,
    local: SocketAddr,
    flows: Flows,
    fragments: Fragments,
    dropped: u64,
    refused: u64,
    granted: usize,
}

impl RawTcp {
    /// Listen to the segments for a port, at one address or all of its family, with `buffer` bytes
    /// for the kernel's queues and the differentiated services code point `dscp`.
    ///
    /// # Errors
    /// What the system says: `PermissionDenied` without `CAP_NET_RAW`, `Unsupported` if it is not
    /// Linux.
    pub fn bind(local: SocketAddr, buffer: usize, dscp: u8) -> io::Result<RawTcp> {
        let (socket, granted) = system::open(local, buffer, dscp)?;
        Ok(RawTcp {
            socket,
            local,
            flows: Flows::default(),
            fragments: Fragments::allowed(local.is_ipv6()),
            dropped: 0,
            refused: 0,
            granted,
        })
    }

    /// The address and port whose segments it gets.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Let a peer's segments to our address `local` count. Returns false if there are too many.
    pub fn admit(&mut self, peer: SocketAddr, local: IpAddr, now: Time) -> bool {
        self.flows.admit(peer, local, now)
    }

    /// Forget the peers without traffic for `idle`, and say which they were.
    pub fn expire(&mut self, idle: Duration, now: Time) -> Vec<SocketAddr> {
        self.flows.expire(idle, now)
    }

    /// Segments for our port that were not of a known peer, or not whole.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Datagrams that could not be sent: the system refused them, or has no connection to their
    /// peer.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Bytes that each of the kernel's two queues may hold.
    pub fn granted(&self) -> usize {
        self.granted
    }

    /// Send datagrams that lie back to back, as `transmit` says.
    pub fn send(&mut self, transmit: &Transmit, datagrams: &[u8], now: Time) -> Sent {
        let is_whole = transmit.whole.is_some();
        self.fragments.forbid(&self.socket, is_whole);
        let singly = send_singly(datagrams, transmit.stride, |rest| {
            self.send_some(transmit, rest, now)
        });
        self.refused += singly.refused;
        self.fragments
            .sent(singly.done, transmit.to, segment::HEADER)
    }

    /// Send the first of these, as many as one call takes; returns how many left, at least one.
    fn send_some(
        &mut self,
        transmit: &Transmit,
        datagrams: &[u8],
        now: Time,
    ) -> Result<usize, SendError> {
        let (to, stride) = (transmit.to, transmit.stride);
        let ports = (self.local.port(), to.port());
        let flow = self.flows.get_mut(to).ok_or(SendError::Refused)?;
        let (local, before) = (flow.local, flow.clone());
        let mut headers = [[0; segment::HEADER]; MESSAGES];
        for (bytes, datagram) in headers.iter_mut().zip(datagrams.chunks(stride)) {
            let header = flow.next(ports, datagram.len(), now);
            *bytes = header
                .ok_or(SendError::Refused)?
                .build(local, to.ip(), datagram);
        }
        let ends = (local, to);
        let socket = &self.socket;
        let send = || attempt(|| system::send(socket, ends, &headers, datagrams, stride));
        let sent = send().or_else(|error| {
            let len = stride.min(datagrams.len());
            match self.fragments.gives_in(socket, len, error) {
                true => send(),
                false => Err(error),
            }
        });
        // The numbers of what did not leave are the next ones again.
        *flow = before;
        flow.skip(datagrams.len().min(sent.unwrap_or(0) * stride));
        sent
    }

    /// Receive what is there; returns whether there may be more.
    pub fn receive(&mut self, inbox: &mut Inbox, now: Time) -> bool {
        inbox.runs.clear();
        let mut packets = [None; MESSAGES];
        let Some(count) = self.fill(&mut inbox.bytes, &mut packets) else {
            return false;
        };
        for (index, packet) in packets.iter().take(count).enumerate() {
            let start = index * SLOT;
            let bytes = &inbox.bytes[start..start + SLOT];
            match packet.and_then(|packet| self.open(packet, bytes, now)) {
                Some((from, at, len)) if len > 0 => inbox.keep(from, start + at, len),
                Some(_) => {}
                None => self.dropped += 1,
            }
        }
        count == MESSAGES
    }

    fn fill(&self, bytes: &mut [u8], packets: &mut [Option<Packet>; MESSAGES]) -> Option<usize> {
        for _ in 0..MAX_ERRORS {
            match system::receive(&self.socket, bytes, packets) {
                Ok(count) => return Some(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => {} // of an earlier segment, or a signal: look again
            }
        }
        None
    }

    /// Check a packet; returns the sender of its datagram and where that lies, without bytes if it
    /// belongs to the connection and carries none.
    fn open(
        &mut self,
        packet: Packet,
        slot: &[u8],
        now: Time,
    ) -> Option<(SocketAddr, usize, usize)> {
        let bytes = slot.get(..packet.len)?;
        let (ips, range) = match self.local {
            SocketAddr::V4(_) => {
                let (source, destination, range) = segment::open_ipv4(bytes)?;
                (
                    Some((IpAddr::from(source), IpAddr::from(destination))),
                    range,
                )
            }
            SocketAddr::V6(_) => (None, 0..bytes.len()),
        };
        let start = range.start;
        let bytes = bytes.get(range)?;
        let segment = segment::parse(bytes)?;
        let mut peer = packet.from;
        peer.set_port(segment.ports.0);
        let flow = self.flows.get_mut(peer)?;
        let (source, destination) = ips.unwrap_or((peer.ip(), flow.local));
        let is_ours = segment.ports.1 == self.local.port() && destination == flow.local;
        // The kernel leaves its own checksums to hardware, which loopback has none of.
        if !is_ours || !(segment.is_syn_ack || segment::is_intact(source, destination, bytes)) {
            return None;
        }
        flow.note(&segment, now);
        let len = if segment.is_push {
            segment.payload.len()
        } else {
            0
        };
        Some((peer, start + segment.payload.start, len))
    }
}

impl AsRawFd for RawTcp {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
