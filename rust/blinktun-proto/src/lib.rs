//! KCP over datagrams, as kcptun speaks it: sans-IO, no clock, no unsafe, no Python.
//!
//! The map, from the wire up:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`crypt`] | the packet envelope: nonce, checksum, encryption, in batches |
//! | [`fec`] | Reed-Solomon groups over datagrams: encoder, decoder, tuner |
//! | [`recovery`] | what acknowledgements tell: round trips, delivery rate |
//! | [`congestion`] | how much may be in flight, and how fast it leaves |
//! | [`path`] | one network path of a session: address, round trip, rate, MTU; where the peer may have moved |
//! | [`kcp`] | segments, acknowledgement, retransmission: a reliable byte stream |
//! | [`snappy`] | the framed compression of that byte stream |
//! | [`smux`] | many streams over that byte stream |
//! | [`qpp`] | permutation pads over the bytes of each stream, if both ends want them |
//! | [`session`] | wires the above together for one conversation |
//! | [`replay`] | what tells a recorded datagram or opening that is sent again |
//! | [`endpoint`] | one UDP socket's conversations: who may open, prove, move |
//!
//! Beside them: [`wire`] (numbers, segments and headers as they stand there), [`time`], [`timers`] (what a
//! session waits for), `bucket` (rates), [`buffer`] (byte queues), [`random`] (seeded randomness), [`stats`]
//! (counters), [`memory`] (what is held for peers), [`work`] (steps of loops), [`error`], [`trace`] (qlog).
//!
//! Time, randomness and bytes come in as arguments; bytes and events go out as values.

#![forbid(unsafe_code)]

mod bucket;
pub mod buffer;
pub mod congestion;
pub mod crypt;
pub mod endpoint;
pub mod error;
pub mod fec;
pub mod kcp;
pub mod memory;
pub mod path;
pub mod qpp;
pub mod random;
pub mod recovery;
pub mod replay;
pub mod session;
pub mod smux;
pub mod snappy;
pub mod stats;
pub mod time;
pub mod timers;
pub mod trace;
pub mod wire;
pub mod work;
