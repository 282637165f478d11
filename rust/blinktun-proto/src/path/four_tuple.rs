//! The two ends of a datagram's way, as far as one socket sees them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Where a peer is, and which of our addresses and sockets it uses. The local port is the socket's.
///
/// A server that listens on all addresses of its machine must answer from the address that was
/// asked: a client, or a firewall before it, may drop what comes from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FourTuple {
    /// The peer's address and port.
    pub remote: SocketAddr,
    /// Our address. `None` leaves it to the system, on a socket with one address for example.
    pub local_ip: Option<IpAddr>,
    /// Which of the endpoint's sockets: a server has one for each port of its range, a client a new one when it
    /// changes its port.
    pub socket: u32,
}

impl From<SocketAddr> for FourTuple {
    /// The system chooses our address; the socket is the first.
    fn from(remote: SocketAddr) -> FourTuple {
        FourTuple {
            remote,
            local_ip: None,
            socket: 0,
        }
    }
}

/// What limits count by: an IPv4 address; of an IPv6 address the first 64 bits, as a host may use
/// every address of its network.
pub fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}
