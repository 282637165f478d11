//! Frames of independent segments (docs/protocol/streams.md): each is whole, and says where in its stream
//! its bytes belong, so that a segment need not wait for those before it.
//!
//! | type | frame | fields |
//! | --- | --- | --- |
//! | 1 | PING | |
//! | 2 | RESET | stream |
//! | 3 | WINDOW | stream, bytes consumed (32 bits), window beyond them (32 bits) |
//! | 4 to 7 | STREAM | stream, offset (32 bits), perhaps a length (16 bits), data |
//! | 8 | END | flow |
//! | 9 | CLASS | stream, number (8 bits), class (8 bits) |
//! | 32 to 55 | DATAGRAM | flow, perhaps a label, perhaps a place, perhaps a length (16 bits), data |
//!
//! Bit 0 of a STREAM frame's type says that the stream ends behind its data, bit 1 that there is a length; else
//! the data ends with the segment. So does that of a DATAGRAM without a length (bit 1). Its bit 0 says that there is a
//! label: its length (8 bits) and its bytes; bit 2, that there is a place: the number of the datagram (32 bits), the
//! offset of the data, and the length of the whole (16 bits each). Bits 3 and 4 are its class.
//!
//! The number of a stream or flow has 7 bits a byte, the lowest first, and bit 7 says
//! that more follow. All other numbers are little-endian, counts of bytes are modulo 2^32.

use super::assembly::Part;
use super::flow::Class;
use super::{Error, StreamClass};
use crate::buffer::ByteQueue;
use crate::wire::{u16_at, u32_at};
use crate::work;

/// A whole frame, which also fills a segment up.
pub const PING: u8 = 1;
const RESET: u8 = 2;
const WINDOW: u8 = 3;
const STREAM: u8 = 4;
const FIN: u8 = 1;
const HAS_LENGTH: u8 = 2;
const END: u8 = 8;
const CLASS_OF_STREAM: u8 = 9;
const DATAGRAM: u8 = 32;
const HAS_LABEL: u8 = 1;
const HAS_PLACE: u8 = 4;
/// A place takes so many bytes.
const PLACE: usize = 8;
/// Where the class begins.
const CLASS: u32 = 3;

/// The frames of a segment have so many bytes at most.
pub const MAX_SEGMENT: usize = 64 << 10;
/// A stream's number takes so many bytes at most.
const MAX_ID: usize = 5;
/// A STREAM frame has so many bytes around its data at most.
pub const MAX_HEADER: usize = 1 + MAX_ID + 4 + 2;
/// A WINDOW frame has so many bytes at most.
pub const MAX_WINDOW: usize = 1 + MAX_ID + 8;

/// One frame of an independent segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The sender is there.
    Ping,
    /// The sender has dropped the stream, in both directions; this is no clean end.
    Reset(u32),
    /// How much of the stream the sender has read, and its window, in bytes.
    Window {
        /// The stream.
        id: u32,
        /// Bytes read so far, modulo 2^32.
        consumed: u32,
        /// Bytes that may come beyond those.
        window: u32,
    },
    /// Bytes of the stream, perhaps none. The first frame of a stream that arrives opens it.
    Stream {
        /// The stream.
        id: u32,
        /// Bytes of the stream before these, modulo 2^32.
        offset: u32,
        /// The bytes.
        data: &'a [u8],
        /// The stream ends behind them.
        is_last: bool,
    },
    /// The sender has ended the flow.
    End(u32),
    /// How soon the stream is to have its turns.
    Class {
        /// The stream.
        id: u32,
        /// How many words the sender has said of it with this one, modulo 256.
        number: u8,
        /// The class.
        class: StreamClass,
    },
    /// A datagram of the flow, or a part of one. The first one that arrives opens the flow.
    Datagram {
        /// The flow.
        flow: u32,
        /// What is done for it.
        class: Class,
        /// What the opener says of the flow.
        label: &'a [u8],
        /// Where the data belongs; `None`: it is the whole datagram.
        part: Option<Part>,
        /// The bytes.
        data: &'a [u8],
    },
}

