//! Control messages: what the kernel is told, or tells, beside the bytes of a datagram.

use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Room for the messages of one call: two of `PKTINFO`, which a socket of both families gets for
/// IPv4, and one `int`.
const ROOM: usize = 128;

/// A buffer of control messages, aligned as the kernel wants it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub struct Control {
    bytes: [u8; ROOM],
    len: usize,
}

impl Control {
    /// Without messages.
    pub const EMPTY: Control = Control {
        bytes: [0; ROOM],
        len: 0,
    };

    /// Add a message. One that does not fit is left out; two of those that are used here do.
    pub fn push<T>(&mut self, level: libc::c_int, kind: libc::c_int, value: T) {
        // SAFETY: both only compute.
        let (len, space) = unsafe {
            let size = size_of::<T>() as libc::c_uint;
            (
                libc::CMSG_LEN(size) as usize,
                libc::CMSG_SPACE(size) as usize,
            )
        };
        if self.len + space > ROOM {
            return;
        }
        // SAFETY: an all-zero `cmsghdr` is a valid one.
        let mut header: libc::cmsghdr = unsafe { std::mem::zeroed() };
        header.cmsg_level = level;
        header.cmsg_type = kind;
        header.cmsg_len = len as _;
        // SAFETY: `space` bytes are free behind `len`, which hold the header and, `CMSG_LEN(0)`
        // behind its start, the value.
        unsafe {
            let start = self.bytes.as_mut_ptr().add(self.len);
            start.cast::<libc::cmsghdr>().write_unaligned(header);
            start
                .add(libc::CMSG_LEN(0) as usize)
                .cast::<T>()
                .write_unaligned(value);
        }
        self.len += space;
    }

    /// Name the address to send from.
    pub fn push_source(&mut self, source: IpAddr) {
        match source {
            IpAddr::V4(ip) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr {
                        s_addr: u32::from_ne_bytes(ip.octets()),
                    },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            IpAddr::V6(ip) => {
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr {
                        s6_addr: ip.octets(),
                    },
                    ipi6_ifindex: 0,
                };
                self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            }
        }
    }

    /// Let a message to be sent have these.
    pub fn attach(&mut self, message: &mut libc::msghdr) {
        if self.len > 0 {
            message.msg_control = self.bytes.as_mut_ptr().cast();
            message.msg_controllen = self.len as _;
        }
    }

    /// Let the kernel write what it tells of a message that is received.
    pub fn receive_into(&mut self, message: &mut libc::msghdr) {
        message.msg_control = self.bytes.as_mut_ptr().cast();
        message.msg_controllen = ROOM as _;
    }
}

/// What the kernel told of a run that was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The datagram length of a coalesced run.
    pub stride: Option<usize>,
    /// The address of ours that answers.
    pub local_ip: Option<IpAddr>,
}

/// Read the control messages of a received message.
pub fn told(message: &libc::msghdr) -> Told {
    let mut told = Told::default();
    // SAFETY: the kernel filled `msg_control` and set `msg_controllen`; the CMSG macros stay within
    // them, and each kind has its own structure as its value.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            let data = libc::CMSG_DATA(header);
            match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    let size = data.cast::<libc::c_int>().read_unaligned();
                    told.stride = usize::try_from(size).ok().filter(|size| *size > 0);
                }
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    // `ipi_addr` may be a broadcast address, from which nothing can be sent.
                    let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                    let ip = Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr));
                    told.local_ip = Some(ip.into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    // Of IPv4 on a socket of both families the other kind tells.
                    if ip.to_ipv4_mapped().is_none() {
                        told.local_ip = Some(ip.into());
                    }
                }
                _ => {}
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_can_be_read() {
        for source in ["192.0.2.1", "2001:db8::1"] {
            let source: IpAddr = source.parse().expect("an address");
            let mut control = Control::EMPTY;
            control.push_source(source);
            control.push(libc::SOL_UDP, libc::UDP_GRO, 1200 as libc::c_int);
            // SAFETY: an all-zero `msghdr` is a valid one.
            let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
            control.attach(&mut message);
            let (local_ip, stride) = (Some(source), Some(1200));
            assert_eq!(told(&message), Told { stride, local_ip });
        }
    }

    #[test]
    fn a_message_without_room_is_left_out() {
        let mut control = Control::EMPTY;
        for _ in 0..100 {
            control.push_source(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        assert!(control.len <= ROOM);
    }
}
