//! The golden vectors of forward error correction: `tests/vectors/fec.json`, `autotune.json`, and the
//! parity of the captured conversations in `sessions.json`.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use blinktun_proto::fec::code::interpolate;
use blinktun_proto::fec::tuner::Tuner;
use blinktun_proto::fec::{Decoder, Encoder, Shards};
use blinktun_proto::time::Time;
use blinktun_proto::wire::fec::{HEADER, Packet, PacketKind, classify};
use blinktun_proto::wire::{SeqId, u16_at, u32_at};
use salsa20::cipher::{KeyIvInit, StreamCipher};
use serde_json::Value;
use std::collections::HashMap;

#[test]
fn parity_rows() {
    for case in list(&vectors("fec"), "parity_rows") {
        let (data, parity) = numbers(case);
        let columns = columns(data, parity);
        for (k, row) in hexes(case, "parity_rows_hex").iter().enumerate() {
            let ours: Vec<u8> = (0..data).map(|i| columns[i * parity + k]).collect();
            assert_eq!(&ours, row, "{data}/{parity} row {k}");
        }
    }
}

#[test]
fn parity_bytes() {
    for case in list(&vectors("fec"), "parity") {
        let (data, parity) = numbers(case);
        let (columns, shards) = (columns(data, parity), hexes(case, "shards_hex"));
        let len = shards.iter().map(Vec::len).max().expect("shards");
        let mut rows = vec![0; parity * len];
        for (shard, coeffs) in shards.iter().zip(columns.chunks(parity)) {
            blinktun_gf::mul_add_many(&mut rows, len, shard, coeffs);
        }
        let ours: Vec<_> = rows.chunks(len).map(<[u8]>::to_vec).collect();
        assert_eq!(ours, hexes(case, "parity_hex"), "{data}/{parity}");
    }
}

#[test]
fn packet_sequences() {
    for case in list(&vectors("fec"), "packet_sequences") {
        let (data, parity) = numbers(case);
        let first = number(&case["first_seqid"]) as u32;
        assert_eq!(
            number(&case["paws"]),
            i64::from(Shards::new(data, parity).expect("numbers").paws())
        );
        let mut encoder = Encoder::new(data, parity)
            .expect("numbers")
            .with_first_seqid(SeqId(first));
        let payloads = hexes(case, "kcp_payloads_hex");
        let ours: Vec<_> = payloads
            .iter()
            .flat_map(|kcp| encode(&mut encoder, kcp))
            .collect();
        assert_eq!(
            ours,
            hexes(case, "fec_packets_hex"),
            "{data}/{parity} from {first}"
        );
    }
}

#[test]
fn decoder_traces() {
    for case in list(&vectors("fec"), "decoder_traces") {
        let (data, parity) = numbers(case);
        let mut decoder = Decoder::new(data, parity).with_proven_numbers();
        let expected = list(case, "recovered_after_each_hex");
        for (i, (packet, expected)) in hexes(case, "packets_hex").iter().zip(expected).enumerate() {
            let mut ours: Vec<Vec<u8>> = Vec::new();
            let packet = Packet::parse(packet).expect("a packet");
            decoder.receive(&packet, 0xa1b2_c3d4, &mut |kcp| {
                ours.push(kcp.bytes().to_vec())
            });
            // The vectors have whole shards: size field, KCP bytes, padding.
            let shards = expected.as_array().expect("a list").iter().map(unhex);
            let theirs: Vec<_> = shards
                .map(|shard| shard[2..u16_at(&shard, 0).into()].to_vec())
                .collect();
            assert_eq!(ours, theirs, "{} packet {i}", case["name"]);
        }
    }
}

