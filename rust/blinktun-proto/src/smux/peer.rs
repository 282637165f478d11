//! Who the other end is.

/// The id of the NOP by which one blinktun tells another what it is: "BLK2". "BLK1" was that of builds
/// that could not change to version 2 in a session; to these, and from them, a peer is another program.
pub const HELLO: u32 = 0x424c_4b32;

/// What is known of the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// No frame has come yet.
    Unheard,
    /// Its first frame was no hello: another implementation.
    Plain,
    /// It said hello.
    Blinktun,
}
