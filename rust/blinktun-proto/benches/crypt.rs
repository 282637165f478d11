//! How fast datagrams are sealed and opened: `cargo bench -p blinktun-proto --bench crypt`.

use blinktun_proto::crypt::{CryptKind, PacketCrypt, derive_key};
use blinktun_proto::random::Random;
use std::hint::black_box;
use std::time::{Duration, Instant};

const STRIDE: usize = 1350;
const BUDGET: Duration = Duration::from_millis(300);

fn main() {
    let pass = derive_key(b"it's a secrect");
    println!("MB/s of {STRIDE}-byte datagrams    seal 48   seal 1   open 48   open 1");
    for &kind in CryptKind::ALL {
        let crypt = PacketCrypt::new(kind, &pass);
        let [seal, seal_one] = [48, 1].map(|count| sealing(&crypt, count));
        let [open, open_one] = [48, 1].map(|count| opening(&crypt, count));
        let name = kind.name();
        println!("{name:27} {seal:12.0} {seal_one:8.0} {open:9.0} {open_one:8.0}");
    }
}

fn sealing(crypt: &PacketCrypt, count: usize) -> f64 {
    let mut random = Random::from_number(1);
    let mut batch = vec![0x55; STRIDE * count];
    megabytes_per_second(batch.len(), || {
        crypt.seal(black_box(&mut batch), STRIDE, &mut random);
    })
}

fn opening(crypt: &PacketCrypt, count: usize) -> f64 {
    let mut batch = vec![0x55; STRIDE * count];
    let mut verdicts = Vec::with_capacity(count);
    megabytes_per_second(batch.len(), || {
        // After the first round the batch is noise: that costs as much to open as the genuine.
        crypt.open(black_box(&mut batch), STRIDE, &mut verdicts);
        black_box(&mut verdicts).clear();
    })
}

fn megabytes_per_second(bytes: usize, mut round: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut rounds = 0;
    while start.elapsed() < BUDGET {
        for _ in 0..50 {
            round();
        }
        rounds += 50;
    }
    (bytes * rounds) as f64 / start.elapsed().as_secs_f64() / 1e6
}
