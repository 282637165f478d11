//! What the poller calls those that it watches.

use mio::Token;

use crate::event::PortId;

/// The alarm. No relay gets so far.
pub const ALARM: Token = Token(usize::MAX);

/// What a token is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// A line of a socket with sessions, by its place in the table.
    Line(usize),
    /// A relay, by its place in the table.
    Relay(usize),
    /// A port.
    Port(PortId),
}

/// A line of a socket, by its place in the table.
pub fn line_token(index: usize) -> Token {
    Token(index << 2)
}

/// A relay, by its place in the table.
pub fn relay_token(index: usize) -> Token {
    Token((index << 2) | 1)
}

/// A port.
pub fn port_token(id: PortId) -> Token {
    Token(((id.0 as usize) << 2) | 2)
}

/// What a token that is no [`ALARM`] is of.
pub fn watched(token: Token) -> Watched {
    let index = token.0 >> 2;
    match token.0 & 3 {
        0 => Watched::Line(index),
        1 => Watched::Relay(index),
        _ => Watched::Port(PortId(index as u64)),
    }
}
