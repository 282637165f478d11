//! The FEC of one session, in both directions, and when our data may travel with it.
//!
//! A receiver of 2021 that cuts our groups at other places than we do delivers garbage (kcptun wire,
//! 4.8). So FEC packets leave only towards a peer that cannot be harmed: another blinktun, whose
//! decoder proves the numbers, or one whose own packets prove that its numbers are ours.
//!
//! A session that tunes itself has no numbers of its own: towards another blinktun it uses [`CHOSEN`], towards
//! another program those that its packets prove. Which of its datagrams leave with FEC is up to its [`Repair`].
//!
//! What comes is decoded whatever we send.

use super::repair::Repair;
use crate::fec::{Decoder, Encoder};
use crate::kcp::Outlook;
use crate::stats::Stats;
use crate::time::{Duration, Time};
use crate::wire::SeqId;
use crate::wire::fec::{HEADER, Packet};
use crate::wire::kcp::Segments;

/// Data and parity shards between two blinktun of which one tunes itself.
const CHOSEN: (usize, usize) = (16, 8);
/// Payloads without FEC after which a peer is said to have none.
const PLAIN_ENOUGH: u32 = 64;
/// FEC packets after which numbers that cannot be found are said to be others: four of the longest
/// groups.
const CODED_ENOUGH: u32 = 1024;
/// So long after the last FEC packet the decoder's memory is given back.
const FEC_IDLE: Duration = Duration::from_secs(2);

/// The numbers of a peer's FEC, as far as its packets show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerShards {
    /// It sends no FEC.
    Off,
    /// They are not ours.
    Other,
    /// Data and parity shards, proved.
    Proven(usize, usize),
}

/// What our groups are like.
#[derive(Clone, Debug, Default)]
pub(super) enum Groups {
    /// We send no FEC.
    #[default]
    None,
    /// Data and parity shards, as configured. All data belongs to one.
    Whole(usize, usize),
    /// What is worth it belongs to one, and gets as much parity as is worth it.
    Punctured(Repair),
}

/// The FEC of one session. The default has none configured.
#[derive(Default)]
pub(super) struct FecLayer {
    groups: Groups,
    /// Made when FEC begins for the first time; it counts on when FEC begins again.
    encoder: Option<Encoder>,
    /// Data leaves with FEC; decided before each datagram.
    is_on: bool,
    /// What was known then, if it was asked for.
    outlook: Option<Outlook>,
    /// Made for the first FEC packet.
    decoder: Option<Decoder>,
    /// When what the decoder stores is of no use any more.
    stale_at: Option<Time>,
    /// Payloads that came without FEC header.
    plain: u32,
    /// FEC packets that came.
    coded: u32,
    /// A mismatch was taken.
    told: bool,
}

/// What the decoder has counted while it took one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    /// Groups whose data all came.
    pub full_groups: u64,
    /// Groups that contradicted themselves or rebuilt to something unsound.
    pub errors: u64,
}

impl FecLayer {
    /// Nothing has come or left. [`super::Config::check`] has checked the shards.
    pub fn new(groups: Groups) -> FecLayer {
        FecLayer {
            groups,
            ..FecLayer::default()
        }
    }

    // --- to the wire ----------------------------------------------------------------------

    /// Whether data may leave with FEC now.
    pub fn is_allowed(&self, peer_is_blinktun: bool) -> bool {
        self.allowed(peer_is_blinktun).is_some()
    }

    /// Data and parity shards with which data may leave now.
    fn allowed(&self, peer_is_blinktun: bool) -> Option<(usize, usize)> {
        match (&self.groups, peer_is_blinktun) {
            (Groups::None, _) => None,
            (Groups::Whole(data, parity), true) => Some((*data, *parity)),
            (Groups::Whole(data, parity), false) => {
                self.peer_shards().filter(|it| *it == (*data, *parity))
            }
            (Groups::Punctured(_), true) => Some(CHOSEN),
            (Groups::Punctured(_), false) => self.peer_shards(),
        }
    }

    /// Whether [`FecLayer::decide`] needs to know what the conversation knows.
    pub fn wants_outlook(&self, peer_is_blinktun: bool) -> bool {
        matches!(self.groups, Groups::Punctured(_)) && self.is_allowed(peer_is_blinktun)
    }

