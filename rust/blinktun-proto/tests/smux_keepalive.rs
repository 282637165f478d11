//! How long an end waits for a peer that says nothing.

mod smux_support;

use blinktun_proto::smux::{Error, Mux, Role, Version};
use blinktun_proto::time::Time;
use smux_support::*;

const V1: Version = Version::V1;
const V2: Version = Version::V2;

#[test]
fn silence_ends_the_session_after_30_to_60_seconds() {
    let mut mux = client(V2);
    mux.receive(&frame(V2, NOP, 0, &[]), at(500))
        .expect("proper");
    let (mut nops, mut now) = (0, Time::ZERO);
    let dead = loop {
        let next = mux.next_timeout().expect("the clocks never stop");
        assert!(next > now);
        now = next;
        if let Err(error) = mux.handle_timeout(now) {
            break error;
        }
        nops += sends(&mut mux, now)
            .iter()
            .filter(|frame| frame.0 == NOP)
            .count();
    };
    assert_eq!((dead, now), (Error::KeepaliveTimeout, at(60_000)));
    assert_eq!(nops, 5, "at 10, 20, 30, 40 and 50 s");
}

/// When an end gives up that hears nothing more.
fn dies(mux: &mut Mux) -> Time {
    loop {
        let now = mux.next_timeout().expect("the clocks never stop");
        if mux.handle_timeout(now).is_err() {
            return now;
        }
        transmit(mux, now);
    }
}

#[test]
fn between_blinktun_a_session_with_streams_outlives_ten_minutes_of_silence() {
    for version in [V1, V2] {
        let (mut client, mut server) = acquainted(version);
        client.write(ID, b"request").expect("open");
        exchange(&mut client, &mut server, at(1));
        for mux in [&mut client, &mut server] {
            assert!((at(600_000)..=at(660_000)).contains(&dies(mux)));
        }
        let (mut client, mut server) = acquainted(version);
        client.reset(ID);
        exchange(&mut client, &mut server, at(1));
        for mux in [&mut client, &mut server] {
            assert_eq!(dies(mux), at(60_000), "nothing is lost with it");
        }
    }
}

#[test]
fn other_programs_get_as_long_as_they_wait_themselves() {
    let mut mux = server();
    let frames = [frame(V1, SYN, 3, &[]), frame(V1, PSH, 3, b"request")].concat();
    mux.receive(&frames, at(500)).expect("proper");
    assert_eq!(mux.stream_count(), 1);
    assert_eq!(dies(&mut mux), at(60_000));
}

#[test]
fn silence_is_no_wonder_while_we_take_nothing() {
    let mut mux = Mux::new(
        config_with(Role::Client, Some(V1), |settings| {
            settings.receive_buffer = 10
        }),
        at(0),
    );
    let id = mux.open().expect("first");
    mux.receive(&frame(V1, PSH, 3, &[0; 10]), at(0))
        .expect("proper");
    assert_eq!(mux.receive_space(), 0);
    for seconds in (30..300).step_by(30) {
        mux.handle_timeout(at(seconds * 1000))
            .expect("we are the ones who stopped");
    }
    read(&mut mux, id);
    assert_eq!(
        mux.handle_timeout(at(300_000)),
        Err(Error::KeepaliveTimeout)
    );
}
