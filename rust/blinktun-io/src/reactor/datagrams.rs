//! What the owner may do with flows of datagrams: send and take them, or join them with UDP sockets.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use blinktun_proto::session::Session;
use blinktun_proto::smux::{Class, FlowError, Support};
use blinktun_proto::time::Duration;
use mio::Interest;
use mio::unix::SourceFd;

use super::sockets::Sockets;
use super::tokens::port_token;
use super::{Reactor, gone, not_found};
use crate::event::{Event, FlowKey, PortId, SessionKey};
use crate::port::{Port, Sessions};

impl Reactor {
    // --- flows ----------------------------------------------------------------------------

    /// Whether the peer of a session takes datagrams.
    ///
    /// # Errors
    /// `NotConnected` if the session is gone.
    pub fn datagram_support(&self, key: SessionKey) -> io::Result<Support> {
        let session = self.session(key).ok_or_else(gone)?;
        Ok(session.mux().datagram_support())
    }

    /// Open a flow of datagrams.
    ///
    /// # Errors
    /// `NotConnected` if the session is gone, else what [`Session::open_flow`] says.
    pub fn open_flow(
        &mut self,
        key: SessionKey,
        label: &[u8],
        class: Class,
    ) -> io::Result<FlowKey> {
        let (session, _) = self.session_mut(key).ok_or_else(gone)?;
        let flow = session.open_flow(label, class).map_err(said)?;
        Ok(FlowKey { session: key, flow })
    }

    /// Queue a datagram; returns whether it was taken.
    ///
    /// # Errors
    /// `NotConnected` if the session or the flow is gone, else what [`Session::send_datagram`] says.
    pub fn send_datagram(&mut self, key: FlowKey, data: &[u8]) -> io::Result<bool> {
        let now = self.now();
        let (session, _) = self.session_mut(key.session).ok_or_else(gone)?;
        session.send_datagram(key.flow, data, now).map_err(said)
    }

    /// Take the oldest datagram that has arrived on a flow.
    pub fn take_datagram(&mut self, key: FlowKey) -> Option<Vec<u8>> {
        let (session, _) = self.session_mut(key.session)?;
        session.take_datagram(key.flow)
    }

    /// What the opener of a flow says of it, and the class of what we send on it; `None` if it is gone.
    pub fn flow(&self, key: FlowKey) -> Option<(&[u8], Class)> {
        let mux = self.session(key.session)?.mux();
        Some((mux.flow_label(key.flow)?, mux.flow_class(key.flow)?))
    }

    /// End a flow, and tell the peer.
    pub fn end_flow(&mut self, key: FlowKey) {
        self.leave_port(key);
        if let Some((session, _)) = self.session_mut(key.session) {
            session.end_flow(key.flow);
        }
    }

    // --- ports ----------------------------------------------------------------------------

    /// Have a bound UDP socket of applications watched. [`Event::NewSource`] tells of each new source.
    ///
    /// # Errors
    /// What the system says.
    pub fn add_port(&mut self, socket: OwnedFd) -> io::Result<PortId> {
        self.watch_port(Port::new(socket)?)
    }

    fn watch_port(&mut self, port: Port) -> io::Result<PortId> {
        let id = PortId(self.next_port);
        self.next_port += 1;
        self.poll.registry().register(
            &mut SourceFd(&port.as_raw_fd()),
            port_token(id),
            Interest::READABLE,
        )?;
        self.ports.insert(id, port);
        self.active_ports.push_back(id);
        Ok(id)
    }

    /// Give a source of a port a flow, with what has waited for that. Returns `false`, and does nothing, if the
    /// source waits for none any more.
    ///
    /// # Errors
    /// `NotFound` for an unknown port, `NotConnected` if the flow is gone, `AlreadyExists` if it has a port.
    pub fn join_source(
        &mut self,
        id: PortId,
        source: SocketAddr,
        key: FlowKey,
    ) -> io::Result<bool> {
        let now = self.now();
        self.check_unjoined(key)?;
        let port = self.ports.get_mut(&id).ok_or_else(not_found)?;
        let Some(kept) = port.join(source, key, now) else {
            return Ok(false);
        };
        self.flow_ports.insert(key, id);
        for datagram in kept {
            self.send_datagram(key, &datagram)?;
        }
        self.active_ports.push_back(id);
        Ok(true)
    }

