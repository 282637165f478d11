//! Readers that stand still stop nobody else.

mod smux_support;

use blinktun_proto::smux::{Event, Mux, Role, StreamId, Version};
use blinktun_proto::time::{Duration, Time};
use smux_support::{PSH, SYN, config, config_with, events, exchange, frame, read, transmit};

const STUCK: usize = 1000;
/// What a session may hold for streams that nobody reads, and `smuxbuf` besides.
const MOST: usize = 32 << 20;

fn pair(version: Version) -> (Mux, Mux) {
    let large = |role, version| {
        let config = config_with(role, version, |settings| settings.max_streams = 2000);
        Mux::new(config, Time::ZERO)
    };
    (
        large(Role::Client, Some(version)),
        large(Role::Server, None),
    )
}

fn echo(client: &mut Mux, server: &mut Mux, id: StreamId, now: Time) {
    client.write(id, b"ping").expect("open");
    exchange(client, server, now);
    assert_eq!(read(server, id), b"ping");
    server.write(id, b"pong").expect("open");
    exchange(client, server, now);
    assert_eq!(read(client, id), b"pong");
}

#[test]
fn a_thousand_stuck_streams_between_two_blinktun_stop_nobody_whatever_the_version() {
    let both = |version| [(version, false), (version, true)];
    for (version, is_upload) in [both(Version::V1), both(Version::V2)].concat() {
        let (mut client, mut server) = pair(version);
        let now = Time::from_millis(5);
        let quick = client.open().expect("room");
        echo(&mut client, &mut server, quick, now);
        let stuck: Vec<_> = (0..STUCK).map(|_| client.open().expect("room")).collect();
        exchange(&mut client, &mut server, now);
        for _ in 0..20 {
            let writer = if is_upload { &mut client } else { &mut server };
            for id in &stuck {
                writer.write(*id, &[1; 65_536]).expect("open");
            }
            echo(&mut client, &mut server, quick, now);
        }
        for mux in [&client, &server] {
            assert!(mux.receive_space() > 0);
            assert!(mux.unread_in_all() <= MOST, "{}", mux.unread_in_all());
            assert!(mux.allocated() <= 64 << 20, "{}", mux.allocated());
            assert_eq!(mux.stream_count(), STUCK + 1, "no stream was broken off");
        }
        let reader = if is_upload { &server } else { &client };
        assert!(stuck.iter().all(|id| reader.unread(*id) >= 16 << 10));
    }
}

#[test]
fn streams_that_were_read_and_then_get_stuck_leave_room_too() {
    let (mut client, mut server) = pair(Version::V1);
    let now = Time::from_millis(5);
    let quick = client.open().expect("room");
    let streams: Vec<_> = (0..100).map(|_| client.open().expect("room")).collect();
    for _ in 0..60 {
        for id in &streams {
            let _ = client.write(*id, &[1; 65_536]);
        }
        exchange(&mut client, &mut server, now);
        streams.iter().for_each(|id| drop(read(&mut server, *id)));
    }
    for _ in 0..60 {
        for id in &streams {
            let _ = client.write(*id, &[1; 65_536]);
        }
        exchange(&mut client, &mut server, now);
    }
    echo(&mut client, &mut server, quick, now);
    assert!(server.unread_in_all() <= MOST);
}

/// A peer with version 1 that is no blinktun.
fn plain_server() -> Mux {
    let mut server = Mux::new(config(Role::Server, None), Time::ZERO);
    for id in [3, 5, 7] {
        let open = frame(Version::V1, SYN, id, &[]);
        server.receive(&open, Time::ZERO).expect("proper");
    }
    transmit(&mut server, Time::ZERO);
    events(&mut server);
    server
}

fn fill(server: &mut Mux, id: u32, now: Time) {
    while server.receive_space() > 0 {
        let data = frame(Version::V1, PSH, id, &[7; 60_000]);
        server.receive(&data, now).expect("proper");
    }
}

#[test]
fn with_version_1_a_stuck_stream_is_reset_alone() {
    let mut server = plain_server();
    let begin = Time::from_millis(1000);
    let data = frame(Version::V1, PSH, 5, b"asks");
    server.receive(&data, begin).expect("proper");
    fill(&mut server, 3, begin);
    let held = server.unread_in_all();
    assert!(held > 16 << 20 && held <= MOST + 60_000, "{held}");
    // The others are read: they are not stuck.
    assert_eq!(read(&mut server, StreamId(5)), b"asks");
    assert_eq!(server.receive_space(), 0);
    // A session's other timers call it before.
    server
        .handle_timeout(begin + Duration::from_secs(1))
        .expect("alive");
    let deadline = server.next_timeout().expect("a timer");
    assert!(deadline <= begin + Duration::from_secs(5));
    server.handle_timeout(deadline).expect("alive");
    let said = events(&mut server);
    assert!(said.contains(&Event::Reset(StreamId(3))), "{said:?}");
    assert!(!said.contains(&Event::Reset(StreamId(5))));
    assert!(server.contains(StreamId(5)) && server.contains(StreamId(7)));
    assert!(server.receive_space() > 0);
}

#[test]
fn a_slow_reader_is_not_stuck_and_a_lone_one_never() {
    let mut server = plain_server();
    let mut now = Time::from_millis(1000);
    for _ in 0..20 {
        fill(&mut server, 3, now);
        server.consume(StreamId(3), 1000);
        now += Duration::from_secs(1);
        server.handle_timeout(now).expect("alive");
        assert!(server.contains(StreamId(3)));
    }
    let mut alone = Mux::new(config(Role::Server, None), Time::ZERO);
    let open = frame(Version::V1, SYN, 3, &[]);
    alone.receive(&open, Time::ZERO).expect("proper");
    fill(&mut alone, 3, Time::ZERO);
    assert!(alone.unread_in_all() < (4 << 20) + 60_000, "smuxbuf holds");
    for second in 1..20 {
        let now = Time::from_millis(1000 * second);
        alone.handle_timeout(now).expect("choked, not dead");
        assert!(alone.contains(StreamId(3)));
    }
}
