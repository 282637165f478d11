//! What happened on a session, and to which of its streams or flows.

use super::flow::FlowId;

/// The number of a stream within its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// What happened, in order. All are facts; none needs an answer at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer opened a stream.
    Opened(StreamId),
    /// Bytes arrived. Not repeated while an earlier one waits in the queue.
    Readable(StreamId),
    /// A write that was cut short may go on: half of the send buffer is free.
    Writable(StreamId),
    /// The peer ended its direction cleanly, and everything before the end has been consumed.
    Finished(StreamId),
    /// The peer aborted: bytes may be missing. Unread data is gone. May follow `Finished`, then
    /// only our direction is cut.
    Reset(StreamId),
    /// The stream is over in both directions and forgotten.
    Closed(StreamId),
    /// The peer is blinktun: half-close and aborts are exact from now on.
    PeerHello,
    /// The peer opened a flow of datagrams.
    FlowOpened(FlowId),
    /// Datagrams arrived. Not repeated while an earlier one waits in the queue.
    DatagramsReadable(FlowId),
    /// A reliable datagram that was not taken may be tried again.
    DatagramsWritable(FlowId),
    /// The peer ended the flow; what was not taken is gone.
    FlowEnded(FlowId),
}
