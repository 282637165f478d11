//! Conversations whose source has not yet proved that it receives what we send.
//!
//! Anyone can put a foreign source address on a datagram. So an opening is answered with one small
//! datagram, which holds the first bytes of every server ([`Greeting`]) and a `ts` that only the true
//! owner of the address can echo, and no recording: a MAC over what the server has to know when the
//! echo comes. The proof needs no state, so a flood of openings takes no client's place.
//!
//! Nothing is acknowledged before the echo, so the opening comes again, after the retransmission
//! timeout of the client. To save that time the latest openings are kept ([`KeptOpenings`]); one that a
//! flood pushes out only costs the time.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

use ahash::RandomState;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::directory::Key;
use crate::session::Greeting;
use crate::smux::Version;
use crate::time::{Duration, Time};
use crate::wire::kcp::{ACK, PUSH, Segments};
use crate::wire::{Millis, Sn, u32_at};

/// A clock is valid in the epoch that it was made in, and in the next one.
pub const EPOCH: Duration = Duration::from_secs(5);

/// The lowest bits of a clock: what it was made from besides the address. The other 30 are the MAC.
const VERSION_2: u32 = 1;
const ODD_EPOCH: u32 = 2;
const MAC_BITS: u32 = !(VERSION_2 | ODD_EPOCH);

/// What a source says whose conversation the endpoint does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approach<'a> {
    /// It echoes what it was greeted with: in this version, with this clock.
    Proof(Version, Millis),
    /// It opens a conversation, whose stream begins with these bytes.
    Opening(&'a [u8]),
    /// Anything else: more of an opening, a wrong echo, or a conversation that was lost.
    Other,
}

/// Makes the clocks of answers, knows them again, and keeps what was answered.
pub struct HalfOpen {
    mac: Hmac<Sha256>,
    /// The latest openings that were answered.
    pub kept: KeptOpenings,
}

impl HalfOpen {
    /// With a secret of this endpoint; `seeds` make the hashing of what is kept unpredictable.
    pub fn new(secret: [u8; 32], seeds: [u64; 2]) -> HalfOpen {
        HalfOpen {
            mac: Hmac::new_from_slice(&secret).expect("a key of any length"),
            kept: KeptOpenings::new(seeds),
        }
    }

    /// The clock with which the greeting leaves for this source now.
    pub fn clock(&self, key: &Key, greeting: Greeting, now: Time) -> Millis {
        let version = match greeting {
            Greeting::Hello(Version::V2) => VERSION_2,
            _ => 0,
        };
        self.clock_of(key, version, epoch(now))
    }

    /// What this source says. It needs no state to know that.
    pub fn approach<'a>(&self, key: &Key, segments: Segments<'a>, now: Time) -> Approach<'a> {
        let proof = self.proof(key, segments, now);
        match (proof, opening(segments)) {
            (Some((version, clock)), _) => Approach::Proof(version, clock),
            (None, Some(data)) => Approach::Opening(data),
            (None, None) => Approach::Other,
        }
    }

    /// Whether this source begins a conversation, though there is another of the same number: it has heard nothing
    /// of us, or no more than our greeting.
    pub fn is_beginning(&self, key: &Key, segments: Segments<'_>, now: Time) -> bool {
        let mut all = segments.into_iter();
        let has_heard_nothing = all.all(|segment| segment.una == Sn(0));
        (has_heard_nothing && opening(segments).is_some())
            || self.proof(key, segments, now).is_some()
    }

    /// What this source was greeted with, and the clock of that, if `segments` echo it. The first
    /// acknowledgement counts alone: a datagram is one guess.
    fn proof(&self, key: &Key, segments: Segments<'_>, now: Time) -> Option<(Version, Millis)> {
        let ack = segments.into_iter().find(|segment| segment.cmd == ACK)?;
        let (echo, epoch) = (ack.ts.0, epoch(now));
        let is_odd = echo & ODD_EPOCH != 0;
        let made = match (epoch % 2 == 1) == is_odd {
            true => epoch,
            false => epoch.checked_sub(1)?,
        };
        let is_ours = ack.sn == Sn(0) && self.clock_of(key, echo & VERSION_2, made) == ack.ts;
        let version = match echo & VERSION_2 {
            0 => Version::V1,
            _ => Version::V2,
        };
        is_ours.then_some((version, ack.ts))
    }

    fn clock_of(&self, (path, conv): &Key, version: u32, epoch: u64) -> Millis {
        let mut mac = self.mac.clone();
        let local = path.local_ip.map_or([0; 16], octets);
        mac.update(&octets(path.remote.ip()));
        mac.update(&path.remote.port().to_le_bytes());
        mac.update(&local);
        mac.update(&path.socket.to_le_bytes());
        mac.update(&conv.to_le_bytes());
        mac.update(&epoch.to_le_bytes());
        mac.update(&version.to_le_bytes());
        let tag = u32_at(&mac.finalize().into_bytes(), 0);
        let parity = if epoch % 2 == 1 { ODD_EPOCH } else { 0 };
        Millis(tag & MAC_BITS | parity | version)
    }
}

