//! Payloads of conversations that the endpoint does not have at this address.

use super::directory::Key;
use super::embryo::{Embryo, Opening, kcp_bytes, opening};
use super::entry::{AMPLIFICATION, Unproven};
use super::four_tuple::FourTuple;
use super::moving::Candidate;
use super::{Endpoint, EndpointEvent};
use crate::session::{Role, Session};
use crate::stats::Stats;
use crate::time::Time;

/// Answers waiting to leave; more are dropped.
const MAX_ANSWERS: usize = 1024;
/// The longest answer to an embryo, in bytes: a hello needs less, and acknowledges nothing.
const MAX_ANSWER: usize = 512;

impl Endpoint {
    /// A payload from an address that has no such conversation: a moved peer, a proof, an opening,
    /// or a stray.
    pub(super) fn handle_unknown(&mut self, key: Key, payload: &[u8], size: usize, now: Time) {
        if self.handle_elsewhere(key, payload, size, now) {
            return;
        }
        if let Some(embryo) = self.embryos.prove(&key, payload) {
            return self.hatch(key, &embryo, payload, size, now);
        }
        if self.embryos.contains(&key) {
            return self.handle_embryo(key, payload, size, now);
        }
        if let Some(opening) = opening(payload, key.1) {
            return self.handle_opening(key, opening, payload, size, now);
        }
        self.cx.stats.strays += 1;
        if let Some(answer) = self.strays.answer(payload, key.1, now) {
            self.answer(key.0, &answer);
        }
    }

    fn handle_opening(
        &mut self,
        key: Key,
        opening: Opening,
        payload: &[u8],
        size: usize,
        now: Time,
    ) {
        let has_slot = self.early.taken(now).max(self.embryos.len()) < self.limits.early;
        if !self.may_open(&key) {
            self.cx.stats.embryos_dropped += 1;
        } else if has_slot && opening == Opening::Fresh {
            let clock = self.cx.random.next_u32();
            let session = Session::new(&self.config, Role::Server, key.1, clock, now);
            let unproven = Unproven::new(now);
            self.early.take(&unproven);
            let id = self.accept(session, key.0, Some(unproven));
            self.feed(id.index(), payload, size, now);
        } else {
            self.keep(key, payload, size, now);
        }
    }

    fn may_open(&self, key: &Key) -> bool {
        self.sessions.len() < self.limits.sessions
            && self.directory.count(key.0.remote.ip()) < self.limits.sessions_per_source
    }

    // --- embryos ----------------------------------------------------------------------------

    /// Keep an opening as an embryo and answer it. The session that would answer is made and
    /// thrown away: it can be made again, exactly, from the opening and the clock.
    fn keep(&mut self, key: Key, payload: &[u8], size: usize, now: Time) {
        let mut embryo = Embryo::new(self.cx.random.next_u32(), now);
        if !embryo.absorb(payload, key.1) {
            self.cx.stats.embryos_dropped += 1;
            return;
        }
        self.answer_embryo(key, &mut embryo, size, now);
        self.cx.stats.embryos_dropped += self.embryos.insert(key, embryo);
    }

    /// The source of an embryo sends on without its proof: it may have missed the answer, or got
    /// none because its first frame was not whole.
    fn handle_embryo(&mut self, key: Key, payload: &[u8], size: usize, now: Time) {
        let Some(mut embryo) = self.embryos.take_to_answer(&key, now) else {
            return;
        };
        if embryo.answered.is_some() || embryo.absorb(payload, key.1) {
            self.answer_embryo(key, &mut embryo, size, now);
        }
        self.embryos.put_back(key, embryo);
    }

    /// Send the first data that the embryo's session would send, always the same, if there is any
    /// and it is not too much for the `size` bytes that came. Only data is acknowledged with our
    /// clock.
    fn answer_embryo(&mut self, key: Key, embryo: &mut Embryo, size: usize, now: Time) {
        let mut out = [0; MAX_ANSWER];
        let before = self.cx.stats.clone();
        let (_, answer) = self.replay_opening(key, embryo, &mut out, size * AMPLIFICATION);
        // Of a session that is thrown away only what it sent counts.
        let out_segs = self.cx.stats.out_segs;
        self.cx.stats = Stats { out_segs, ..before };
        let Some(len) = answer else { return };
        embryo.answered = Some(now);
        self.answer(key.0, &out[self.crypt.head()..len - self.crypt.tail()]);
    }

    /// The session that `embryo` stands for, and the length of its first datagram. That holds data
    /// and acknowledges nothing.
    fn replay_opening(
        &mut self,
        key: Key,
        embryo: &Embryo,
        out: &mut [u8; MAX_ANSWER],
        limit: usize,
    ) -> (Session, Option<usize>) {
        let (clock, born) = (embryo.clock_offset, embryo.born);
        let mut session = Session::new(&self.config, Role::Server, key.1, clock, born);
        session.handle_payload(&embryo.opening, born, &mut self.cx);
        session.finish_input(born, &mut self.cx);
        let limit = limit.min(MAX_ANSWER);
        let batch = session.poll_transmit(out, limit, born, &mut self.cx);
        (session, batch.map(|batch| batch.stride))
    }

    fn hatch(&mut self, key: Key, embryo: &Embryo, proof: &[u8], size: usize, now: Time) {
        if !self.may_open(&key) {
            self.cx.stats.embryos_dropped += 1;
            return;
        }
        let mut out = [0; MAX_ANSWER];
        let out_segs = self.cx.stats.out_segs;
        let (session, _) = self.replay_opening(key, embryo, &mut out, MAX_ANSWER);
        self.cx.stats.out_segs = out_segs; // they left when it was answered
        let id = self.accept(session, key.0, None);
        self.feed(id.index(), proof, size, now);
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
        if entry.unproven.is_some() || !kcp.proven() || kcp.check(bytes).is_err() {
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
        self.feed(index, payload, size, now);
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
        self.directory.prove(index, (candidate.address, conv));
        if candidate.address.remote != old.remote {
            self.cx.stats.moves += 1;
            self.events
                .push_back(EndpointEvent::Moved(id, candidate.address.remote));
        }
    }
}
