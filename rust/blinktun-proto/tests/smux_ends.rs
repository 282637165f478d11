//! How streams end: half-close, aborts, and the care that other implementations need.

mod smux_support;

use blinktun_proto::smux::{Event, HELLO, Mux, Version};
use blinktun_proto::time::Time;
use smux_support::*;

const V1: Version = Version::V1;
const V2: Version = Version::V2;

/// A server with stream 3 open and "request" received, towards another implementation.
fn server_of_plain(version: Version) -> Mux {
    let mut server = server();
    server
        .receive(&frame(version, SYN, 3, &[]), at(0))
        .expect("proper");
    server
        .receive(&frame(version, PSH, 3, b"request"), at(0))
        .expect("proper");
    read(&mut server, ID);
    transmit(&mut server, at(0));
    events(&mut server);
    server
}

/// A client with stream 3 open and "request" sent, towards another implementation.
fn client_of_plain(version: Version) -> Mux {
    let mut client = client(version);
    client.open().expect("first");
    client.write(ID, b"request").expect("open");
    transmit(&mut client, at(0));
    client
        .receive(&frame(version, NOP, 0, &[]), at(0))
        .expect("proper");
    client
}

/// Let the clock run to `until`; returns when a FIN for stream 3 left.
fn fin_leaves(mux: &mut Mux, mut now: Time, until: Time) -> Option<Time> {
    loop {
        if sends(mux, now).contains(&(FIN, 3, 0)) {
            return Some(now);
        }
        now = mux.next_timeout().filter(|next| *next <= until)?.max(now);
        mux.handle_timeout(now).expect("alive");
    }
}

#[test]
fn between_blinktun_half_close_is_exact() {
    for version in [V1, V2] {
        let (mut client, mut server) = acquainted(version);
        client.write(ID, b"request").expect("open");
        client.finish(ID);
        exchange(&mut client, &mut server, at(1));
        assert_eq!(
            events(&mut server),
            [Event::Readable(ID)],
            "the end is behind the data"
        );
        assert!(!server.is_finished(ID));
        assert_eq!(read(&mut server, ID), b"request");
        assert_eq!(events(&mut server), [Event::Finished(ID)]);
        assert!(server.is_finished(ID));

        server
            .write(ID, b"reply")
            .expect("the other direction is open");
        server.finish(ID);
        exchange(&mut client, &mut server, at(1));
        assert_eq!(events(&mut server), [Event::Closed(ID)]);
        assert_eq!(read(&mut client, ID), b"reply");
        let expected = [Event::Readable(ID), Event::Finished(ID), Event::Closed(ID)];
        assert_eq!(events(&mut client), expected);
        assert_eq!((client.stream_count(), server.stream_count()), (0, 0));
    }
}

#[test]
fn an_abort_is_told_from_a_clean_end() {
    for version in [V1, V2] {
        let (mut client, mut server) = acquainted(version);
        client.write(ID, b"half a requ").expect("open");
        exchange(&mut client, &mut server, at(1));
        client.write(ID, b"est").expect("open");
        client.reset(ID);
        assert_eq!(events(&mut client), [Event::Closed(ID)]);
        exchange(&mut client, &mut server, at(1));
        let expected = [Event::Readable(ID), Event::Reset(ID), Event::Closed(ID)];
        assert_eq!(events(&mut server), expected);
        assert_eq!((server.stream_count(), server.allocated()), (0, 0));
        assert_eq!(server.receive_space(), 4 << 20);
    }
}

#[test]
fn an_abort_after_our_fin_still_cuts_the_other_direction() {
    let (mut client, mut server) = acquainted(V2);
    client.finish(ID);
    exchange(&mut client, &mut server, at(1));
    assert_eq!(events(&mut server), [Event::Finished(ID)]);
    server.write(ID, b"reply that nobody wants").expect("open");
    client.reset(ID);
    exchange(&mut client, &mut server, at(1));
    assert_eq!(events(&mut server), [Event::Reset(ID), Event::Closed(ID)]);
}

#[test]
fn the_mark_counts_only_directly_before_its_fin() {
    for between in [
        frame(V1, NOP, 0, &[]),
        frame(V1, PSH, 3, b"x"),
        frame(V1, NOP, 5, &[]),
    ] {
        let (_, mut server) = acquainted(V1);
        server
            .receive(&frame(V1, NOP, 3, &[]), at(1))
            .expect("proper");
        server.receive(&between, at(1)).expect("proper");
        server
            .receive(&frame(V1, FIN, 3, &[]), at(1))
            .expect("proper");
        read(&mut server, ID);
        assert!(events(&mut server).ends_with(&[Event::Finished(ID)]));
    }
    let mut plain = server_of_plain(V1);
    plain
        .receive(&frame(V1, NOP, 3, &[]), at(1))
        .expect("proper");
    plain
        .receive(&frame(V1, FIN, 3, &[]), at(1))
        .expect("proper");
    assert_eq!(
        events(&mut plain),
        [Event::Finished(ID)],
        "no mark from strangers"
    );
}

