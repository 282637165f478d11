//! Encoder and decoder against each other, against loss and against hostile bytes.

use super::redundancy::Redundancy;
use super::*;
use crate::random::Random;
use crate::time::{Duration, Time};
use crate::wire::fec::{HEADER, MAX_PACKET, PARITY_HEADER, Packet, classify, rebuilt_segments};
use crate::wire::{SeqId, u32_at};
use proptest::prelude::*;
use std::collections::HashSet;

const CONV: u32 = 0xa1b2_c3d4;

/// KCP bytes of one to three segments, with data of `len` bytes in the first.
fn kcp(sn: u32, len: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for i in 0..1 + random.below(3) {
        let len = if i == 0 { len } else { 0 };
        bytes.extend(CONV.to_le_bytes());
        bytes.extend([if len > 0 { 81 } else { 82 }, 0, 128, 0]);
        bytes.extend((sn / 16).to_le_bytes());
        bytes.extend((sn + i as u32).to_le_bytes());
        bytes.extend((sn / 2).to_le_bytes());
        bytes.extend((len as u32).to_le_bytes());
        let start = bytes.len();
        bytes.resize(start + len, 0);
        random.fill(&mut bytes[start..]);
    }
    bytes
}

/// All packets of a stream, and the payload of each data packet.
fn stream(
    encoder: &mut Encoder,
    count: usize,
    most: usize,
    random: &mut Random,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut packets = Vec::new();
    for sn in 0..count {
        let payload = kcp(sn as u32, random.below(most as u64 + 1) as usize, random);
        let mut packet = [&[0; HEADER], &payload[..]].concat();
        encoder.encode(&mut packet, Time::ZERO);
        packets.push((packet, payload));
        while encoder.parity_due() > 0 {
            let mut parity = vec![0; encoder.parity_len()];
            encoder.write_parity(&mut parity);
            packets.push((parity, Vec::new()));
        }
    }
    packets
}

/// An encoder that is in the flow already, so that 1 data shard has parity from the first on.
fn flowing(data: usize, parity: usize) -> Encoder {
    let mut encoder = Encoder::new(data, parity).expect("sound numbers");
    stream(&mut encoder, data, 0, &mut Random::from_number(0));
    encoder
}

fn receive(decoder: &mut Decoder, packet: &[u8]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    if let Some(packet) = Packet::parse(packet) {
        decoder.receive(&packet, CONV, &mut |kcp| {
            payloads.push(kcp.bytes().to_vec())
        });
    }
    payloads
}

#[test]
fn parity_pauses_with_the_data_and_keeps_the_groups() {
    let mut encoder = Encoder::new(2, 1).expect("sound numbers");
    let mut send = |millis| {
        let mut packet = [0; 40];
        encoder.encode(&mut packet, Time::from_millis(millis));
        let due = encoder.parity_due();
        for _ in 0..due {
            let mut parity = vec![0; encoder.parity_len()];
            encoder.write_parity(&mut parity);
        }
        (u32_at(&packet, 0), due)
    };
    assert_eq!(send(1000), (0, 0));
    assert_eq!(send(1499), (1, 1));
    assert_eq!(send(9000), (3, 0));
    assert_eq!(send(9500), (4, 0), "a pause of exactly 500 ms skips parity");
    assert_eq!(send(9600), (6, 0));
    assert_eq!(send(9700), (7, 1));
}

#[test]
fn the_very_first_packet_is_late() {
    let mut encoder = Encoder::new(1, 2).expect("sound numbers");
    let mut packet = [0; 40];
    encoder.encode(&mut packet, Time::ZERO);
    assert_eq!((encoder.parity_due(), encoder.parity_len()), (0, 0));
    encoder.encode(&mut packet, Time::ZERO + Duration::from_millis(1));
    assert_eq!(
        (
            u32_at(&packet, 0),
            encoder.parity_due(),
            encoder.parity_len()
        ),
        (3, 2, 40)
    );
}

