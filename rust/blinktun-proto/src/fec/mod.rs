//! Forward error correction over datagrams (kcptun wire, 4): Reed-Solomon groups.
//!
//! A sender cuts its packets into groups of `data` and adds `parity` packets to each; any `data` of
//! them give back the others. The nouns: a *packet* starts with the FEC header; a *shard* is the part
//! that is coded, from the size field on; a *group* is `data + parity` consecutive sequence numbers; a
//! *position* is a packet's place in its group, data first.
//!
//! | file | what it is |
//! | --- | --- |
//! | `shards` | the two numbers and the arithmetic of sequence numbers |
//! | `code` | the Reed-Solomon code, as interpolation |
//! | `encoder` | data packets in, parity packets out |
//! | `decoder` | packets in, rebuilt KCP bytes out |
//! | `rebuild` | lost shards of one group from the others |
//! | `redundancy` | how much parity a group gets |
//! | `stats` | what a decoder has counted |
//! | `window` | the few groups that a decoder keeps |
//! | `tuner` | finds the sender's numbers in what arrives |

pub mod code;
mod decoder;
mod encoder;
mod rebuild;
pub mod redundancy;
mod shards;
mod stats;
#[cfg(test)]
mod tests;
pub mod tuner;
mod window;

pub use decoder::Decoder;
pub use encoder::Encoder;
pub(crate) use shards::MAX_SHARDS;
pub use shards::{ShardError, Shards};
pub use stats::DecoderStats;
pub(crate) use window::KEPT_GROUPS;
