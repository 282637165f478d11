//! A server that answers from another of its addresses than the one that was asked, or from another of its ports.
//!
//! Go's server on a machine with several addresses does the first, and Go's client does not mind: it takes the
//! source of the first datagram for the server, whatever that is. Ours goes on sending to the
//! address it was given, and takes datagrams of its conversation from one address more, of the
//! same port, if they prove that they are the server's: by the key, or, where a cipher has none, by
//! the echo of a clock that is in flight now.
//!
//! Another port is where the client wants to go. It goes as soon as its question there is answered.

use super::Endpoint;
use super::arrived::Arrived;
use crate::time::Time;

impl Endpoint {
    /// A payload for a client's session.
    pub(super) fn handle_servers(&mut self, index: usize, arrived: &Arrived<'_>, now: Time) {
        let (from, conv) = arrived.key;
        if self.sessions.find(from, Some(conv)).is_none() {
            let session = &self.sessions[index].session;
            if session.kcp().check(arrived.segments).is_err() {
                self.cx.stats.in_errs += 1;
                return;
            }
            if let Some(proof) = session.is_hop_answer(from, arrived.segments, now) {
                self.sessions[index].session.end_hop();
                self.sessions.migrate(index, from, proof, now);
                self.cx.stats.moves += 1;
            } else if self.is_other_source(index, arrived) {
                self.sessions.set_other_source(index, from);
            } else {
                self.cx.stats.in_errs += 1;
                return;
            }
        }
        self.feed(index, arrived.payload, now);
    }

    fn is_other_source(&self, index: usize, arrived: &Arrived<'_>) -> bool {
        let session = &self.sessions[index].session;
        let (from, asked) = (arrived.key.0, session.path().address);
        let is_same_port = (from.remote.port(), from.socket) == (asked.remote.port(), asked.socket);
        is_same_port && (self.crypt.is_keyed() || session.kcp().is_echoed_by(arrived.segments))
    }
}
