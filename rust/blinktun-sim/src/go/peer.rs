//! One conversation of a Go program, from smux to datagrams.

use std::collections::VecDeque;

use blinktun_proto::crypt::{PacketCrypt, Verdict};
use blinktun_proto::fec;
use blinktun_proto::random::Random;
use blinktun_proto::session::{Config, Role};
use blinktun_proto::smux::{self, Mux, StreamClass, StreamId, Version};
use blinktun_proto::snappy;
use blinktun_proto::time::{Time, earliest};
use blinktun_proto::wire::Payload;
use blinktun_proto::wire::fec::{HEADER, Packet};

use super::kcp::{Habits, Kcp};
use crate::flow::Streams;

/// The bytes of smux's hello, which no Go program says.
const HELLO: usize = smux::frame::HEADER;
/// The bytes in front of a chunk that is not compressed, and of the stream's first.
const CHUNK_HEAD: usize = 8;
const FIRST_HEAD: usize = 18;
/// The type of such a chunk.
const UNCOMPRESSED: u8 = 1;

/// One end of one conversation.
pub struct GoPeer {
    mux: Mux,
    kcp: Kcp,
    packer: Option<(snappy::Encoder, snappy::Decoder)>,
    encoder: Option<fec::Encoder>,
    decoder: fec::Decoder,
    crypt: PacketCrypt,
    conv: u32,
    config: Config,
    random: Random,
    greeted: bool,
    /// Bytes of the other end's hello still to come: no Go program knows what it means.
    unheard: usize,
    packed_any: bool,
    /// Datagrams that have left, sealed.
    out: VecDeque<Vec<u8>>,
}

impl GoPeer {
    /// Conversation `conv`, beginning now.
    pub fn new(
        config: &Config,
        role: Role,
        conv: u32,
        habits: Habits,
        (crypt, seed): (PacketCrypt, u64),
        now: Time,
    ) -> GoPeer {
        let header = config.shards.map_or(0, |_| HEADER);
        let block = config.mtu - config.head - config.tail - header;
        let version = match role {
            Role::Client => Some(config.smux.version.unwrap_or(Version::V1)),
            Role::Server => config.smux.version,
        };
        let smux = smux::Config {
            role,
            settings: smux::Settings {
                version,
                ..config.smux
            },
            pads: config.pads.clone(),
            hash_seed: 0,
        };
        let (data, parity) = config.shards.unwrap_or((1, 1));
        GoPeer {
            mux: Mux::new(smux, now),
            kcp: Kcp::new(conv, block, config, habits, now),
            packer: config
                .compress
                .then(|| (snappy::Encoder::new(), snappy::Decoder::new())),
            encoder: config
                .shards
                .map(|(data, parity)| fec::Encoder::new(data, parity).expect("numbers")),
            decoder: fec::Decoder::new(data, parity),
            crypt,
            conv,
            config: config.clone(),
            random: Random::from_number(seed),
            greeted: false,
            unheard: HELLO,
            packed_any: false,
            out: VecDeque::new(),
        }
    }

    /// The other end is a Go program as well, and says no hello.
    #[must_use]
    pub fn towards_go(self) -> GoPeer {
        GoPeer { unheard: 0, ..self }
    }

    /// The next thing that happened.
    pub fn next_event(&mut self) -> Option<smux::Event> {
        self.mux.next_event()
    }

    /// Whether nothing is unacknowledged or unsent.
    pub fn is_drained(&self) -> bool {
        self.kcp.waiting() == 0
    }

    // --- from the wire --------------------------------------------------------------------

    /// Take one datagram.
    ///
    /// # Panics
    /// If blinktun has sent nonsense.
    pub fn handle_datagram(&mut self, datagram: &mut [u8], now: Time) {
        let (stride, mut verdicts) = (datagram.len(), Vec::new());
        self.crypt.open(datagram, stride, &mut verdicts);
        if verdicts != [Verdict::Ok] {
            return;
        }
        let payload = &datagram[self.crypt.head()..stride - self.crypt.tail()];
        match Payload::parse(payload).expect("blinktun sends whole payloads") {
            Payload::Plain(segments) => self.kcp.input(segments, true, now),
            Payload::Data(packet, segments) => {
                self.kcp.input(segments, true, now);
                self.rebuild(&packet, now);
            }
            Payload::Parity(packet) => self.rebuild(&packet, now),
            Payload::OutOfBand => panic!("blinktun sends no out-of-band payload"),
        }
        self.read(now);
    }

    fn rebuild(&mut self, packet: &Packet<'_>, now: Time) {
        let kcp = &mut self.kcp;
        self.decoder.receive(packet, self.conv, &mut |segments| {
            kcp.input(segments, false, now);
        });
    }

