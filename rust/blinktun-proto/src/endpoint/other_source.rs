//! A server that answers from another of its addresses than the one that was asked.
//!
//! Go's server on a machine with several addresses does, and Go's client does not mind: it takes the
//! source of the first datagram for the server, whatever that is. Ours goes on sending to the
//! address it was given, and takes datagrams of its conversation from one address more, of the
//! same port, if they prove that they are the server's: by the key, or, where a cipher has none, by
//! the echo of a clock that is in flight now.

use super::Endpoint;
use super::arrived::Arrived;
use crate::time::Time;

impl Endpoint {
    /// A payload for a client from an address that it has not asked.
    pub(super) fn handle_other_source(&mut self, arrived: &Arrived<'_>, now: Time) {
        let (key, segments) = (arrived.key, arrived.segments);
        let Some(index) = self.sessions.find_anywhere(key.1) else {
            self.cx.stats.in_errs += 1;
            return;
        };
        let session = &self.sessions[index].session;
        let kcp = session.kcp();
        let is_servers = key.0.remote.port() == session.path().address.remote.port()
            && kcp.check(segments).is_ok()
            && (self.crypt.is_keyed() || kcp.is_echoed_by(segments));
        if !is_servers {
            self.cx.stats.in_errs += 1;
            return;
        }
        self.sessions.set_other_source(index, key.0);
        self.feed(index, arrived.payload, now);
    }
}
