//! Flows of datagrams: who opens and ends them, and what they hold at most.

mod smux_support;

use blinktun_proto::random::Random;
use blinktun_proto::smux::{Class, Event, FlowError, FlowId, Mux, Role, Support, Version};
use blinktun_proto::time::{Duration, Time};
use smux_support::config_with;

const NOW: Time = Time::ZERO;
const FLOWS: usize = 8;
/// What all flows of a session hold at most.
const HELD: usize = 8 << 20;

fn end(role: Role) -> Mux {
    let config = config_with(role, Some(Version::V2), |settings| {
        settings.independent = true;
        settings.max_flows = FLOWS;
    });
    Mux::new(config, NOW)
}

/// Two ends that have said hello and take each other's datagrams.
fn pair() -> [Mux; 2] {
    let mut ends = [end(Role::Client), end(Role::Server)];
    ends[0].ping();
    for from in [0, 1, 0, 1] {
        ends[from].ping();
        let mut bytes = Vec::new();
        while !ends[from].is_independent() && ends[from].transmit(1000, &mut bytes, NOW).bytes > 0 {
        }
        if ends[from].may_switch() {
            ends[from].switch(&mut bytes);
        }
        if !bytes.is_empty() {
            ends[1 - from].receive(&bytes, NOW).expect("proper");
        }
    }
    for end in &mut ends {
        assert_eq!(end.datagram_support(), Support::Yes);
        assert!(end.is_independent() && end.peer_has_switched());
        events(end);
    }
    ends
}

fn events(end: &mut Mux) -> Vec<Event> {
    core::iter::from_fn(|| end.next_event()).collect()
}

/// The segments of datagrams that leave an end.
fn segments(end: &mut Mux, now: Time) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while end.datagrams_are_next() {
        let mut segment = Vec::new();
        if end.transmit_datagrams(500, &mut segment, now).is_some() {
            all.push(segment);
        }
    }
    all
}

fn take(end: &mut Mux, segments: &[Vec<u8>]) {
    for segment in segments {
        end.receive_independent(segment, NOW).expect("proper");
    }
}

#[test]
fn whichever_datagram_comes_first_opens_the_flow() {
    let [mut client, mut server] = pair();
    let flow = client.open_flow(b"dns", Class::Protected).expect("room");
    for number in 0..20u8 {
        let taken = client.send_datagram(flow, &[number; 200], NOW);
        assert_eq!(taken, Ok(true));
    }
    let mut sent = segments(&mut client, NOW);
    assert!(sent.len() > 1 && sent.iter().all(|segment| segment.len() <= 500));
    sent.reverse();
    take(&mut server, &sent);
    let told = [Event::FlowOpened(flow), Event::DatagramsReadable(flow)];
    assert_eq!(events(&mut server), told);
    assert_eq!(server.flow_label(flow), Some(&b"dns"[..]));
    assert_eq!(server.flow_class(flow), Some(Class::Protected));
    let seen = core::iter::from_fn(|| server.take_datagram(flow));
    assert_eq!(seen.map(|it| usize::from(it[0])).sum::<usize>(), 190);
    assert_eq!(server.send_datagram(flow, b"answer", NOW), Ok(true));
    take(&mut client, &segments(&mut server, NOW));
    assert_eq!(client.first_datagram(flow), Some(&b"answer"[..]));
}

#[test]
fn what_comes_behind_an_end_opens_nothing() {
    let [mut client, mut server] = pair();
    let flow = client.open_flow(b"", Class::Plain).expect("room");
    client.send_datagram(flow, b"late", NOW).expect("open");
    let late = segments(&mut client, NOW);
    take(&mut server, &late);
    client.end_flow(flow);
    take(&mut server, &segments(&mut client, NOW));
    let told = events(&mut server);
    assert_eq!(told.last(), Some(&Event::FlowEnded(flow)), "{told:?}");
    take(&mut server, &late);
    assert_eq!((server.flow_count(), events(&mut server)), (0, vec![]));
    assert_eq!(
        server.send_datagram(flow, b"x", NOW),
        Err(FlowError::Unknown)
    );
    // Nor does one of a flow that would be the receiver's own.
    let theirs = server.open_flow(b"", Class::Plain).expect("room");
    server.send_datagram(theirs, b"x", NOW).expect("open");
    let own = segments(&mut server, NOW);
    take(&mut server, &own);
    assert_eq!(server.flow_count(), 1);
    take(&mut client, &own);
    assert_eq!(events(&mut client)[0], Event::FlowOpened(theirs));
}

