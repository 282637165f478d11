use std::net::Ipv6Addr;

use proptest::prelude::*;

use super::*;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

fn header() -> Header {
    Header {
        ports: (29900, 40000),
        seq: 0x0102_0304,
        ack: 0xfffe_fdfc,
        timestamps: (7, 9),
    }
}

fn whole(source: IpAddr, destination: IpAddr, payload: &[u8]) -> Vec<u8> {
    let mut segment = header().build(source, destination, payload).to_vec();
    segment.extend_from_slice(payload);
    segment
}

#[test]
fn the_header_is_what_the_wire_says() {
    let segment = whole(HERE, THERE, b"abc");
    assert_eq!(segment[..4], [0x74, 0xcc, 0x9c, 0x40]);
    assert_eq!(segment[4..12], [1, 2, 3, 4, 0xff, 0xfe, 0xfd, 0xfc]);
    assert_eq!(segment[12..16], [0x80, 0x18, 0xff, 0xff]); // 8 words, PSH and ACK, the window
    assert_eq!(segment[18..32], [0, 0, 1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9]);
}

/// A segment of the Go program of 2021, seen on loopback: 20 bytes of header and "0123456".
#[test]
fn a_known_checksum() {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut segment = vec![
        0xba, 0xa4, 0x74, 0xcc, 0x8f, 0xd7, 0x91, 0x0d, 0x5d, 0xf9, 0x2b, 0x08, 0x50, 0x18, 0x87,
        0xc9, 0, 0, 0, 0,
    ];
    segment.extend_from_slice(b"0123456");
    let by_hand = {
        let pseudo = [0x7f00, 0x0001, 0x7f00, 0x0001, 0x0006, 27u32];
        let words = [
            0xbaa4, 0x74cc, 0x8fd7, 0x910d, 0x5df9, 0x2b08, 0x5018, 0x87c9, 0, 0, 0x3031, 0x3233,
            0x3435, 0x3600u32,
        ];
        let sum: u32 = pseudo.iter().chain(&words).sum();
        !((sum & 0xffff) + (sum >> 16)) as u16
    };
    segment[16..18].copy_from_slice(&by_hand.to_be_bytes());
    assert!(is_intact(local, local, &segment));
}

#[test]
fn checksums_of_both_families_hold_and_break() {
    let v6 = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
    for (source, destination) in [(HERE, THERE), (v6(1), v6(2))] {
        for len in [0, 1, 2, 3, 1349, 1350] {
            let mut segment = whole(source, destination, &vec![0xa5; len]);
            assert!(is_intact(source, destination, &segment));
            assert!(!is_intact(source, v6(9), &segment) || source.is_ipv4());
            *segment.last_mut().expect("a header") ^= 1;
            assert!(!is_intact(source, destination, &segment));
        }
    }
}

#[test]
fn what_was_built_is_read() {
    let segment = parse(&whole(HERE, THERE, b"datagram")).expect("well formed");
    assert_eq!(segment.ports, (29900, 40000));
    assert_eq!((segment.seq, segment.ack), (0x0102_0304, Some(0xfffe_fdfc)));
    assert_eq!(segment.timestamp, Some(7));
    assert_eq!(segment.payload, 32..40);
    assert!(segment.is_push && !segment.is_syn_ack);
}

#[test]
fn the_malformed_timestamp_is_read_and_the_payload_found() {
    let mut bytes = whole(HERE, THERE, b"datagram");
    bytes[23] = 12;
    let segment = parse(&bytes).expect("the data offset is right");
    assert_eq!(segment.timestamp, Some(7));
    assert_eq!(&bytes[segment.payload], b"datagram");
}

#[test]
fn options_of_any_kind_are_passed_over() {
    for options in [
        &[2u8, 4, 5, 180, 8, 10, 0, 0, 0, 3, 0, 0][..],
        &[1, 1, 1, 1, 1, 8, 10, 0, 0, 0, 3, 0],
        &[254, 0, 8, 10, 0, 0, 0, 3, 0, 0, 0, 0],
    ] {
        assert_eq!(timestamp(options), Some(3), "{options:?}");
    }
    for options in [
        &[0u8, 8, 10, 0, 0, 0, 3][..],
        &[8, 10, 1, 2],
        &[8],
        &[5, 200, 1],
    ] {
        assert_eq!(timestamp(options), None, "{options:?}");
    }
}

#[test]
fn only_plain_pushes_carry_datagrams() {
    let mut bytes = whole(HERE, THERE, b"x");
    for (flags, is_push) in [
        (PSH | ACK, true),
        (PSH, true),
        (ACK, false),
        (PSH | SYN, false),
        (PSH | FIN | ACK, false),
        (PSH | RST, false),
    ] {
        bytes[13] = flags;
        assert_eq!(
            parse(&bytes).map(|s| s.is_push),
            Some(is_push),
            "{flags:#x}"
        );
    }
}

#[test]
fn ipv4_packets_are_opened_by_their_own_lengths() {
    let mut packet = vec![0u8; 24];
    packet[0] = 0x46;
    packet[9] = PROTOCOL;
    packet[12..16].copy_from_slice(&[192, 0, 2, 1]);
    packet[16..20].copy_from_slice(&[198, 51, 100, 7]);
    packet.extend_from_slice(b"segment and padding");
    packet[3] = 24 + 7;
    let (source, destination, range) = open_ipv4(&packet).expect("well formed");
    assert_eq!((IpAddr::V4(source), IpAddr::V4(destination)), (HERE, THERE));
    assert_eq!(&packet[range], b"segment");
    for (at, value) in [(0, 0x44), (0, 0x66), (0, 0x4f), (3, 23), (3, 200), (9, 17)] {
        let mut wrong = packet.clone();
        wrong[at] = value;
        assert_eq!(open_ipv4(&wrong), None, "byte {at} = {value:#x}");
    }
}

proptest! {
    #[test]
    fn hostile_bytes_are_refused_or_lie_within(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(segment) = parse(&bytes) {
            prop_assert!(segment.payload.start >= 20 && segment.payload.end == bytes.len());
            prop_assert!(bytes.get(segment.payload).is_some());
        }
        if let Some((_, _, range)) = open_ipv4(&bytes) {
            prop_assert!(bytes.get(range).is_some());
        }
        is_intact(HERE, THERE, &bytes);
    }

    #[test]
    fn cut_segments_fail_their_checksum(
        payload in prop::collection::vec(1u8.., 1..100),
        cut in 0usize..131,
    ) {
        let segment = whole(HERE, THERE, &payload);
        let cut = cut % segment.len();
        prop_assert!(!is_intact(HERE, THERE, &segment[..cut]) || cut == 0 || parse(&segment[..cut]).is_none());
    }

    #[test]
    fn every_datagram_comes_back(payload in prop::collection::vec(any::<u8>(), 0..1500)) {
        let bytes = whole(HERE, THERE, &payload);
        let segment = parse(&bytes).expect("well formed");
        prop_assert!(is_intact(HERE, THERE, &bytes));
        prop_assert_eq!(&bytes[segment.payload], &payload[..]);
    }
}