/// The frames of one segment.
#[derive(Clone, Copy, Debug)]
pub struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    /// The frames of `segment`.
    pub fn new(segment: &'a [u8]) -> Frames<'a> {
        Frames { rest: segment }
    }

    /// The next frame; `None` behind the last.
    ///
    /// # Errors
    /// [`Error::Segment`]: a frame is cut short, or of no known type.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'a>>, Error> {
        work::count(1);
        let Some(&kind) = self.rest.first() else {
            return Ok(None);
        };
        self.rest = &self.rest[1..];
        if kind == PING {
            return Ok(Some(Frame::Ping));
        }
        let id = self.id()?;
        let frame = match kind {
            RESET => Frame::Reset(id),
            WINDOW => {
                let fields = self.take(8)?;
                Frame::Window {
                    id,
                    consumed: u32_at(fields, 0),
                    window: u32_at(fields, 4),
                }
            }
            _ if kind & !(FIN | HAS_LENGTH) == STREAM => {
                let offset = u32_at(self.take(4)?, 0);
                let length = match kind & HAS_LENGTH {
                    0 => self.rest.len(),
                    _ => u16_at(self.take(2)?, 0).into(),
                };
                Frame::Stream {
                    id,
                    offset,
                    data: self.take(length)?,
                    is_last: kind & FIN != 0,
                }
            }
            END => Frame::End(id),
            CLASS_OF_STREAM => {
                let (number, class) = (self.take(1)?[0], self.take(1)?[0]);
                let class = StreamClass::ALL.get(usize::from(class));
                let class = *class.ok_or(Error::Segment)?;
                Frame::Class { id, number, class }
            }
            _ => self.datagram(kind, id)?,
        };
        Ok(Some(frame))
    }

    fn datagram(&mut self, kind: u8, flow: u32) -> Result<Frame<'a>, Error> {
        let flags = HAS_LABEL | HAS_LENGTH | HAS_PLACE;
        let class = kind
            .checked_sub(DATAGRAM)
            .map(|it| usize::from(it >> CLASS));
        let Some(&class) = class.and_then(|class| Class::ALL.get(class)) else {
            return Err(Error::Segment);
        };
        let has = |flag: u8| kind & flags & flag != 0;
        let label = match has(HAS_LABEL) {
            true => {
                let len = self.take(1)?[0];
                self.take(len.into())?
            }
            false => &[],
        };
        let part = match has(HAS_PLACE) {
            true => {
                let fields = self.take(PLACE)?;
                Some(Part {
                    number: u32_at(fields, 0),
                    offset: u16_at(fields, 4),
                    whole: u16_at(fields, 6),
                })
            }
            false => None,
        };
        let len = match has(HAS_LENGTH) {
            true => u16_at(self.take(2)?, 0).into(),
            false => self.rest.len(),
        };
        let data = self.take(len)?;
        Ok(Frame::Datagram {
            flow,
            class,
            label,
            part,
            data,
        })
    }

    fn id(&mut self) -> Result<u32, Error> {
        let mut id = 0u64;
        for at in 0..MAX_ID {
            let [byte] = *self.take(1)? else {
                return Err(Error::Segment);
            };
            id |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                return u32::try_from(id).map_err(|_| Error::Segment);
            }
        }
        Err(Error::Segment)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        if count > self.rest.len() {
            return Err(Error::Segment);
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }
}

/// Appends whole frames to a segment, up to a limit.
///
/// Every method writes its frame or, when the room does not suffice, nothing and says so.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    end: usize,
}