#[test]
fn autotune() {
    for case in list(&vectors("autotune"), "vectors") {
        let mut tuner = Tuner::default();
        match case["rule"].as_str() {
            Some("seqid 0..399 of a 7/2 stream") => {
                (0..400).for_each(|seqid| tuner.sample(SeqId(seqid), seqid % 9 < 7));
            }
            Some(rule) => panic!("unknown rule {rule}"),
            None => {
                for sample in list(case, "samples_seq_isdata") {
                    tuner.sample(SeqId(number(&sample[0]) as u32), number(&sample[1]) == 1);
                }
            }
        }
        let (data, parity) = tuner.periods();
        let or_not_found = |period: Option<usize>| period.map_or(-1, |period| period as i64);
        let ours = (or_not_found(data), or_not_found(parity));
        assert_eq!(
            ours,
            (number(&case["datashard"]), number(&case["parityshard"])),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn captured_parity() {
    let mut sessions = 0;
    for session in list(&vectors("sessions"), "sessions") {
        let Some(fec) = session["fec"].as_array() else {
            continue;
        };
        let (data, parity) = (number(&fec[0]) as usize, number(&fec[1]) as usize);
        for (side, way) in [("client", "client->server"), ("server", "server->client")] {
            let payloads = payloads(session, way);
            let checked = check_groups(&payloads, data, parity);
            let expected = number(&session[format!("{side}_complete_parity_checked")]);
            assert_eq!(checked as i64, expected, "{} {way}", session["name"]);
        }
        sessions += 1;
    }
    assert_eq!(sessions, 3);
}

#[test]
fn captured_losses_are_recovered() {
    for session in list(&vectors("sessions"), "sessions") {
        let Some(fec) = session["fec"].as_array() else {
            continue;
        };
        let (data, parity) = (number(&fec[0]) as usize, number(&fec[1]) as usize);
        for way in ["client->server", "server->client"] {
            let payloads = payloads(session, way);
            let mut decoder = Decoder::new(data, parity).with_proven_numbers();
            let (mut lost, mut recovered) = (Vec::new(), Vec::new());
            for packet in &payloads {
                let conv = number(&session["client_kcp_conv"]) as u32;
                if (u32_at(packet, 0) as usize).is_multiple_of(data + parity) {
                    lost.push(packet[HEADER..].to_vec());
                } else {
                    let packet = Packet::parse(packet).expect("a packet");
                    decoder.receive(&packet, conv, &mut |kcp| {
                        recovered.push(kcp.bytes().to_vec())
                    });
                }
            }
            // The last group may be open.
            let whole = payloads
                .iter()
                .filter(|packet| classify(packet) == PacketKind::Parity)
                .count()
                / parity;
            assert_eq!(recovered, lost[..whole], "{} {way}", session["name"]);
        }
    }
}

/// Encode every group of which all packets were captured; gives the number of parity packets compared.
fn check_groups(payloads: &[Vec<u8>], data: usize, parity: usize) -> usize {
    let by_seqid: HashMap<u32, &Vec<u8>> = payloads
        .iter()
        .map(|packet| (u32_at(packet, 0), packet))
        .collect();
    let total = (data + parity) as u32;
    let mut checked = 0;
    for first in by_seqid
        .keys()
        .filter(|&&seqid| seqid.is_multiple_of(total))
    {
        let members: Vec<_> = (*first..first + total)
            .filter_map(|seqid| by_seqid.get(&seqid))
            .collect();
        if members.len() < total as usize {
            continue;
        }
        let mut encoder = Encoder::new(data, parity)
            .expect("numbers")
            .with_first_seqid(SeqId(*first));
        let ours: Vec<_> = members[..data]
            .iter()
            .flat_map(|packet| encode(&mut encoder, &packet[HEADER..]))
            .collect();
        assert!(
            ours.iter().eq(members.into_iter().copied()),
            "group at {first}"
        );
        checked += parity;
    }
    checked
}

fn encode(encoder: &mut Encoder, kcp: &[u8]) -> Vec<Vec<u8>> {
    let mut packet = [&[0; HEADER], kcp].concat();
    encoder.encode(&mut packet, Time::ZERO);
    let mut packets = vec![packet];
    while encoder.parity_due() > 0 {
        let mut parity = vec![0; encoder.parity_len()];
        encoder.write_parity(&mut parity);
        packets.push(parity);
    }
    packets
}

fn columns(data: usize, parity: usize) -> Vec<u8> {
    let positions: Vec<u8> = (0..data + parity).map(|position| position as u8).collect();
    let mut columns = Vec::new();
    interpolate(&positions[..data], &positions[data..], &mut columns);
    columns
}

/// The FEC packets of one direction of a captured conversation.
fn payloads(session: &Value, way: &str) -> Vec<Vec<u8>> {
    let key = session["key"].as_str().expect("a key");
    let mut pass = [0; 32];
    pbkdf2::pbkdf2_hmac::<sha1::Sha1>(key.as_bytes(), b"kcp-go", 4096, &mut pass);
    let packets = list(session, "packets")
        .iter()
        .filter(|packet| packet["dir"] == way);
    let decrypted = packets.map(|packet| decrypt(&session["crypt"], &pass, unhex(&packet["hex"])));
    decrypted
        .filter(|packet| classify(packet) != PacketKind::Plain)
        .collect()
}

/// Independent of the crate's own crypt layer, so that each can fail alone.
fn decrypt(crypt: &Value, pass: &[u8; 32], mut datagram: Vec<u8>) -> Vec<u8> {
    match crypt.as_str().expect("a cipher's name") {
        "aes" => {
            let cipher = aes::Aes256::new(pass.into());
            let mut stream = *b"\xa7\x73\x4f\x9c\x12\xac\x1b\x01\xa4\x15\xf2\xc1\xfc\x78\xe6\x6b";
            for block in datagram.chunks_mut(16) {
                cipher.encrypt_block((&mut stream).into());
                for (byte, stream) in block.iter_mut().zip(&mut stream) {
                    (*byte, *stream) = (*byte ^ *stream, *byte);
                }
            }
            datagram.split_off(20)
        }
        "salsa20" => {
            let nonce: [u8; 8] = datagram[..8].try_into().expect("8 bytes");
            salsa20::Salsa20::new(pass.into(), &nonce.into()).apply_keystream(&mut datagram[8..]);
            datagram.split_off(20)
        }
        "aes-128-gcm" => {
            let key: [u8; 16] = pass[..16].try_into().expect("16 bytes");
            let cipher = aes::Aes128::new(&key.into());
            let (nonce, rest) = datagram.split_at(12);
            let mut plain = rest[..rest.len() - 16].to_vec();
            for (i, block) in plain.chunks_mut(16).enumerate() {
                let mut stream: [u8; 16] = [nonce, &(i as u32 + 2).to_be_bytes()]
                    .concat()
                    .try_into()
                    .expect("16 bytes");
                cipher.encrypt_block((&mut stream).into());
                block
                    .iter_mut()
                    .zip(stream)
                    .for_each(|(byte, stream)| *byte ^= stream);
            }
            plain
        }
        other => panic!("no session with FEC has {other}"),
    }
}

fn vectors(name: &str) -> Value {
    let path = format!(
        "{}/../../tests/vectors/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_str(&std::fs::read_to_string(path).expect("the file")).expect("JSON")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().expect("a list")
}

fn number(value: &Value) -> i64 {
    value.as_i64().expect("a number")
}

fn numbers(case: &Value) -> (usize, usize) {
    (
        number(&case["datashard"]) as usize,
        number(&case["parityshard"]) as usize,
    )
}

fn hexes(case: &Value, key: &str) -> Vec<Vec<u8>> {
    list(case, key).iter().map(unhex).collect()
}

fn unhex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("hex")).expect("hex")
}
