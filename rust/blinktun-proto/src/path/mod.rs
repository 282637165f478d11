//! The network paths of a session: where its peer is, and where it may be.
//!
//! A [`Path`] holds all that belongs to one network: the address of the peer, the round trip, the rate, the
//! MTU. A session has one. While its peer seems to have moved there is a [`candidate`] beside it, and the
//! path stays until the candidate is validated.

pub mod candidate;
pub mod four_tuple;
pub mod hop;
pub mod liveness;
pub mod mtu_search;
pub mod pacer;
pub mod validation;

use crate::congestion::{Acked, Algorithm, Controller, Lost};
use crate::recovery::rtt::Rtt;
use crate::time::{Duration, Time};
use crate::trace::{Event, Trace};
use crate::wire::fec;
use crate::wire::kcp::HEADER;
use candidate::Proof;
use liveness::Liveness;
use mtu_search::{BASE, Length, MtuSearch, Reason};
use pacer::Pacer;
use validation::Validation;

pub use four_tuple::{FourTuple, network};

/// A paced session takes so many quanta from its streams at once.
const PORTION: u64 = 2;
/// It takes so many segments at least.
const MIN_PORTION: u64 = 4;

/// What all paths of a session are made from.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A lower floor of the RTO.
    pub nodelay: bool,
    /// Milliseconds; a term of the RTO.
    pub interval_ms: u32,
    /// Acknowledgements past a segment before it is sent again; 0 is never.
    pub resend: u32,
    /// Who decides how much may be in flight.
    pub congestion: Algorithm,
    /// A paced path sends at most so many bytes of datagrams a second; `None` is no ceiling.
    pub send_ceiling: Option<u64>,
    /// Ask a peer that has stopped sending whether it is still there.
    pub asks_after_data: bool,
    /// Find out which datagrams the path carries.
    pub searches_mtu: bool,
}

/// One network path of a session.
pub struct Path {
    /// Where the peer is, and which of our addresses it uses.
    pub address: FourTuple,
    /// Its round trip.
    pub rtt: Rtt,
    /// Whether the peer is still there.
    pub liveness: Liveness,
    /// What the clocks in its segments prove.
    pub validation: Validation,
    /// How much may be in flight, and how fast it leaves.
    pub controller: Box<dyn Controller>,
    /// Bytes that may be on their way, in the batch that is written.
    most_on_way: u64,
    pacer: Pacer,
    /// What it carries, unless that was given.
    mtu_search: Option<MtuSearch>,
    /// What happens on it is written down, if somebody wants to know.
    trace: Option<Box<Trace>>,
    settings: Settings,
    /// What left before this left by another network.
    began: Time,
    mtu: usize,
    mss: usize,
}

impl Path {
    /// A path that nothing is known of, for datagrams of at most `mtu` bytes that hold at most `mss` bytes
    /// of the stream.
    pub fn new(settings: Settings, address: FourTuple, (mtu, mss): (usize, usize)) -> Path {
        Path {
            address,
            rtt: Rtt::new(settings.nodelay, settings.interval_ms),
            liveness: Liveness::new(settings.asks_after_data),
            validation: Validation::default(),
            controller: settings.congestion.build(mss, settings.resend),
            most_on_way: u64::MAX,
            pacer: Pacer::default(),
            mtu_search: (settings.searches_mtu).then(|| MtuSearch::new(address.remote)),
            trace: None,
            settings,
            began: Time::ZERO,
            mtu,
            mss,
        }
    }

    /// The peer is at another address, which has proved itself.
    ///
    /// If only the port has changed, a NAT box has forgotten the peer and the network is the same. Otherwise
    /// all begins again (RFC 9000, 9.4). Returns whether it did.
    pub fn migrate(&mut self, address: FourTuple, proof: Proof, now: Time) -> bool {
        let is_other = address.remote.ip() != self.address.remote.ip();
        self.address = address;
        if is_other {
            self.begin_again(proof.began);
            let millis = u32::try_from(proof.round_trip.as_millis()).unwrap_or(u32::MAX);
            self.rtt.sample(millis, None, now);
        }
        self.note(Event::Migrated, now);
        is_other
    }

    /// What leaves since `began` leaves by another network, of which nothing is known: round trip, controller, pacer
    /// and MTU start again. The peer is the same, and so are its clocks.
    pub fn begin_again(&mut self, began: Time) {
        let fresh = Path::new(self.settings, self.address, (self.mtu, self.mss));
        (self.rtt, self.controller, self.pacer) = (fresh.rtt, fresh.controller, fresh.pacer);
        if let Some(search) = &mut self.mtu_search {
            search.migrate(self.address.remote);
        }
        self.began = began;
    }

