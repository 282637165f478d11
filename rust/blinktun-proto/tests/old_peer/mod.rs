//! A kcptun of 2021 as its receivers behave (kcptun wire, 4.6 to 4.8): everything it sends is FEC
//! coded if it has FEC, and what it receives is decoded with numbers that it takes for granted.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;

use blinktun_proto::congestion::Algorithm;
use blinktun_proto::fec::Encoder;
use blinktun_proto::fec::code::interpolate;
use blinktun_proto::kcp::pool::Pool;
use blinktun_proto::kcp::receiver::Sink;
use blinktun_proto::kcp::{Config, Kcp, LossDetection};
use blinktun_proto::path::{self, Path};
use blinktun_proto::stats::Stats;
use blinktun_proto::time::Time;
use blinktun_proto::wire::fec::{HEADER, PARITY_HEADER, PacketKind, classify};
use blinktun_proto::wire::kcp::{self, Segments};

/// One end of a conversation: KCP with FEC, without smux.
pub struct OldPeer {
    kcp: Kcp,
    path: Path,
    encoder: Option<Encoder>,
    decoder: OldDecoder,
    pool: Pool,
    stats: Stats,
    to_send: Vec<u8>,
    /// The stream as delivered.
    pub received: Collected,
    /// FEC packets that came: data and parity.
    pub coded: usize,
    /// Parity packets among them.
    pub parity: usize,
    /// What was rebuilt, size field and padding taken off.
    pub rebuilt: Vec<Vec<u8>>,
}

/// Bytes in order.
#[derive(Default)]
pub struct Collected(pub Vec<u8>);

impl Sink for Collected {
    fn has_room(&mut self, _behind: usize) -> bool {
        true
    }

    fn deliver(&mut self, data: &[u8]) {
        self.0.extend_from_slice(data);
    }
}

impl OldPeer {
    pub fn new(conv: u32, shards: Option<(usize, usize)>, to_send: Vec<u8>) -> OldPeer {
        let config = Config {
            conv,
            block: 1000,
            nodelay: true,
            loss_detection: LossDetection::Packets(2),
            send_window: 128,
            receive_window: 512,
            tunes_itself: false,
            ack_delay: blinktun_proto::time::Duration::ZERO,
            clock_offset: conv,
        };
        let encoder = shards.map(|(data, parity)| Encoder::new(data, parity).expect("numbers"));
        let settings = path::Settings {
            nodelay: true,
            interval_ms: 10,
            resend: 2,
            congestion: Algorithm::Fixed,
            send_ceiling: None,
            asks_after_data: false,
            searches_mtu: false,
        };
        let peer = SocketAddr::from(([127, 0, 0, 1], 9)).into();
        OldPeer {
            path: Path::new(settings, peer, (1000, 1000 - kcp::HEADER)),
            kcp: Kcp::new(config, Time::ZERO),
            encoder,
            decoder: OldDecoder::new(shards.unwrap_or((1, 1))),
            pool: Pool::default(),
            stats: Stats::default(),
            to_send,
            received: Collected::default(),
            coded: 0,
            parity: 0,
            rebuilt: Vec::new(),
        }
    }

    /// Add to what it sends.
    pub fn say(&mut self, data: &[u8]) {
        self.to_send.extend_from_slice(data);
    }

    pub fn receive(&mut self, payload: &[u8], now: Time) {
        match classify(payload) {
            PacketKind::Plain => self.input(payload, true, now),
            PacketKind::Data => {
                self.input(&payload[HEADER..], true, now);
                self.decode(payload, true, now);
            }
            PacketKind::Parity => self.decode(payload, false, now),
            PacketKind::OutOfBand => unreachable!("nobody sends it"),
        }
        self.kcp.finish_input(&mut self.path, now);
    }

    pub fn send(&mut self, now: Time) -> Vec<Vec<u8>> {
        self.kcp.handle_timeout(&mut self.path, now);
        let room = self.kcp.room(&self.path).min(self.to_send.len());
        let piece: Vec<u8> = self.to_send.drain(..room).collect();
        self.kcp.send(&piece, 0, &mut self.pool, &mut self.stats);
        let (mut packets, mut block) = (Vec::new(), [0; 1500]);
        while let Some(emitted) = self
            .kcp
            .emit(&mut block, &mut self.path, now, &mut self.stats)
        {
            let kcp = &block[..emitted.len];
            match &mut self.encoder {
                None => packets.push(kcp.to_vec()),
                Some(encoder) => packets.extend(encode(encoder, kcp, now)),
            }
        }
        packets
    }

