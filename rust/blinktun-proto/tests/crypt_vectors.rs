//! Packet crypto against known answers of other implementations, and its properties on any bytes.

#![allow(clippy::unwrap_used)] // an unwrap that fails is a test that fails

use blinktun_proto::crypt::{CryptKind, MAX_DATAGRAM, PacketCrypt, Verdict, derive_key};
use blinktun_proto::random::Random;
use blinktun_proto::wire::{u16_at, u32_at};
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The longest head and tail there are.
const LEAST: usize = 28;

/// One envelope of each kind; the derivation of keys is slow.
static ENVELOPES: LazyLock<Vec<PacketCrypt>> = LazyLock::new(|| {
    let pass = derive_key(b"it's a secrect");
    let kinds = CryptKind::ALL.iter();
    kinds.map(|&kind| PacketCrypt::new(kind, &pass)).collect()
});

fn vectors(name: &str) -> Value {
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{root}/../../tests/vectors/{name}.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

fn bytes(value: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(value, field)).unwrap()
}

fn open(crypt: &PacketCrypt, datagrams: &mut [u8], stride: usize) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    crypt.open(datagrams, stride, &mut verdicts);
    verdicts
}

#[test]
fn names_are_kcptuns_and_exact() {
    let names: Vec<_> = CryptKind::ALL.iter().map(|kind| kind.name()).collect();
    let expected = "null none xor aes aes-128 aes-192 aes-128-gcm sm4 twofish blowfish cast5 3des \
                    tea xtea salsa20";
    assert_eq!(names.join(" "), expected);
    for &kind in CryptKind::ALL {
        assert_eq!(CryptKind::parse(kind.name()), Some(kind));
    }
    assert_eq!(CryptKind::parse("AES"), None);
    assert_eq!(CryptKind::parse("aes-256"), None);
}

#[test]
fn keys_and_pads_are_derived() {
    for vector in list(&vectors("kdf"), "vectors") {
        let pass = derive_key(&bytes(vector, "key_utf8_hex"));
        assert_eq!(hex::encode(pass), text(vector, "derived_hex"));

        let mut pad = [0; MAX_DATAGRAM];
        let xor = PacketCrypt::new(CryptKind::Xor, &pass);
        assert_eq!(open(&xor, &mut pad, 1500), [Verdict::BadChecksum]);
        assert_eq!(hex::encode(&pad[..32]), text(vector, "xor_pad_first32_hex"));
        let digest = Sha256::digest(pad);
        assert_eq!(hex::encode(digest), text(vector, "xor_pad_1500_sha256"));
    }
}

#[test]
fn datagrams_are_those_of_other_implementations() {
    let vectors = vectors("crypt");
    let mut seen = BTreeMap::new();
    for vector in list(&vectors, "vectors") {
        let kind = CryptKind::parse(text(vector, "crypt")).unwrap();
        *seen.entry(kind.name()).or_insert(0) += 1;
        let pass = bytes(&vectors, "derived_key_hex").try_into().unwrap();
        let crypt = PacketCrypt::new(kind, &pass);
        let nonce = bytes(vector, "nonce_hex");
        let clear = datagram_of(vector, &crypt);
        let mut sealed = clear.clone();
        let stride = sealed.len();
        crypt.seal_with_nonces(&mut sealed, stride, &mut |out| out.copy_from_slice(&nonce));
        assert_packet(vector, &sealed);

        assert_eq!(open(&crypt, &mut sealed, stride), [Verdict::Ok], "{vector}");
        assert_eq!(sealed[..nonce.len()], nonce, "{vector}");
        if let Some(checksum) = vector["crc32"].as_u64() {
            assert_eq!(u64::from(u32_at(&sealed, 16)), checksum, "{vector}");
        }
        assert_eq!(
            payload(&crypt, &sealed),
            payload(&crypt, &clear),
            "{vector}"
        );
    }
    let all = CryptKind::ALL
        .iter()
        .filter(|&&kind| kind != CryptKind::Null);
    assert_eq!(seen, all.map(|kind| (kind.name(), 4)).collect());
}

fn payload<'a>(crypt: &PacketCrypt, datagram: &'a [u8]) -> &'a [u8] {
    &datagram[crypt.head()..datagram.len() - crypt.tail()]
}