impl<'a> Writer<'a> {
    /// A writer of at most `max` bytes behind what `out` holds.
    pub fn new(out: &'a mut Vec<u8>, max: usize) -> Writer<'a> {
        let end = out.len().saturating_add(max);
        Writer { out, end }
    }

    /// Bytes that may still be appended.
    pub fn room(&self) -> usize {
        self.end.saturating_sub(self.out.len())
    }

    /// Bytes in the buffer, those before the first frame included.
    pub fn position(&self) -> usize {
        self.out.len()
    }

    /// A PING; whether it fitted.
    pub fn ping(&mut self) -> bool {
        let fits = self.room() > 0;
        if fits {
            self.out.push(PING);
        }
        fits
    }

    /// A RESET; whether it fitted.
    pub fn reset(&mut self, id: u32) -> bool {
        let fits = self.room() > length_of(id);
        if fits {
            self.header(RESET, id);
        }
        fits
    }

    /// A WINDOW; whether it fitted.
    pub fn window(&mut self, id: u32, consumed: u32, window: u32) -> bool {
        let fits = self.room() > length_of(id) + 8;
        if fits {
            self.header(WINDOW, id);
            self.out.extend_from_slice(&consumed.to_le_bytes());
            self.out.extend_from_slice(&window.to_le_bytes());
        }
        fits
    }

    /// A STREAM frame without data, which opens the stream or, if `is_last`, ends it behind `offset` bytes;
    /// whether it fitted.
    pub fn mark(&mut self, id: u32, offset: u32, is_last: bool) -> bool {
        let fits = self.room() > length_of(id) + 6;
        if fits {
            let fin = if is_last { FIN } else { 0 };
            self.header(STREAM | HAS_LENGTH | fin, id);
            self.out.extend_from_slice(&offset.to_le_bytes());
            self.out.extend_from_slice(&[0, 0]);
        }
        fits
    }

    /// A STREAM frame of at most `most` bytes taken off `queue`, the bytes from `offset` on; returns how
    /// many fitted.
    pub fn data(&mut self, id: u32, offset: u32, queue: &mut ByteQueue, most: usize) -> usize {
        let size = self.begin(id, offset, queue.len().min(most), false);
        queue.move_to(size, self.out);
        size
    }

    /// A STREAM frame of as many of the first bytes of `data` as fit; returns how many that are. Behind the last
    /// of them the stream ends if it `is_last`.
    fn piece(&mut self, id: u32, offset: u32, data: &[u8], is_last: bool) -> usize {
        let size = self.begin(id, offset, data.len(), is_last);
        self.out.extend_from_slice(&data[..size]);
        size
    }

    /// Begin a STREAM frame of at most `most` bytes; returns how many fit. Behind the last of `most` bytes the
    /// stream ends if it `is_last`.
    fn begin(&mut self, id: u32, offset: u32, most: usize, is_last: bool) -> usize {
        let room = self.room().saturating_sub(1 + length_of(id) + 4);
        // What fills the segment needs no length.
        let fills = most >= room;
        let size = match fills {
            true => room,
            false => most.min(room.saturating_sub(2)),
        };
        if size == 0 {
            return 0;
        }
        let length = if fills { 0 } else { HAS_LENGTH };
        let fin = if is_last && size == most { FIN } else { 0 };
        self.header(STREAM | length | fin, id);
        self.out.extend_from_slice(&offset.to_le_bytes());
        if !fills {
            self.out.extend_from_slice(&(size as u16).to_le_bytes());
        }
        size
    }

    /// That a flow has ended; whether it fitted.
    pub fn end(&mut self, flow: u32) -> bool {
        let fits = self.room() > length_of(flow);
        if fits {
            self.header(END, flow);
        }
        fits
    }

    /// A CLASS; whether it fitted.
    pub fn class(&mut self, id: u32, number: u8, class: StreamClass) -> bool {
        let fits = self.room() > length_of(id) + 2;
        if fits {
            self.header(CLASS_OF_STREAM, id);
            self.out.extend_from_slice(&[number, class.number()]);
        }
        fits
    }

    /// A datagram of a flow with this class and label, or a part of one; whether it fitted.
    pub fn datagram(
        &mut self,
        (flow, class, label): (u32, Class, &[u8]),
        part: Option<Part>,
        data: &[u8],
    ) -> bool {
        let around = datagram_header(flow, label, part.is_some());
        let Some(rest) = self.room().checked_sub(around + data.len()) else {
            return false;
        };
        // What fills the segment needs no length.
        let fills = rest < 2;
        if fills && rest > 0 {
            return self.ping() && self.datagram((flow, class, label), part, data);
        }
        let mut kind = DATAGRAM | class.number() << CLASS;
        for (flag, is_set) in [
            (HAS_LABEL, !label.is_empty()),
            (HAS_LENGTH, !fills),
            (HAS_PLACE, part.is_some()),
        ] {
            kind |= if is_set { flag } else { 0 };
        }
        self.header(kind, flow);
        if !label.is_empty() {
            self.out.push(label.len() as u8);
            self.out.extend_from_slice(label);
        }
        if let Some(part) = part {
            self.out.extend_from_slice(&part.number.to_le_bytes());
            self.out.extend_from_slice(&part.offset.to_le_bytes());
            self.out.extend_from_slice(&part.whole.to_le_bytes());
        }
        if !fills {
            self.out
                .extend_from_slice(&(data.len() as u16).to_le_bytes());
        }
        self.out.extend_from_slice(data);
        true
    }

    /// How many bytes a part of a datagram of this flow may have that fits.
    pub fn part_room(&self, (flow, _, label): (u32, Class, &[u8])) -> usize {
        self.room()
            .saturating_sub(datagram_header(flow, label, true))
    }

    fn header(&mut self, kind: u8, id: u32) {
        self.out.push(kind);
        let mut rest = id;
        while rest >= 0x80 {
            self.out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.out.push(rest as u8);
    }
}

/// Cut `frames`, which we have written, into parts of at most `most` bytes. Each is appended to what `begin`
/// gives, which counts, and given to `emit`. A datagram without a place cannot be cut: one that is too long is left
/// out.
pub fn cut(
    frames: &[u8],
    most: usize,
    mut begin: impl FnMut() -> Vec<u8>,
    mut emit: impl FnMut(Vec<u8>),
) {
    let (mut frames, mut part) = (Frames::new(frames), begin());
    let empty = part.len();
    while let Ok(Some(frame)) = frames.next_frame() {
        let mut left = Some(frame);
        while let Some(frame) = left {
            left = put(frame, &mut part, most);
            if left.is_some() {
                if part.len() == empty {
                    break; // `most` is too small for anything
                }
                emit(core::mem::replace(&mut part, begin()));
            }
        }
    }
    if part.len() > empty {
        emit(part);
    }
}

/// Append as much of `frame` as fits; returns the rest.
fn put<'a>(frame: Frame<'a>, part: &mut Vec<u8>, most: usize) -> Option<Frame<'a>> {
    let room = most.saturating_sub(part.len());
    let mut writer = Writer::new(part, room);
    let fits = match frame {
        Frame::Ping => writer.ping(),
        Frame::Reset(id) => writer.reset(id),
        Frame::Window {
            id,
            consumed,
            window,
        } => writer.window(id, consumed, window),
        Frame::Stream {
            id,
            offset,
            data: &[],
            is_last,
        } => writer.mark(id, offset, is_last),
        Frame::Stream {
            id,
            offset,
            data,
            is_last,
        } => {
            let taken = writer.piece(id, offset, data, is_last);
            let rest = Frame::Stream {
                id,
                offset: offset.wrapping_add(taken as u32),
                data: &data[taken..],
                is_last,
            };
            return (taken < data.len()).then_some(rest);
        }
        Frame::End(flow) => writer.end(flow),
        Frame::Class { id, number, class } => writer.class(id, number, class),
        Frame::Datagram {
            flow,
            class,
            label,
            part: Some(part),
            data,
        } => {
            let head = (flow, class, label);
            let (now, later) = data.split_at(writer.part_room(head).min(data.len()));
            if now.is_empty() && !data.is_empty() || !writer.datagram(head, Some(part), now) {
                return Some(frame);
            }
            let part = Some(Part {
                offset: part.offset.wrapping_add(now.len() as u16),
                ..part
            });
            let rest = Frame::Datagram {
                flow,
                class,
                label,
                part,
                data: later,
            };
            return (!later.is_empty()).then_some(rest);
        }
        Frame::Datagram {
            flow,
            class,
            label,
            part: None,
            data,
        } => writer.datagram((flow, class, label), None, data),
    };
    (!fits).then_some(frame)
}

