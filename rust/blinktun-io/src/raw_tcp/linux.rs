//! Linux: a raw socket that gets one port's segments only; many messages a call.

use std::io::{self, IoSlice};
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::ptr;

use socket2::{Domain, Protocol, SockAddr, SockFilter, Socket, Type};

use super::packet::{MESSAGES, Packet, SLOT};
use super::segment::{ACK, HEADER, PSH, SYN};
use crate::udp::control::Control;
use crate::udp::linux::{allow_fragments, send_messages, set_buffers, set_traffic_class, source};

/// A raw socket for the segments to a port, and the bytes that each of its queues may hold.
pub fn open(local: SocketAddr, buffer: usize, dscp: u8) -> io::Result<(Socket, usize)> {
    let socket = Socket::new(
        Domain::for_address(local),
        Type::RAW.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    // Every raw socket gets a copy of every segment of the machine otherwise.
    socket.attach_filter(&port_filter(local))?;
    let granted = set_buffers(&socket, buffer)?;
    allow_fragments(&socket, local.is_ipv6());
    if dscp > 0 {
        set_traffic_class(&socket, local.is_ipv6(), u32::from(dscp) << 2)?;
    }
    if !local.ip().is_unspecified() {
        socket.bind(&SocketAddr::new(local.ip(), 0).into())?;
    }
    Ok((socket, granted))
}

/// The kernel's filter: segments to our port that carry data or answer an opening.
///
/// An IPv4 packet begins with its own header, an IPv6 packet with the segment.
fn port_filter(local: SocketAddr) -> [SockFilter; 9] {
    const LOAD_HEADER_LEN: u16 = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
    const LOAD_INDEX: u16 = (libc::BPF_LDX | libc::BPF_W | libc::BPF_IMM) as u16;
    const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_IND) as u16;
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_IND) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const IF_ANY: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let index = if local.is_ipv4() {
        LOAD_HEADER_LEN
    } else {
        LOAD_INDEX
    };
    let opened = u32::from(SYN | ACK);
    [
        SockFilter::new(index, 0, 0, 0),
        SockFilter::new(LOAD_HALF, 0, 0, 2),
        SockFilter::new(IF_EQUAL, 0, 5, u32::from(local.port())),
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(IF_ANY, 2, 0, u32::from(PSH)),
        SockFilter::new(AND, 0, 0, opened),
        SockFilter::new(IF_EQUAL, 0, 1, opened),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// Send each datagram of `batch` behind its header, from the first address of `ends` to the second,
/// up to the first that is refused; returns how many left, at least one.
pub fn send(
    socket: &Socket,
    ends: (IpAddr, SocketAddr),
    headers: &[[u8; HEADER]; MESSAGES],
    batch: &[u8],
    stride: usize,
) -> io::Result<usize> {
    // The port of a raw socket's address is a protocol's number, or 0.
    let to = SockAddr::from(SocketAddr::new(ends.1.ip(), 0));
    let mut control = Control::EMPTY;
    control.push_source(ends.0);
    let parts = headers.iter().zip(batch.chunks(stride));
    let parts = parts.map(|(header, datagram)| [IoSlice::new(header), IoSlice::new(datagram)]);
    send_messages(socket, &to, &mut control, parts)
}

/// One `recvmmsg`; returns how many slots were filled.
pub fn receive(
    socket: &Socket,
    bytes: &mut [u8],
    packets: &mut [Option<Packet>; MESSAGES],
) -> io::Result<usize> {
    // SAFETY: all-zero values of these plain C structures are valid.
    let (mut names, mut parts, mut messages): (
        [libc::sockaddr_storage; MESSAGES],
        [libc::iovec; MESSAGES],
        [libc::mmsghdr; MESSAGES],
    ) = unsafe { (zeroed(), zeroed(), zeroed()) };
    for (index, slot) in bytes.chunks_exact_mut(SLOT).take(MESSAGES).enumerate() {
        parts[index] = libc::iovec {
            iov_base: slot.as_mut_ptr().cast(),
            iov_len: SLOT,
        };
        let header = &mut messages[index].msg_hdr;
        header.msg_name = (&raw mut names[index]).cast();
        header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        header.msg_iov = &raw mut parts[index];
        header.msg_iovlen = 1;
    }
    // SAFETY: every header points to its own name and part, which outlive the call; a slot without
    // a part has room for nothing; a null timeout means none.
    let count = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            MESSAGES as libc::c_uint,
            libc::MSG_DONTWAIT as _,
            ptr::null_mut(),
        )
    };
    if count < 0 {
        return Err(io::Error::last_os_error());
    }
    for index in 0..count as usize {
        let is_whole = messages[index].msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
        let len = messages[index].msg_len as usize;
        let from = source(&names[index]).filter(|_| is_whole);
        packets[index] = from.map(|from| Packet { from, len });
    }
    Ok(count as usize)
}
