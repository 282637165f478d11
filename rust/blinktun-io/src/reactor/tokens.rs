//! What the poller calls those that it watches.

use mio::Token;

use crate::event::EndpointId;

/// The alarm. No relay gets so far.
pub const ALARM: Token = Token(usize::MAX);

/// A socket.
pub fn socket_token(id: EndpointId) -> Token {
    Token((id.0 as usize) << 1)
}

/// A relay, by its place in the table.
pub fn relay_token(index: usize) -> Token {
    Token((index << 1) | 1)
}
