//! Snappy framing of a byte stream (kcptun wire, 6).
//!
//! A stream is an identifier, then chunks: a kind, a length of three bytes, a body. Chunks of data
//! carry a masked CRC-32C and at most [`MAX_PLAIN`] bytes of plain data, compressed or not.
//!
//! Neither end keeps a buffer between calls, save for the part of a chunk that has arrived.

use core::fmt;
use core::mem;
use std::borrow::Cow;

/// The most plain bytes that one chunk carries.
pub const MAX_PLAIN: usize = 65536;

/// The most bytes of one chunk that a [`Decoder`] keeps while the rest is on its way: a checksum,
/// and what [`MAX_PLAIN`] bytes can at worst compress to.
pub const MAX_BODY: usize = CHECKSUM + 32 + MAX_PLAIN + MAX_PLAIN / 6;

/// The most plain bytes that one byte on the wire can turn into: copies of 64 bytes take three.
pub const MAX_EXPANSION: usize = 22;

const HEADER: usize = 4;
const CHECKSUM: usize = 4;

const COMPRESSED: u8 = 0x00;
const UNCOMPRESSED: u8 = 0x01;
const IDENTIFIER: u8 = 0xff;
const IDENTIFIER_BODY: &[u8] = b"sNaPpY";

/// The first chunk of every stream.
pub(crate) const STREAM_IDENTIFIER: [u8; 10] = *b"\xff\x06\x00\x00sNaPpY";

/// Compresses one direction of a conversation.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    identified: bool,
}

impl Encoder {
    /// The encoder of a new stream.
    pub fn new() -> Encoder {
        Encoder::default()
    }

    /// Put the stream identifier in front of all, unless it has left already.
    pub(crate) fn identify(&mut self, out: &mut Vec<u8>) {
        if !core::mem::replace(&mut self.identified, true) {
            out.extend_from_slice(&STREAM_IDENTIFIER);
        }
    }

    /// By so many bytes up to [`MAX_PLAIN`] bytes get longer at most: a chunk's header and checksum, and in front
    /// of the first the stream identifier.
    pub(crate) fn growth(&self) -> usize {
        let identifier = match self.identified {
            true => 0,
            false => STREAM_IDENTIFIER.len(),
        };
        identifier + HEADER + CHECKSUM
    }

    /// Append `plain` to `out` as whole chunks, all of which the peer can decode at once. The first
    /// call with any data puts the stream identifier in front.
    pub fn encode(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        if plain.is_empty() {
            return;
        }
        self.identify(out);
        // Its tables, up to 34 KiB, live for this call only: most sessions are idle.
        let mut compressor = snap::raw::Encoder::new();
        for plain in plain.chunks(MAX_PLAIN) {
            put_chunk(&mut compressor, plain, out);
        }
    }
}

/// Append one chunk, compressed if that saves more than an eighth, as Go decides too.
fn put_chunk(compressor: &mut snap::raw::Encoder, plain: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let data = start + HEADER + CHECKSUM;
    out.resize(data + snap::raw::max_compress_len(plain.len()), 0);
    let kind = match compressor.compress(plain, &mut out[data..]) {
        Ok(len) if len < plain.len() - plain.len() / 8 => {
            out.truncate(data + len);
            COMPRESSED
        }
        _ => {
            out.truncate(data);
            out.extend_from_slice(plain);
            UNCOMPRESSED
        }
    };
    let body = start + HEADER;
    let len = out.len() - body;
    out[start..body].copy_from_slice(&header(kind, len));
    out[body..data].copy_from_slice(&checksum(plain));
}

/// Append one block of at most [`MAX_PLAIN`] plain bytes to `out`, without framing, if that saves more than an
/// eighth; returns whether it does.
pub(crate) fn compress_block(plain: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.resize(start + snap::raw::max_compress_len(plain.len()), 0);
    match snap::raw::Encoder::new().compress(plain, &mut out[start..]) {
        Ok(len) if len < plain.len() - plain.len() / 8 => {
            out.truncate(start + len);
            true
        }
        _ => {
            out.truncate(start);
            false
        }
    }
}

/// Append the plain bytes of one block, at most [`MAX_PLAIN`], to `out`.
///
/// # Errors
/// It is damaged, or longer.
pub(crate) fn decompress_block(block: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let len = snap::raw::decompress_len(block).map_err(|_| Error::Block)?;
    if len > MAX_PLAIN {
        return Err(Error::Length);
    }
    let start = out.len();
    out.resize(start + len, 0);
    let done = snap::raw::Decoder::new().decompress(block, &mut out[start..]);
    done.map(|_| ()).map_err(|_| Error::Block)
}

fn header(kind: u8, len: usize) -> [u8; HEADER] {
    let [a, b, c, _] = (len as u32).to_le_bytes();
    [kind, a, b, c]
}

/// The masked CRC-32C of `plain`, as it stands on the wire.
fn checksum(plain: &[u8]) -> [u8; CHECKSUM] {
    let masked = crc32c::crc32c(plain).rotate_right(15);
    masked.wrapping_add(0xa282_ead8).to_le_bytes()
}

/// Decompresses one direction of a conversation.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    identified: bool,
    expected: Expected,
    /// What has arrived of the expected part, if not all of it.
    partial: Vec<u8>,
}