    /// Whether all of its bytes have left and were acknowledged.
    pub fn is_done(&self) -> bool {
        self.to_send.is_empty() && self.kcp.waiting() == 0
    }

    fn input(&mut self, kcp: &[u8], regular: bool, now: Time) {
        let into = (&mut self.received, &mut self.pool, &mut self.stats);
        // Segments that its KCP refuses are dropped.
        if let Ok(segments) = Segments::parse(kcp) {
            let _ = self.kcp.input(segments, regular, &mut self.path, now, into);
        }
    }

    fn decode(&mut self, packet: &[u8], is_data: bool, now: Time) {
        self.coded += 1;
        self.parity += usize::from(!is_data);
        for shard in self.decoder.receive(packet, is_data) {
            let size = usize::from(u16::from_le_bytes([shard[0], shard[1]]));
            if (2..=shard.len()).contains(&size) {
                self.input(&shard[2..size], false, now);
                self.rebuilt.push(shard[2..size].to_vec());
            } else {
                self.rebuilt.push(shard);
            }
        }
    }

    /// What was rebuilt and is nothing that `sent` holds.
    pub fn garbage(&self, sent: &HashSet<Vec<u8>>) -> usize {
        let is_garbage = |payload: &&Vec<u8>| !sent.contains(*payload);
        self.rebuilt.iter().filter(is_garbage).count()
    }
}

fn encode(encoder: &mut Encoder, kcp: &[u8], now: Time) -> Vec<Vec<u8>> {
    let mut packet = [&[0; HEADER], kcp].concat();
    encoder.encode(&mut packet, now);
    let mut packets = vec![packet];
    while encoder.parity_due() > 0 {
        let mut parity = vec![0; encoder.parity_len()];
        encoder.write_parity(&mut parity);
        packets.push(parity);
    }
    packets
}

/// Cuts groups where its own numbers say, and rebuilds from any members that fill one.
struct OldDecoder {
    data: usize,
    total: usize,
    /// By number; at most three groups.
    packets: BTreeMap<u32, (bool, Vec<u8>)>,
}

impl OldDecoder {
    fn new((data, parity): (usize, usize)) -> OldDecoder {
        OldDecoder {
            data,
            total: data + parity,
            packets: BTreeMap::new(),
        }
    }

    fn receive(&mut self, packet: &[u8], is_data: bool) -> Vec<Vec<u8>> {
        let seqid = u32::from_le_bytes([packet[0], packet[1], packet[2], packet[3]]);
        let shard = packet[PARITY_HEADER..].to_vec();
        self.packets.insert(seqid, (is_data, shard));
        if self.packets.len() > 3 * self.total {
            self.packets.pop_first();
        }
        let first = seqid - seqid % self.total as u32;
        let group: Vec<(u8, bool, Vec<u8>)> = self
            .packets
            .range(first..first + self.total as u32)
            .map(|(seqid, (is_data, shard))| ((seqid - first) as u8, *is_data, shard.clone()))
            .collect();
        if group.len() < self.data {
            return Vec::new();
        }
        (first..first + self.total as u32).for_each(|seqid| {
            self.packets.remove(&seqid);
        });
        if group.iter().filter(|(_, is_data, _)| *is_data).count() == self.data {
            return Vec::new();
        }
        self.rebuild(&group)
    }

    fn rebuild(&self, group: &[(u8, bool, Vec<u8>)]) -> Vec<Vec<u8>> {
        let known: Vec<u8> = group[..self.data].iter().map(|(at, ..)| *at).collect();
        let present: HashSet<u8> = group.iter().map(|(at, ..)| *at).collect();
        let lost: Vec<u8> = (0..self.data as u8)
            .filter(|at| !present.contains(at))
            .collect();
        let len = group.iter().map(|(.., shard)| shard.len()).max();
        let len = len.expect("members");
        let (mut coeffs, mut rows) = (Vec::new(), vec![0; lost.len() * len]);
        interpolate(&known, &lost, &mut coeffs);
        for (k, (.., shard)) in group[..self.data].iter().enumerate() {
            let coeffs = &coeffs[k * lost.len()..][..lost.len()];
            blinktun_gf::mul_add_many(&mut rows, len, shard, coeffs);
        }
        rows.chunks(len.max(1))
            .take(lost.len())
            .map(<[u8]>::to_vec)
            .collect()
    }
}
