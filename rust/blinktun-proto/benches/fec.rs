//! How fast FEC is at 10+3 and shards of 1300 bytes, in bytes of data packets:
//! `cargo bench -p blinktun-proto --bench fec`. Best of many short rounds.

use blinktun_proto::fec::{Decoder, Encoder};
use blinktun_proto::time::Time;
use blinktun_proto::wire::fec::{HEADER, PARITY_HEADER, Packet};
use std::hint::black_box;
use std::time::Instant;

const DATA: usize = 10;
const PARITY: usize = 3;
const PACKET: usize = PARITY_HEADER + 1300;
const GROUPS: usize = 40;
const CONV: u32 = 7;

fn main() {
    println!("kernel {}", blinktun_gf::kernel_name());
    let mut encoder = Encoder::new(DATA, PARITY).expect("sound numbers");
    let mut packets = vec![[0; PACKET]; GROUPS * (DATA + PARITY)];
    encode(&mut encoder, &mut packets);
    report("encode", || encode(&mut encoder, black_box(&mut packets)));
    for lost in 0..=PARITY {
        let mut encoder = Encoder::new(DATA, PARITY).expect("sound numbers");
        let mut decoder = Decoder::new(DATA, PARITY).with_proven_numbers();
        let mut best = f64::MAX;
        for _ in 0..2000 {
            encode(&mut encoder, &mut packets);
            best = best.min(seconds(|| decode(&mut decoder, black_box(&packets), lost)));
        }
        show(&format!("decode, {lost} of {} lost", DATA + PARITY), best);
    }
}

fn encode(encoder: &mut Encoder, packets: &mut [[u8; PACKET]]) {
    for group in packets.chunks_mut(DATA + PARITY) {
        let (data, parity) = group.split_at_mut(DATA);
        for (sn, packet) in data.iter_mut().enumerate() {
            segment(&mut packet[HEADER..], sn as u32);
            encoder.encode(packet, Time::ZERO);
        }
        // The very first packet of all is late, so a group of one may be without parity.
        for packet in parity.iter_mut().take(encoder.parity_due()) {
            encoder.write_parity(packet);
        }
    }
}

fn decode(decoder: &mut Decoder, packets: &[[u8; PACKET]], lost: usize) {
    let mut recovered = 0;
    for group in packets.chunks(DATA + PARITY) {
        for packet in &group[lost..] {
            let packet = Packet::parse(packet).expect("a packet");
            decoder.receive(&packet, CONV, &mut |kcp| {
                black_box(kcp);
                recovered += 1;
            });
        }
    }
    assert_eq!(recovered, lost * GROUPS);
}

/// A PUSH segment that fills the packet.
fn segment(kcp: &mut [u8], sn: u32) {
    let len = kcp.len() as u32 - 24;
    kcp[..4].copy_from_slice(&CONV.to_le_bytes());
    kcp[4] = 81;
    kcp[12..16].copy_from_slice(&sn.to_le_bytes());
    kcp[20..24].copy_from_slice(&len.to_le_bytes());
}

fn report(what: &str, mut work: impl FnMut()) {
    show(
        what,
        (0..2000)
            .map(|_| seconds(&mut work))
            .fold(f64::MAX, f64::min),
    );
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn show(what: &str, seconds: f64) {
    let packets = (GROUPS * DATA) as f64;
    let (rate, each) = (packets * 1300.0 / seconds / 1e9, seconds / packets * 1e9);
    println!("{what}: {rate:.1} GB/s, {each:.0} ns a data packet");
}