    /// Whether what left so long ago left by this network.
    pub fn is_older_than(&self, age: Duration, now: Time) -> bool {
        self.began + age <= now || self.began == Time::ZERO
    }

    /// Whether what left then left by this network.
    pub fn has_carried(&self, sent: Time) -> bool {
        self.began <= sent
    }

    // --- what happens on it ---------------------------------------------------------------

    /// Segments were acknowledged.
    pub fn on_acked(&mut self, acked: &Acked, now: Time) {
        self.note(Event::Acked(acked), now);
        self.controller.on_acked(acked, now);
    }

    /// Segments were found lost.
    pub fn on_lost(&mut self, lost: &Lost, now: Time) {
        self.note(Event::Lost(lost), now);
        if self.has_carried(lost.newest_sent) {
            self.controller.on_lost(lost, now);
        }
    }

    /// A segment was sent again, and an earlier transmission of these bytes had arrived.
    pub fn on_spurious(&mut self, bytes: u64, now: Time) {
        self.note(Event::Spurious(bytes), now);
        self.controller.on_spurious(bytes, now);
    }

    /// From now on what happens is written to `trace`.
    pub fn set_trace(&mut self, trace: Trace) {
        self.trace = Some(Box::new(trace));
    }

    /// What happens is written down no more.
    pub fn end_trace(&mut self) {
        self.trace = None;
    }

    /// The trace, if there is one.
    pub fn trace_mut(&mut self) -> Option<&mut Trace> {
        self.trace.as_deref_mut()
    }

    /// Write an event down, if there is a trace.
    pub fn note(&mut self, event: Event<'_>, now: Time) {
        if let Some(trace) = &mut self.trace {
            trace.note(event, now);
        }
    }

    // --- when data may leave --------------------------------------------------------------

    /// A batch of datagrams begins. The controller is asked once for all of them: the answer takes time, and
    /// changes little.
    pub fn begin_batch(&mut self, now: Time) {
        let rate = self.pacing_rate();
        self.pacer
            .set_rate(rate, self.mtu, self.rtt.smoothed(), now);
        self.most_on_way = self.controller.most_on_way();
    }

    /// Bytes that may be on the way, neither acknowledged nor found lost.
    pub fn most_on_way(&self) -> u64 {
        self.most_on_way
    }

    /// Whether no new data may leave while so many bytes are neither acknowledged nor found lost.
    pub fn is_full(&self, on_way: u64) -> bool {
        on_way >= self.most_on_way
    }

    /// Whether data may leave now. If not, [`Path::next_timeout`] says when.
    pub fn may_send(&mut self, now: Time) -> bool {
        self.pacer.may_send(now)
    }

    fn pacing_rate(&self) -> Option<u64> {
        let rate = self.wanted_rate()?;
        Some(
            self.settings
                .send_ceiling
                .map_or(rate, |most| most.min(rate)),
        )
    }

    /// Bytes of datagrams a second that would leave without a ceiling; `None`: it is not paced. The controller
    /// counts bytes of the stream, the pacer and the ceiling those of datagrams.
    pub fn wanted_rate(&self) -> Option<u64> {
        let rate = self.controller.pacing_rate()?;
        let datagrams = u128::from(rate) * self.mtu as u128 / self.mss.max(1) as u128;
        Some(u64::try_from(datagrams).unwrap_or(u64::MAX))
    }

    /// Bytes of datagrams that may leave a second while it is paced.
    pub fn send_ceiling(&self) -> Option<u64> {
        self.settings.send_ceiling
    }

    /// A datagram with data leaves.
    pub fn note_sent(&mut self, bytes: usize) {
        self.pacer.note_sent(bytes);
    }

    /// Whether so many bytes in flight are as many as the path carries in a round trip, as far as that is known.
    pub fn is_filled(&self, in_flight: u64) -> bool {
        let Some((rate, min)) = self.controller.metrics().delivery_rate.zip(self.rtt.min()) else {
            return true;
        };
        in_flight as f64 >= rate as f64 * min.as_secs_f64()
    }

    /// A datagram with parity leaves.
    pub fn note_parity(&mut self, bytes: usize) {
        self.note_sent(bytes);
        self.controller.on_parity_sent(bytes as u64);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        self.pacer.handle_timeout(now);
    }