/// The next part of the stream.
#[derive(Clone, Copy, Debug, Default)]
enum Expected {
    #[default]
    Header,
    Body {
        kind: u8,
        len: usize,
    },
    Padding {
        len: usize,
    },
    Nothing(Error),
}

impl Decoder {
    /// The decoder of a new stream.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Take all of `wire`, which may be cut anywhere, and append the plain bytes of the chunks that
    /// it completes to `out`: at most [`MAX_EXPANSION`] times as many, and one chunk more.
    ///
    /// # Errors
    /// The stream is broken for good: each later call returns the same. `out` has the plain bytes
    /// of the chunks before the bad one, and nothing of that.
    pub fn decode(&mut self, wire: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let result = self.parts(wire, out);
        if let Err(error) = result {
            self.expected = Expected::Nothing(error);
            self.partial = Vec::new();
        }
        result
    }

    fn parts(&mut self, wire: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        loop {
            self.expected = match self.expected {
                Expected::Header => match self.take(HEADER, wire) {
                    Some(header) => self.after(&header)?,
                    None => return Ok(()),
                },
                Expected::Body { kind, len } => match self.take(len, wire) {
                    Some(body) => self.body(kind, &body, out)?,
                    None => return Ok(()),
                },
                Expected::Padding { len } => match wire.split_at_checked(len) {
                    Some((_, rest)) => {
                        *wire = rest;
                        Expected::Header
                    }
                    None => {
                        let len = len - wire.len();
                        *wire = &[];
                        self.expected = Expected::Padding { len };
                        return Ok(());
                    }
                },
                Expected::Nothing(error) => return Err(error),
            };
        }
    }

    /// A part of `len` bytes: out of `wire` where it stands there whole, else collected over calls.
    fn take<'a>(&mut self, len: usize, wire: &mut &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let missing = len - self.partial.len();
        let Some((part, rest)) = wire.split_at_checked(missing) else {
            self.partial.extend_from_slice(mem::take(wire));
            return None;
        };
        *wire = rest;
        if self.partial.is_empty() {
            return Some(Cow::Borrowed(part));
        }
        self.partial.extend_from_slice(part);
        Some(Cow::Owned(mem::take(&mut self.partial)))
    }

    /// What follows a chunk's header. Lengths are judged here, before anything is kept.
    fn after(&self, header: &[u8]) -> Result<Expected, Error> {
        let &[kind, a, b, c] = header else {
            return Err(Error::Length);
        };
        let len = u32::from_le_bytes([a, b, c, 0]) as usize;
        if kind != IDENTIFIER && !self.identified {
            return Err(Error::Unidentified);
        }
        let lens = match kind {
            COMPRESSED => CHECKSUM..=MAX_BODY,
            UNCOMPRESSED => CHECKSUM..=CHECKSUM + MAX_PLAIN,
            0x02..=0x7f => return Err(Error::Kind(kind)),
            0x80..=0xfe => return Ok(Expected::Padding { len }),
            IDENTIFIER => IDENTIFIER_BODY.len()..=IDENTIFIER_BODY.len(),
        };
        if lens.contains(&len) {
            Ok(Expected::Body { kind, len })
        } else {
            Err(Error::Length)
        }
    }

    fn body(&mut self, kind: u8, body: &[u8], out: &mut Vec<u8>) -> Result<Expected, Error> {
        if kind == IDENTIFIER {
            self.identified = true;
            return match body {
                IDENTIFIER_BODY => Ok(Expected::Header),
                _ => Err(Error::Unidentified),
            };
        }
        let start = out.len();
        let result = append_plain(kind, body, out);
        if result.is_err() {
            out.truncate(start);
        }
        result.map(|()| Expected::Header)
    }
}

/// Append the plain bytes of a chunk of data; on errors `out` may have some of them.
fn append_plain(kind: u8, body: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let (expected, data) = body.split_at_checked(CHECKSUM).ok_or(Error::Length)?;
    let start = out.len();
    if kind == UNCOMPRESSED {
        out.extend_from_slice(data);
    } else {
        let len = snap::raw::decompress_len(data).map_err(|_| Error::Block)?;
        if len > MAX_PLAIN {
            return Err(Error::Length);
        }
        out.resize(start + len, 0);
        let mut decompressor = snap::raw::Decoder::new();
        let done = decompressor.decompress(data, &mut out[start..]);
        done.map_err(|_| Error::Block)?;
    }
    if checksum(&out[start..]) == expected {
        Ok(())
    } else {
        Err(Error::Checksum)
    }
}

/// Why a stream is not, or no longer, snappy framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Error {
    /// It does not begin with the stream identifier, as when the peer does not compress; or a
    /// later identifier is not one.
    Unidentified,
    /// A chunk of this reserved kind, which may not be skipped.
    Kind(u8),
    /// A chunk shorter or longer than its kind allows.
    Length,
    /// Compressed data that does not decompress.
    Block,
    /// Plain data that is not what the peer had.
    Checksum,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unidentified => write!(f, "snappy: no stream identifier"),
            Error::Kind(kind) => write!(f, "snappy: chunk of unknown kind {kind:#04x}"),
            Error::Length => write!(f, "snappy: chunk of impossible length"),
            Error::Block => write!(f, "snappy: corrupt block"),
            Error::Checksum => write!(f, "snappy: wrong checksum"),
        }
    }
}

impl core::error::Error for Error {}
