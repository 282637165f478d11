//! KCP segments on the wire (kcptun wire, section 3.1).

use crate::wire::{Millis, Sn, u16_at, u32_at};
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
    /// PUSH: the segment's number; ACK: the number acknowledged.
    pub sn: Sn,
    /// Everything before this number has arrived.
    pub una: Sn,
    /// The data of a PUSH.
    pub data: &'a [u8],
}

impl Segment<'_> {
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

/// A payload that is not a sequence of whole, well-formed segments of one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A segment is cut short, or bytes are left over.
    Length,
    /// A segment of another conversation.
    Conv,
    /// Not PUSH, ACK, WASK or WINS; or data where none may be.
    Command,
    /// A piece of a message (`frg`); kcptun sends a stream, which has none.
    Fragment,
    /// `sn` or `una` cannot belong to this conversation now.
    Window,
}

/// The segments of one payload, in order. `None` ends it; an error ends it too.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    rest: &'a [u8],
    conv: u32,
}

impl<'a> Segments<'a> {
    /// Read `payload` as segments of conversation `conv`.
    pub fn new(payload: &'a [u8], conv: u32) -> Segments<'a> {
        Segments {
            rest: payload,
            conv,
        }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Result<Segment<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        work::count(1);
        let parsed = parse(self.rest, self.conv);
        self.rest = match &parsed {
            Ok(segment) => &self.rest[HEADER + segment.data.len()..],
            Err(_) => &[],
        };
        Some(parsed)
    }
}

/// The conversation that the first segment of a payload names.
pub fn peek_conv(payload: &[u8]) -> Option<u32> {
    (payload.len() >= HEADER).then(|| u32_at(payload, 0))
}

fn parse(bytes: &[u8], conv: u32) -> Result<Segment<'_>, Malformed> {
    if bytes.len() < HEADER {
        return Err(Malformed::Length);
    }
    if u32_at(bytes, 0) != conv {
        return Err(Malformed::Conv);
    }
    let cmd = bytes[4];
    let length = u32_at(bytes, 20) as usize;
    if !(PUSH..=WINS).contains(&cmd) || (cmd != PUSH && length != 0) {
        return Err(Malformed::Command);
    }
    if bytes[5] != 0 {
        return Err(Malformed::Fragment);
    }
    let data = bytes[HEADER..].get(..length).ok_or(Malformed::Length)?;
    Ok(Segment {
        conv,
        cmd,
        wnd: u16_at(bytes, 6),
        ts: Millis(u32_at(bytes, 8)),
        sn: Sn(u32_at(bytes, 12)),
        una: Sn(u32_at(bytes, 16)),
        data,
    })
}