/// Openings that are kept, the latest ones.
const MAX_KEPT: usize = 1024;
/// Bytes of what one source sends before its echo: Go's first frame follows the identifier of a
/// compressed stream in a datagram of its own.
const MAX_BYTES: usize = 1500;
/// How long. After that the client has sent it again, and the acknowledgement of an old copy would
/// make its first measured round trip too long.
const KEPT_FOR: Duration = Duration::from_millis(500);

/// What one source has sent, and since when.
struct Kept {
    since: Time,
    payloads: Vec<Vec<u8>>,
}

/// The latest openings that were greeted, and what came behind them, for the sessions that their
/// echoes will make.
pub struct KeptOpenings {
    sources: HashMap<Key, Kept, RandomState>,
    /// The oldest first; those that were taken are skipped.
    order: VecDeque<(Time, Key)>,
}

impl KeptOpenings {
    /// None yet; `seeds` make the hashing unpredictable.
    pub fn new(seeds: [u64; 2]) -> KeptOpenings {
        KeptOpenings {
            sources: HashMap::with_hasher(RandomState::with_seeds(seeds[0], seeds[1], 0, 0)),
            order: VecDeque::new(),
        }
    }

    /// Keep the first opening of a source; old ones go, and the oldest of too many. One that is longer
    /// than any datagram of a client is not kept.
    pub fn keep(&mut self, key: Key, payload: &[u8], now: Time) {
        if payload.len() > MAX_BYTES || self.add(&key, payload, now) {
            return;
        }
        while let Some((at, oldest)) = self.order.front()
            && (self.order.len() >= MAX_KEPT || now.since(*at) >= KEPT_FOR)
        {
            self.sources.remove(oldest);
            self.order.pop_front();
        }
        let (since, payloads) = (now, vec![payload.to_vec()]);
        self.sources.insert(key, Kept { since, payloads });
        self.order.push_back((now, key));
    }

    /// Keep one more payload of a source whose opening is kept; returns whether that is so.
    pub fn add(&mut self, key: &Key, payload: &[u8], now: Time) -> bool {
        let Some(kept) = self.sources.get_mut(key) else {
            return false;
        };
        if now.since(kept.since) >= KEPT_FOR {
            return false;
        }
        let size: usize = kept.payloads.iter().map(Vec::len).sum();
        if size + payload.len() <= MAX_BYTES && !kept.payloads.iter().any(|one| one == payload) {
            kept.payloads.push(payload.to_vec());
        }
        true
    }

    /// Take what a source has sent, if it is there and not too old.
    pub fn take(&mut self, key: &Key, now: Time) -> Vec<Vec<u8>> {
        match self.sources.remove(key) {
            Some(kept) if now.since(kept.since) < KEPT_FOR => kept.payloads,
            _ => Vec::new(),
        }
    }
}

fn epoch(now: Time) -> u64 {
    now.as_millis() / EPOCH.as_millis() as u64
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits()),
    }
    .octets()
}