#[test]
fn an_end_that_overtakes_the_first_datagram_is_an_end() {
    let [mut client, mut server] = pair();
    let flow = client.open_flow(b"", Class::Plain).expect("room");
    client.send_datagram(flow, b"late", NOW).expect("open");
    let late = segments(&mut client, NOW);
    client.end_flow(flow);
    take(&mut server, &segments(&mut client, NOW));
    take(&mut server, &late);
    assert_eq!((server.flow_count(), events(&mut server)), (0, vec![]));
    let next = client.open_flow(b"", Class::Plain).expect("room");
    client.send_datagram(next, b"x", NOW).expect("open");
    take(&mut server, &segments(&mut client, NOW));
    assert_eq!(events(&mut server)[0], Event::FlowOpened(next));
}

#[test]
fn an_end_leaves_though_there_is_nothing_else_to_say() {
    let mut ends = [end(Role::Client), end(Role::Server)];
    ends[0].ping();
    for from in [0, 1, 0] {
        let mut bytes = Vec::new();
        while ends[from].transmit(1000, &mut bytes, NOW).bytes > 0 {}
        if from == 0 && ends[0].may_switch() {
            ends[0].switch(&mut bytes);
        }
        ends[1 - from].receive(&bytes, NOW).expect("proper");
        ends[0].ping();
    }
    let [mut client, mut server] = ends;
    let flow = client.open_flow(b"", Class::Plain).expect("room");
    client.send_datagram(flow, b"x", NOW).expect("open");
    take(&mut server, &segments(&mut client, NOW));
    while server.transmit(1000, &mut Vec::new(), NOW).bytes > 0 {}
    assert!(!server.is_independent() && !server.wants_transmit());
    server.end_flow(flow);
    assert!(server.wants_transmit());
}

#[test]
fn a_reliable_datagram_that_comes_twice_is_taken_once() {
    let [mut client, mut server] = pair();
    let flow = client.open_flow(b"", Class::Reliable).expect("room");
    for number in 0..60u8 {
        let data = vec![number; 30 * usize::from(number)];
        client.send_datagram(flow, &data, NOW).expect("open");
    }
    let mut sent = segments(&mut client, NOW);
    // The same frames may come again in other segments, and in another order.
    let again = sent.iter().rev().cloned().collect::<Vec<_>>();
    sent.extend(again);
    take(&mut server, &sent);
    let seen = core::iter::from_fn(|| server.take_datagram(flow));
    let mut lens: Vec<usize> = seen.map(|it| it.len()).collect();
    lens.sort_unstable();
    assert!(lens.into_iter().eq((0..60).map(|it| it * 30)));
    assert_eq!(server.datagrams_held(), 0, "no part of what has come waits");
}

/// A first part of a plain datagram of 65,535 bytes that never gets whole.
fn stray(flow: u8, number: u16) -> Vec<u8> {
    let [low, high] = number.to_le_bytes();
    let mut frame = vec![36, flow, low, high, 0, 0, 0, 0, 0xff, 0xff];
    frame.resize(1400, 7);
    frame
}

#[test]
fn parts_that_never_join_take_no_room_from_other_flows() {
    let [mut client, mut server] = pair();
    for number in 0..8000 {
        let frame = stray(3 + 2 * (number % 2) as u8, number);
        server.receive_independent(&frame, NOW).expect("proper");
    }
    assert!(server.datagrams_held() > 1 << 20);
    for _ in 0..2 {
        client.open_flow(b"", Class::Plain).expect("room");
    }
    let flow = client.open_flow(b"", Class::Plain).expect("room");
    for turn in 0..40u8 {
        assert_eq!(client.send_datagram(flow, &[turn; 9000], NOW), Ok(true));
        take(&mut server, &segments(&mut client, NOW));
        assert_eq!(server.take_datagram(flow), Some(vec![turn; 9000]));
    }
    let later = NOW + Duration::from_secs(60);
    server.handle_timeout(later).ok();
    assert_eq!(server.datagrams_held(), 0);
}

#[test]
fn a_blinktun_that_speaks_and_never_offers_takes_no_datagrams() {
    let mut client = end(Role::Client);
    let old = config_with(Role::Server, Some(Version::V2), |settings| {
        settings.independent = false;
    });
    let mut old = Mux::new(old, NOW);
    let flow = client.open_flow(b"", Class::Reliable).expect("unknown");
    assert_eq!(client.send_datagram(flow, b"x", NOW), Ok(true));
    let mut sent = 0;
    for second in 0..8 {
        let now = NOW + Duration::from_secs(second);
        old.ping(); // as its keepalive does
        for _ in 0..4 {
            let mut bytes = Vec::new();
            while client.transmit(1000, &mut bytes, now).bytes > 0 {}
            sent += bytes.len();
            old.receive(&bytes, now).expect("proper");
            let mut bytes = Vec::new();
            while old.transmit(1000, &mut bytes, now).bytes > 0 {}
            client.receive(&bytes, now).expect("proper");
        }
        let is_late = second >= 3;
        let expected = if is_late {
            Support::No
        } else {
            Support::Unknown
        };
        assert_eq!(client.datagram_support(), expected, "{second}");
    }
    assert!(sent < 100, "it asks once: {sent}");
    assert!(events(&mut client).contains(&Event::FlowEnded(flow)));
    assert_eq!(
        client.send_datagram(flow, b"x", NOW),
        Err(FlowError::Unsupported)
    );
}

