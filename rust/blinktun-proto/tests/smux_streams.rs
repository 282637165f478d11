//! What one end does: order of frames, windows, fairness, refusals, memory.

mod smux_support;

use blinktun_proto::smux::{
    Error, Event, HELLO, INITIAL_WINDOW, MIN_TRANSMIT, Mux, OpenError, Role, STREAM_BYTES,
    StreamError, StreamId, Version, WINDOW_SLACK,
};
use smux_support::*;

const V1: Version = Version::V1;
const V2: Version = Version::V2;

#[test]
fn hello_then_syn_with_the_first_data_then_round_robin() {
    let mut mux = client(V2);
    assert!(
        !mux.wants_transmit(),
        "a client says nothing before its first stream"
    );
    let (a, b) = (mux.open().expect("first"), mux.open().expect("second"));
    assert_eq!((a, b), (StreamId(3), StreamId(5)));
    mux.write(a, &[1; 20_000]).expect("open");
    mux.write(b, &[2; 10_000]).expect("open");
    let frames = parse(&transmit(&mut mux, at(0)));
    assert_eq!((frames[0].0, frames[0].1), (NOP, HELLO));
    let kinds: Vec<_> = frames[1..]
        .iter()
        .map(|(c, id, data)| (*c, *id, data.len()))
        .collect();
    let expected = [
        (SYN, 3, 0),
        (PSH, 3, 8192),
        (SYN, 5, 0),
        (PSH, 5, 8192),
        (PSH, 3, 8192),
        (PSH, 5, 1808),
        (PSH, 3, 3616),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn a_server_answers_the_first_frame_with_its_hello_alone() {
    let mut mux = server();
    assert!(!mux.wants_transmit());
    assert_eq!(mux.version(), None);
    mux.receive(&frame(V1, SYN, 3, &[]), at(0)).expect("proper");
    assert_eq!(events(&mut mux), [Event::Opened(StreamId(3))]);
    assert!(mux.wants_transmit());
    assert_eq!(transmit(&mut mux, at(0)), frame(V1, NOP, HELLO, &[]));
    assert!(!mux.wants_transmit());
}

#[test]
fn control_frames_go_before_data() {
    let mut mux = client(V2);
    let id = mux.open().expect("first");
    transmit(&mut mux, at(0));
    mux.write(id, &[1; 100]).expect("open");
    mux.receive(&frame(V2, PSH, id.0, b"reply"), at(0))
        .expect("proper");
    mux.handle_timeout(at(10_000)).expect("alive");
    mux.open().expect("second");
    let expected = [(NOP, 0, 0), (UPD, 3, 8), (SYN, 5, 0), (PSH, 3, 100)];
    assert_eq!(sends(&mut mux, at(10_000)), expected);
}

#[test]
fn frames_are_cut_to_the_room_and_never_beyond() {
    let mut mux = client(V1);
    let id = mux.open().expect("first");
    mux.write(id, &[9; 50_000]).expect("open");
    let (mut out, mut moved) = (Vec::new(), 0);
    for room in (0..100).cycle() {
        let before = out.len();
        let n = mux.transmit(room, &mut out, at(0)).bytes;
        assert_eq!(out.len() - before, n);
        assert!(n <= room);
        assert!(n > 0 || room < MIN_TRANSMIT || !mux.wants_transmit());
        moved += n;
        if !mux.wants_transmit() {
            break;
        }
    }
    assert_eq!(moved, out.len());
    let data: usize = parse(&out).iter().map(|(_, _, data)| data.len()).sum();
    assert_eq!(data, 50_000);
}

#[test]
fn busy_streams_share_the_wire_evenly() {
    let mut mux = Mux::new(
        config_with(Role::Client, Some(V1), |settings| {
            settings.send_buffer = 1 << 20
        }),
        at(0),
    );
    let ids: Vec<_> = (0..50).map(|_| mux.open().expect("few")).collect();
    for id in &ids[1..] {
        mux.write(*id, &[0; 300_000]).expect("open");
    }
    transmit_some(&mut mux, 3 << 20);
    // A newcomer among 49 that have a lot to send waits for one round at most.
    mux.write(ids[0], b"hello").expect("open");
    let frames = transmit_some(&mut mux, 50 * 8200);
    assert!(
        frames
            .iter()
            .any(|(_, id, data)| *id == ids[0].0 && data == b"hello")
    );

    let mut sent = std::collections::HashMap::<u32, usize>::new();
    for (_, id, data) in transmit_some(&mut mux, 10 << 20) {
        *sent.entry(id).or_default() += data.len();
    }
    let (least, most) = (sent.values().min(), sent.values().max());
    assert_eq!(sent.len(), 49);
    assert!(
        most.expect("some") - least.expect("some") <= 8192,
        "{least:?} to {most:?}"
    );
}

fn transmit_some(mux: &mut Mux, bytes: usize) -> Vec<(u8, u32, Vec<u8>)> {
    let mut out = Vec::new();
    mux.transmit(bytes, &mut out, at(0));
    parse(&out)
}

#[test]
fn a_stalled_stream_does_not_stop_another() {
    let (mut client, mut server) = (client(V2), server());
    let (slow, quick) = (
        client.open().expect("first"),
        client.open().expect("second"),
    );
    let (mut slow_written, mut got) = (0, 0);
    for _ in 0..200 {
        slow_written += client.write(slow, &[1; 30_000]).expect("open");
        assert_eq!(client.write(quick, &[2; 30_000]), Ok(30_000));
        exchange(&mut client, &mut server, at(0));
        got += read(&mut server, quick).len();
    }
    assert_eq!(got, 200 * 30_000);
    let window = INITIAL_WINDOW as usize;
    assert_eq!(server.unread(slow), window, "nothing of it was read");
    assert_eq!(slow_written, window + (64 << 10), "and a send buffer more");
}

#[test]
fn before_the_first_update_the_window_is_262144() {
    let mut mux = Mux::new(
        config_with(Role::Client, Some(V2), |settings| {
            settings.send_buffer = 1 << 20
        }),
        at(0),
    );
    let id = mux.open().expect("first");
    mux.write(id, &[0; 1 << 20]).expect("open");
    let sent: usize = sends(&mut mux, at(0)).iter().map(|frame| frame.2).sum();
    assert_eq!(sent, INITIAL_WINDOW as usize);
    assert!(!mux.wants_transmit());
    mux.receive(&update(id.0, 100_000, 200_000), at(0))
        .expect("proper");
    let sent: usize = sends(&mut mux, at(0)).iter().map(|frame| frame.2).sum();
    assert_eq!(sent, 300_000 - INITIAL_WINDOW as usize);
    // A smaller window than what is in flight: wait, no error.
    mux.receive(&update(id.0, 100_000, 1), at(0))
        .expect("proper");
    assert!(!mux.wants_transmit());
    assert_eq!(
        mux.receive(&update(id.0, 300_001, 200_000), at(0)),
        Err(Error::ConsumedUnsent(id))
    );
}

#[test]
fn what_is_in_flight_fits_a_signed_number_whatever_window_is_offered() {
    let mut mux = client(V2);
    let id = mux.open().expect("first");
    mux.write(id, &[0; 100]).expect("open");
    transmit(&mut mux, at(0));
    // As if 2^31 - 1 bytes were unread, and far more than that welcome.
    let consumed = 100u32.wrapping_sub(i32::MAX as u32);
    mux.receive(&update(id.0, consumed, u32::MAX), at(0))
        .expect("odd, but no violation");
    mux.write(id, b"more").expect("open");
    assert!(!mux.wants_transmit());
    mux.receive(&update(id.0, 100, u32::MAX), at(0))
        .expect("proper");
    assert_eq!(sends(&mut mux, at(0)), [(PSH, 3, 4)]);
}

#[test]
fn updates_follow_the_first_byte_and_each_quarter() {
    let mut mux = Mux::new(
        config_with(Role::Server, None, |settings| {
            settings.stream_buffer = 400_000
        }),
        at(0),
    );
    mux.receive(&frame(V2, SYN, 3, &[]), at(0)).expect("proper");
    let id = StreamId(3);
    assert_eq!(sends(&mut mux, at(0)), []);
    mux.receive(&frame(V2, PSH, 3, &[0; 30_000]), at(0))
        .expect("proper");
    assert_eq!(
        transmit(&mut mux, at(0)),
        update(3, 0, 400_000),
        "before anything is read"
    );
    for _ in 0..4 {
        mux.receive(&frame(V2, PSH, 3, &[0; 30_000]), at(0))
            .expect("proper");
    }
    assert_eq!(transmit(&mut mux, at(0)), []);
    mux.consume(id, 99_999);
    assert_eq!(transmit(&mut mux, at(0)), []);
    mux.consume(id, 1);
    mux.consume(id, 5);
    assert_eq!(transmit(&mut mux, at(0)), update(3, 100_005, 400_000));
    mux.receive(&frame(V2, FIN, 3, &[]), at(0)).expect("proper");
    mux.consume(id, 50_000);
    assert_eq!(
        transmit(&mut mux, at(0)),
        [],
        "who has finished needs no window"
    );
}

#[test]
fn version_one_sends_no_updates_and_knows_no_window() {
    let mut mux = client(V1);
    let id = mux.open().expect("first");
    transmit(&mut mux, at(0));
    for _ in 0..60 {
        mux.receive(&frame(V1, PSH, 3, &[0; 65_535]), at(0))
            .expect("proper");
    }
    assert_eq!(mux.receive_space(), (4 << 20) - 60 * 65_535);
    mux.receive(&frame(V1, PSH, 5, &[0; 65_535]), at(0))
        .expect("proper");
    assert_eq!(mux.dropped_bytes(), 65_535);
    for _ in 0..5 {
        mux.receive(&frame(V1, PSH, 3, &[0; 65_535]), at(0))
            .expect("overshoot is the caller's");
    }
    assert_eq!(mux.receive_space(), 0);
    assert_eq!(read(&mut mux, id).len(), 65 * 65_535);
    assert_eq!((mux.receive_space(), mux.allocated()), (4 << 20, 0));
    assert_eq!(transmit(&mut mux, at(0)), []);
    assert_eq!(
        mux.receive(&frame(V1, UPD, 3, &[0; 8]), at(0)),
        Err(Error::Command(UPD)),
        "updates are of version 2"
    );
}

#[test]
fn a_peer_that_ignores_its_window_is_cut() {
    let mut mux = server();
    mux.receive(&frame(V2, SYN, 3, &[]), at(0)).expect("proper");
    let limit = (2 << 20) + WINDOW_SLACK;
    for _ in 0..limit / 65_535 {
        mux.receive(&frame(V2, PSH, 3, &[0; 65_535]), at(0))
            .expect("within window and slack");
    }
    let beyond = mux.receive(&frame(V2, PSH, 3, &[0; 65_535]), at(0));
    assert_eq!(beyond, Err(Error::WindowExceeded(StreamId(3))));
    assert!(mux.unread(StreamId(3)) <= limit);
}

#[test]
fn writes_stop_at_the_send_buffer_and_resume_at_half() {
    let mut mux = client(V2);
    let id = mux.open().expect("first");
    assert_eq!(mux.write(id, &[0; 65_536]), Ok(65_536));
    transmit_some(&mut mux, 60_000);
    assert_eq!(events(&mut mux), [], "nobody waits");
    let room = 65_536 - mux.unsent(id);
    assert_eq!(mux.write(id, &[0; 100_000]), Ok(room));
    assert_eq!(mux.write(id, &[0]), Ok(0));
    transmit_some(&mut mux, 30_000);
    assert_eq!(events(&mut mux), []);
    transmit_some(&mut mux, 10_000);
    assert_eq!(events(&mut mux), [Event::Writable(id)]);
    assert_eq!(mux.write(StreamId(99), b"x"), Err(StreamError::Unknown));
    mux.finish(id);
    assert_eq!(mux.write(id, b"x"), Err(StreamError::Finished));
}

#[test]
fn streams_beyond_the_limit_are_refused_and_swallowed() {
    let config = config_with(Role::Server, None, |settings| settings.max_streams = 2);
    let mut mux = Mux::new(config, at(0));
    for id in [3, 8, 5] {
        mux.receive(&frame(V2, SYN, id, &[]), at(0))
            .expect("proper");
    }
    let opened = [Event::Opened(StreamId(3)), Event::Opened(StreamId(8))];
    assert_eq!(events(&mut mux), opened, "any id that does not exist");
    assert_eq!(sends(&mut mux, at(0)), [(FIN, 5, 0)]);
    assert_eq!(mux.open(), Err(OpenError::TooMany));
    mux.receive(&frame(V2, PSH, 5, b"12345"), at(0))
        .expect("proper");
    assert_eq!(
        transmit(&mut mux, at(0)),
        update(5, 5, 2 << 20),
        "a blocked writer is freed"
    );
    assert_eq!((events(&mut mux), mux.dropped_bytes()), (vec![], 5));
}

#[test]
fn refusals_that_cannot_leave_stop_delivery() {
    let mut mux = Mux::new(
        config_with(Role::Server, None, |settings| settings.max_streams = 0),
        at(0),
    );
    let flood: Vec<u8> = (0..1024)
        .flat_map(|n| frame(V1, SYN, 2 * n + 3, &[]))
        .collect();
    mux.receive(&flood, at(0)).expect("proper");
    assert_eq!(mux.receive_space(), 0);
    assert_eq!(sends(&mut mux, at(0)).len(), 1024);
    assert_eq!(mux.receive_space(), 4 << 20);
}

#[test]
fn ids_of_other_parity_unknown_ids_and_odd_frames_do_no_harm() {
    let mut mux = client(V2);
    let id = mux.open().expect("first");
    transmit(&mut mux, at(0));
    for odd in [
        frame(V2, PSH, 99, b"who?"),
        frame(V2, FIN, 99, &[]),
        update(99, 1 << 30, 1),
        frame(V2, NOP, 12_345, &[]),
        frame(V2, PSH, id.0, &[]),
        frame(V2, SYN, id.0, &[]),
    ] {
        mux.receive(&odd, at(0)).expect("harmless");
    }
    assert_eq!((events(&mut mux), mux.dropped_bytes()), (vec![], 4));
    assert_eq!(transmit(&mut mux, at(0)), []);
    mux.receive(&frame(V2, SYN, 4, &[]), at(0))
        .expect("a server may open streams");
    assert_eq!(events(&mut mux), [Event::Opened(StreamId(4))]);
}

#[test]
fn own_ids_step_over_those_the_peer_took_and_end_at_32_bits() {
    let mut mux = client(V1);
    mux.receive(&frame(V1, SYN, 5, &[]), at(0)).expect("proper");
    let ids: Vec<_> = (0..3).map(|_| mux.open().expect("few").0).collect();
    assert_eq!(ids, [3, 7, 9]);
    let mut mux = Mux::new(config(Role::Server, Some(V1)), at(0));
    assert_eq!(mux.open(), Ok(StreamId(2)));
}

#[test]
fn malformed_headers_are_errors_before_their_payload() {
    let cases = [
        (vec![3, SYN, 0, 0, 3, 0, 0, 0], Error::Version(3)),
        (vec![0, SYN, 0, 0, 3, 0, 0, 0], Error::Version(0)),
        (vec![1, SYN, 0, 0, 3, 0, 0, 0], Error::Version(1)),
        (vec![2, 5, 0, 0, 3, 0, 0, 0], Error::Command(5)),
        (
            vec![2, SYN, 1, 0, 3, 0, 0, 0],
            Error::Length {
                command: SYN,
                length: 1,
            },
        ),
        (
            vec![2, FIN, 2, 0, 3, 0, 0, 0],
            Error::Length {
                command: FIN,
                length: 2,
            },
        ),
        (
            vec![2, NOP, 0, 1, 3, 0, 0, 0],
            Error::Length {
                command: NOP,
                length: 256,
            },
        ),
        (
            vec![2, UPD, 7, 0, 3, 0, 0, 0],
            Error::Length {
                command: UPD,
                length: 7,
            },
        ),
    ];
    for (bytes, error) in cases {
        let mut mux = client(V2);
        assert_eq!(mux.receive(&bytes[..7], at(0)), Ok(()));
        assert_eq!(mux.receive(&bytes[7..], at(0)), Err(error));
    }
}

#[test]
fn ten_thousand_idle_streams_are_small() {
    let wide = |role, version| config_with(role, version, |settings| settings.max_streams = 10_000);
    let mut client = Mux::new(wide(Role::Client, Some(V2)), at(0));
    let mut server = Mux::new(wide(Role::Server, None), at(0));
    let ids: Vec<_> = (0..10_000).map(|_| client.open().expect("few")).collect();
    for id in &ids {
        client.write(*id, b"request").expect("open");
    }
    exchange(&mut client, &mut server, at(0));
    assert_eq!(
        server.allocated(),
        10_000 * 2048,
        "one small chunk for each that waits"
    );
    for id in &ids {
        assert_eq!(read(&mut server, *id), b"request");
    }
    events(&mut server);
    assert_eq!((client.allocated(), server.allocated()), (0, 0));
    assert!(!client.wants_transmit() && !server.wants_transmit());
    // A hash table may be filled to seven eighths after doubling: at worst 16/7 places a stream.
    let worst = (STREAM_BYTES + 5) * 16 / 7;
    println!(
        "Stream: {STREAM_BYTES} bytes, at worst {worst} in the table; Mux: {}",
        size_of::<Mux>()
    );
    assert!(worst < 1024);
}