#[test]
fn an_early_abort_is_marked_and_a_stranger_sees_none() {
    let mut client = client(V2);
    client.open().expect("first");
    client.write(ID, b"x").expect("open");
    transmit(&mut client, at(0));
    client.reset(ID);
    let early = sends(&mut client, at(0));
    assert_eq!(
        early,
        [(NOP, 3, 0), (FIN, 3, 0)],
        "the peer may be blinktun"
    );

    let mut client = client_of_plain(V2);
    client.reset(ID);
    assert_eq!(sends(&mut client, at(0)), [(FIN, 3, 0)]);
}

#[test]
fn a_stream_that_never_left_leaves_no_trace() {
    let mut client = client(V2);
    client.open().expect("first");
    client.write(ID, b"x").expect("open");
    client.reset(ID);
    assert_eq!(events(&mut client), [Event::Closed(ID)]);
    assert_eq!(transmit(&mut client, at(0)), []);
}

#[test]
fn towards_strangers_our_fin_waits_for_theirs() {
    let mut client = client_of_plain(V1);
    client.finish(ID);
    assert_eq!(fin_leaves(&mut client, at(100), at(1_500)), None);
    client
        .receive(&frame(V1, PSH, 3, b"re"), at(1_500))
        .expect("proper");
    assert_eq!(
        fin_leaves(&mut client, at(1_500), at(3_000)),
        None,
        "the reply is on its way"
    );
    client
        .receive(&frame(V1, PSH, 3, b"ply"), at(3_000))
        .expect("proper");
    client
        .receive(&frame(V1, FIN, 3, &[]), at(3_001))
        .expect("proper");
    assert_eq!(
        fin_leaves(&mut client, at(3_001), at(9_000)),
        Some(at(3_001))
    );
    assert_eq!(read(&mut client, ID), b"reply");
    assert!(events(&mut client).ends_with(&[Event::Finished(ID), Event::Closed(ID)]));
}

#[test]
fn towards_strangers_silence_releases_our_fin() {
    let mut client = client_of_plain(V2);
    client.finish(ID);
    client
        .receive(&frame(V2, PSH, 3, b"re"), at(600))
        .expect("proper");
    assert_eq!(fin_leaves(&mut client, at(500), at(9_000)), Some(at(2_600)));
    // It may still answer: newer ones keep the other direction open.
    client
        .receive(&frame(V2, PSH, 3, b"ply"), at(3_000))
        .expect("proper");
    client
        .receive(&frame(V2, FIN, 3, &[]), at(3_000))
        .expect("proper");
    assert_eq!(read(&mut client, ID), b"reply");
    assert!(events(&mut client).ends_with(&[Event::Closed(ID)]));
}

/// Let the clock run to `until` with a peer that says that it lives, and no more.
fn live_until(mux: &mut Mux, until: Time) {
    while let Some(now) = mux.next_timeout().filter(|next| *next <= until) {
        mux.receive(&frame(V2, NOP, 0, &[]), now).expect("proper");
        mux.handle_timeout(now).expect("alive");
        assert!(sends(mux, now).iter().all(|(command, ..)| *command == NOP));
    }
}

/// A stranger's application went away in the middle of a download: its end looks like a half-close
/// whose reader is slow.
#[test]
fn a_stream_that_a_stranger_dropped_is_given_up() {
    let mut server = server_of_plain(V2);
    let fill = |server: &mut Mux, now| {
        transmit(server, now);
        while server.write(ID, &[7; 9000]).expect("open") > 0 {
            transmit(server, now);
        }
    };
    fill(&mut server, at(0));
    server
        .receive(&frame(V2, FIN, 3, &[]), at(1_000))
        .expect("proper");
    live_until(&mut server, at(200_000));
    // It was slow after all.
    server
        .receive(&update(3, 262_144, 10_000), at(200_000))
        .expect("proper");
    fill(&mut server, at(200_000));
    events(&mut server);
    live_until(&mut server, at(499_999));
    assert_eq!(events(&mut server), []);
    server.handle_timeout(at(500_000)).expect("alive");
    assert_eq!(events(&mut server), [Event::Reset(ID), Event::Closed(ID)]);
    assert!(sends(&mut server, at(500_000)).contains(&(FIN, 3, 0)));
}

