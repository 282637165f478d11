//! KCP segments on the wire (kcptun wire, section 3.1).

use crate::wire::{Millis, Sn, Token, u16_at, u32_at};
use crate::work;

/// Bytes in front of a segment's data.
pub const HEADER: usize = 24;

/// Data.
pub const PUSH: u8 = 81;
/// Acknowledgement of one segment.
pub const ACK: u8 = 82;
/// "Tell me your window."
pub const WASK: u8 = 83;
/// "This is my window."
pub const WINS: u8 = 84;

/// One segment's header and data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The conversation.
    pub conv: u32,
    /// PUSH, ACK, WASK or WINS.
    pub cmd: u8,
    /// Free slots in the sender's receive queue, in segments.
    pub wnd: u16,
    /// PUSH: the sender's clock; ACK: the clock of the segment acknowledged.
    pub ts: Millis,
    /// PUSH: the segment's number; ACK: the number acknowledged; else [`Segment::token`].
    pub sn: Sn,
    /// Everything before this number has arrived.
    pub una: Sn,
    /// The data of a PUSH.
    pub data: &'a [u8],
}

impl Segment<'_> {
    /// The token of the session, in a question or a window tell of a client whose server has given it one. In those
    /// of other programs the number means nothing.
    pub fn token(&self) -> Option<Token> {
        let is_question = matches!(self.cmd, WASK | WINS);
        Token::new(self.sn.0).filter(|_| is_question)
    }

    /// Write header and data to the front of `out`; returns the length written.
    ///
    /// Panics if `out` is shorter than `HEADER + data.len()`: callers size it.
    pub fn write(&self, out: &mut [u8]) -> usize {
        out[0..4].copy_from_slice(&self.conv.to_le_bytes());
        out[4] = self.cmd;
        out[5] = 0; // frg: stream mode has no messages
        out[6..8].copy_from_slice(&self.wnd.to_le_bytes());
        out[8..12].copy_from_slice(&self.ts.0.to_le_bytes());
        out[12..16].copy_from_slice(&self.sn.0.to_le_bytes());
        out[16..20].copy_from_slice(&self.una.0.to_le_bytes());
        out[20..24].copy_from_slice(&(self.data.len() as u32).to_le_bytes());
        let end = HEADER + self.data.len();
        out[HEADER..end].copy_from_slice(self.data);
        end
    }
}

/// Why bytes are no segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentError {
    /// A segment is cut short, or bytes are left over.
    Length,
    /// Segments of different conversations.
    Conv,
    /// Not PUSH, ACK, WASK or WINS; or data where none may be.
    Command,
    /// A piece of a message (`frg`); kcptun sends a stream, which has none.
    Fragment,
}

/// Whole, well-formed segments of one conversation, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments<'a> {
    bytes: &'a [u8],
    conv: u32,
}

impl<'a> Segments<'a> {
    /// Read all of `bytes` as segments.
    ///
    /// # Errors
    /// [`SegmentError`] says why they are none.
    pub fn parse(bytes: &'a [u8]) -> Result<Segments<'a>, SegmentError> {
        let (first, mut rest) = split_first(bytes)?;
        while !rest.is_empty() {
            let (segment, behind) = split_first(rest)?;
            if segment.conv != first.conv {
                return Err(SegmentError::Conv);
            }
            rest = behind;
        }
        let conv = first.conv;
        Ok(Segments { bytes, conv })
    }

    /// The conversation.
    pub fn conv(&self) -> u32 {
        self.conv
    }

    /// All of them, as they stand on the wire.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> IntoIterator for Segments<'a> {
    type Item = Segment<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        Iter { rest: self.bytes }
    }
}

/// The segments in their order.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (segment, rest) = split_first(self.rest).ok()?; // all were parsed before
        self.rest = rest;
        Some(segment)
    }
}

/// The first segment, and what stands behind it.
fn split_first(bytes: &[u8]) -> Result<(Segment<'_>, &[u8]), SegmentError> {
    work::count(1);
    let (header, behind) = bytes.split_at_checked(HEADER).ok_or(SegmentError::Length)?;
    let (cmd, length) = (header[4], u32_at(header, 20) as usize);
    if !(PUSH..=WINS).contains(&cmd) || (cmd != PUSH && length != 0) {
        return Err(SegmentError::Command);
    }
    if header[5] != 0 {
        return Err(SegmentError::Fragment);
    }
    let (data, rest) = behind
        .split_at_checked(length)
        .ok_or(SegmentError::Length)?;
    let segment = Segment {
        conv: u32_at(header, 0),
        cmd,
        wnd: u16_at(header, 6),
        ts: Millis(u32_at(header, 8)),
        sn: Sn(u32_at(header, 12)),
        una: Sn(u32_at(header, 16)),
        data,
    };
    Ok((segment, rest))
}
