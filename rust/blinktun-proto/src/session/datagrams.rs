//! Flows of datagrams, as the application sees them.

use super::Session;
use crate::smux::{Class, FlowError, FlowId};
use crate::time::Time;

impl Session {
    /// Open a flow of datagrams with this label and class ([`Mux::open_flow`](crate::smux::Mux::open_flow)).
    ///
    /// # Errors
    /// [`FlowError`]: the peer takes no datagrams, or this session can open no more.
    pub fn open_flow(&mut self, label: &[u8], class: Class) -> Result<FlowId, FlowError> {
        self.mux.open_flow(label, class)
    }

    /// Queue a datagram; returns whether it was taken ([`Mux::send_datagram`](crate::smux::Mux::send_datagram)).
    ///
    /// # Errors
    /// [`FlowError`]: the flow is unknown, the datagram too long, or the peer takes none.
    pub fn send_datagram(
        &mut self,
        flow: FlowId,
        data: &[u8],
        now: Time,
    ) -> Result<bool, FlowError> {
        self.mux.send_datagram(flow, data, now)
    }

    /// Take the oldest datagram that has arrived on a flow.
    pub fn take_datagram(&mut self, flow: FlowId) -> Option<Vec<u8>> {
        self.mux.take_datagram(flow)
    }

    /// End a flow: what waits is given up, and the peer is told.
    pub fn end_flow(&mut self, flow: FlowId) {
        self.mux.end_flow(flow);
    }
}
