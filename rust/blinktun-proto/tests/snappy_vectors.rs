//! Snappy framing against Go's, and its properties on any bytes cut anywhere.

#![allow(clippy::unwrap_used)] // an unwrap that fails is a test that fails

use blinktun_proto::snappy::{Decoder, Encoder, Error, MAX_BODY, MAX_EXPANSION, MAX_PLAIN};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

const IDENTIFIER: &[u8] = b"\xff\x06\x00\x00sNaPpY";

fn vectors() -> Value {
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{root}/../../tests/vectors/snappy.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn encode(writes: &[Vec<u8>]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    let mut wire = Vec::new();
    for write in writes {
        encoder.encode(write, &mut wire);
    }
    wire
}

fn decode(wire: &[u8]) -> Result<Vec<u8>, Error> {
    let mut plain = Vec::new();
    Decoder::new().decode(&mut &*wire, &mut plain)?;
    Ok(plain)
}

fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u32).to_le_bytes();
    [&[kind, len[0], len[1], len[2]], body].concat()
}

/// The error of an identified stream that goes on with `chunk`.
fn error_of(chunk: &[u8]) -> Error {
    decode(&[IDENTIFIER, chunk].concat()).unwrap_err()
}

#[test]
fn streams_are_those_of_go() {
    let vectors = vectors();
    let list = vectors["vectors"].as_array().unwrap();
    assert_eq!(list.len(), 6);
    for vector in list {
        let writes = vector["writes_hex"].as_array().unwrap();
        let writes: Vec<_> = writes.iter().map(bytes).collect();
        let wire = bytes(&vector["go_writer_output_hex"]);
        assert_eq!(decode(&wire), Ok(writes.concat()), "{vector}");
        // The format does not ask for this, but both compressors come from the same algorithm.
        assert_eq!(encode(&writes), wire, "{vector}");
    }
}

#[test]
fn checksums_are_masked() {
    for vector in vectors()["masked_crc"].as_array().unwrap() {
        let plain = bytes(&vector["data_hex"]);
        let body = [bytes(&vector["masked_le_hex"]), plain.clone()].concat();
        let wire = [IDENTIFIER, &chunk(0x01, &body)].concat();
        assert_eq!(decode(&wire), Ok(plain), "{vector}");
    }
}

#[test]
fn nothing_written_is_nothing_sent() {
    assert!(encode(&[vec![], vec![]]).is_empty());
}

#[test]
fn large_writes_become_chunks_of_64_kib() {
    let plain = [vec![1; MAX_PLAIN], vec![2; MAX_PLAIN], vec![3]].concat();
    let wire = encode(std::slice::from_ref(&plain));
    assert_eq!(decode(&wire), Ok(plain));

    let mut kinds = Vec::new();
    let mut rest = &wire[..];
    while let [kind, a, b, c, ..] = *rest {
        kinds.push(kind);
        rest = &rest[4 + u32::from_le_bytes([a, b, c, 0]) as usize..];
    }
    assert_eq!(kinds, [0xff, 0, 0, 1]);
}

#[test]
fn padding_and_repeated_identifiers_are_skipped() {
    let data = &encode(&[b"data".to_vec()])[IDENTIFIER.len()..];
    let first = chunk(0x80, &[]);
    let last = chunk(0xfe, &[7; 100_000]);
    let wire = [IDENTIFIER, &first, data, IDENTIFIER, &last, data].concat();
    assert_eq!(decode(&wire), Ok(b"datadata".to_vec()));
}

#[test]
fn the_identifier_comes_first() {
    let wire = encode(&[b"data".to_vec()]);
    assert_eq!(decode(&wire[IDENTIFIER.len()..]), Err(Error::Unidentified));
    assert_eq!(decode(&chunk(0x80, b"")), Err(Error::Unidentified));
    assert_eq!(decode(&chunk(0xff, b"sNaPpy")), Err(Error::Unidentified));
    assert_eq!(decode(&chunk(0xff, b"sNaPpYY")), Err(Error::Length));
    assert_eq!(error_of(&chunk(0xff, b"sNaPpy")), Error::Unidentified);
}

#[test]
fn reserved_kinds_are_refused() {
    for kind in 0x02..=0x7f {
        assert_eq!(error_of(&chunk(kind, b"")), Error::Kind(kind));
    }
}

#[test]
fn lengths_are_judged_by_the_header_alone() {
    let header = |kind, len: usize| {
        let len = len.to_le_bytes();
        [IDENTIFIER, &[kind, len[0], len[1], len[2]]].concat()
    };
    for (kind, least, most) in [(0x00, 4, MAX_BODY), (0x01, 4, 4 + MAX_PLAIN)] {
        assert_eq!(decode(&header(kind, least - 1)), Err(Error::Length));
        assert_eq!(decode(&header(kind, least)), Ok(vec![]));
        assert_eq!(decode(&header(kind, most)), Ok(vec![]));
        assert_eq!(decode(&header(kind, most + 1)), Err(Error::Length));
    }
    assert_eq!(MAX_BODY, 4 + snap::raw::max_compress_len(MAX_PLAIN));
}