    /// When [`Path::may_send`] says yes, if it said no.
    pub fn next_timeout(&self) -> Option<Time> {
        self.pacer.next_timeout()
    }

    /// Segments that a paced session takes from its streams when none waits. What waits in the streams instead can
    /// still be overtaken. `None`: as many as its windows let leave.
    pub fn portion(&self) -> Option<usize> {
        let is_limited = self.most_on_way < u64::MAX; // long before there is a rate
        let bytes = match self.pacer.quantum() {
            None if is_limited => 0,
            quantum => PORTION * quantum?,
        };
        let segments = bytes / self.mss as u64;
        Some(segments.max(MIN_PORTION) as usize)
    }

    // --- how long datagrams may be --------------------------------------------------------

    /// The largest datagram that it carries, in bytes.
    pub fn mtu(&self) -> usize {
        self.mtu
    }

    /// What the search has found, and why, if the MTU is another one.
    pub fn found_mtu(&self) -> Option<(usize, Reason)> {
        let found = self.mtu_search.as_ref().map(MtuSearch::proven);
        found.filter(|(mtu, _)| *mtu != self.mtu)
    }

    /// Whether the path may have become a black hole for long datagrams.
    pub fn is_doubtful(&self) -> bool {
        self.mtu_search.as_ref().is_some_and(MtuSearch::is_doubtful)
    }

    /// Whether some segment is too long for it, and cannot be cut any more.
    pub fn is_too_narrow(&self) -> bool {
        self.mtu_search.as_ref().is_some_and(MtuSearch::is_stuck)
    }

    /// Whether a datagram of `len` bytes must leave whole or not at all. What needs no proof may be cut, and
    /// so may what was numbered before the MTU fell.
    pub fn forbids_fragments(&self, len: usize) -> bool {
        self.mtu_search.is_some() && self.mtu > BASE && len <= self.mtu
    }

    /// How long a payload of so many bytes must be so that it is cut into fragments, if it is too long for the
    /// path. On IPv6 only the sender cuts, and only what is longer than its own interface lets through.
    pub fn least_cut(&self, payload: usize) -> Option<usize> {
        let search = self.mtu_search.as_ref()?;
        let around = self.mtu - self.mss - HEADER;
        let is_excessive = search.length(around + payload) == Length::Excessive;
        let least = search.least_cut().filter(|_| is_excessive)?;
        // It may leave without the FEC header that there is room for.
        Some(least + fec::HEADER - around)
    }

    /// The size of a probe that should leave with the next new data.
    pub fn wanted_probe(&mut self, now: Time) -> Option<usize> {
        let search = self.mtu_search.as_mut().filter(|_| self.rtt.is_known())?;
        search.wanted(now)
    }

    /// Whether the data of a probe may leave once more at once.
    pub fn may_copy_probe(&self) -> bool {
        self.mtu_search.as_ref().is_some_and(MtuSearch::may_copy)
    }

    /// A probe of `size` bytes leaves.
    pub fn begin_probe(&mut self, size: usize) -> Length {
        let begun = |search: &mut MtuSearch| search.begin_probe(size);
        self.mtu_search.as_mut().map_or(Length::Short, begun)
    }

    /// How long the datagram of a segment is that has so many bytes of segments in front of its own data.
    pub fn length(&self, front: usize, data: usize) -> Length {
        let around = self.mtu - self.mss - HEADER;
        let length = |search: &MtuSearch| search.length(around + front + data);
        self.mtu_search.as_ref().map_or(Length::Short, length)
    }

    /// A datagram with data leaves.
    pub fn note_length_sent(&mut self, length: Length, now: Time) {
        if let Some(search) = &mut self.mtu_search {
            search.note_sent(length, now);
        }
    }

    /// A datagram that left at `sent` has arrived.
    pub fn note_length_arrived(&mut self, length: Length, sent: Time, now: Time) {
        if let Some(search) = &mut self.mtu_search {
            search.note_arrived(length, sent, now);
        }
    }

    /// What left in such datagrams is sent again, or has arrived in another one.
    pub fn note_lengths_lost(&mut self, lengths: impl Iterator<Item = Length>, now: Time) {
        if let Some(search) = &mut self.mtu_search {
            for length in lengths {
                search.note_lost(length, now);
            }
        }
    }

    /// What left in such datagrams has arrived, in one of these perhaps; the last left at `sent`.
    pub fn note_lengths_unclear(&mut self, lengths: impl Iterator<Item = Length>, sent: Time) {
        if let Some(search) = &mut self.mtu_search {
            for length in lengths {
                search.note_unclear(length, sent);
            }
        }
    }

