//! Payloads of conversations that the endpoint does not have at this address.

use super::directory::Key;
use super::entry::AMPLIFICATION;
use super::four_tuple::FourTuple;
use super::half_open::{kcp_bytes, opening};
use super::moving::Candidate;
use super::{Endpoint, EndpointEvent};
use crate::session::{Greeting, Session};
use crate::smux::Version;
use crate::time::Time;
use crate::wire::kcp::{HEADER, PUSH, Segment};
use crate::wire::{Millis, Sn};

/// Answers waiting to leave; more are dropped.
const MAX_ANSWERS: usize = 1024;

impl Endpoint {
    /// A payload from an address that has no such conversation: a moved peer, a proof, an opening or
    /// what follows it, or a stray.
    pub(super) fn handle_unknown(&mut self, key: Key, payload: &[u8], size: usize, now: Time) {
        if self.handle_elsewhere(key, payload, size, now) {
            return;
        }
        if let Some(proof) = self.half_open.proof(&key, payload, now) {
            return self.promote(key, proof, payload, now);
        }
        if let Some(data) = opening(payload, key.1) {
            return self.greet(key, data, payload, size, now);
        }
        if self.kept.add(&key, payload, now) {
            return;
        }
        self.cx.stats.strays += 1;
        if let Some(answer) = self.strays.answer(payload, key.1, now) {
            self.answer(key.0, &answer);
        }
    }

    fn may_open(&self, key: &Key) -> bool {
        self.sessions.len() < self.limits.sessions
            && self.directory.count(key.0.remote.ip()) < self.limits.sessions_per_source
    }

    // --- half open --------------------------------------------------------------------------

    /// Answer an opening, whose stream begins with `data`, without a session, if that is not too much
    /// for the `size` bytes that came.
    fn greet(&mut self, key: Key, data: &[u8], payload: &[u8], size: usize, now: Time) {
        if !self.may_open(&key) {
            self.cx.stats.openings_dropped += 1;
            return;
        }
        let greeting = Greeting::answering(&self.config, data);
        let bytes = greeting.bytes();
        let mut answer = vec![0; HEADER + bytes.len()];
        if self.crypt.head() + answer.len() + self.crypt.tail() > size * AMPLIFICATION {
            return;
        }
        Segment {
            conv: key.1,
            cmd: PUSH,
            wnd: self.config.receive_window.min(u16::MAX.into()) as u16,
            ts: self.half_open.clock(&key, greeting, now),
            sn: Sn(0),
            una: Sn(0),
            data: &bytes,
        }
        .write(&mut answer);
        self.kept.keep(key, payload, now);
        self.cx.stats.half_open += 1;
        self.cx.stats.out_segs += 1;
        self.answer(key.0, &answer);
    }

    /// Make the session of a source that has echoed what it was greeted with. If its opening is not
    /// among those that are kept, it comes again.
    fn promote(&mut self, key: Key, (version, clock): (Version, Millis), proof: &[u8], now: Time) {
        if !self.may_open(&key) {
            self.cx.stats.openings_dropped += 1;
            return;
        }
        let greeting = Greeting::of(&self.config, version);
        self.cx.stats.bytes_sent += greeting.bytes().len() as u64;
        let session = Session::greeted(&self.config, key.1, (greeting, clock), now);
        let id = self.accept(session, key.0);
        self.feed(id.index(), proof, now);
        for payload in self.kept.take(&key, now) {
            self.feed(id.index(), &payload, now);
        }
    }

    /// Queue one small datagram that belongs to no session.
    fn answer(&mut self, to: FourTuple, payload: &[u8]) {
        if self.answers.len() >= MAX_ANSWERS {
            return;
        }
        let mut datagram = vec![0; self.crypt.head() + payload.len() + self.crypt.tail()];
        datagram[self.crypt.head()..][..payload.len()].copy_from_slice(payload);
        self.answers.push_back((to, datagram));
    }

    // --- moves ------------------------------------------------------------------------------

    /// A payload of a known conversation from another address; returns whether it is one.
    fn handle_elsewhere(&mut self, key: Key, payload: &[u8], size: usize, now: Time) -> bool {
        let (from, conv) = key;
        let Some(index) = self.directory.find_anywhere(conv) else {
            return false;
        };
        let entry = &mut self.sessions[index];
        let kcp = entry.session.kcp();
        let bytes = kcp_bytes(payload).unwrap_or(&[]);
        if kcp.check(bytes).is_err() {
            return false;
        }
        let is_candidate = entry.candidate.as_ref().is_some_and(|c| c.address == from);
        if !is_candidate && !kcp.is_news(bytes) {
            self.cx.stats.strays += 1;
            return true; // a copy of an old datagram diverts nothing
        }
        let clock = kcp.clock(now);
        let candidate = match entry.candidate.take() {
            Some(candidate) if candidate.address == from => candidate,
            _ => {
                entry.session.ping(); // something that a true peer will acknowledge
                Candidate::new(from, clock, now)
            }
        };
        entry.candidate.insert(candidate).received += size;
        self.feed(index, payload, now);
        self.move_if_proved(index);
        true
    }

    fn move_if_proved(&mut self, index: usize) {
        let entry = &mut self.sessions[index];
        let echo = entry.session.kcp().echoed();
        let Some(candidate) = entry.candidate.take_if(|c| c.is_proved_by(echo)) else {
            return;
        };
        let (id, conv, old) = (entry.id, entry.session.conv(), entry.peer);
        entry.peer = candidate.address;
        self.directory.remove(index, (old, conv));
        self.directory.add(index, (candidate.address, conv));
        if candidate.address.remote != old.remote {
            self.cx.stats.moves += 1;
            self.events
                .push_back(EndpointEvent::Moved(id, candidate.address.remote));
        }
    }
}