#[test]
fn parity_not_written_is_given_up() {
    let mut encoder = Encoder::new(2, 2).expect("sound numbers");
    let mut packet = [1; 40];
    (0..2).for_each(|_| encoder.encode(&mut packet, Time::ZERO));
    encoder.write_parity(&mut [0; 40]);
    encoder.encode(&mut packet, Time::ZERO);
    assert_eq!((u32_at(&packet, 0), encoder.parity_due()), (4, 0));
    let mut fresh = Encoder::new(2, 2)
        .expect("sound numbers")
        .with_first_seqid(SeqId(6));
    let mut again = packet;
    fresh.encode(&mut again, Time::ZERO);
    for encoder in [&mut encoder, &mut fresh] {
        encoder.encode(&mut packet, Time::ZERO);
    }
    let [ours, theirs] = [encoder, fresh].map(|mut encoder| {
        let mut parity = [0; 40];
        encoder.write_parity(&mut parity);
        parity
    });
    assert_eq!(ours, theirs, "no byte of the given up group is left");
}

#[test]
fn an_abandoned_group_keeps_its_numbers() {
    let encode = |encoder: &mut Encoder| {
        let mut packet = [1; 40];
        encoder.encode(&mut packet, Time::ZERO);
        (u32_at(&packet, 0), encoder.parity_due())
    };
    let mut encoder = Encoder::new(3, 2).expect("sound numbers");
    encoder.abandon_group();
    assert_eq!(encode(&mut encoder), (0, 0));
    (0..2).for_each(|_| encoder.abandon_group());
    for expected in [(5, 0), (6, 0), (7, 2)] {
        assert_eq!(encode(&mut encoder), expected);
    }
    let mut parity = vec![0; encoder.parity_len()];
    encoder.write_parity(&mut parity);
    encoder.abandon_group();
    assert_eq!(
        encode(&mut encoder),
        (10, 0),
        "parity is given up with its group"
    );
    let mut fresh = Encoder::new(3, 2).expect("sound numbers");
    for encoder in [&mut fresh, &mut encoder] {
        while encoder.parity_due() == 0 {
            encode(encoder);
        }
    }
    let [ours, theirs] = [encoder, fresh].map(|mut encoder| {
        let mut parity = [0; 40];
        encoder.write_parity(&mut parity);
        parity[PARITY_HEADER..].to_vec()
    });
    assert_eq!(ours, theirs, "no byte of an abandoned group is left");
}

#[test]
fn a_decoder_without_numbers_finds_them() {
    let mut random = Random::from_number(1);
    let packets = stream(&mut flowing(10, 3), 100, 100, &mut random);
    let mut decoder = Decoder::new(1, 1);
    let mut payloads = Vec::new();
    for (packet, _) in &packets {
        let position = u32_at(packet, 0) % 13;
        let is_lost = u32_at(packet, 0) > 60 && position == 4;
        if !is_lost {
            payloads.extend(receive(&mut decoder, packet));
        }
    }
    assert_eq!(decoder.shards(), (10, 3));
    assert_eq!(decoder.stats.retuned, 1);
    assert_eq!(decoder.stats.recovered, payloads.len() as u64);
    assert!(payloads.len() >= 5, "{:?}", decoder.stats);
}

#[test]
fn a_group_cut_at_the_wrong_places_is_not_rebuilt() {
    // What 10/3 makes of a 4/2 stream that lost 4, 5 and 12: all kinds agree, as many have come as are
    // needed, and what they rebuild passes for KCP. Only the proof is missing.
    let mut encoder = Encoder::new(4, 2).expect("sound numbers");
    let mut packets = Vec::new();
    for sn in 0..8u8 {
        let mut packet = vec![0; HEADER + 24 + 10];
        packet[HEADER..HEADER + 4].copy_from_slice(&CONV.to_le_bytes());
        (packet[HEADER + 4], packet[HEADER + 12], packet[HEADER + 20]) = (81, sn, 10);
        encoder.encode(&mut packet, Time::ZERO);
        packets.push(packet);
        while encoder.parity_due() > 0 {
            let mut parity = vec![0; encoder.parity_len()];
            encoder.write_parity(&mut parity);
            packets.push(parity);
        }
    }
    let kept = [0, 1, 2, 3, 6, 7, 8, 9, 10, 11].map(|seqid| &packets[seqid][..]);
    let [careful, credulous] = [
        Decoder::new(10, 3),
        Decoder::new(10, 3).with_proven_numbers(),
    ]
    .map(|mut decoder| {
        kept.iter()
            .flat_map(|packet| receive(&mut decoder, packet))
            .collect::<Vec<_>>()
    });
    assert!(careful.is_empty());
    assert_eq!(credulous.len(), 2);
    assert!(
        !packets
            .iter()
            .any(|packet| packet[HEADER..] == credulous[0])
    );
}

