//! What one blinktun offers another when both have said hello.

use crate::wire::Token;

/// What one blinktun offers another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// To follow it to another address, by this token.
    Moves(Token),
    /// To take datagrams in independent segments.
    Datagrams,
    /// To listen to the classes of streams in them.
    Classes,
    /// To take independent segments: the last of all offers.
    Segments,
}