    /// Let FEC begin or end before the next datagram; it begins with a group.
    pub fn decide(&mut self, peer_is_blinktun: bool, outlook: Option<Outlook>, now: Time) {
        let allowed = self.allowed(peer_is_blinktun);
        self.is_on = allowed.is_some();
        let Some(numbers) = allowed else {
            if let Some(encoder) = &mut self.encoder {
                encoder.abandon_group();
            }
            return;
        };
        if self
            .encoder
            .as_ref()
            .is_none_or(|it| it.numbers() != numbers)
        {
            self.encoder = renew(self.encoder.take(), numbers);
        }
        let (Groups::Punctured(repair), Some(encoder)) = (&mut self.groups, &mut self.encoder)
        else {
            return;
        };
        let (shards, is_open) = (encoder.shards(), encoder.is_open());
        self.is_on = outlook
            .as_ref()
            .is_some_and(|outlook| repair.protects(outlook, shards, is_open, now));
        self.outlook = outlook;
    }

    /// The number of the group that the next datagram belongs to; `None`: it leaves without FEC.
    pub fn group(&self) -> Option<u32> {
        let encoder = self.encoder.as_ref().filter(|_| self.is_on)?;
        Some(encoder.next_group())
    }

    /// Whether a group waits for more data.
    pub fn has_open_group(&self) -> bool {
        self.encoder.as_ref().is_some_and(Encoder::is_open)
    }

    /// Bytes that the next datagram leaves free in front of KCP's, for [`FecLayer::frame`].
    pub fn header(&self) -> usize {
        if self.is_on { HEADER } else { 0 }
    }

    /// Frame KCP's bytes, which lie behind [`FecLayer::header`] bytes in `packet`. Returns how many bytes
    /// leave, from the beginning of `packet` on: acknowledgements alone leave without FEC header.
    pub fn frame(&mut self, packet: &mut [u8], has_data: bool, now: Time) -> usize {
        match self.encoder.as_mut().filter(|_| self.is_on) {
            None => packet.len(),
            Some(encoder) if has_data => {
                if let (Groups::Punctured(repair), Some(outlook)) =
                    (&mut self.groups, &self.outlook)
                    && !encoder.is_open()
                {
                    let len = packet.len();
                    encoder.set_redundancy(repair.begin_group(outlook, encoder.shards(), len));
                }
                encoder.encode(packet, now);
                packet.len()
            }
            Some(_) => {
                packet.copy_within(HEADER.., 0);
                packet.len() - HEADER
            }
        }
    }

    /// The length in bytes of the parity packet that is due; `None` if none is.
    pub fn parity_len(&self) -> Option<usize> {
        let encoder = self.encoder.as_ref()?;
        (encoder.parity_due() > 0).then(|| encoder.parity_len())
    }

    /// Write the parity packet that is due to `out`, which has [`FecLayer::parity_len`] bytes.
    pub fn write_parity(&mut self, out: &mut [u8]) {
        if let Some(encoder) = &mut self.encoder {
            encoder.write_parity(out);
        }
    }

    /// Send no parity for the open group: the next data packet begins another one.
    pub fn abandon_group(&mut self) {
        if let Some(encoder) = &mut self.encoder {
            encoder.abandon_group();
        }
    }

    /// Set the first number of our FEC packets, for tests of wrapping.
    pub fn start_at(&mut self, seqid: SeqId) {
        if let Groups::Whole(data, parity) = self.groups {
            let encoder = Encoder::new(data, parity).ok();
            self.encoder = encoder.map(|encoder| encoder.with_first_seqid(seqid));
        }
    }

    // --- from the wire --------------------------------------------------------------------

    /// A payload without FEC header has come.
    pub fn note_plain(&mut self) {
        self.plain = self.plain.saturating_add(1);
    }

    /// Take one FEC packet, and call `rebuilt` with the segments of conversation `conv` of each packet that
    /// it gives back. The packet's own segments are the caller's to use, before this.
    pub fn receive(
        &mut self,
        packet: &Packet<'_>,
        conv: u32,
        now: Time,
        rebuilt: &mut dyn FnMut(Segments<'_>),
    ) -> Decoded {
        self.coded = self.coded.saturating_add(1);
        self.stale_at = Some(now + FEC_IDLE);
        let (data, parity) = match self.groups {
            Groups::None => (1, 1),
            Groups::Whole(data, parity) => (data, parity),
            Groups::Punctured(_) => CHOSEN,
        };
        let decoder = self
            .decoder
            .get_or_insert_with(|| Decoder::new(data, parity));
        let before = decoder.stats;
        decoder.receive(packet, conv, rebuilt);
        Decoded {
            full_groups: decoder.stats.full_groups - before.full_groups,
            errors: decoder.stats.errors - before.errors,
        }
    }

    /// When [`FecLayer::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        self.stale_at
    }

    /// An idle session stores no FEC packets: what is missing was sent again long ago.
    pub fn handle_timeout(&mut self, now: Time, stats: &mut Stats) {
        if self.stale_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        if let Some(decoder) = &mut self.decoder {
            decoder.release();
        }
        self.gauge(now, stats);
    }