#[test]
fn groups_that_wait_for_proof_are_rebuilt_by_it() {
    let mut random = Random::from_number(2);
    let packets = stream(&mut flowing(3, 2), 7, 50, &mut random);
    let mut decoder = Decoder::new(3, 2);
    let (waiting, proving) = packets.split_at(5);
    for i in [0, 2, 3] {
        assert!(receive(&mut decoder, &waiting[i].0).is_empty());
    }
    for (packet, _) in &proving[..5] {
        assert!(receive(&mut decoder, packet).is_empty());
        assert_eq!(decoder.proven(), None);
    }
    assert_eq!(receive(&mut decoder, &proving[5].0), [waiting[1].1.clone()]);
    assert_eq!(decoder.proven(), Some((3, 2)));
    assert_eq!((decoder.stats.full_groups, decoder.stats.recovered), (1, 1));
}

#[test]
fn a_group_that_lost_something_proves_as_much() {
    let mut random = Random::from_number(5);
    let packets = stream(&mut flowing(4, 3), 8, 50, &mut random);
    let mut decoder = Decoder::new(4, 3);
    let kept = [0, 2, 3, 4, 5, 6].map(|i| &packets[i].0);
    let rebuilt = kept.map(|packet| receive(&mut decoder, packet).len());
    assert_eq!(rebuilt, [0, 0, 0, 0, 1, 0], "at once, and once");
    assert_eq!(decoder.proven(), None);
    receive(&mut decoder, &packets[7].0);
    assert_eq!(decoder.proven(), Some((4, 3)));
    let contradiction = [&22u32.to_le_bytes()[..], &packets[5].0[4..]].concat();
    receive(&mut decoder, &contradiction);
    assert_eq!((decoder.proven(), decoder.is_lost()), (None, true));
}

#[test]
fn parity_of_one_row_less_proves_nothing() {
    // 10+2 has the rows of 10+3 as far as they go. Whatever contradicts the third is lost here, and
    // then a group cut at the wrong place has as many members as it needs.
    let mut random = Random::from_number(6);
    let mut encoder = Encoder::new(10, 2).expect("sound numbers");
    let packets = stream(&mut encoder, 30, 50, &mut random);
    let mut decoder = Decoder::new(10, 3);
    for (packet, _) in &packets[..24] {
        if ![12, 22].contains(&u32_at(packet, 0)) {
            assert!(receive(&mut decoder, packet).is_empty());
            assert_eq!(decoder.proven(), None);
        }
    }
}

#[test]
fn parity_is_not_rebuilt_as_data() {
    // A polynomial of degree 2 is one of degree 3: what 3+5 sends fits 4+4, where the first parity
    // packet would be the last data packet, lost.
    let mut random = Random::from_number(8);
    let mut encoder = Encoder::new(3, 5).expect("sound numbers");
    let packets = stream(&mut encoder, 6, 0, &mut random);
    let mut decoder = Decoder::new(4, 4);
    for seqid in [0, 1, 2, 5, 6, 7, 8] {
        assert!(receive(&mut decoder, &packets[seqid].0).is_empty());
        assert_eq!(decoder.proven(), None);
    }
}

#[test]
fn equal_packets_prove_nothing() {
    let mut encoder = Encoder::new(4, 2).expect("sound numbers");
    let mut decoder = Decoder::new(2, 1);
    let mut packet = [&[0; HEADER], &kcp(1, 0, &mut Random::from_number(7))[..]].concat();
    for _ in 0..40 {
        encoder.encode(&mut packet, Time::ZERO);
        // Of 4+2 only what 2+1 would send as well.
        let seqid = u32_at(&packet, 0);
        if seqid % 3 < 2 {
            assert!(receive(&mut decoder, &packet).is_empty());
        }
        while encoder.parity_due() > 0 {
            let mut parity = vec![0; encoder.parity_len()];
            encoder.write_parity(&mut parity);
            if u32_at(&parity, 0) % 3 == 2 {
                assert!(receive(&mut decoder, &parity).is_empty());
            }
        }
        assert_eq!(decoder.proven(), None);
    }
    assert!(!decoder.is_lost());
}

