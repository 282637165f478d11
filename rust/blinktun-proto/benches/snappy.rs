//! How fast the stream is compressed and unpacked, in plain bytes:
//! `cargo bench -p blinktun-proto --bench snappy`.

mod timing;

use blinktun_proto::random::Random;
use blinktun_proto::snappy::{Decoder, Encoder};
use std::hint::black_box;

const SIZE: usize = 64 << 10;

fn main() {
    let mut noise = vec![0; SIZE];
    Random::from_number(1).fill(&mut noise);
    let text: Vec<u8> = b"GET /index.html HTTP/1.1\r\nHost: example.com\r\n\r\n"
        .iter()
        .copied()
        .cycle()
        .take(SIZE)
        .collect();
    for (name, plain) in [("noise", noise), ("text", text)] {
        let (mut encoder, mut wire) = (Encoder::new(), Vec::new());
        timing::report_bytes(&format!("snappy, pack {name}"), SIZE, || {
            wire.clear();
            encoder.encode(black_box(&plain), &mut wire);
        });
        let mut wire = Vec::new();
        Encoder::new().encode(&plain, &mut wire);
        let mut out = Vec::new();
        timing::report_bytes(&format!("snappy, unpack {name}"), SIZE, || {
            out.clear();
            let done = Decoder::new().decode(&mut black_box(&wire[..]), &mut out);
            assert!(done.is_ok());
        });
    }
}
