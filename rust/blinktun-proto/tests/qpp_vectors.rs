//! Known answers of the quantum permutation pads (`tests/vectors/qpp.json`), in every revision.

use std::num::NonZeroU16;
use std::sync::Arc;

use blinktun_proto::qpp::{Pads, Revision, StreamPads};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// How the bytes are cut when they are not given at once.
const CUTS: [usize; 7] = [1, 2, 7, 13, 100, 8, 386];

fn plain() -> Vec<u8> {
    let twice = (0..=255).chain(0..=255);
    twice.chain(*b"tail!").collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("a string")
}

/// Call `check` with the pads of every key and revision, and what is known of them.
fn for_each_answer(check: impl Fn(&Arc<Pads>, &Value)) {
    let path = format!(
        "{}/../../tests/vectors/qpp.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let file = std::fs::read_to_string(path).expect("the vectors are in the repository");
    let vectors: Value = serde_json::from_str(&file).expect("the vectors are JSON");
    let vectors = vectors["vectors"].as_array().expect("vectors");
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let key = hex::decode(text(vector, "seed_hex")).expect("hex");
        let count = vector["pads"].as_u64().expect("a number") as u16;
        let count = NonZeroU16::new(count).expect("not 0");
        let revisions = vector["revisions"].as_object().expect("revisions");
        assert_eq!(revisions.len(), 3);
        for (name, answers) in revisions {
            let revision = Revision::parse(name).expect("a revision");
            check(&Arc::new(Pads::new(&key, count, revision)), answers);
        }
    }
}

#[test]
fn known_ciphertexts() {
    for_each_answer(|pads, answers| {
        let mut bytes = plain();
        StreamPads::new(pads).encrypt(&mut bytes);
        assert_eq!(
            hex::encode(&bytes[..64]),
            text(answers, "cipher_first64_hex")
        );
        let digest = Sha256::digest(&bytes);
        assert_eq!(hex::encode(digest), text(answers, "cipher_sha256"));
    });
}

#[test]
fn how_bytes_are_cut_does_not_matter() {
    for_each_answer(|pads, answers| {
        let (mut writer, mut reader) = (StreamPads::new(pads), StreamPads::new(pads));
        let mut bytes = plain();
        let mut rest = &mut bytes[..];
        for cut in CUTS.iter().cycle() {
            let (piece, beyond) = rest.split_at_mut((*cut).min(rest.len()));
            writer.encrypt(piece);
            rest = beyond;
            if rest.is_empty() {
                break;
            }
        }
        let digest = Sha256::digest(&bytes);
        assert_eq!(hex::encode(digest), text(answers, "cipher_sha256"));
        bytes.chunks_mut(11).for_each(|piece| reader.decrypt(piece));
        assert_eq!(bytes, plain());
    });
}

#[test]
fn directions_are_independent() {
    let pads = Arc::new(Pads::new(
        b"key",
        NonZeroU16::new(7).expect("7"),
        Revision::B,
    ));
    let (mut near, mut far) = (StreamPads::new(&pads), StreamPads::new(&pads));
    let (mut there, mut back) = (b"to the server".to_vec(), b"to the client".to_vec());
    near.encrypt(&mut there);
    far.encrypt(&mut back);
    assert_eq!(there[..3], back[..3], "both begin at the same place");
    far.decrypt(&mut there);
    near.decrypt(&mut back);
    assert_eq!(
        (&there[..], &back[..]),
        (&b"to the server"[..], &b"to the client"[..])
    );
}

#[test]
fn nothing_secret_is_printed() {
    let pads = Arc::new(Pads::new(
        b"key",
        NonZeroU16::new(7).expect("7"),
        Revision::A,
    ));
    let shown = format!("{:?}", StreamPads::new(&pads));
    assert_eq!(
        shown,
        "StreamPads { pads: Pads(7), outgoing: Cursor { .. }, incoming: Cursor { .. } }"
    );
}