#[test]
fn steady_traffic_takes_no_new_memory() {
    let mut random = Random::from_number(3);
    let packets = stream(&mut flowing(10, 3), 4000, 1300, &mut random);
    let mut decoder = Decoder::new(10, 3);
    let mut memory = Vec::new();
    for (packet, _) in &packets {
        assert!(receive(&mut decoder, packet).is_empty());
        memory.push(decoder.memory());
    }
    // Only groups longer than all before may still ask for more.
    assert!(
        memory[2000] <= 13 * MAX_PACKET + 4096 + 13 * MAX_PACKET,
        "{}",
        memory[2000]
    );
    assert!(memory[5000] <= memory[2000] * 3 / 2);
    assert_eq!(decoder.stats.full_groups, 400);
    decoder.release();
    assert!(decoder.memory() <= tuner::Tuner::MEMORY_BOUND);
}

#[test]
fn a_wild_number_does_not_stop_recovery() {
    let mut random = Random::from_number(4);
    let packets = stream(&mut flowing(4, 2), 40, 100, &mut random);
    let mut decoder = Decoder::new(4, 2);
    let mut recovered = 0;
    for (packet, _) in &packets {
        let mut wild = packet.clone();
        wild[..4].copy_from_slice(&(u32_at(packet, 0) + 6_000_000).to_le_bytes());
        if u32_at(packet, 0) % 6 == 5 {
            assert!(receive(&mut decoder, &wild).is_empty());
        }
        if u32_at(packet, 0) < 12 || u32_at(packet, 0) % 6 != 1 {
            recovered += receive(&mut decoder, packet).len();
        }
    }
    assert_eq!(recovered, 9);
}

proptest! {
    #[test]
    fn any_losses_up_to_the_parity_are_recovered(
        data in 1usize..40, parity in 1usize..20, most in 0usize..1300, seed: u64,
    ) {
        let random = &mut Random::from_number(seed);
        let packets = stream(&mut flowing(data, parity), 3 * data, most, random);
        let mut decoder = Decoder::new(data, parity).with_proven_numbers();
        for group in packets.chunks(data + parity) {
            let mut order: Vec<usize> = (0..group.len()).collect();
            (0..order.len()).for_each(|i| order.swap(i, random.below(group.len() as u64) as usize));
            let (lost, kept) = order.split_at(random.below(parity as u64 + 1) as usize);
            let payloads: Vec<_> = kept.iter().flat_map(|&i| receive(&mut decoder, &group[i].0)).collect();
            let seen: HashSet<_> = payloads.iter().collect();
            prop_assert!(seen.len() == payloads.len(), "nothing twice");
            prop_assert!(lost.iter().filter(|&&i| i < data).all(|&i| seen.contains(&group[i].1)));
            prop_assert!(seen.iter().all(|payload| group.iter().any(|(_, sent)| sent == *payload)));
        }
        prop_assert_eq!(decoder.stats.errors, 0);
    }

    #[test]
    fn all_sizes_of_groups_work(data in 1usize..=255, share in 0usize..255, seed: u64) {
        let random = &mut Random::from_number(seed);
        let parity = 1 + share % (MAX_SHARDS - data);
        let packets = stream(&mut flowing(data, parity), data, 20, random);
        let mut decoder = Decoder::new(data, parity).with_proven_numbers();
        let first = random.below(parity.min(data) as u64) as usize;
        let kept = packets.iter().enumerate().filter(|(i, _)| *i > first || *i >= data);
        let payloads: Vec<_> = kept.flat_map(|(_, (packet, _))| receive(&mut decoder, packet)).collect();
        let lost: Vec<_> = packets[..=first].iter().map(|(_, payload)| payload.clone()).collect();
        prop_assert_eq!(payloads, lost);
        let shards = Shards::new(data, parity).expect("sound numbers");
        prop_assert!(decoder.memory() <= Decoder::memory_bound(shards));
    }

    #[test]
    fn wrong_numbers_never_rebuild_garbage(
        (data, parity) in prop_oneof![Just((4, 2)), (1usize..20, 1usize..8)],
        (ours, our_parity) in prop_oneof![3 => Just((10, 3)), 1 => (1usize..20, 1usize..8)],
        loss in 0u64..40, most in prop_oneof![Just(0usize), 0usize..200], seed: u64, at: u32,
    ) {
        let random = &mut Random::from_number(seed);
        let mut encoder = Encoder::new(data, parity).expect("sound numbers").with_first_seqid(SeqId(at));
        let packets = stream(&mut encoder, 400, most, random);
        let sent: HashSet<_> = packets.iter().map(|(_, payload)| payload).collect();
        let mut decoder = Decoder::new(ours, our_parity);
        for (packet, _) in &packets {
            if random.below(100) >= loss {
                for payload in receive(&mut decoder, packet) {
                    prop_assert!(sent.contains(&payload), "{:?}", decoder);
                }
            }
        }
    }

    #[test]
    fn mutated_packets_never_break_the_promises(
        data in 1usize..12, parity in 1usize..5, seed: u64, is_proven: bool, most in 0usize..1400,
    ) {
        let random = &mut Random::from_number(seed);
        let packets = stream(&mut flowing(data, parity), 200, most, random);
        let mut decoder = Decoder::new(data, parity);
        if is_proven {
            decoder = decoder.with_proven_numbers();
        }
        let mut bound = 0;
        for (packet, _) in &packets {
            let mut packet = packet.clone();
            mutate(&mut packet, random);
            for payload in receive(&mut decoder, &packet) {
                let shard = [&(payload.len() as u16 + 2).to_le_bytes()[..], &payload].concat();
                prop_assert!(rebuilt_segments(&shard, CONV).is_some());
            }
            let (data, parity) = decoder.shards();
            let shards = Shards::new(data, parity).expect("sound numbers");
            bound = bound.max(Decoder::memory_bound(shards));
            prop_assert!(decoder.memory() <= bound);
        }
    }

    #[test]
    fn any_bytes_are_safe(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..50)) {
        let mut decoder = Decoder::new(2, 1);
        for mut packet in packets {
            classify(&packet);
            receive(&mut decoder, &packet);
            if packet.len() >= 6 {
                let kind = [0xf1 + (packet[0] & 1), 0];
                packet[4..6].copy_from_slice(&kind);
                receive(&mut decoder, &packet);
            }
        }
    }
}