/// The first bytes of a stream, if segments may open a conversation: they hold data number 0, and
/// acknowledge our first at most.
pub fn opening(segments: Segments<'_>) -> Option<&[u8]> {
    let mut first = None;
    for segment in segments {
        if segment.una.0 > 1 {
            return None;
        }
        if segment.cmd == PUSH && segment.sn == Sn(0) && !segment.data.is_empty() {
            first = Some(segment.data);
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::kcp::{HEADER, Segment};
    use std::net::SocketAddr;

    const HELLO: Greeting = Greeting::Hello(Version::V2);

    fn key(port: u16, conv: u32) -> Key {
        (SocketAddr::from(([10, 0, 0, 1], port)).into(), conv)
    }

    fn acks(clocks: &[Millis], conv: u32) -> Vec<u8> {
        let mut payload = vec![0; HEADER * clocks.len()];
        for (ts, out) in clocks.iter().zip(payload.chunks_mut(HEADER)) {
            let (cmd, sn, una) = (ACK, Sn(0), Sn(1));
            let (ts, wnd, data) = (*ts, 32, &[]);
            Segment {
                conv,
                cmd,
                wnd,
                ts,
                sn,
                una,
                data,
            }
            .write(out);
        }
        payload
    }

    fn parsed(payload: &[u8]) -> Segments<'_> {
        Segments::parse(payload).expect("segments")
    }

    #[test]
    fn an_echo_proves_one_source_for_one_or_two_epochs() {
        let half_open = HalfOpen::new([7; 32], [1, 2]);
        for first in [0, 5_000, 12_345] {
            let born = Time::from_millis(first);
            let clock = half_open.clock(&key(1, 9), HELLO, born);
            let proof = |key: &Key, after: u64| {
                let payload = acks(&[clock], key.1);
                half_open.proof(key, parsed(&payload), born + Duration::from_millis(after))
            };
            assert_eq!(proof(&key(1, 9), 0), Some((Version::V2, clock)));
            assert!(proof(&key(1, 9), 5_000).is_some());
            assert_eq!(proof(&key(1, 9), 10_000), None);
            assert_eq!(proof(&key(2, 9), 0), None);
            assert_eq!(proof(&key(1, 8), 0), None);
            let other = HalfOpen::new([8; 32], [1, 2]);
            assert_eq!(
                other.proof(&key(1, 9), parsed(&acks(&[clock], 9)), born),
                None
            );
        }
    }

    #[test]
    fn the_latest_openings_are_kept_and_no_more() {
        let mut kept = KeptOpenings::new([1, 2]);
        let now = Time::from_millis(1);
        for port in 1..=3000 {
            kept.keep(key(port, 9), &[1; 100], now);
            for size in 0..100 {
                assert!(kept.add(&key(port, 9), &vec![2; size], now));
            }
        }
        assert!(kept.sources.len() <= MAX_KEPT && kept.order.len() <= MAX_KEPT);
        assert!(!kept.add(&key(1, 9), b"of one that went", now));
        assert!(!kept.add(&key(3000, 9), b"late", now + KEPT_FOR));
        assert!(kept.take(&key(1, 9), now).is_empty());
        let payloads = kept.take(&key(3000, 9), now);
        assert_eq!(payloads[0], [1; 100]);
        assert!(payloads.len() > 1 && payloads.concat().len() <= MAX_BYTES);
        assert!(kept.take(&key(3000, 9), now).is_empty());
        assert!(kept.take(&key(2999, 9), now + KEPT_FOR).is_empty());
        kept.keep(key(1, 9), b"late", now + KEPT_FOR);
        assert_eq!((kept.sources.len(), kept.order.len()), (1, 1));
        kept.keep(key(2, 9), &[3; MAX_BYTES + 1], now + KEPT_FOR);
        assert!(kept.take(&key(2, 9), now + KEPT_FOR).is_empty());
    }

    #[test]
    fn a_datagram_is_one_guess() {
        let (half_open, now) = (HalfOpen::new([7; 32], [1, 2]), Time::from_millis(1));
        let clock = half_open.clock(&key(1, 9), HELLO, now);
        let guesses = acks(&[Millis(clock.0.wrapping_add(4)), clock], 9);
        assert_eq!(half_open.proof(&key(1, 9), parsed(&guesses), now), None);
        let first = acks(&[clock, Millis(0)], 9);
        assert!(half_open.proof(&key(1, 9), parsed(&first), now).is_some());
    }
}
