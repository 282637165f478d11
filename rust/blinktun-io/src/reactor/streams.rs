//! What the owner may do with streams: relay them, or read and write them.

use std::collections::btree_map;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use blinktun_proto::endpoint::SessionId;
use blinktun_proto::session::Session;
use blinktun_proto::smux::{StreamClass, StreamId};
use blinktun_proto::time::Duration;
use mio::Interest;
use mio::unix::SourceFd;

use super::tokens::relay_token;
use super::{Reactor, activate, gone};
use crate::event::{EndpointId, RelayEnd, SessionKey, StreamKey};
use crate::relay::Relay;

impl Reactor {
    /// Open a stream of this class.
    ///
    /// # Errors
    /// `NotConnected` if the session is gone; `Other` if it can open no more.
    pub fn open_stream(&mut self, key: SessionKey, class: StreamClass) -> io::Result<StreamKey> {
        let (session, _) = self.session_mut(key).ok_or_else(gone)?;
        let stream = session
            .open_stream_as(class)
            .map_err(|_| io::Error::other("too many streams"))?;
        Ok(StreamKey {
            session: key,
            stream,
        })
    }

    /// Say how soon a stream has its turns. One that is gone stays gone.
    pub fn set_class(&mut self, key: StreamKey, class: StreamClass) {
        if let Some((session, _)) = self.session_mut(key.session) {
            session.set_class(key.stream, class);
        }
    }

    /// The class of a stream; `None`: it is gone.
    pub fn class(&self, key: StreamKey) -> Option<StreamClass> {
        self.session(key.session)?.mux().class(key.stream)
    }

    /// Join a stream and a connected stream socket. [`Event::RelayFinished`] reports the end,
    /// under `token`.
    ///
    /// # Errors
    /// `NotConnected` if the session or the stream is gone, `AlreadyExists` if it has a relay, or
    /// what the system says of the descriptor. The connection is reset then: its application must
    /// not take it for a clean end.
    pub fn relay(
        &mut self,
        key: StreamKey,
        connection: OwnedFd,
        token: u64,
        connecting: bool,
    ) -> io::Result<()> {
        let mut relay = Relay::new(token, key, connection, connecting)?;
        match self.join(&mut relay) {
            Ok(index) => {
                self.relays.insert(relay);
                activate(&mut self.active, &mut self.is_active, index);
                Ok(())
            }
            Err(error) => {
                relay.abort();
                Err(error)
            }
        }
    }

    /// Enter a relay in all tables but `relays`; returns its place there.
    pub(super) fn join(&mut self, relay: &mut Relay) -> io::Result<usize> {
        let StreamKey { session, stream } = relay.key;
        let socket = self.sockets.get_mut(session.endpoint).ok_or_else(gone)?;
        let mux = socket.endpoint.session(session.session).ok_or_else(gone)?;
        let mux = mux.mux();
        if !mux.contains(stream) {
            return Err(gone());
        }
        relay.set_close_wait(socket.close_wait);
        if mux.is_finished(stream) {
            relay.note_finished(); // it ended before anyone could be told
        }
        let btree_map::Entry::Vacant(place) = socket.relays.entry((session.session, stream)) else {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        };
        let index = self.relays.vacant_key();
        self.poll.registry().register(
            &mut SourceFd(&relay.as_raw_fd()),
            relay_token(index),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        place.insert(index);
        Ok(index)
    }

    /// Break off the relay of a stream, both ways.
    pub fn abort_relay(&mut self, key: StreamKey) {
        if let Some(relay) = self.relay_of(key) {
            self.reset(key);
            self.end_relay(relay, RelayEnd::Aborted);
        }
    }

    /// Bytes that a stream's relay has moved so far, to and from the stream.
    pub fn relayed(&self, key: StreamKey) -> Option<(u64, u64)> {
        let relay = self.relays.get(self.relay_of(key)?)?;
        Some((relay.sent, relay.received))
    }

    /// For how long a stream's relay has moved nothing.
    pub fn relay_idle(&self, key: StreamKey) -> Option<Duration> {
        let relay = self.relays.get(self.relay_of(key)?)?;
        Some(relay.idle(self.now()))
    }

    pub(super) fn relay_of(&self, key: StreamKey) -> Option<usize> {
        let socket = self.sockets.get(key.session.endpoint)?;
        socket
            .relays
            .get(&(key.session.session, key.stream))
            .copied()
    }

    /// Queue bytes on a stream; returns how many were taken. If not all, `Writable` follows.
    ///
    /// # Errors
    /// `NotConnected` or `BrokenPipe` if the stream or its write side is over.
    pub fn write(&mut self, key: StreamKey, data: &[u8]) -> io::Result<usize> {
        let (session, _) = self.session_mut(key.session).ok_or_else(gone)?;
        let taken = session
            .write(key.stream, data)
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(taken)
    }

    /// Take up to `max` bytes that have arrived.
    ///
    /// # Errors
    /// `NotConnected` if the session is gone.
    pub fn read(&mut self, key: StreamKey, max: usize) -> io::Result<Vec<u8>> {
        let now = self.now();
        let (session, cx) = self.session_mut(key.session).ok_or_else(gone)?;
        Ok(session.read(key.stream, max, now, cx))
    }

    /// Whether everything written to the session has left and been acknowledged.
    pub fn is_drained(&self, key: SessionKey) -> bool {
        self.session(key).is_none_or(Session::is_drained)
    }

    /// No more will be written to a stream.
    pub fn finish(&mut self, key: StreamKey) {
        if let Some((session, _)) = self.session_mut(key.session) {
            session.finish(key.stream);
        }
    }

    /// Break a stream off in both directions.
    pub fn reset(&mut self, key: StreamKey) {
        if let Some((session, _)) = self.session_mut(key.session) {
            session.reset(key.stream);
        }
    }

    /// The streams of a session.
    pub fn stream_ids(&self, key: SessionKey) -> Vec<StreamId> {
        self.session(key)
            .map(|s| s.mux().stream_ids().collect())
            .unwrap_or_default()
    }

    /// The sessions of a socket.
    pub fn session_ids(&self, endpoint: EndpointId) -> Vec<SessionId> {
        self.sockets
            .get(endpoint)
            .map(|s| s.endpoint.session_ids())
            .unwrap_or_default()
    }
}
