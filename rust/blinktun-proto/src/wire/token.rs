//! What tells a session from others of the same number.

use std::num::NonZeroU32;

/// A server draws one for each session. With the number of the conversation it names the session, wherever its
/// client is (docs/protocol/sessions.md#moving).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(NonZeroU32);

impl Token {
    /// The token of this number; `None` for 0, which is no token.
    pub fn new(number: u32) -> Option<Token> {
        NonZeroU32::new(number).map(Token)
    }

    /// Its number.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}
