//! How fast pads are made and bytes go through them: `cargo bench -p blinktun-proto --bench qpp`.

mod timing;

use blinktun_proto::qpp::{Pads, Revision, StreamPads};
use std::hint::black_box;
use std::num::NonZeroU16;
use std::sync::Arc;

const SIZE: usize = 64 << 10;
const COUNT: NonZeroU16 = NonZeroU16::new(61).expect("it is 61");

fn main() {
    for revision in [Revision::A, Revision::M, Revision::B] {
        for count in [NonZeroU16::MIN, COUNT] {
            let seconds = timing::seconds(|| {
                black_box(Pads::new(b"it's a secrect", count, revision));
            });
            let what = format!("qpp, make {count} pads, {revision:?}");
            println!("{what:44} {:9.2} ms", seconds * 1e3);
        }
    }
    let pads = Arc::new(Pads::new(b"it's a secrect", COUNT, Revision::B));
    let (mut stream, mut bytes) = (StreamPads::new(&pads), vec![0; SIZE]);
    timing::report_bytes("qpp, encrypt", SIZE, || {
        stream.encrypt(black_box(&mut bytes))
    });
    timing::report_bytes("qpp, decrypt", SIZE, || {
        stream.decrypt(black_box(&mut bytes))
    });
}
