//! Frames: version, command, length, stream id, data (kcptun wire, 5.1).

use super::{Error, Version};
use crate::buffer::ByteQueue;
use crate::wire::{u16_at, u32_at};
use crate::work;

/// The size of a frame's header in bytes; all frames but PSH and UPD are nothing else.
pub const HEADER: usize = 8;
/// The size of a UPD frame in bytes.
pub const UPDATE: usize = HEADER + 8;

/// The id of the NOP by which one blinktun tells another what it is: "BLK2". "BLK1" was that of builds
/// that could not change to version 2 in a session; to these, and from them, a peer is another program.
pub const HELLO: u32 = 0x424c_4b32;

/// The id of the NOP by which one blinktun offers another to take independent segments: "BLS2".
pub const OFFER: u32 = 0x424c_5332;
/// The id of the NOP, the last frame of its segment, behind which all segments are independent: "BLS4".
pub const SWITCH: u32 = 0x424c_5334;
/// The id of a NOP that says: I take datagrams in independent segments. It stands before [`OFFER`].
pub const DATAGRAMS: u32 = 0x424c_5336;
/// The id of a NOP by which a server says: I follow you to another address. The id of the very next NOP is the
/// [`Token`](crate::wire::Token) that tells this session from others there. Both stand before [`OFFER`]: "BLS:".
pub const MOVES: u32 = 0x424c_533a;

const SYN: u8 = 0;
const FIN: u8 = 1;
const PSH: u8 = 2;
const NOP: u8 = 3;
const UPD: u8 = 4;

/// One frame as received, or one piece of a PSH frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// SYN: the peer opens the stream.
    Open(u32),
    /// FIN: the peer sends nothing more on the stream.
    Finish(u32),
    /// PSH: some bytes of the stream, as far as they have come; empty only for an empty frame.
    Data(u32, &'a [u8]),
    /// NOP: keepalive with id 0; other ids are ours (the hello and the abort mark).
    Nop(u32),
    /// UPD: how much of the stream the peer has read, and its window, in bytes.
    Update {
        /// The stream.
        id: u32,
        /// Bytes read by the peer's application so far, modulo 2^32.
        consumed: u32,
        /// Bytes that may be on the way beyond those.
        window: u32,
    },
}

/// Cuts a byte stream into frames, whatever its splits. Holds at most 16 bytes.
///
/// After an error the stream is out of step and the decoder of no more use.
#[derive(Clone, Debug)]
pub struct Decoder {
    version: Option<Version>,
    /// The bytes of a header, or of a whole UPD, that have come so far.
    partial: [u8; UPDATE],
    have: usize,
    /// The PSH frame being delivered: its stream and the bytes still to come.
    id: u32,
    left: usize,
    /// The peer may go on in version 2.
    may_upgrade: bool,
}

impl Decoder {
    /// A decoder for one version, or for that of the first frame.
    pub fn new(version: Option<Version>) -> Decoder {
        Decoder {
            version,
            partial: [0; UPDATE],
            have: 0,
            id: 0,
            left: 0,
            may_upgrade: false,
        }
    }

    /// The peer is blinktun: it goes on in version 2 when it has heard that we are.
    pub fn allow_upgrade(&mut self) {
        self.may_upgrade = true;
    }

    /// The version of the peer's last frame, once it is known.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// The next frame, taken off the front of `data`; `None` when `data` is used up.
    ///
    /// # Errors
    /// The header is none that the newest version would accept. It is checked as soon as its eight
    /// bytes are there.
    pub fn next<'a>(&mut self, data: &mut &'a [u8]) -> Result<Option<Frame<'a>>, Error> {
        work::count(1);
        if self.left > 0 {
            return Ok(self.next_piece(data));
        }
        if !self.fill(HEADER, data) {
            return Ok(None);
        }
        let (command, length, id) = self.check_header().inspect_err(|_| self.have = 0)?;
        if command == UPD && !self.fill(UPDATE, data) {
            return Ok(None);
        }
        self.have = 0;
        Ok(match command {
            SYN => Some(Frame::Open(id)),
            FIN => Some(Frame::Finish(id)),
            NOP => Some(Frame::Nop(id)),
            UPD => Some(self.update(id)),
            _ if length == 0 => Some(Frame::Data(id, &[])),
            _ => {
                (self.id, self.left) = (id, length.into());
                self.next_piece(data)
            }
        })
    }

    /// What `data` holds of the current PSH frame.
    fn next_piece<'a>(&mut self, data: &mut &'a [u8]) -> Option<Frame<'a>> {
        let (piece, rest) = data.split_at(self.left.min(data.len()));
        *data = rest;
        self.left -= piece.len();
        (!piece.is_empty()).then_some(Frame::Data(self.id, piece))
    }

    /// Collect `size` bytes in `partial`; whether they are all there.
    fn fill(&mut self, size: usize, data: &mut &[u8]) -> bool {
        let (piece, rest) = data.split_at(size.saturating_sub(self.have).min(data.len()));
        self.partial[self.have..self.have + piece.len()].copy_from_slice(piece);
        self.have += piece.len();
        *data = rest;
        self.have >= size
    }

    /// The command, length and id of the header in `partial`.
    fn check_header(&mut self) -> Result<(u8, u16, u32), Error> {
        let [byte, command, ..] = self.partial;
        let (length, id) = (u16_at(&self.partial, 2), u32_at(&self.partial, 4));
        let version = Version::from_byte(byte)?;
        if *self.version.get_or_insert(version) != version {
            if !self.may_upgrade || version == Version::V1 {
                return Err(Error::Version(byte));
            }
            self.version = Some(version);
        }
        let fits = match (command, version) {
            (PSH, _) => true,
            (SYN | FIN | NOP, _) => length == 0,
            (UPD, Version::V2) => usize::from(length) == UPDATE - HEADER,
            _ => return Err(Error::Command(command)),
        };
        fits.then_some((command, length, id))
            .ok_or(Error::Length { command, length })
    }

    /// The UPD frame in `partial`.
    fn update(&self, id: u32) -> Frame<'static> {
        Frame::Update {
            id,
            consumed: u32_at(&self.partial, 8),
            window: u32_at(&self.partial, 12),
        }
    }
}

