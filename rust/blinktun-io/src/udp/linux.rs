//! Linux: segmentation offload, receive coalescing, many messages a call.

use std::io::{self, IoSlice};
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use blinktun_proto::path::FourTuple;
use socket2::{SockAddr, Socket};

use super::control::{Control, Told, told};
use crate::inbox::{BUFFER, BUFFERS, Run};

/// Messages that one call takes at most.
pub const MESSAGES: usize = 64;

pub fn set_traffic_class(socket: &Socket, v6: bool, class: u32) -> io::Result<()> {
    if v6 {
        socket.set_tclass_v6(class)?;
    }
    // A dual-stack socket sends IPv4 as well.
    socket.set_tos_v4(class)
}

/// Ask for `bytes` for each queue, beyond the system's limit where we may. Returns what both have.
pub fn set_buffers(socket: &Socket, bytes: usize) -> io::Result<usize> {
    for (plain, forced) in [
        (libc::SO_RCVBUF, libc::SO_RCVBUFFORCE),
        (libc::SO_SNDBUF, libc::SO_SNDBUFFORCE),
    ] {
        let bytes = bytes.min(i32::MAX as usize) as libc::c_int;
        if set_int(socket, libc::SOL_SOCKET, forced, bytes).is_err() {
            // Not privileged: what the limit allows is what there is.
            set_int(socket, libc::SOL_SOCKET, plain, bytes)?;
        }
    }
    // Linux doubles what it was asked for, for its own use.
    Ok(socket.recv_buffer_size()?.min(socket.send_buffer_size()?) / 2)
}

/// Switch receive coalescing on; returns whether segmentation on send can be tried.
pub fn enable_offloads(socket: &Socket) -> bool {
    let _ = set_int(socket, libc::SOL_UDP, libc::UDP_GRO, 1);
    set_int(socket, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok()
}

/// Let datagrams leave that are longer than the path's MTU, in fragments.
///
/// IPv4: what an ICMP message claims of the path is not believed, as anyone can forge one, and
/// routers may fragment. IPv6 routers do not, so there the kernel believes them and fragments. A
/// kernel without these settings keeps its own, which fragments as well.
pub fn allow_fragments(socket: &Socket, v6: bool) {
    let (omit, want) = (libc::IP_PMTUDISC_OMIT, libc::IPV6_PMTUDISC_WANT);
    let _ = set_int(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, omit);
    if v6 {
        let _ = set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, want);
    }
}

/// Whether [`forbid_fragments`] does something.
pub const CAN_FORBID_FRAGMENTS: bool = true;
/// What every path of IPv6 carries (RFC 8200, section 5).
const IPV6_LEAST: libc::c_int = 1280;

/// Let datagrams leave whole or not at all; or let all be cut that are too long.
///
/// They leave whole whatever an ICMP message claims of the path. One that is longer than the first interface
/// lets through is refused. When they may be cut, the system itself cuts what IPv6 might not carry: no router
/// may, and a path that swallows long datagrams does not say how long they may be.
pub fn forbid_fragments(socket: &impl AsRawFd, v6: bool, forbid: bool) -> io::Result<()> {
    let (v4_mode, v6_mode, most) = match forbid {
        true => (libc::IP_PMTUDISC_PROBE, libc::IPV6_PMTUDISC_PROBE, 0),
        false => (libc::IP_PMTUDISC_OMIT, libc::IPV6_PMTUDISC_WANT, IPV6_LEAST),
    };
    set_int(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, v4_mode)?;
    if v6 {
        let level = libc::IPPROTO_IPV6;
        set_int(socket, level, libc::IPV6_MTU_DISCOVER, v6_mode)?;
        set_int(socket, level, libc::IPV6_MTU, most)?;
    }
    Ok(())
}

/// The longest packet that leaves for `to` in one piece, its IP header included, as far as the system knows.
pub fn known_mtu(to: SocketAddr) -> Option<usize> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(to).ok()?; // nothing leaves
    let (level, name) = match to {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU),
    };
    get_int(&socket, level, name).and_then(|mtu| usize::try_from(mtu).ok())
}

fn get_int(socket: &impl AsRawFd, level: libc::c_int, name: libc::c_int) -> Option<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the pointers and the length describe `value` and `len`, which outlive the call.
    let result = unsafe {
        let into = (&raw mut value).cast();
        libc::getsockopt(socket.as_raw_fd(), level, name, into, &raw mut len)
    };
    (result == 0).then_some(value)
}

