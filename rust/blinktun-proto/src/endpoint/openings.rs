//! Payloads of conversations that the endpoint does not have at this address.

use super::Endpoint;
use super::arrived::Arrived;
use super::directory::Key;
use super::half_open::Approach;
use crate::path::candidate::AMPLIFICATION;
use crate::path::{FourTuple, network};
use crate::session::{Greeting, Session};
use crate::smux::Version;
use crate::time::Time;
use crate::wire::kcp::{HEADER, PUSH, Segment};
use crate::wire::{Millis, Payload, Sn};

/// Answers waiting to leave; more are dropped.
const MAX_ANSWERS: usize = 1024;

impl Endpoint {
    /// A payload from an address that has no such conversation, and not from a session's peer: a proof, an opening
    /// or what follows it, or a stray.
    pub(super) fn handle_unknown(&mut self, arrived: &Arrived<'_>, now: Time) {
        let (key, segments) = (arrived.key, arrived.segments);
        match self.half_open.approach(&key, segments, now) {
            Approach::Proof(version, clock) => {
                self.promote(key, (version, clock), arrived.payload, now);
            }
            Approach::Opening(data) => self.greet(arrived, data, now),
            Approach::Other if self.half_open.kept.add(&key, arrived.bytes, now) => {}
            Approach::Other => {
                self.cx.stats.strays += 1;
                if self.sessions.is_ambiguous(segments) {
                    return; // one of these sessions must not be told that it is unknown
                }
                if let Some(answer) = self.resets.answer(segments, now) {
                    self.answer(key.0, &answer);
                }
            }
        }
    }

    fn may_open(&self, key: &Key) -> bool {
        let source = key.0.remote.ip();
        (!self.config.tunes_itself || self.cx.memory.may_open(network(source)))
            && self.sessions.len() < self.limits.sessions
            && self.sessions.count(source) < self.limits.sessions_per_source
    }

    // --- half open --------------------------------------------------------------------------

    /// Answer an opening, whose stream begins with `data`, without a session, if that is not too much
    /// for the bytes that came.
    fn greet(&mut self, arrived: &Arrived<'_>, data: &[u8], now: Time) {
        let key = arrived.key;
        if !self.may_open(&key) {
            self.cx.stats.openings_dropped += 1;
            return;
        }
        let greeting = Greeting::answering(&self.config, data);
        let bytes = greeting.bytes();
        let mut answer = vec![0; HEADER + bytes.len()];
        if self.crypt.head() + answer.len() + self.crypt.tail() > arrived.size * AMPLIFICATION {
            return;
        }
        Segment {
            conv: key.1,
            cmd: PUSH,
            wnd: self.config.first_window(),
            ts: self.half_open.clock(&key, greeting, now),
            sn: Sn(0),
            una: Sn(0),
            data: &bytes,
        }
        .write(&mut answer);
        self.half_open.kept.keep(key, arrived.bytes, now);
        self.cx.stats.half_open += 1;
        self.cx.stats.out_segs += 1;
        self.answer(key.0, &answer);
    }

    /// Make the session of a source that has echoed what it was greeted with. If its opening is not
    /// among those that are kept, it comes again.
    fn promote(
        &mut self,
        key: Key,
        (version, clock): (Version, Millis),
        proof: Payload<'_>,
        now: Time,
    ) {
        if !self.may_open(&key) {
            self.cx.stats.openings_dropped += 1;
            return;
        }
        let greeting = Greeting::of(&self.config, version);
        self.cx.stats.bytes_sent += greeting.bytes().len() as u64;
        let session = Session::greeted(&self.config, key, (greeting, clock), now);
        let id = self.accept(session, now);
        if self.config.follows {
            self.sessions.name(id.index());
        }
        self.feed(id.index(), proof, now);
        for bytes in self.half_open.kept.take(&key, now) {
            if let Ok(payload) = Payload::parse(&bytes) {
                self.feed(id.index(), payload, now);
            }
        }
    }

    /// Queue one small datagram that belongs to no session.
    pub(super) fn answer(&mut self, to: FourTuple, payload: &[u8]) {
        if self.answers.len() >= MAX_ANSWERS {
            return;
        }
        let mut datagram = vec![0; self.crypt.head() + payload.len() + self.crypt.tail()];
        datagram[self.crypt.head()..][..payload.len()].copy_from_slice(payload);
        self.answers.push_back((to, datagram));
    }
}