impl Version {
    /// The version byte of a frame.
    fn byte(self) -> u8 {
        match self {
            Version::V1 => 1,
            Version::V2 => 2,
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Result<Version, Error> {
        match byte {
            1 => Ok(Version::V1),
            2 => Ok(Version::V2),
            _ => Err(Error::Version(byte)),
        }
    }
}

/// Appends whole frames to a buffer, up to a limit.
///
/// Every method writes its frame or, when the room does not suffice, nothing and says so.
#[derive(Debug)]
pub struct Writer<'a> {
    version: Version,
    out: &'a mut Vec<u8>,
    end: usize,
}

impl<'a> Writer<'a> {
    /// A writer of at most `max` bytes behind what `out` holds.
    pub fn new(version: Version, out: &'a mut Vec<u8>, max: usize) -> Writer<'a> {
        let end = out.len().saturating_add(max);
        Writer { version, out, end }
    }

    /// Bytes that may still be appended.
    pub fn room(&self) -> usize {
        self.end.saturating_sub(self.out.len())
    }

    /// Bytes in the buffer, those before the first frame included.
    pub fn position(&self) -> usize {
        self.out.len()
    }

    /// A SYN frame; whether it fitted.
    pub fn open(&mut self, id: u32) -> bool {
        self.bare(SYN, id)
    }

    /// A FIN frame; whether it fitted.
    pub fn finish(&mut self, id: u32) -> bool {
        self.bare(FIN, id)
    }

    /// A NOP frame; whether it fitted.
    pub fn nop(&mut self, id: u32) -> bool {
        self.bare(NOP, id)
    }

    /// A NOP frame in another version, that the peer knows; whether it fitted.
    pub fn nop_in(&mut self, version: Version, id: u32) -> bool {
        let own = core::mem::replace(&mut self.version, version);
        let fits = self.nop(id);
        self.version = own;
        fits
    }

    /// The abort mark and its FIN, never one without the other; whether they fitted.
    pub fn abort(&mut self, id: u32) -> bool {
        self.room() >= 2 * HEADER && self.nop(id) && self.finish(id)
    }

    /// A UPD frame; whether it fitted.
    pub fn update(&mut self, id: u32, consumed: u32, window: u32) -> bool {
        if self.room() < UPDATE {
            return false;
        }
        self.header(UPD, (UPDATE - HEADER) as u16, id);
        self.out.extend_from_slice(&consumed.to_le_bytes());
        self.out.extend_from_slice(&window.to_le_bytes());
        true
    }

    /// A PSH frame of at most `most` bytes taken off `queue`; returns how many fitted.
    pub fn data(&mut self, id: u32, queue: &mut ByteQueue, most: usize) -> usize {
        let room = self.room().saturating_sub(HEADER);
        let size = queue.len().min(most).min(room).min(usize::from(u16::MAX));
        if size > 0 {
            self.header(PSH, size as u16, id);
            queue.move_to(size, self.out);
        }
        size
    }

    fn bare(&mut self, command: u8, id: u32) -> bool {
        let fits = self.room() >= HEADER;
        if fits {
            self.header(command, 0, id);
        }
        fits
    }

    fn header(&mut self, command: u8, length: u16, id: u32) {
        let [l0, l1] = length.to_le_bytes();
        let [i0, i1, i2, i3] = id.to_le_bytes();
        self.out
            .extend_from_slice(&[self.version.byte(), command, l0, l1, i0, i1, i2, i3]);
    }
}