    /// Let smux read what it has room for.
    fn read(&mut self, now: Time) {
        while self.mux.receive_space() > 0
            && let Some(data) = self.kcp.read()
        {
            let mut plain = Vec::new();
            let frames = match &mut self.packer {
                None => &data,
                Some((_, decoder)) => {
                    let decoded = decoder.decode(&mut &data[..], &mut plain);
                    decoded.expect("a stream of chunks");
                    &plain
                }
            };
            let hello = self.unheard.min(frames.len());
            self.unheard -= hello;
            self.mux.receive(&frames[hello..], now).expect("frames");
        }
    }

    // --- to the wire ----------------------------------------------------------------------

    /// The next datagram.
    pub fn poll_transmit(&mut self, now: Time) -> Option<Vec<u8>> {
        while self.kcp.may_write() && self.mux.wants_transmit() {
            let (mut frames, most) = (
                Vec::new(),
                smux::frame::HEADER + self.config.smux.frame_size,
            );
            if self.mux.transmit(most, &mut frames, now).bytes == 0 {
                break;
            }
            let hello = if self.greeted { 0 } else { HELLO };
            self.greeted = true;
            self.write_frames(&frames[hello..], now);
        }
        while let Some(payload) = self.kcp.out.pop_front() {
            self.send(&payload, now);
        }
        self.out.pop_front()
    }

    /// Each frame is a write of its own.
    fn write_frames(&mut self, mut frames: &[u8], now: Time) {
        while frames.len() >= smux::frame::HEADER {
            let len = usize::from(u16::from_le_bytes([frames[2], frames[3]]));
            let (frame, rest) = frames.split_at(smux::frame::HEADER + len);
            match &mut self.packer {
                None => self.kcp.write(frame, now),
                Some((encoder, _)) => {
                    let mut packed = Vec::new();
                    encoder.encode(frame, &mut packed);
                    self.write_chunk(&packed, now);
                }
            }
            frames = rest;
        }
    }

    /// The head of an uncompressed chunk leaves by itself.
    fn write_chunk(&mut self, packed: &[u8], now: Time) {
        let head = if self.packed_any {
            CHUNK_HEAD
        } else {
            FIRST_HEAD
        };
        self.packed_any = true;
        let is_compressed = packed[head - CHUNK_HEAD] != UNCOMPRESSED;
        let cut = if is_compressed { 0 } else { head };
        if cut > 0 {
            self.kcp.write(&packed[..cut], now);
        }
        self.kcp.write(&packed[cut..], now);
    }

    fn send(&mut self, payload: &[u8], now: Time) {
        let Some(encoder) = &mut self.encoder else {
            return self.seal(payload);
        };
        let mut packet = [&[0; HEADER], payload].concat();
        encoder.encode(&mut packet, now);
        let mut packets = vec![packet];
        while encoder.parity_due() > 0 {
            let mut parity = vec![0; encoder.parity_len()];
            encoder.write_parity(&mut parity);
            packets.push(parity);
        }
        packets.iter().for_each(|packet| self.seal(packet));
    }

    fn seal(&mut self, payload: &[u8]) {
        let mut datagram = vec![0; self.crypt.head() + payload.len() + self.crypt.tail()];
        datagram[self.crypt.head()..][..payload.len()].copy_from_slice(payload);
        let stride = datagram.len();
        assert!(stride <= self.config.mtu, "{stride} bytes");
        self.crypt.seal(&mut datagram, stride, &mut self.random);
        self.out.push_back(datagram);
    }

    // --- time -----------------------------------------------------------------------------

    /// When [`GoPeer::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        earliest(self.kcp.next_timeout(), self.mux.next_timeout())
    }

    /// Time has passed.
    ///
    /// # Panics
    /// If smux gives the session up.
    pub fn handle_timeout(&mut self, now: Time) {
        self.kcp.handle_timeout(now);
        if self.mux.next_timeout().is_some_and(|at| at <= now) {
            self.mux.handle_timeout(now).expect("a living session");
        }
    }
}

impl Streams for GoPeer {
    fn open(&mut self, class: StreamClass) -> Option<StreamId> {
        self.mux.open_as(class).ok()
    }

    fn contains(&self, stream: StreamId) -> bool {
        self.mux.contains(stream)
    }

    fn write_room(&mut self, stream: StreamId) -> usize {
        self.mux.write_room(stream)
    }

    fn write(&mut self, stream: StreamId, data: &[u8]) -> usize {
        self.mux.write(stream, data).unwrap_or(0)
    }

    fn finish(&mut self, stream: StreamId) {
        self.mux.finish(stream);
    }

    fn read_front(&self, stream: StreamId) -> &[u8] {
        self.mux.read_front(stream)
    }

    fn consume(&mut self, stream: StreamId, count: usize, now: Time) {
        self.mux.consume(stream, count);
        self.read(now);
    }
}
