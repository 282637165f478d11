//! From the endpoints' events to the owner's.

use blinktun_proto::endpoint::EndpointEvent;
use blinktun_proto::error::CloseReason;
use blinktun_proto::{session, smux};

use super::{Reactor, activate};
use crate::event::{EndpointId, Event, FlowKey, RelayEnd, SessionKey, StreamKey};

impl Reactor {
    pub(super) fn dispatch(&mut self) {
        while let Some((id, event)) = self.sockets.next_event() {
            self.handle_event(id, event);
        }
    }

    pub(super) fn handle_event(&mut self, endpoint: EndpointId, event: EndpointEvent) {
        let key = |session| SessionKey { endpoint, session };
        match event {
            EndpointEvent::Session(session, session::Event::Closed(reason)) => {
                self.end_session(key(session), reason);
            }
            EndpointEvent::Session(session, session::Event::Stream(event)) => {
                self.handle_stream_event(key(session), event);
            }
            event => self.events.push_back(Event::of(endpoint, event)),
        }
    }

    pub(super) fn handle_stream_event(&mut self, session: SessionKey, event: smux::Event) {
        let id = match event {
            smux::Event::Opened(id)
            | smux::Event::Readable(id)
            | smux::Event::Writable(id)
            | smux::Event::Finished(id)
            | smux::Event::Reset(id)
            | smux::Event::Closed(id) => id,
            smux::Event::PeerHello => return,
            smux::Event::FlowOpened(flow)
            | smux::Event::DatagramsReadable(flow)
            | smux::Event::DatagramsWritable(flow)
            | smux::Event::FlowEnded(flow) => {
                return self.handle_flow_event(FlowKey { session, flow }, event);
            }
        };
        let key = StreamKey {
            session,
            stream: id,
        };
        let Some(relay) = self.relay_of(key) else {
            if !matches!(event, smux::Event::Closed(_)) {
                let event = session::Event::Stream(event);
                self.events.push_back(Event::Session(session, event));
            }
            return;
        };
        match event {
            smux::Event::Reset(_) => return self.end_relay(relay, RelayEnd::PeerReset),
            smux::Event::Finished(_) => self.relays[relay].note_finished(),
            _ => {}
        }
        activate(&mut self.active, &mut self.is_active, relay);
    }

    fn handle_flow_event(&mut self, key: FlowKey, event: smux::Event) {
        let is_taken = match event {
            smux::Event::DatagramsReadable(_) => self.note_datagrams(key),
            smux::Event::FlowEnded(_) => {
                self.leave_port(key);
                false
            }
            _ => false,
        };
        if !is_taken {
            let event = session::Event::Stream(event);
            self.events.push_back(Event::Session(key.session, event));
        }
    }

    pub(super) fn end_session(&mut self, key: SessionKey, reason: CloseReason) {
        let Some(socket) = self.sockets.remove_session(key.endpoint, key.session) else {
            return;
        };
        let (relays, ends) = (socket.relays_of(key.session), socket.ends_with_session);
        for relay in relays {
            self.end_relay(relay, RelayEnd::SessionLost(reason));
        }
        if ends {
            self.close_endpoint(key.endpoint);
        }
        self.leave_ports(key);
        let event = session::Event::Closed(reason);
        self.events.push_back(Event::Session(key, event));
    }

    pub(super) fn end_relay(&mut self, index: usize, end: RelayEnd) {
        let Some(relay) = self.relays.try_remove(index) else {
            return;
        };
        self.relay_timers.set(index, None);
        let end = match end {
            RelayEnd::SessionLost(_) if relay.owes_only_an_end() => RelayEnd::Clean,
            end => end,
        };
        let (token, key) = (relay.token, relay.key);
        let (sent, received, connected) = (relay.sent, relay.received, relay.connected);
        // Closing the descriptor, which nobody else has, takes it out of the poller.
        if end != RelayEnd::Clean {
            relay.abort();
        }
        if let Some(socket) = self.sockets.get_mut(key.session.endpoint) {
            socket.relays.remove(&(key.session.session, key.stream));
        }
        self.events.push_back(Event::RelayFinished {
            token,
            sent,
            received,
            connected,
            end,
        });
    }
}
