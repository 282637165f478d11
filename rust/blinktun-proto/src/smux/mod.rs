//! smux, versions 1 and 2: many streams over one reliable byte stream (kcptun wire, section 5).
//!
//! [`Mux`] is one end: bytes of the lower stream go in and out, streams are opened, written, read
//! and finished. Its files, from the wire up:
//!
//! | file | what it is |
//! | --- | --- |
//! | [`frame`] | the eight-byte header, the incremental decoder, the bounded writer |
//! | `stream` | one stream: its two parts, and what concerns both |
//! | `sending`, `receiving` | each part's state machine, byte queue and flow control |
//! | `report` | how much has come, and what the peer was told of it |
//! | `scheduler`, `class` | whose turn it is to send; what is told of a stream about that |
//! | `budget` | how much of what was written may wait unsent |
//! | `credit` | how much of what arrives may wait unread, told to the peer as windows |
//! | `receive_buffer` | what arrives and waits unread, and when it fills the session's buffer |
//! | [`independent`], `out` | frames of segments that stand for themselves; either form |
//! | `flows`, `flow` | datagrams beside the streams; one flow of them |
//! | `assembly`, `seen` | datagrams that come in parts; reliable ones that have come |
//! | `ahead`, `gaps`, `opened` | what comes before something that is missing: bytes, ends, streams |
//! | `stuck` | streams that are not read, once they have filled the buffer |
//! | `fin`, `holds` | when a FIN may leave, depending on who the peer is; the streams that wait for it |
//! | `control` | the frames that leave before all data |
//! | `closing` | the last word on a stream that leaves the table early |
//! | `forgotten` | window updates for streams that we dropped but the peer still writes to |
//! | `keepalive` | NOPs, and noticing that the peer is silent |
//! | `peer` | the other end: what it says, and which program it is |
//! | `config`, `event`, `error`, `table` | the words that the others share |
//! | `mux`, `read` | the public face; its reading half |
//! | `receive`, `transmit` | from the wire; to the wire |
//!
//! Two blinktun speak version 2 as soon as both have said hello, whatever their first frames were.
//!
//! Extensions that other implementations do not see: the hello and the abort mark
//! (`docs/decisions/0001-smux-marks.md`), the offer and the switch to independent segments
//! (`docs/decisions/0037-independent-segments.md`), and the classes of streams
//! (`docs/decisions/0039-classes-of-streams.md`).

mod ahead;
mod assembly;
mod budget;
mod class;
mod closing;
mod config;
mod control;
mod credit;
mod error;
mod event;
mod fin;
mod flow;
mod flows;
mod forgotten;
pub mod frame;
mod gaps;
mod holds;
pub mod independent;
mod keepalive;
mod mux;
mod offer;
mod opened;
mod out;
mod peer;
mod read;
mod receive;
mod receive_buffer;
mod receiving;
mod report;
mod scheduler;
mod seen;
mod sending;
mod stream;
mod stuck;
mod table;
mod transmit;

pub use class::StreamClass;
pub use config::{Config, Role, Settings, Version};
pub use credit::{INITIAL_WINDOW, WINDOW_SLACK};
pub use error::{Error, FlowError, OpenError, StreamError};
pub use event::{Event, StreamId};
pub use flow::{Class, FlowId, MAX_DATAGRAM, MAX_LABEL};
pub use flows::DatagramCounts;
pub use frame::HELLO;
pub use mux::Mux;
pub use peer::Support;
pub use transmit::{MIN_TRANSMIT, Moved};

/// Memory of one idle stream in the table, without heap, in bytes.
pub const STREAM_BYTES: usize = size_of::<stream::Stream>();