/// Tell with each datagram which of the machine's addresses it was sent to.
pub fn receive_local_ip(socket: &UdpSocket, v6: bool) -> io::Result<()> {
    set_int(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
    if v6 {
        set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
    }
    Ok(())
}

fn set_int(
    socket: &impl AsRawFd,
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

/// Send one datagram, or a run that the kernel cuts into datagrams of `segment` bytes.
pub fn send(
    socket: &UdpSocket,
    path: FourTuple,
    bytes: &[u8],
    segment: Option<usize>,
) -> io::Result<()> {
    let to = SockAddr::from(path.remote);
    let mut control = Control::EMPTY;
    if let Some(source) = path.local_ip {
        control.push_source(source);
    }
    if let Some(stride) = segment {
        control.push(libc::SOL_UDP, libc::UDP_SEGMENT, stride as u16);
    }
    let parts = [IoSlice::new(bytes)];
    // SAFETY: an all-zero `msghdr` is a valid one.
    let mut message: libc::msghdr = unsafe { zeroed() };
    address(&mut message, &to, &parts, &mut control);
    // SAFETY: `message` points to `to`, `parts` and `control`, which outlive the call; the kernel only
    // reads them on send.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, 0) };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Send datagrams of `stride` bytes one by one, up to the first that is refused or to
/// [`MESSAGES`]; returns how many left, at least one.
pub fn send_each(
    socket: &UdpSocket,
    path: FourTuple,
    datagrams: &[u8],
    stride: usize,
) -> io::Result<usize> {
    if datagrams.len() <= stride {
        return send(socket, path, datagrams, None).map(|()| 1);
    }
    let to = SockAddr::from(path.remote);
    let mut control = Control::EMPTY;
    if let Some(source) = path.local_ip {
        control.push_source(source);
    }
    let parts = datagrams.chunks(stride);
    let parts = parts.map(|datagram| [IoSlice::new(datagram)]);
    send_messages(socket, &to, &mut control, parts)
}

/// Send messages to one destination, each made of `PARTS` parts, up to the first that is refused or to
/// [`MESSAGES`]; returns how many left, at least one.
pub fn send_messages<'a, const PARTS: usize>(
    socket: &impl AsRawFd,
    to: &SockAddr,
    control: &mut Control,
    all: impl Iterator<Item = [IoSlice<'a>; PARTS]>,
) -> io::Result<usize> {
    let mut parts = [[IoSlice::new(&[]); PARTS]; MESSAGES];
    // SAFETY: an all-zero `mmsghdr` is a valid one.
    let mut messages: [libc::mmsghdr; MESSAGES] = unsafe { zeroed() };
    let mut count = 0;
    for ((message, own), given) in messages.iter_mut().zip(&mut parts).zip(all) {
        *own = given;
        address(&mut message.msg_hdr, to, own, control);
        count += 1;
    }
    // SAFETY: every message points to `to`, its parts and `control`, which outlive the call; the kernel
    // only reads them on send.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count, 0) };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(sent as usize)
    }
}

/// Let a message point to where it goes, to its bytes, and to what the kernel is told beside them.
fn address(
    message: &mut libc::msghdr,
    to: &SockAddr,
    parts: &[IoSlice<'_>],
    control: &mut Control,
) {
    message.msg_name = to.as_ptr().cast_mut().cast();
    message.msg_namelen = to.len();
    // An `IoSlice` is an `iovec` on this system.
    message.msg_iov = parts.as_ptr().cast_mut().cast();
    message.msg_iovlen = parts.len() as _;
    control.attach(message);
}

/// One `recvmmsg`; each message may be a coalesced run.
pub fn receive(socket: &UdpSocket, bytes: &mut [u8], runs: &mut Vec<Run>) -> io::Result<usize> {
    // SAFETY: all-zero values of these plain C structures are valid.
    let (mut names, mut parts, mut messages): (
        [libc::sockaddr_storage; BUFFERS],
        [libc::iovec; BUFFERS],
        [libc::mmsghdr; BUFFERS],
    ) = unsafe { (zeroed(), zeroed(), zeroed()) };
    let mut controls = [Control::EMPTY; BUFFERS];
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
        controls[index].receive_into(header);
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
        let Told { stride, local_ip } = told(&messages[index].msg_hdr);
        if let Some(remote) = source(&names[index]) {
            runs.push(Run {
                path: FourTuple {
                    remote,
                    local_ip,
                    socket: 0,
                },
                start: index * BUFFER,
                len,
                stride: stride.unwrap_or(len),
            });
        }
    }
    Ok(count as usize)
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