/// The bytes around a datagram of a flow that fills its segment.
fn datagram_header(flow: u32, label: &[u8], has_place: bool) -> usize {
    let label = match label.len() {
        0 => 0,
        len => 1 + len,
    };
    1 + length_of(flow) + label + if has_place { PLACE } else { 0 }
}

/// The bytes that a stream's number takes.
fn length_of(id: u32) -> usize {
    (32 - (id | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(segment: &[u8]) -> Result<Vec<Frame<'_>>, Error> {
        let (mut frames, mut seen) = (Frames::new(segment), Vec::new());
        while let Some(frame) = frames.next_frame()? {
            seen.push(frame);
        }
        Ok(seen)
    }

    #[derive(Clone, Debug)]
    enum Spec {
        Ping,
        Reset(u32),
        Window(u32, u32, u32),
        Stream(u32, u32, usize, bool),
        End(u32),
        Class(u32, u8, StreamClass),
        Datagram(u32, Class, usize, Option<u32>, usize),
    }

    fn spec() -> impl Strategy<Value = Spec> {
        let id = || prop_oneof![0u32..200, any::<u32>()];
        prop_oneof![
            Just(Spec::Ping),
            id().prop_map(Spec::Reset),
            (id(), any::<u32>(), any::<u32>()).prop_map(|(id, a, b)| Spec::Window(id, a, b)),
            (id(), any::<u32>(), 0usize..3000, any::<bool>())
                .prop_map(|(id, at, n, is_last)| Spec::Stream(id, at, n, is_last)),
            id().prop_map(Spec::End),
            (id(), any::<u8>(), 0usize..3).prop_map(|(id, number, class)| Spec::Class(
                id,
                number,
                StreamClass::ALL[class]
            )),
            (id(), 0usize..3, 0usize..5, any::<u32>(), 0usize..3000).prop_map(
                |(id, class, label, number, n)| {
                    let class = Class::ALL[class];
                    Spec::Datagram(id, class, label, Some(number), n)
                }
            ),
            (id(), 0usize..5, 0usize..10).prop_map(|(id, label, n)| Spec::Datagram(
                id,
                Class::Plain,
                label,
                None,
                n
            )),
        ]
    }

    fn frame(spec: &Spec) -> Frame<'static> {
        const DATA: [u8; 3000] = [7; 3000];
        match *spec {
            Spec::Ping => Frame::Ping,
            Spec::Reset(id) => Frame::Reset(id),
            Spec::Window(id, consumed, window) => Frame::Window {
                id,
                consumed,
                window,
            },
            Spec::Stream(id, offset, n, is_last) => Frame::Stream {
                id,
                offset,
                data: &DATA[..n],
                is_last,
            },
            Spec::End(id) => Frame::End(id),
            Spec::Class(id, number, class) => Frame::Class { id, number, class },
            Spec::Datagram(flow, class, label, number, n) => Frame::Datagram {
                flow,
                class,
                label: &DATA[..label],
                part: number.map(|number| Part {
                    number,
                    offset: 0,
                    whole: n as u16,
                }),
                data: &DATA[..n],
            },
        }
    }

    /// Frames of one stream or datagram that follow each other are one again: where it ends, what it is, and
    /// how much it has. PINGs say nothing.
    fn joined(frames: &[Frame<'_>]) -> Vec<(Option<u32>, String, usize)> {
        let mut out: Vec<(Option<u32>, String, usize)> = Vec::new();
        for frame in frames {
            let (offset, data, before, what) = match *frame {
                Frame::Ping => continue, // one may fill a segment up
                Frame::Stream {
                    id,
                    offset,
                    data,
                    is_last,
                } => (
                    offset,
                    data,
                    format!("{id} false"),
                    format!("{id} {is_last}"),
                ),
                Frame::Datagram {
                    flow,
                    class,
                    label,
                    part: Some(part),
                    data,
                } => {
                    let what = (flow, class, label, part.number, part.whole);
                    let what = format!("{what:?}");
                    (part.offset.into(), data, what.clone(), what)
                }
                _ => {
                    out.push((None, format!("{frame:?}"), 0));
                    continue;
                }
            };
            let end = offset.wrapping_add(data.len() as u32);
            match out.last_mut() {
                Some((Some(next), known, count)) if *next == offset && *known == before => {
                    (*next, *known, *count) = (end, what, *count + data.len());
                }
                _ => out.push((Some(end), what, data.len())),
            }
        }
        out
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_cutting_changes_nothing_else(
            specs in proptest::collection::vec(spec(), 0..20),
            most in 40usize..2000,
        ) {
            let frames: Vec<_> = specs.iter().map(frame).collect();
            let mut whole = Vec::new();
            for frame in &frames {
                prop_assert_eq!(put(*frame, &mut whole, usize::MAX / 2), None);
            }
            prop_assert_eq!(&all(&whole).expect("proper"), &frames);
            let mut parts = Vec::new();
            cut(&whole, most, Vec::new, |part| parts.push(part));
            prop_assert!(parts.iter().all(|part| part.len() <= most && !part.is_empty()));
            let mut seen = Vec::new();
            for part in &parts {
                seen.extend(all(part).expect("proper"));
            }
            prop_assert_eq!(joined(&seen), joined(&frames));
        }

        #[test]
        fn any_bytes_are_frames_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = all(&bytes);
        }
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        for bytes in [
            &[0][..],
            &[56, 3],
            &[31, 3],
            &[END],
            &[CLASS_OF_STREAM, 3, 1],
            &[CLASS_OF_STREAM, 3, 1, 3],
            &[DATAGRAM | HAS_LABEL, 3, 4, 1, 2],
            &[DATAGRAM | HAS_PLACE, 3, 0, 0, 0, 0, 1],
            &[DATAGRAM | HAS_LENGTH, 3, 2, 0, 1],
            &[RESET],
            &[RESET, 0x80],
            &[RESET, 0xff, 0xff, 0xff, 0xff, 0x10],
            &[RESET, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
            &[WINDOW, 3, 0, 0, 0, 0, 0, 0, 0],
            &[STREAM, 3, 0, 0, 0],
            &[STREAM | HAS_LENGTH, 3, 0, 0, 0, 0, 2, 0, 1],
        ] {
            assert_eq!(all(bytes), Err(Error::Segment), "{bytes:?}");
        }
    }

    #[test]
    fn a_frame_that_fills_the_segment_has_no_length() {
        let mut queue = ByteQueue::new();
        queue.push(&[1; 5000]);
        let mut segment = Vec::new();
        let taken = Writer::new(&mut segment, 1000).data(3, 9, &mut queue, usize::MAX);
        assert_eq!((taken, segment.len(), queue.len()), (994, 1000, 4006));
        let mut writer = Writer::new(&mut segment, 500);
        assert_eq!(writer.data(300, 0, &mut queue, 100), 100);
        assert_eq!(writer.position(), 1000 + 109);
    }
}
