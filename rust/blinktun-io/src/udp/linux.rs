//! Linux: segmentation offload, receive coalescing, many messages a call.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use socket2::{SockAddr, Socket};

use crate::inbox::{BUFFER, BUFFERS, Run};

/// Room for one ancillary `int`, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; 64]);

pub fn set_traffic_class(socket: &Socket, v6: bool, class: u32) -> io::Result<()> {
    if v6 {
        socket.set_tclass_v6(class)?;
    }
    // A dual-stack socket sends IPv4 as well.
    socket.set_tos_v4(class)
}

/// Ask for `bytes`, beyond the system's limit where we may.
pub fn set_buffers(socket: &Socket, bytes: usize) {
    for (plain, forced) in [
        (libc::SO_RCVBUF, libc::SO_RCVBUFFORCE),
        (libc::SO_SNDBUF, libc::SO_SNDBUFFORCE),
    ] {
        let bytes = bytes.min(i32::MAX as usize) as libc::c_int;
        if set_int(socket, libc::SOL_SOCKET, forced, bytes).is_err() {
            // Not privileged: what the limit allows is what there is.
            let _ = set_int(socket, libc::SOL_SOCKET, plain, bytes);
        }
    }
}

/// Switch receive coalescing on; returns whether segmentation on send can be tried.
pub fn enable_offloads(socket: &Socket) -> bool {
    let _ = set_int(socket, libc::SOL_UDP, libc::UDP_GRO, 1);
    set_int(socket, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok()
}

pub fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EIO | libc::EINVAL | libc::EOPNOTSUPP)
    )
}

fn set_int(
    socket: &Socket,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the pointer and length describe `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            ptr::from_ref(&value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// One `sendmsg` that the kernel cuts into datagrams of `stride` bytes.
pub fn send_run(
    socket: &UdpSocket,
    to: SocketAddr,
    datagrams: &[u8],
    stride: usize,
) -> io::Result<()> {
    let to = SockAddr::from(to);
    let mut part = libc::iovec {
        iov_base: datagrams.as_ptr().cast_mut().cast(),
        iov_len: datagrams.len(),
    };
    let mut control = Control([0; 64]);
    // SAFETY: an all-zero `msghdr` is a valid one.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_name = to.as_ptr().cast_mut().cast();
    message.msg_namelen = to.len();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: `CMSG_SPACE` and `CMSG_LEN` only compute; `control` is large enough for one u16 and
    // aligned for `cmsghdr`, so the first header lies inside it.
    unsafe {
        message.msg_controllen = libc::CMSG_SPACE(size_of::<u16>() as u32) as usize;
        let header = &mut *libc::CMSG_FIRSTHDR(&raw const message);
        header.cmsg_level = libc::SOL_UDP;
        header.cmsg_type = libc::UDP_SEGMENT;
        header.cmsg_len = libc::CMSG_LEN(size_of::<u16>() as u32) as usize;
        libc::CMSG_DATA(header)
            .cast::<u16>()
            .write_unaligned(stride as u16);
    }
    // SAFETY: `message` points to `to`, `part` and `control`, which outlive the call; the kernel
    // does not write through `iov_base` on send.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, 0) };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// One `recvmmsg`; each message may be a coalesced run.
pub fn receive(socket: &UdpSocket, bytes: &mut [u8], runs: &mut Vec<Run>) -> io::Result<usize> {
    // SAFETY: all-zero values of these plain C structures are valid.
    let (mut names, mut parts, mut messages): (
        [libc::sockaddr_storage; BUFFERS],
        [libc::iovec; BUFFERS],
        [libc::mmsghdr; BUFFERS],
    ) = unsafe { (zeroed(), zeroed(), zeroed()) };
    let mut controls: [Control; BUFFERS] = std::array::from_fn(|_| Control([0; 64]));
    for (index, buffer) in bytes.chunks_mut(BUFFER).take(BUFFERS).enumerate() {
        parts[index] = libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        };
        let header = &mut messages[index].msg_hdr;
        header.msg_name = (&raw mut names[index]).cast();
        header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        header.msg_iov = &raw mut parts[index];
        header.msg_iovlen = 1;
        header.msg_control = controls[index].0.as_mut_ptr().cast();
        header.msg_controllen = size_of::<Control>();
    }
    // SAFETY: every header points to its own name, part, buffer and control, all of which outlive
    // the call; a null timeout means none.
    let count = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            BUFFERS as libc::c_uint,
            libc::MSG_DONTWAIT as _,
            ptr::null_mut(),
        )
    };
    if count < 0 {
        return Err(io::Error::last_os_error());
    }
    for index in 0..count as usize {
        let len = (messages[index].msg_len as usize).min(BUFFER);
        let stride = coalesced(&messages[index].msg_hdr).unwrap_or(len);
        if let Some(from) = source(&names[index]).filter(|_| len > 0) {
            let start = index * BUFFER;
            runs.push(Run {
                from,
                start,
                len,
                stride,
            });
        }
    }
    Ok(count as usize)
}

/// The datagram length that `UDP_GRO` reports for a run.
fn coalesced(message: &libc::msghdr) -> Option<usize> {
    // SAFETY: the kernel filled `msg_control` and set `msg_controllen`; the CMSG macros stay
    // within them.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_UDP && (*header).cmsg_type == libc::UDP_GRO {
                let size = libc::CMSG_DATA(header)
                    .cast::<libc::c_int>()
                    .read_unaligned();
                return usize::try_from(size).ok().filter(|size| *size > 0);
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    None
}

/// The address that the kernel wrote.
pub fn source(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that this storage holds a `sockaddr_in`.
            let v4 = unsafe { &*ptr::from_ref(storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that this storage holds a `sockaddr_in6`.
            let v6 = unsafe { &*ptr::from_ref(storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            Some(SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}
