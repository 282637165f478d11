//! Sessions whose datagrams are disguised as TCP segments. The owner makes the TCP connections.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use blinktun_proto::session::Role;

use super::Reactor;
use crate::event::{EndpointId, SessionKey};
use crate::link::Link;
use crate::raw_tcp::RawTcp;
use crate::socket::{EndpointSocket, SocketConfig};

impl Reactor {
    /// Listen for sessions in the segments for a TCP port. Only those of peers that
    /// [`Reactor::admit`] names count.
    ///
    /// # Errors
    /// `PermissionDenied` without `CAP_NET_RAW`, or what else the system says.
    pub fn listen_tcp(&mut self, at: SocketAddr, config: &SocketConfig) -> io::Result<EndpointId> {
        let raw = RawTcp::bind(at, config.buffer, config.dscp)?;
        let link = Link::RawTcp(raw);
        let socket = EndpointSocket::new(link, Role::Server, config, self.now())?;
        self.add_socket(socket)
    }

    /// Begin a session with the server at `to` over the TCP connection that the owner is about to
    /// make from `local`: the numbers of the segments are learned while it is made.
    ///
    /// # Errors
    /// `PermissionDenied` without `CAP_NET_RAW`, or what else the system says.
    pub fn dial_tcp(
        &mut self,
        local: SocketAddr,
        to: SocketAddr,
        config: &SocketConfig,
    ) -> io::Result<SessionKey> {
        let now = self.now();
        let mut raw = RawTcp::bind(local, config.buffer, config.dscp)?;
        raw.admit(to, local.ip(), now);
        let socket = EndpointSocket::new(Link::RawTcp(raw), Role::Client, config, now)?;
        self.begin(socket, to, now)
    }

    /// Let the segments of a peer, which has a TCP connection to our address `local`, count.
    /// Returns false if there are too many peers, or no such socket.
    pub fn admit(&mut self, endpoint: EndpointId, local: IpAddr, peer: SocketAddr) -> bool {
        let now = self.now();
        self.raw_tcp_mut(endpoint)
            .is_some_and(|raw| raw.admit(peer, local, now))
    }

    /// Forget the admitted peers without traffic for `idle`, and say which they were.
    pub fn expire_peers(&mut self, endpoint: EndpointId, idle: Duration) -> Vec<SocketAddr> {
        let now = self.now();
        self.raw_tcp_mut(endpoint)
            .map(|raw| raw.expire(idle, now))
            .unwrap_or_default()
    }

    fn raw_tcp_mut(&mut self, endpoint: EndpointId) -> Option<&mut RawTcp> {
        let line = self.sockets.get_mut(endpoint)?.line_mut(0)?;
        line.link.raw_tcp_mut()
    }
}