    /// Write down what the decoder stores.
    pub fn gauge(&self, now: Time, stats: &mut Stats) {
        let Some(decoder) = &self.decoder else { return };
        stats.fec_shard_set = decoder.stored() as u64;
        if let Some(newest) = decoder.newest() {
            stats.fec_shard_min = newest.into();
        }
        stats.coded_at = now;
    }

    /// Bytes of heap memory that the decoder holds.
    pub fn memory(&self) -> usize {
        self.decoder.as_ref().map_or(0, Decoder::memory)
    }

    // --- the peer's numbers ---------------------------------------------------------------

    /// What the peer has in place of our numbers, once its packets show it. Given once.
    pub fn take_mismatch(&mut self) -> Option<PeerShards> {
        if self.told {
            return None;
        }
        let theirs = self.mismatch();
        self.told = theirs.is_some();
        theirs
    }

    fn mismatch(&self) -> Option<PeerShards> {
        let ours = match self.groups {
            Groups::None => None,
            Groups::Whole(data, parity) => Some((data, parity)),
            Groups::Punctured(_) => return None, // it takes what the peer has
        };
        let Some(decoder) = &self.decoder else {
            let is_off = ours.is_some() && self.plain >= PLAIN_ENOUGH;
            return is_off.then_some(PeerShards::Off);
        };
        if let Some((data, parity)) = decoder.proven() {
            let differs = ours != Some((data, parity));
            return differs.then_some(PeerShards::Proven(data, parity));
        }
        let is_hopeless = decoder.is_lost() && self.coded >= CODED_ENOUGH;
        is_hopeless.then_some(PeerShards::Other)
    }

    /// The numbers that the peer's packets have proved.
    fn peer_shards(&self) -> Option<(usize, usize)> {
        self.decoder.as_ref().and_then(Decoder::proven)
    }
}