#[test]
fn a_late_hello_releases_all_held_fins() {
    let mut client = client(V2);
    for _ in 0..3 {
        let id = client.open().expect("few");
        client.finish(id);
    }
    let syns = [(SYN, 3, 0), (SYN, 5, 0), (SYN, 7, 0)];
    assert_eq!(sends(&mut client, at(0)), syns);
    assert_eq!(client.next_timeout(), Some(at(2_000)));
    client
        .receive(&frame(V2, NOP, HELLO, &[]), at(80))
        .expect("proper");
    assert_eq!(
        sends(&mut client, at(80)),
        [(FIN, 3, 0), (FIN, 5, 0), (FIN, 7, 0)]
    );
    assert_eq!(
        client.next_timeout(),
        Some(at(10_000)),
        "only the keepalive is left"
    );
}

#[test]
fn our_fin_stays_a_second_behind_the_reply() {
    let mut server = server_of_plain(V1);
    server
        .receive(&frame(V1, FIN, 3, &[]), at(10))
        .expect("proper");
    server.write(ID, b"reply").expect("open");
    assert_eq!(sends(&mut server, at(20)), [(PSH, 3, 5)]);
    server.finish(ID);
    assert_eq!(fin_leaves(&mut server, at(30), at(9_000)), Some(at(1_020)));
    assert_eq!(
        events(&mut server),
        [Event::Finished(ID), Event::Closed(ID)]
    );
}

#[test]
fn our_fin_does_not_linger_without_need() {
    let mut silent = server_of_plain(V1);
    silent
        .receive(&frame(V1, FIN, 3, &[]), at(10))
        .expect("proper");
    silent.finish(ID);
    assert_eq!(
        fin_leaves(&mut silent, at(30), at(9_000)),
        Some(at(30)),
        "nothing to lose"
    );

    let mut server = server_of_plain(V2);
    server
        .receive(&frame(V2, FIN, 3, &[]), at(10))
        .expect("proper");
    server.write(ID, b"reply").expect("open");
    server.finish(ID);
    assert_eq!(sends(&mut server, at(20)), [(PSH, 3, 5)]);
    server
        .receive(&update(3, 4, 1 << 20), at(90))
        .expect("proper");
    assert_eq!(sends(&mut server, at(90)), [], "one byte is still unread");
    server
        .receive(&update(3, 5, 1 << 20), at(95))
        .expect("proper");
    assert_eq!(sends(&mut server, at(95)), [(FIN, 3, 0)], "all was read");
}

#[test]
fn nothing_is_said_of_a_stream_that_ended_both_ways() {
    let (mut client, mut server) = acquainted(V2);
    client.write(ID, b"unread at the end").expect("open");
    client.finish(ID);
    server.finish(ID);
    exchange(&mut client, &mut server, at(1));
    assert_eq!(server.unread(ID), 17, "so it is not forgotten yet");
    server.reset(ID);
    assert_eq!(transmit(&mut server, at(1)), []);
    assert!(events(&mut server).ends_with(&[Event::Closed(ID)]));
}

#[test]
fn a_dropped_stream_goes_on_freeing_its_writer() {
    let mut client = client_of_plain(V2);
    client
        .receive(&frame(V2, PSH, 3, &[0; 50_000]), at(1))
        .expect("proper");
    assert_eq!(transmit(&mut client, at(1)), update(3, 0, 2 << 20));
    client.reset(ID);
    let last_word = [update(3, 50_000, 2 << 20), frame(V2, FIN, 3, &[])].concat();
    assert_eq!(
        transmit(&mut client, at(1)),
        last_word,
        "what was unread counts as read"
    );
    assert!(client.receive_space() >= 4 << 20);
    let mut updates = 0;
    for _ in 0..100 {
        client
            .receive(&frame(V2, PSH, 3, &[0; 60_000]), at(2))
            .expect("proper");
        updates += sends(&mut client, at(2))
            .iter()
            .filter(|sent| sent.0 == UPD)
            .count();
    }
    assert_eq!(
        updates,
        6_000_000 / (9 * 60_000),
        "one for each quarter, as whole frames reach it"
    );
    client
        .receive(&frame(V2, FIN, 3, &[]), at(3))
        .expect("proper");
    for _ in 0..20 {
        client
            .receive(&frame(V2, PSH, 3, &[0; 65_535]), at(3))
            .expect("proper");
    }
    assert_eq!(
        transmit(&mut client, at(3)),
        [],
        "after its FIN it is really gone"
    );
}