#[test]
fn blocks_are_judged_before_they_are_unpacked() {
    // 65537 as the plain length, then 65535.
    assert_eq!(error_of(&chunk(0, b"crc.\x81\x80\x04\x00a")), Error::Length);
    assert_eq!(error_of(&chunk(0, b"crc.\xff\xff\x03\x00a")), Error::Block);
    assert_eq!(error_of(&chunk(0, b"crc.")), Error::Block);
    assert_eq!(error_of(&chunk(1, b"crc.")), Error::Checksum);
}

#[test]
fn an_error_is_for_good_and_keeps_what_was_checked() {
    let good = encode(&[b"good".to_vec()]);
    let mut bad = encode(&[b"good".to_vec(), vec![9; 1000]]);
    // The checksum of the second chunk, behind its header.
    bad[good.len() + 4] ^= 1;
    let mut decoder = Decoder::new();
    let mut plain = b"before ".to_vec();
    let error = decoder.decode(&mut &*bad, &mut plain).unwrap_err();
    assert_eq!(error, Error::Checksum);
    assert_eq!(plain, b"before good");
    assert_eq!(decoder.decode(&mut &*good, &mut plain), Err(error));
    assert_eq!(decoder.decode(&mut &[][..], &mut plain), Err(error));
    assert_eq!(plain, b"before good");
}

#[test]
fn errors_tell_what_is_wrong() {
    let texts = [
        (Error::Unidentified, "snappy: no stream identifier"),
        (Error::Kind(0x02), "snappy: chunk of unknown kind 0x02"),
        (Error::Length, "snappy: chunk of impossible length"),
        (Error::Block, "snappy: corrupt block"),
        (Error::Checksum, "snappy: wrong checksum"),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
}

/// Writes of noise, which does not compress, and of runs, which do.
fn writes() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let noise = vec(any::<u8>(), 0..300);
    let run = (any::<u8>(), 0..100_000_usize).prop_map(|(byte, len)| vec![byte; len]);
    vec(prop_oneof![noise, run], 0..6)
}

/// Decode `wire` in pieces of the `lens`, over and over, until it is used up.
fn decode_in_pieces(wire: &[u8], lens: &[usize]) -> (Vec<u8>, Result<(), Error>) {
    let mut decoder = Decoder::new();
    let mut plain = Vec::new();
    let mut rest = wire;
    for len in lens.iter().cycle() {
        let (mut piece, next) = rest.split_at(*len.min(&rest.len()));
        let result = decoder.decode(&mut piece, &mut plain);
        if result.is_err() || next.is_empty() {
            return (plain, result);
        }
        assert!(piece.is_empty());
        rest = next;
    }
    unreachable!("there is at least one length, and none is 0")
}

proptest! {
    #[test]
    fn any_split_gives_the_same(writes in writes(), lens in vec(1..3000_usize, 1..10)) {
        let wire = encode(&writes);
        prop_assert_eq!(decode_in_pieces(&wire, &lens), (writes.concat(), Ok(())));
    }

    #[test]
    fn damage_is_noticed_alike_at_any_split(
        writes in writes(),
        lens in vec(1..3000_usize, 1..10),
        at: prop::sample::Index,
        // The eighth bit of a kind turns data into padding: nothing in the format protects it.
        bit in 0..7,
    ) {
        let mut wire = encode(&writes);
        prop_assume!(!wire.is_empty());
        let at = at.index(wire.len());
        wire[at] ^= 1_u8 << bit;
        let whole = decode_in_pieces(&wire, &[wire.len()]);
        prop_assert!(writes.concat().starts_with(&whole.0));
        prop_assert_eq!(decode_in_pieces(&wire, &lens), whole);
    }

    #[test]
    fn any_bytes_are_bounded(
        chunks in vec((0..4_u8, vec(any::<u8>(), 0..100)), 0..10),
        lens in vec(1..50_usize, 1..10),
    ) {
        let mut wire = IDENTIFIER.to_vec();
        for (kind, body) in chunks {
            wire.extend(match kind {
                0 => body,
                1 => chunk(0xf0, &body),
                _ => chunk(kind - 2, &body),
            });
        }
        let (plain, result) = decode_in_pieces(&wire, &lens);
        prop_assert!(plain.len() <= wire.len() * MAX_EXPANSION);
        prop_assert_eq!(decode(&wire).err(), result.err());
    }
}

#[test]
fn the_most_that_a_byte_becomes() {
    let plain = vec![0; MAX_PLAIN];
    let wire = encode(std::slice::from_ref(&plain));
    let chunk = wire.len() - IDENTIFIER.len();
    assert!((MAX_EXPANSION - 1) * chunk < plain.len());
    assert!(plain.len() <= MAX_EXPANSION * chunk);
}