/// Half of the packets stay; the others lose, gain or change bytes, most often in the header.
fn mutate(packet: &mut Vec<u8>, random: &mut Random) {
    let len = packet.len() as u64;
    match random.below(8) {
        0 => packet.truncate(random.below(len) as usize),
        1 => packet.resize((len + random.below(200)) as usize, 1),
        2 => packet[random.below(8) as usize] ^= 1 << random.below(8),
        3 => packet[random.below(len) as usize] ^= 1 << random.below(8),
        _ => {}
    }
}

#[test]
fn each_group_has_the_parity_that_was_wanted_when_it_began() {
    let mut encoder = flowing(10, 3);
    let mut decoder = Decoder::new(10, 3).with_proven_numbers();
    let random = &mut Random::from_number(5);
    for parity in [0, 3, 1, 2, 0, 3, 3, 1] {
        encoder.set_redundancy(Redundancy::Punctured(parity));
        let packets = stream(&mut encoder, 10, 100 + 200 * parity, random);
        assert_eq!(packets.len(), 10 + parity);
        let lost: Vec<_> = packets[..parity].iter().map(|it| it.1.clone()).collect();
        let mut rebuilt = Vec::new();
        for (packet, _) in &packets[parity..] {
            rebuilt.extend(receive(&mut decoder, packet));
        }
        assert_eq!(rebuilt, lost, "{parity}");
    }
}

#[test]
fn with_less_parity_than_there_can_be_groups_stay_where_they_are() {
    for kept in 0..=4 {
        let mut encoder = flowing(10, 3);
        encoder.set_redundancy(Redundancy::Punctured(kept));
        let random = &mut Random::from_number(kept as u64);
        let packets = stream(&mut encoder, 200, 100, random);
        let parity = kept.min(3);
        assert_eq!(packets.len(), 20 * (10 + parity));
        for lost in 0..=parity + 1 {
            let mut decoder = Decoder::new(10, 3).with_proven_numbers();
            let mut rebuilt = Vec::new();
            for group in packets.chunks(10 + parity) {
                for (packet, _) in &group[lost..] {
                    rebuilt.extend(receive(&mut decoder, packet));
                }
            }
            let all: Vec<Vec<u8>> = packets
                .chunks(10 + parity)
                .flat_map(|group| group[..lost].iter().map(|(_, payload)| payload.clone()))
                .collect();
            let expected = if lost <= parity { all } else { Vec::new() };
            assert_eq!(rebuilt, expected, "{kept} kept, {lost} lost");
            assert_eq!(decoder.proven(), Some((10, 3)));
        }
    }
}