/// Room for the envelope, and the payload of a vector.
fn datagram_of(vector: &Value, crypt: &PacketCrypt) -> Vec<u8> {
    let mut datagram = vec![0; crypt.head()];
    if text(vector, "payload") == "pattern1330" {
        datagram.extend((0..1330).map(|at| (7 * at + 3) as u8));
    } else {
        datagram.extend(bytes(vector, "payload_hex"));
    }
    datagram.resize(datagram.len() + crypt.tail(), 0);
    datagram
}

fn assert_packet(vector: &Value, sealed: &[u8]) {
    if text(vector, "payload") == "pattern1330" {
        let digest = hex::encode(Sha256::digest(sealed));
        assert_eq!(digest, text(vector, "packet_sha256"), "{vector}");
    } else {
        assert_eq!(hex::encode(sealed), text(vector, "packet_hex"), "{vector}");
    }
}

#[test]
fn captured_sessions_open() {
    let vectors = vectors("sessions");
    let mut seen = BTreeSet::new();
    for session in list(&vectors, "sessions") {
        let kind = CryptKind::parse(text(session, "crypt")).unwrap();
        seen.insert(kind.name());
        let crypt = PacketCrypt::new(kind, &derive_key(text(session, "key").as_bytes()));
        for packet in list(session, "packets") {
            let mut datagram = bytes(packet, "hex");
            let stride = datagram.len();
            assert_eq!(open(&crypt, &mut datagram, stride), [Verdict::Ok]);
            let conv = conv_of(payload(&crypt, &datagram));
            let expected = session["client_kcp_conv"].as_u64();
            assert!(conv.is_none() || conv == expected, "{session}");
        }
    }
    assert_eq!(
        seen,
        CryptKind::ALL.iter().map(|kind| kind.name()).collect()
    );
}

/// The conversation of a payload; `None` for parity.
fn conv_of(payload: &[u8]) -> Option<u64> {
    match u16_at(payload, 4) {
        0xf1 => Some(u32_at(payload, 8).into()),
        0xf2 => None,
        _ => Some(u32_at(payload, 0).into()),
    }
}

#[test]
fn only_null_goes_without_nonce() {
    for crypt in ENVELOPES.iter() {
        let bare = crypt.kind() == CryptKind::Null;
        let around = match crypt.kind() {
            CryptKind::Null => (0, 0),
            CryptKind::Aes128Gcm => (12, 16),
            _ => (20, 0),
        };
        assert_eq!((crypt.head(), crypt.tail()), around);
        assert_eq!(crypt.nonce(&[1; 20]).is_none(), bare);
        assert_eq!(crypt.nonce(&[1; 7]), None);
    }
}

#[test]
fn nonces_have_the_number_they_are_given_and_are_random_beside_it() {
    for crypt in ENVELOPES.iter().filter(|crypt| crypt.head() > 0) {
        let mut seen = BTreeSet::new();
        for seed in [9, 10] {
            let (mut batch, mut numbers) = (vec![7; 3 * 100], [u64::MAX, 0, 1 << 40].into_iter());
            let mut random = Random::from_number(seed);
            crypt.seal_numbered(&mut batch, 100, &mut random, &mut || {
                numbers.next().unwrap()
            });
            assert_eq!(open(crypt, &mut batch, 100), [Verdict::Ok; 3]);
            let found = batch.chunks(100).filter_map(|one| crypt.nonce(one));
            assert!(found.eq([u64::MAX, 0, 1 << 40]), "{crypt:?}");
            seen.extend(
                batch
                    .chunks(100)
                    .map(|one| one[..nonce_len(crypt)].to_vec()),
            );
        }
        assert_eq!(seen.len(), 6);
    }
}

fn nonce_len(crypt: &PacketCrypt) -> usize {
    crypt.head().min(16)
}

#[test]
fn keys_stay_out_of_debug_output() {
    let crypt = PacketCrypt::new(CryptKind::Xor, &[0x41; 32]);
    assert_eq!(format!("{crypt:?}"), "PacketCrypt { kind: Xor, .. }");
}

#[test]
#[should_panic = "cannot seal a datagram of 1501 bytes"]
fn what_no_peer_receives_is_not_sealed() {
    ENVELOPES[0].seal(&mut [0; 1501], 1501, &mut Random::from_number(0));
}

