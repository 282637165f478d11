//! Counters, by the names of the kcptun SNMP table (kcptun wire, section 9).

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Process-wide counts of what one endpoint did. Each is counted where it happens.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Stats {
            /// Every counter with its name, in declaration order.
            pub fn entries(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }

            /// Add all counters of `other`.
            pub fn add(&mut self, other: &Stats) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Bytes taken from the layer above KCP.
    bytes_sent,
    /// Bytes given to the layer above KCP.
    bytes_received,
    /// The most conversations there were at once.
    max_conn,
    /// Conversations made by dialing.
    active_opens,
    /// Conversations accepted.
    passive_opens,
    /// Conversations now.
    curr_estab,
    /// Datagrams from a foreign address, or FEC packets too short.
    in_errs,
    /// Checksum or tag failures.
    in_csum_errors,
    /// Payloads that KCP refused, whole.
    kcp_in_errors,
    /// Payloads that passed the crypt layer.
    in_pkts,
    /// Datagrams handed to the network, parity included.
    out_pkts,
    /// KCP segments parsed, recovered ones included.
    in_segs,
    /// KCP segments sent.
    out_segs,
    /// Bytes of the payloads in `in_pkts`.
    in_bytes,
    /// Bytes of the datagrams in `out_pkts`.
    out_bytes,
    /// Fast, early and timeout retransmissions together.
    retrans_segs,
    /// Retransmissions after enough later segments were acknowledged.
    fast_retrans_segs,
    /// Retransmissions after one later acknowledgement, with nothing new to send.
    early_retrans_segs,
    /// Retransmissions by timeout.
    lost_segs,
    /// Data segments that were not new, or outside the window.
    repeat_segs,
    /// Retransmissions whose original turned out to have arrived.
    spurious_retrans_segs,
    /// FEC groups that arrived with all their data.
    fec_full_shards,
    /// Parity packets received.
    fec_parity_shards,
    /// Reconstructions that failed or did not pass the checks.
    fec_errs,
    /// Data packets rebuilt and accepted.
    fec_recovered,
    /// Datagrams that were opened before (replays).
    replays,
    /// Unproven conversations that were dropped, expired or refused.
    embryos_dropped,
    /// Payloads of unknown conversations that may not open one.
    strays,
    /// Conversations that moved to another address.
    moves,
}