#[test]
fn there_are_as_many_flows_as_there_may_be() {
    let [mut client, mut server] = pair();
    let flows: Vec<FlowId> = (0..FLOWS)
        .map(|_| client.open_flow(b"", Class::Plain).expect("room"))
        .collect();
    assert_eq!(client.open_flow(b"", Class::Plain), Err(FlowError::TooMany));
    for flow in &flows {
        client.send_datagram(*flow, b"x", NOW).expect("open");
    }
    take(&mut server, &segments(&mut client, NOW));
    assert_eq!(server.flow_count(), FLOWS);
    let received = server.datagram_counts().received;
    // A peer that does not keep to it: a frame of flow 99.
    server
        .receive_independent(&[32, 99, 1, 2], NOW)
        .expect("it is dropped");
    assert_eq!(server.flow_count(), FLOWS);
    let counts = server.datagram_counts();
    assert_eq!((counts.received, counts.dropped), (received, 1));
}

#[test]
fn what_a_peer_can_make_us_hold_has_a_bound() {
    let [_, mut server] = pair();
    let mut random = Random::from_number(1);
    for _ in 0..40_000 {
        let flow = 3 + 2 * random.below(60) as u8;
        let place = [random.below(256), random.below(256), random.below(4)].map(|it| it as u8);
        let class = 8 * random.below(3) as u8;
        let mut frame = match random.below(1000) {
            0 => vec![8, flow],
            1..500 => vec![32 + class, flow],
            // A part of a long one, whose rest may never come.
            _ => vec![
                36 + class,
                flow,
                place[0],
                0,
                0,
                0,
                place[2],
                place[1],
                place[2],
                0xff,
                0xff,
            ],
        };
        if frame.len() > 2 || frame[0] != 8 {
            frame.resize(1400, 7);
        }
        server.receive_independent(&frame, NOW).expect("proper");
        assert!(server.datagrams_held() <= HELD && server.flow_count() <= FLOWS);
    }
    assert!(server.datagrams_held() > 100_000);
    let count = events(&mut server).len();
    assert!(count <= 3 * 40_000, "{count}");
    for flow in server.flow_ids().collect::<Vec<_>>() {
        server.end_flow(flow);
    }
    assert_eq!(server.datagrams_held(), 0);
}

#[test]
fn what_is_late_does_not_leave_but_for_what_is_reliable() {
    let [mut client, _] = pair();
    let late = NOW + Duration::from_millis(1001);
    for (class, left) in [
        (Class::Plain, 0),
        (Class::Protected, 0),
        (Class::Reliable, 1),
    ] {
        let flow = client.open_flow(b"", class).expect("room");
        // The first one that can leave at all opens the time for the others.
        client.send_datagram(flow, b"first", NOW).expect("open");
        segments(&mut client, NOW);
        client.send_datagram(flow, b"x", NOW).expect("open");
        assert_eq!(segments(&mut client, late).len(), left, "{class:?}");
    }
    assert_eq!(client.datagram_counts().dropped, 2);
}

#[test]
fn a_queue_that_is_full_keeps_the_newest_but_of_what_is_reliable() {
    let [mut client, _] = pair();
    let (plain, reliable) = (Class::Plain, Class::Reliable);
    let flows = [plain, reliable].map(|class| client.open_flow(b"", class).expect("room"));
    let mut taken = [0, 0];
    for number in 0..100u8 {
        for (at, flow) in flows.iter().enumerate() {
            let sent = client.send_datagram(*flow, &[number; 10_000], NOW);
            taken[at] += usize::from(sent.expect("open"));
        }
    }
    assert_eq!(taken[0], 100);
    assert!((20..30).contains(&taken[1]), "{taken:?}");
    assert_eq!(client.datagram_counts().dropped, 100 - taken[1] as u64);
    segments(&mut client, NOW);
    let told = events(&mut client);
    assert_eq!(told, [Event::DatagramsWritable(flows[1])]);
}