fn envelope() -> impl Strategy<Value = &'static PacketCrypt> {
    (0..ENVELOPES.len()).prop_map(|at| &ENVELOPES[at])
}

/// The stride and the length of a batch whose datagrams can be sealed.
fn layout() -> impl Strategy<Value = (usize, usize)> {
    (LEAST..=300_usize, 0..=20_usize)
        .prop_flat_map(|(stride, full)| (Just(stride), Just(full), LEAST..=stride))
        .prop_map(|(stride, full, last)| (stride, stride * full + last))
}

proptest! {
    #[test]
    fn a_batch_is_its_datagrams(crypt in envelope(), (stride, len) in layout(), seed: u64) {
        let mut clear = vec![0; len];
        Random::from_number(seed).fill(&mut clear);
        let mut batch = clear.clone();
        crypt.seal(&mut batch, stride, &mut Random::from_number(seed));

        let mut random = Random::from_number(seed);
        let mut single = clear.clone();
        for datagram in single.chunks_mut(stride) {
            crypt.seal(datagram, stride, &mut random);
        }
        prop_assert_eq!(&batch, &single);

        let verdicts = open(crypt, &mut batch, stride);
        prop_assert_eq!(verdicts, vec![Verdict::Ok; len.div_ceil(stride)]);
        for datagram in single.chunks_mut(stride) {
            prop_assert_eq!(open(crypt, datagram, stride), [Verdict::Ok]);
        }
        prop_assert_eq!(&batch, &single);
        for (opened, clear) in batch.chunks(stride).zip(clear.chunks(stride)) {
            prop_assert_eq!(payload(crypt, opened), payload(crypt, clear));
        }
    }

    #[test]
    fn any_bytes_get_a_verdict(
        crypt in envelope(),
        stride in 0..2000_usize,
        mut batch in proptest::collection::vec(any::<u8>(), 0..5000),
    ) {
        let mut single = batch.clone();
        let mut expected = Vec::new();
        for datagram in single.chunks_mut(stride.max(1)) {
            crypt.open(datagram, stride, &mut expected);
            let short = datagram.len() < crypt.head() + crypt.tail();
            prop_assert_eq!(expected.last() == Some(&Verdict::TooShort), short);
        }
        prop_assert_eq!(open(crypt, &mut batch, stride), expected);
        prop_assert_eq!(batch, single);
    }

    #[test]
    fn a_flipped_bit_is_noticed(
        crypt in envelope().prop_filter("has a checksum", |crypt| crypt.head() > 0),
        (stride, len) in layout(),
        seed: u64,
        at: prop::sample::Index,
        bit in 0..8,
    ) {
        let mut batch = vec![0; len];
        let mut random = Random::from_number(seed);
        random.fill(&mut batch);
        crypt.seal(&mut batch, stride, &mut random);
        let at = at.index(len);
        // A changed nonce alone is not the checksum's business; it is the tag's.
        prop_assume!(at % stride >= nonce_len(crypt) || crypt.tail() > 0);
        batch[at] ^= 1_u8 << bit;
        for (nth, verdict) in open(crypt, &mut batch, stride).into_iter().enumerate() {
            let hit = nth == at / stride;
            prop_assert_eq!(verdict, if hit { Verdict::BadChecksum } else { Verdict::Ok });
        }
    }

    #[test]
    fn a_nonce_cannot_be_renewed_without_the_key(
        crypt in envelope().prop_filter("hides its nonce", |crypt| {
            !matches!(crypt.kind(), CryptKind::Null | CryptKind::None | CryptKind::Xor)
        }),
        len in LEAST + 1..100_usize,
        at in 0..16_usize,
        bit in 0..8,
    ) {
        let mut datagram = vec![0; len];
        crypt.seal(&mut datagram, len, &mut Random::from_number(5));
        let mut forged = datagram.clone();
        forged[at] ^= 1_u8 << bit;
        prop_assert_eq!(open(crypt, &mut datagram, len), [Verdict::Ok]);
        if open(crypt, &mut forged, len) == [Verdict::Ok] {
            prop_assert_eq!(crypt.nonce(&forged), crypt.nonce(&datagram));
        }
    }
}