    /// The system has refused a datagram of `len` bytes. It knows that `known` bytes may pass, perhaps.
    pub fn note_refused(&mut self, len: usize, known: Option<usize>, now: Time) {
        if let Some(search) = &mut self.mtu_search {
            search.note_refused(len, known, now);
        }
    }

    /// The most bytes of the stream in such a datagram.
    pub fn mss(&self) -> usize {
        self.mss
    }

    /// It carries datagrams of at most `mtu` bytes that hold at most `mss` bytes of the stream.
    pub fn set_mtu(&mut self, mtu: usize, mss: usize) {
        (self.mtu, self.mss) = (mtu, mss);
        self.controller.on_mtu(mss);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::congestion::{Fixed, InFlight, LossKind, Lost};

    const MSS: usize = 1000;
    const SETTINGS: Settings = Settings {
        nodelay: true,
        interval_ms: 10,
        resend: 2,
        congestion: Algorithm::Reno,
        send_ceiling: None,
        asks_after_data: true,
        searches_mtu: false,
    };

    const PROOF: Proof = Proof {
        round_trip: Duration::from_millis(50),
        began: Time::ZERO,
    };

    fn address(host: u8, port: u16) -> FourTuple {
        SocketAddr::from(([192, 0, 2, host], port)).into()
    }

    /// A path with a round trip of 300 ms, and a controller that knows of a loss.
    fn known() -> Path {
        let mut path = Path::new(SETTINGS, address(1, 1000), (1200, MSS));
        path.rtt.sample(300, None, Time::ZERO);
        let lost = Lost {
            bytes: 1000,
            segments: 1,
            kind: LossKind::PacketThreshold,
            newest_sent: Time::ZERO,
            in_flight: InFlight {
                bytes: 40_000,
                segments: 40,
            },
        };
        path.controller.on_lost(&lost, Time::ZERO);
        path
    }

    #[test]
    fn a_paced_path_keeps_its_ceiling() {
        let rate = |rate, send_ceiling| {
            let settings = Settings {
                send_ceiling,
                ..SETTINGS
            };
            let mut path = Path::new(settings, address(1, 1000), (1200, MSS));
            path.controller = Box::new(Fixed { rate });
            path.pacing_rate()
        };
        assert_eq!(rate(Some(1000), None), Some(1200));
        assert_eq!(rate(Some(1000), Some(1201)), Some(1200));
        assert_eq!(rate(Some(1000), Some(1199)), Some(1199));
        assert_eq!(rate(Some(u64::MAX), Some(1199)), Some(1199));
        assert_eq!(rate(None, Some(1199)), None);
    }

    #[test]
    fn another_port_is_the_same_network() {
        let mut path = known();
        path.migrate(address(1, 2000), PROOF, Time::ZERO);
        assert_eq!(path.address, address(1, 2000));
        assert_eq!(path.rtt.smoothed(), Duration::from_millis(300));
        assert_eq!(path.controller.window(), 22 * MSS as u64);
    }

    #[test]
    fn another_host_may_carry_less() {
        let settings = Settings {
            searches_mtu: true,
            ..SETTINGS
        };
        let mut path = Path::new(settings, address(1, 1000), (BASE, MSS));
        path.rtt.sample(300, None, Time::ZERO);
        let size = path.wanted_probe(Time::ZERO).expect("a probe");
        let probe = path.begin_probe(size);
        path.note_length_arrived(probe, Time::ZERO, Time::ZERO);
        assert_eq!(path.found_mtu(), Some((size, Reason::Probe)));
        path.set_mtu(size, MSS);
        path.migrate(address(1, 2000), PROOF, Time::ZERO);
        assert_eq!(path.found_mtu(), None, "the same host");
        path.migrate(address(2, 1000), PROOF, Time::ZERO);
        assert_eq!(path.found_mtu(), Some((BASE, Reason::Migration)));
        assert_eq!(path.wanted_probe(Time::ZERO), Some(size));
    }

    #[test]
    fn another_host_is_another_network() {
        let mut path = known();
        path.migrate(address(2, 1000), PROOF, Time::ZERO);
        assert_eq!(path.address, address(2, 1000));
        assert_eq!(path.rtt.smoothed(), Duration::from_millis(50));
        assert_eq!(path.controller.window(), MSS as u64);
    }
}