    fn check_unjoined(&self, key: FlowKey) -> io::Result<()> {
        self.flow(key).ok_or_else(gone)?;
        if self.flow_ports.contains_key(&key) {
            let kind = io::ErrorKind::AlreadyExists;
            return Err(io::Error::new(kind, "the flow has a UDP socket already"));
        }
        Ok(())
    }

    /// A source of a port gets no flow.
    pub fn refuse_source(&mut self, id: PortId, source: SocketAddr) {
        if let Some(port) = self.ports.get_mut(&id) {
            port.refuse(source);
        }
    }

    /// Join a flow and a target, by a bound UDP socket for these two alone.
    ///
    /// # Errors
    /// `NotConnected` if the flow is gone, `AlreadyExists` if it has a port, or what the system says.
    pub fn join_target(
        &mut self,
        key: FlowKey,
        target: SocketAddr,
        socket: OwnedFd,
    ) -> io::Result<PortId> {
        self.check_unjoined(key)?;
        let port = Port::to_target(socket, target, key, self.now())?;
        let id = self.watch_port(port)?;
        self.flow_ports.insert(key, id);
        Ok(id)
    }

    /// End the flows of a port on which nothing has passed for so long; returns them.
    pub fn end_idle_flows(&mut self, id: PortId, idle: Duration) -> Vec<FlowKey> {
        let now = self.now();
        let flows = self.ports.get(&id).map(|port| port.idle(idle, now));
        let flows = flows.unwrap_or_default();
        for flow in &flows {
            self.end_flow(*flow);
        }
        flows
    }

    /// Close a port, and end its flows.
    pub fn close_port(&mut self, id: PortId) {
        let Some(port) = self.ports.remove(&id) else {
            return;
        };
        let _ = self
            .poll
            .registry()
            .deregister(&mut SourceFd(&port.as_raw_fd()));
        for flow in port.flows() {
            self.end_flow(flow);
        }
    }

    /// A flow is over: its port knows it no more.
    pub(super) fn leave_port(&mut self, key: FlowKey) {
        if let Some(port) = self.flow_ports.remove(&key)
            && let Some(port) = self.ports.get_mut(&port)
        {
            port.remove(key);
        }
    }

    /// All flows of a session are over.
    pub(super) fn leave_ports(&mut self, session: SessionKey) {
        let flows = self.flow_ports.keys().filter(|it| it.session == session);
        for flow in flows.copied().collect::<Vec<_>>() {
            self.leave_port(flow);
        }
    }

    /// Datagrams have arrived on a flow; whether a port takes them.
    pub(super) fn note_datagrams(&mut self, key: FlowKey) -> bool {
        let Some(id) = self.flow_ports.get(&key) else {
            return false;
        };
        if let Some(port) = self.ports.get_mut(id) {
            port.note_datagrams(key);
            self.active_ports.push_back(*id);
        }
        true
    }

    /// Let each port that may have something to do move datagrams.
    pub(super) fn pump_ports(&mut self) {
        let now = self.now();
        let mut active = Vec::from(core::mem::take(&mut self.active_ports));
        active.sort_unstable();
        active.dedup();
        for id in active {
            let Some(port) = self.ports.get_mut(&id) else {
                continue;
            };
            port.pump_out(&mut self.sockets, &mut self.outbox, now);
            let stranger = |source| self.events.push_back(Event::NewSource(id, source));
            if port.pump_in(&mut self.sockets, stranger, &mut self.inbox, now) {
                self.active_ports.push_back(id);
            }
        }
    }
}

impl Sessions for Sockets {
    fn of_flow(&mut self, flow: FlowKey) -> Option<&mut Session> {
        let socket = self.get_mut(flow.session.endpoint)?;
        let (session, _) = socket.endpoint.session_mut(flow.session.session)?;
        Some(session)
    }
}

fn said(error: FlowError) -> io::Error {
    let kind = match error {
        FlowError::Unknown => return gone(),
        FlowError::Unsupported => io::ErrorKind::Unsupported,
        FlowError::Label | FlowError::Length(_) => io::ErrorKind::InvalidInput,
        FlowError::TooMany | FlowError::Exhausted => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
