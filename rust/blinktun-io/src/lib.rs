//! The reactor: UDP batches, timers and TCP relays around `blinktun-proto`.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`udp`] | a socket that moves many datagrams with one system call |
//! | [`raw_tcp`] | a raw socket whose datagrams look like TCP segments |
//! | [`link`] | one of the two |
//! | [`inbox`] | buffers to receive into |
//! | [`relay`] | one TCP connection and one stream, each feeding the other |
//! | [`port`] | a UDP socket of applications or of a target, and flows of datagrams |
//! | [`socket`] | a link and the sessions on it |
//! | [`reactor`] | the poller: whoever is ready has its turn |
//! | [`event`] | what the owner is told |
//!
//! It owns sockets and knows no protocol rule. It has no threads: the owner watches
//! [`Reactor::as_raw_fd`] and calls [`Reactor::turn`] when it is readable or when
//! [`Reactor::next_timeout`] has passed.

pub mod event;
pub mod inbox;
pub mod link;
pub mod port;
pub mod raw_tcp;
pub mod reactor;
pub mod relay;
pub mod socket;
mod trace_files;
pub mod udp;

pub use event::{EndpointId, Event, FlowKey, PortId, RelayEnd, SessionKey, StreamKey};
pub use reactor::Reactor;
pub use socket::SocketConfig;