/// An encoder with these numbers that goes on behind another one.
fn renew(before: Option<Encoder>, (data, parity): (usize, usize)) -> Option<Encoder> {
    let encoder = Encoder::new(data, parity).ok()?;
    Some(match before {
        None => encoder,
        Some(before) => encoder.going_on_behind(&before),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kcp::NextUp;
    use crate::wire::kcp::{PUSH, Segment};
    use crate::wire::{Millis, Sn};

    const NOW: Time = Time::ZERO;
    const CONV: u32 = 7;
    const KCP: usize = 24;

    fn layer(shards: (usize, usize)) -> FecLayer {
        FecLayer::new(Groups::Whole(shards.0, shards.1))
    }

    /// Have `sender` send so many packets of data with FEC; what a receiver makes of them.
    fn deliver(sender: &mut FecLayer, receiver: &mut FecLayer, count: u32) {
        let mut take = |bytes: &[u8]| {
            let packet = Packet::parse(bytes).expect("a FEC packet");
            receiver.receive(&packet, CONV, NOW, &mut |_| panic!("nothing was lost"));
        };
        sender.decide(true, None, NOW);
        for sn in 0..count {
            let mut packet = [0; HEADER + KCP];
            let segment = Segment {
                conv: CONV,
                cmd: PUSH,
                wnd: 32,
                ts: Millis(0),
                sn: Sn(sn),
                una: Sn(0),
                data: &[],
            };
            segment.write(&mut packet[sender.header()..]);
            let len = sender.frame(&mut packet, true, NOW);
            take(&packet[..len]);
            while let Some(len) = sender.parity_len() {
                let mut parity = vec![0; len];
                sender.write_parity(&mut parity);
                take(&parity);
            }
        }
    }

    #[test]
    fn data_leaves_with_fec_only_to_whom_it_cannot_harm() {
        let (ours, others) = (Some((2, 2)), Some((3, 1)));
        for (shards, theirs, is_blinktun, is_allowed) in [
            (None, None, false, false),
            (None, None, true, false),
            (None, ours, false, false),
            (None, ours, true, false),
            (ours, None, false, false),
            (ours, None, true, true),
            (ours, ours, false, true),
            (ours, ours, true, true),
            (ours, others, false, false),
            (ours, others, true, true),
        ] {
            let mut fec = shards.map_or_else(FecLayer::default, layer);
            if let Some(theirs) = theirs {
                deliver(&mut layer(theirs), &mut fec, 100);
                assert_eq!(fec.peer_shards(), Some(theirs));
            }
            fec.decide(is_blinktun, None, NOW);
            let header = if is_allowed { HEADER } else { 0 };
            let case = (shards, theirs, is_blinktun);
            assert_eq!(fec.is_allowed(is_blinktun), is_allowed, "{case:?}");
            assert_eq!(fec.header(), header, "{case:?}");
        }
    }

    /// A layer that gives parity where it pays, and what it is told while a download loses little.
    fn punctured() -> (FecLayer, Outlook) {
        let outlook = Outlook {
            next: NextUp::New,
            loss: 0.01,
            flight: 900,
            round_trip: Duration::from_millis(100),
            is_run: false,
            is_asked: true,
            share: 0.9,
            allowed: 64_000.0,
            failures: 0,
        };
        (FecLayer::new(Groups::Punctured(Repair::default())), outlook)
    }

    #[test]
    fn groups_that_adapt_have_the_numbers_that_the_peer_takes() {
        for (theirs, is_blinktun, expected) in [
            (None, false, None),
            (None, true, Some(CHOSEN)),
            (Some((10, 3)), false, Some((10, 3))),
            (Some((3, 7)), false, Some((3, 7))),
            (Some((10, 3)), true, Some(CHOSEN)),
        ] {
            let (mut fec, outlook) = punctured();
            if let Some(theirs) = theirs {
                deliver(&mut layer(theirs), &mut fec, 100);
            }
            fec.decide(is_blinktun, Some(outlook), NOW);
            let numbers = fec.encoder.as_ref().map(Encoder::numbers);
            assert_eq!(numbers, expected, "{theirs:?} {is_blinktun}");
            assert_eq!(fec.group().is_some(), expected.is_some());
            assert_eq!(fec.take_mismatch(), None);
        }
    }

    #[test]
    fn other_numbers_begin_behind_all_that_have_left() {
        let (mut fec, outlook) = punctured();
        deliver(&mut layer((10, 3)), &mut fec, 100);
        let mut sent = |is_blinktun| {
            fec.decide(is_blinktun, Some(outlook), NOW);
            let mut packet = [0; HEADER + KCP];
            fec.frame(&mut packet, true, NOW);
            Packet::parse(&packet).expect("a FEC packet").seqid.0
        };
        assert_eq!((sent(false), sent(false)), (0, 1));
        let first = sent(true);
        assert!(first > 13 && first % 24 == 0, "{first}");
    }

    #[test]
    fn acknowledgements_alone_leave_without_header_and_take_no_number() {
        let mut fec = layer((2, 1));
        fec.decide(true, None, NOW);
        let mut packet = [[0; HEADER], [5; HEADER]].concat();
        assert_eq!(fec.frame(&mut packet, false, NOW), HEADER);
        assert_eq!(packet[..HEADER], [5; HEADER]);
        assert_eq!(fec.frame(&mut packet, true, NOW), packet.len());
        let sent = Packet::parse(&packet).expect("a FEC packet");
        assert_eq!((sent.seqid, sent.is_data), (SeqId(0), true));
    }

    #[test]
    fn fec_ends_at_once_and_begins_again_with_a_group() {
        let mut fec = layer((2, 1));
        let mut numbers = Vec::new();
        for is_on in [true, true, true, false, true] {
            fec.decide(is_on, None, NOW);
            let mut packet = [0; HEADER + KCP];
            fec.frame(&mut packet, true, NOW);
            numbers.extend(Packet::parse(&packet).map(|sent| sent.seqid.0));
            assert!(is_on || fec.parity_len().is_none());
        }
        assert_eq!(numbers, [0, 1, 3, 6]);
    }

    #[test]
    fn a_mismatch_is_given_once() {
        let mut fec = layer((2, 2));
        for _ in 1..PLAIN_ENOUGH {
            fec.note_plain();
            assert_eq!(fec.take_mismatch(), None);
        }
        fec.note_plain();
        assert_eq!(fec.take_mismatch(), Some(PeerShards::Off));
        deliver(&mut layer((3, 1)), &mut fec, 100);
        assert_eq!(fec.mismatch(), Some(PeerShards::Proven(3, 1)));
        assert_eq!(fec.take_mismatch(), None);
    }

    #[test]
    fn what_is_stored_goes_when_no_fec_has_come_for_long() {
        let (mut fec, mut stats) = (layer((2, 2)), Stats::default());
        assert_eq!((fec.next_timeout(), fec.memory()), (None, 0));
        deliver(&mut layer((2, 2)), &mut fec, 1);
        let (idle, held) = (NOW + FEC_IDLE, fec.memory());
        assert_eq!(fec.next_timeout(), Some(idle));
        fec.handle_timeout(NOW, &mut stats);
        assert_eq!((fec.next_timeout(), fec.memory()), (Some(idle), held));
        fec.handle_timeout(idle, &mut stats);
        assert_eq!(fec.next_timeout(), None);
        assert!(fec.memory() < held && stats.coded_at == idle);
    }
}
