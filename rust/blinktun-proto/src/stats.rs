//! Counters, by the names of the kcptun SNMP table (kcptun wire, section 9).
//!
//! A name is the table's in snake case (`BytesSent` is `bytes_sent`), its own acronyms kept together:
//! `KCPInErrors` is `kcp_in_errors`, `FECFullShards` `fec_full_shards`, `OOBPackets` `oob_packets`.
//!
//! The word behind a name is its [`Kind`].

use core::fmt;

use crate::time::Time;

/// What a counter counts, and so how two of them are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, but for `curr_estab`; sums add up.
    Sum,
    /// The most that a sum has been.
    Peak,
    /// A gauge of the conversation that took a FEC packet last.
    Coded,
    /// A gauge of the conversation that was looked at last for what to send.
    Flushed,
}

impl Kind {
    /// Every kind; a kind stands at the place of its number.
    pub const ALL: &[Kind] = &[Kind::Sum, Kind::Peak, Kind::Coded, Kind::Flushed];

    /// The name that programs know it by.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Sum => "SUM",
            Kind::Peak => "PEAK",
            Kind::Coded => "CODED",
            Kind::Flushed => "FLUSHED",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Sum => "sum",
            Kind::Peak => "peak",
            Kind::Coded => "gauge of the conversation with the latest FEC packet",
            Kind::Flushed => "gauge of the conversation flushed last",
        })
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident: $kind:ident,)*) => {
        /// Process-wide counts of what one endpoint did. Each is counted where it happens.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
            /// When the gauges of FEC were set.
            pub coded_at: Time,
            /// When the gauges of queues were set.
            pub flushed_at: Time,
        }

        impl Stats {
            /// Every counter's name and kind, in declaration order.
            pub const KINDS: &[(&str, Kind)] = &[$((stringify!($name), kind!($kind)),)*];

            /// Every counter with its name, in declaration order.
            pub fn entries(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }

            /// Join the counters of another endpoint to these: sums add up, gauges are the newer
            /// ones. Peaks add up too, to the most that the peak of both can have been; who can see
            /// both at each moment knows better, and sets it.
            pub fn add(&mut self, other: &Stats) {
                let newer = (other.coded_at > self.coded_at, other.flushed_at > self.flushed_at);
                $(join!($kind, self.$name, other.$name, newer);)*
                self.coded_at = self.coded_at.max(other.coded_at);
                self.flushed_at = self.flushed_at.max(other.flushed_at);
            }
        }
    };
}

macro_rules! kind {
    (sum) => {
        Kind::Sum
    };
    (peak) => {
        Kind::Peak
    };
    (coded) => {
        Kind::Coded
    };
    (flushed) => {
        Kind::Flushed
    };
}

macro_rules! join {
    (coded, $own:expr, $other:expr, $newer:ident) => {
        if $newer.0 {
            $own = $other;
        }
    };
    (flushed, $own:expr, $other:expr, $newer:ident) => {
        if $newer.1 {
            $own = $other;
        }
    };
    ($sum:ident, $own:expr, $other:expr, $newer:ident) => {
        $own += $other;
    };
}

counters! {
    /// Bytes taken from the layer above KCP.
    bytes_sent: sum,
    /// Bytes given to the layer above KCP.
    bytes_received: sum,
    /// The most conversations there were at once.
    max_conn: peak,
    /// Conversations made by dialing.
    active_opens: sum,
    /// Conversations accepted.
    passive_opens: sum,
    /// Conversations now.
    curr_estab: sum,
    /// Datagrams from a foreign address, or FEC packets too short.
    in_errs: sum,
    /// Checksum or tag failures.
    in_csum_errors: sum,
    /// Payloads that KCP refused, whole.
    kcp_in_errors: sum,
    /// Payloads that passed the crypt layer, and were no replays.
    in_pkts: sum,
    /// Datagrams handed to the network, parity included.
    out_pkts: sum,
    /// KCP segments parsed, recovered ones included.
    in_segs: sum,
    /// KCP segments sent.
    out_segs: sum,
    /// Bytes of the payloads in `in_pkts`.
    in_bytes: sum,
    /// Bytes of the datagrams in `out_pkts`.
    out_bytes: sum,
    /// Fast, early and timeout retransmissions together.
    retrans_segs: sum,
    /// Retransmissions after enough later segments were acknowledged.
    fast_retrans_segs: sum,
    /// Retransmissions after one later acknowledgement, with nothing new to send.
    early_retrans_segs: sum,
    /// Retransmissions by timeout.
    lost_segs: sum,
    /// Data segments that were not new, or outside the window; not those that FEC rebuilt.
    repeat_segs: sum,
    /// FEC groups that arrived with all their data.
    fec_full_shards: sum,
    /// Parity packets received.
    fec_parity_shards: sum,
    /// Reconstructions that failed or did not pass the checks.
    fec_errs: sum,
    /// Data packets rebuilt and accepted.
    fec_recovered: sum,
    /// Incomplete FEC groups in store, of the conversation that took a FEC packet last.
    fec_shard_set: coded,
    /// The number of its newest FEC group.
    fec_shard_min: coded,
    /// Segments without a number, of the conversation flushed last. Mostly none: what the windows do
    /// not admit waits in the streams.
    ring_buffer_snd_queue: flushed,
    /// Its segments in order that wait for their reader.
    ring_buffer_rcv_queue: flushed,
    /// Its segments that wait for their acknowledgement.
    ring_buffer_snd_buffer: flushed,
    /// Out-of-band packets received.
    oob_packets: sum,
    /// Retransmissions whose original turned out to have arrived. From here on: our own.
    spurious_retrans_segs: sum,
    /// Datagrams that were opened before (replays).
    replays: sum,
    /// Openings that were answered without making a session.
    half_open: sum,
    /// Openings and echoes of greetings refused because a limit was reached.
    openings_dropped: sum,
    /// Payloads of unknown conversations that may not open one.
    strays: sum,
    /// Conversations that moved to another address.
    moves: sum,
    /// Datagrams of `out_pkts` that the system refused to send.
    out_errs: sum,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(coded_at: u64, flushed_at: u64, value: u64) -> Stats {
        Stats {
            bytes_sent: value,
            max_conn: value,
            fec_shard_set: value,
            ring_buffer_snd_buffer: value,
            coded_at: Time::from_millis(coded_at),
            flushed_at: Time::from_millis(flushed_at),
            ..Stats::default()
        }
    }

    #[test]
    fn sums_add_up_and_gauges_are_the_newer_ones() {
        let mut total = stats(1, 2, 10);
        total.add(&stats(2, 1, 5));
        assert_eq!((total.bytes_sent, total.max_conn), (15, 15));
        assert_eq!((total.fec_shard_set, total.ring_buffer_snd_buffer), (5, 10));
        total.add(&stats(1, 3, 7));
        assert_eq!((total.fec_shard_set, total.ring_buffer_snd_buffer), (5, 7));
    }
}
