//! Independent segments: they may arrive in any order, and each stream gets its bytes in its own.

mod smux_support;

use std::collections::BTreeMap;

use blinktun_proto::smux::frame::{OFFER, SWITCH};
use blinktun_proto::smux::independent::{Frame, Frames};
use blinktun_proto::smux::{Error, Event, HELLO, Mux, Role, StreamClass, StreamId, Version};
use blinktun_proto::time::{Duration, Time};
use blinktun_proto::work;
use proptest::prelude::*;
use smux_support::config_with;

const SEGMENT: usize = 300;
const NOW: Time = Time::ZERO;

fn end(role: Role) -> Mux {
    let config = config_with(role, Some(Version::V2), |settings| {
        settings.independent = true;
        settings.max_flows = 8;
        settings.receive_buffer = 1 << 20;
        settings.stream_buffer = 1 << 20;
    });
    Mux::new(config, NOW)
}

fn ordered(from: &mut Mux, to: &mut Mux) {
    let mut bytes = Vec::new();
    while from.wants_transmit() && from.transmit(1000, &mut bytes, NOW).bytes > 0 {}
    to.receive(&bytes, NOW).expect("proper");
}

/// A client and a server that have both switched, and a stream of the client.
fn pair() -> (Mux, Mux, StreamId) {
    pair_with(StreamClass::Learned)
}

/// The same if that stream is of this class.
fn pair_with(class: StreamClass) -> (Mux, Mux, StreamId) {
    let (mut client, mut server) = (end(Role::Client), end(Role::Server));
    let first = client.open_as(class).expect("the first");
    ordered(&mut client, &mut server);
    ordered(&mut server, &mut client);
    client.ping();
    ordered(&mut client, &mut server);
    for (from, to) in [(0, 1), (1, 0)] {
        let ends = [&mut client, &mut server];
        assert!(ends[from].may_switch() && !ends[to].peer_has_switched());
        let mut mark = Vec::new();
        ends[from].switch(&mut mark);
        ends[to].receive(&mark, NOW).expect("proper");
        assert!(ends[from].is_independent() && ends[to].peer_has_switched());
    }
    for end in [&mut client, &mut server] {
        while end.next_event().is_some() {}
    }
    (client, server, first)
}

/// What one end has written and read of a stream.
#[derive(Default)]
struct Side {
    written: u32,
    read: u32,
    finished: bool,
    ended: bool,
    reset: bool,
}

/// Two ends, what is on its way between them, and what the streams have seen.
struct World {
    ends: [Mux; 2],
    on_way: [Vec<Vec<u8>>; 2],
    streams: BTreeMap<u32, [Side; 2]>,
}

impl World {
    fn new() -> World {
        let (client, server, _) = pair();
        World {
            ends: [client, server],
            on_way: [Vec::new(), Vec::new()],
            streams: BTreeMap::new(),
        }
    }

    fn byte(side: usize, id: u32, at: u32) -> u8 {
        (at % 249) as u8 ^ id as u8 ^ (side as u8) << 7
    }

    fn open(&mut self) {
        if let Ok(id) = self.ends[0].open() {
            self.streams.insert(id.0, Default::default());
        }
    }

    fn nth(&self, n: usize) -> Option<u32> {
        self.streams
            .keys()
            .nth(n % self.streams.len().max(1))
            .copied()
    }

    fn write(&mut self, side: usize, id: u32, count: u32) {
        let state = &mut self.streams.get_mut(&id).expect("known")[side];
        let data: Vec<u8> = (0..count)
            .map(|n| World::byte(side, id, state.written + n))
            .collect();
        if let Ok(taken) = self.ends[side].write(StreamId(id), &data) {
            state.written += taken as u32;
        }
    }

    fn finish(&mut self, side: usize, id: u32) {
        if self.ends[side].contains(StreamId(id)) {
            self.ends[side].finish(StreamId(id));
            self.streams.get_mut(&id).expect("known")[side].finished = true;
        }
    }

    fn reset(&mut self, side: usize, id: u32) {
        if self.ends[side].contains(StreamId(id)) {
            self.ends[side].reset(StreamId(id));
            self.streams
                .get_mut(&id)
                .expect("known")
                .iter_mut()
                .for_each(|it| it.reset = true);
        }
    }

    fn send(&mut self, side: usize) {
        while self.ends[side].wants_transmit() {
            let mut segment = Vec::new();
            if self.ends[side].transmit(SEGMENT, &mut segment, NOW).bytes == 0 {
                break;
            }
            assert!(segment.len() <= SEGMENT);
            self.on_way[side].push(segment);
        }
    }

    /// One of the segments that `side` has sent arrives.
    fn arrive(&mut self, side: usize, which: usize) {
        let count = self.on_way[side].len();
        if count == 0 {
            return;
        }
        let segment = self.on_way[side].swap_remove(which % count);
        self.ends[1 - side]
            .receive_independent(&segment, NOW)
            .expect("proper");
        self.events(1 - side);
    }

    fn events(&mut self, side: usize) {
        while let Some(event) = self.ends[side].next_event() {
            match event {
                Event::Opened(id) => assert!(side == 1 && self.streams.contains_key(&id.0)),
                Event::Finished(id) => {
                    self.streams.get_mut(&id.0).expect("known")[1 - side].ended = true;
                }
                Event::Reset(id) => assert!(self.streams[&id.0][0].reset),
                _ => {}
            }
        }
    }

    /// Read at most so much of a stream, and check it.
    fn read(&mut self, side: usize, id: u32, most: usize) {
        let state = &mut self.streams.get_mut(&id).expect("known")[1 - side];
        let front = self.ends[side].read_front(StreamId(id));
        let count = front.len().min(most);
        for byte in &front[..count] {
            assert_eq!(*byte, World::byte(1 - side, id, state.read));
            state.read += 1;
        }
        self.ends[side].consume(StreamId(id), count);
        self.events(side);
    }

    /// Everything arrives and is read.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 1000, "it does not end");
            for side in [0, 1] {
                self.send(side);
            }
            if self.on_way.iter().all(Vec::is_empty) {
                break;
            }
            for side in [0, 1] {
                while !self.on_way[side].is_empty() {
                    self.arrive(side, round * 7 + 3);
                }
            }
            let ids: Vec<u32> = self.streams.keys().copied().collect();
            for id in ids {
                for side in [0, 1] {
                    while !self.ends[side].read_front(StreamId(id)).is_empty() {
                        self.read(side, id, usize::MAX);
                    }
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Open,
    Write(usize, usize, u32),
    Finish(usize, usize),
    Reset(usize, usize),
    Send(usize),
    Arrive(usize, usize),
    Read(usize, usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let side = || 0usize..2;
    let any_one = || 0usize..1000;
    prop_oneof![
        2 => Just(Step::Open),
        6 => (side(), any_one(), 1u32..5000).prop_map(|(s, n, c)| Step::Write(s, n, c)),
        1 => (side(), any_one()).prop_map(|(s, n)| Step::Finish(s, n)),
        1 => (side(), any_one()).prop_map(|(s, n)| Step::Reset(s, n)),
        4 => side().prop_map(Step::Send),
        12 => (side(), any_one()).prop_map(|(s, n)| Step::Arrive(s, n)),
        6 => (side(), any_one(), 1usize..9000).prop_map(|(s, n, c)| Step::Read(s, n, c)),
    ]
}

proptest! {
    #[test]
    fn any_order_of_segments_gives_every_stream_its_bytes_and_its_end(
        steps in proptest::collection::vec(step(), 1..300),
    ) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Open => world.open(),
                Step::Send(side) => world.send(side),
                Step::Arrive(side, which) => world.arrive(side, which),
                Step::Write(side, n, count) => {
                    if let Some(id) = world.nth(n) { world.write(side, id, count); }
                }
                Step::Finish(side, n) => {
                    if let Some(id) = world.nth(n) { world.finish(side, id); }
                }
                Step::Reset(side, n) => {
                    if let Some(id) = world.nth(n) { world.reset(side, id); }
                }
                Step::Read(side, n, most) => {
                    if let Some(id) = world.nth(n) { world.read(side, id, most); }
                }
            }
        }
        let ids: Vec<u32> = world.streams.keys().copied().collect();
        for id in ids {
            for side in [0, 1] {
                world.settle();
                world.finish(side, id);
            }
        }
        world.settle();
        for (id, sides) in &world.streams {
            for (side, state) in sides.iter().enumerate() {
                if !state.reset {
                    prop_assert_eq!(state.read, state.written, "stream {} of {}", id, side);
                    prop_assert!(state.ended == state.finished, "stream {} of {}", id, side);
                }
            }
        }
        // The stream of the handshake is left.
        prop_assert_eq!(world.ends[0].stream_count(), 1);
        prop_assert_eq!(world.ends[1].stream_count(), 1);
        prop_assert_eq!(world.ends[0].unread_in_all() + world.ends[1].unread_in_all(), 0);
    }

    #[test]
    fn whatever_comes_is_taken_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        kind in 0u8..60,
        id in 0u8..12,
    ) {
        let (_, mut server, _) = pair();
        let segment = [&[kind, id], &bytes[..]].concat();
        let _ = server.receive_independent(&segment, NOW);
        prop_assert!(server.allocated() <= 4 * segment.len() + 300_000);
        // A part of 11 bytes counts 129.
        prop_assert!(server.datagrams_held() <= 16 * segment.len() + 64 * server.flow_count());
    }
}

fn stream(id: u8, offset: u32, data: &[u8], is_last: bool) -> Vec<u8> {
    let mut frame = vec![4 | u8::from(is_last), id];
    frame.extend(offset.to_le_bytes());
    frame.extend(data);
    frame
}

fn take(end: &mut Mux, segment: &[u8]) {
    end.receive_independent(segment, NOW).expect("proper");
}

#[test]
fn a_hole_in_one_stream_costs_the_others_nothing() {
    let (_, mut server, _) = pair();
    take(&mut server, &stream(7, 5, b"later", true));
    take(&mut server, &stream(5, 0, b"all", true));
    assert_eq!(server.read_front(StreamId(7)), b"");
    assert_eq!(server.read_front(StreamId(5)), b"all");
    take(&mut server, &stream(7, 0, b"first", false));
    server.consume(StreamId(7), 5);
    assert_eq!(server.read_front(StreamId(7)), b"later");
    server.consume(StreamId(7), 5);
    let events: Vec<_> = core::iter::from_fn(|| server.next_event()).collect();
    assert!(events.contains(&Event::Finished(StreamId(7))), "{events:?}");
}

#[test]
fn what_comes_twice_or_behind_a_reset_changes_nothing() {
    let (_, mut server, _) = pair();
    for _ in 0..3 {
        take(&mut server, &stream(5, 0, b"some", false));
        take(&mut server, &stream(5, 2, b"me more", true));
    }
    assert_eq!(server.unread(StreamId(5)), 9);
    let dropped = server.dropped_bytes();
    server
        .receive_independent(&[2, 9], NOW)
        .expect("a stream that has not come");
    take(&mut server, &stream(9, 0, b"late", true));
    assert!(!server.contains(StreamId(9)));
    assert_eq!(server.dropped_bytes() - dropped, 4);
}

#[test]
fn an_end_that_cannot_be_breaks_the_session() {
    for (first, second) in [
        (stream(5, 0, b"four", true), stream(5, 2, b"four", true)),
        (stream(5, 2, b"four", true), stream(5, 0, b"four", true)),
        (stream(5, 2, b"four", false), stream(5, 0, b"four", true)),
        (stream(5, 2, b"four", true), stream(5, 6, b"x", false)),
    ] {
        let (_, mut server, _) = pair();
        take(&mut server, &first);
        let result = server.receive_independent(&second, NOW);
        let is_over = first[0] == 5 && first[2] == 0;
        assert_eq!(result, if is_over { Ok(()) } else { Err(Error::Segment) });
    }
}

#[test]
fn a_window_that_overtakes_the_opening_holds() {
    let (_, mut server, _) = pair();
    let mut window = vec![3, 5];
    window.extend(0u32.to_le_bytes());
    window.extend((1u32 << 20).to_le_bytes());
    take(&mut server, &window);
    assert_eq!(server.next_event(), Some(Event::Opened(StreamId(5))));
    take(&mut server, &stream(5, 0, b"", false));
    assert_eq!(server.next_event(), None, "it opens once");
    server.write(StreamId(5), &[0; 60_000]).expect("open");
    assert_eq!(server.windows_in_use(), 1 << 20);
}

#[test]
fn pieces_without_a_beginning_have_a_bound() {
    let (_, mut server, _) = pair();
    let (mut at, mut id) = (1u32, 5u8);
    let broken = (0..200_000).any(|_| {
        (at, id) = if at > 200_000 {
            (1, id + 2)
        } else {
            (at + 2, id)
        };
        server.receive_independent(&stream(id, at, b"x", false), NOW) == Err(Error::Segment)
    });
    assert!(broken && server.unread_in_all() == 0);
    assert!(server.ahead_in_all() < 100_000);
}

#[test]
fn beyond_the_window_nothing_is_taken() {
    let (_, mut server, _) = pair();
    let far = stream(5, 3 << 20, b"far", false);
    let error = Error::WindowExceeded(StreamId(5));
    assert_eq!(server.receive_independent(&far, NOW), Err(error));
}

#[test]
fn older_programs_and_programs_of_others_are_offered_nothing_and_a_switch_is_the_last_frame() {
    let mut client = end(Role::Client);
    client.open().expect("the first");
    let mut bytes = Vec::new();
    client.transmit(1000, &mut bytes, NOW);
    assert_eq!(smux_support::parse(&bytes).len(), 2, "hello and SYN");
    // A server of another program answers.
    client
        .receive(
            &smux_support::frame(Version::V2, smux_support::NOP, 0, &[]),
            NOW,
        )
        .expect("proper");
    client.ping();
    bytes.clear();
    client.transmit(1000, &mut bytes, NOW);
    assert_eq!(smux_support::parse(&bytes).len(), 1);
    assert!(!client.may_switch());

    let (mut client, mut server) = (end(Role::Client), end(Role::Server));
    client.open().expect("the first");
    ordered(&mut client, &mut server);
    ordered(&mut server, &mut client);
    client.ping();
    ordered(&mut client, &mut server);
    let mut mark = Vec::new();
    server.switch(&mut mark);
    mark.extend(smux_support::frame(Version::V2, smux_support::NOP, 0, &[]));
    assert_eq!(client.receive(&mark, NOW), Err(Error::Segment));
}

#[test]
fn a_turn_goes_on_in_the_next_segment() {
    let (mut client, mut server, first) = pair();
    let second = client.open().expect("another");
    for id in [first, second] {
        client.write(id, &[7; 40_000]).expect("open");
    }
    let mut changes = Vec::new();
    while client.all_unsent() > 0 {
        let mut segment = Vec::new();
        client.transmit(1000, &mut segment, NOW);
        let before = [first, second].map(|id| server.unread(id));
        take(&mut server, &segment);
        let grown = [first, second].map(|id| server.unread(id));
        let which = usize::from(grown[0] == before[0]);
        if changes.last() != Some(&which) {
            changes.push(which);
        }
    }
    // 8192 bytes each in turn, not a segment each.
    assert!((6..=12).contains(&changes.len()), "{changes:?}");
}

#[test]
fn silence_is_noticed_and_pings_count_as_life() {
    let (mut client, mut server, _) = pair();
    let mut now = NOW;
    for _ in 0..12 {
        now += Duration::from_secs(10);
        client.handle_timeout(now).expect("alive");
        let mut segment = Vec::new();
        client.transmit(SEGMENT, &mut segment, now);
        server.receive_independent(&segment, now).expect("proper");
        server.handle_timeout(now).expect("the other end is heard");
        let mut back = Vec::new();
        server.transmit(SEGMENT, &mut back, now);
        client.receive_independent(&back, now).expect("proper");
    }
}

/// What an end has to say, a segment.
fn segment(end: &mut Mux) -> Vec<u8> {
    let mut segment = Vec::new();
    while end.wants_transmit() && end.transmit(SEGMENT, &mut segment, NOW).bytes > 0 {}
    segment
}

/// How many words about classes stand in a segment.
fn words(segment: &[u8]) -> usize {
    let (mut frames, mut count) = (Frames::new(segment), 0);
    while let Some(frame) = frames.next_frame().expect("proper") {
        count += usize::from(matches!(frame, Frame::Class { .. }));
    }
    count
}

#[test]
fn a_class_arrives_with_its_stream() {
    for class in StreamClass::ALL {
        let (mut client, mut server, _) = pair();
        let stream = client.open_as(class).expect("another");
        let said = segment(&mut client);
        assert_eq!(words(&said), usize::from(class != StreamClass::Learned));
        take(&mut server, &said);
        assert_eq!(server.class(stream), Some(class));
        assert_eq!(words(&segment(&mut server)), 0, "it is no news");
    }
}

#[test]
fn a_word_that_overtakes_the_opening_holds() {
    let (_, mut server, _) = pair();
    take(&mut server, &[9, 5, 1, 2]);
    assert_eq!(server.next_event(), Some(Event::Opened(StreamId(5))));
    take(&mut server, &stream(5, 0, b"", false));
    assert_eq!(server.next_event(), None, "it opens once");
    assert_eq!(server.class(StreamId(5)), Some(StreamClass::Bulk));
}

#[test]
fn classes_that_are_older_than_the_switch_are_told_at_it() {
    for class in StreamClass::ALL {
        let (mut client, mut server, first) = pair_with(class);
        assert_eq!(server.class(first), Some(StreamClass::Learned));
        take(&mut server, &segment(&mut client));
        assert_eq!(server.class(first), Some(class));
        assert!(!client.wants_transmit());
    }
}

#[test]
fn the_last_word_counts_whoever_says_it_and_whatever_comes_first() {
    let (mut client, mut server, first) = pair();
    client.set_class(first, StreamClass::Bulk);
    let earlier = segment(&mut client);
    client.set_class(first, StreamClass::Interactive);
    let later = segment(&mut client);
    take(&mut server, &later);
    take(&mut server, &earlier);
    assert_eq!(server.class(first), Some(StreamClass::Interactive));
    server.set_class(first, StreamClass::Bulk);
    take(&mut client, &segment(&mut server));
    assert_eq!(client.class(first), Some(StreamClass::Bulk));
}

#[test]
fn a_class_can_change_when_nothing_more_is_sent() {
    let (mut client, mut server, first) = pair();
    client.finish(first);
    take(&mut server, &segment(&mut client));
    client.set_class(first, StreamClass::Bulk);
    take(&mut server, &segment(&mut client));
    assert_eq!(server.class(first), Some(StreamClass::Bulk));
}

#[test]
fn whoever_does_not_listen_hears_nothing() {
    let nop = |id| smux_support::frame(Version::V2, smux_support::NOP, id, &[]);
    let mut client = end(Role::Client);
    let first = client.open_as(StreamClass::Bulk).expect("the first");
    // A blinktun of before there were classes.
    let said = [nop(HELLO), nop(OFFER), nop(SWITCH)].concat();
    client.receive(&said, NOW).expect("proper");
    let mut bytes = Vec::new();
    while client.wants_transmit() && client.transmit(1000, &mut bytes, NOW).bytes > 0 {}
    client.switch(&mut bytes);
    client.set_class(first, StreamClass::Interactive);
    assert!(!client.wants_transmit());
    let second = client.open_as(StreamClass::Bulk).expect("another");
    client.write(second, b"x").expect("open");
    assert_eq!(words(&segment(&mut client)), 0);
    assert_eq!(client.class(second), Some(StreamClass::Bulk));
}

#[test]
fn a_peer_that_changes_classes_all_the_time_costs_nothing_more() {
    let (_, mut server, first) = pair();
    server.write(first, &[0; 50_000]).expect("open");
    let before = work::steps();
    let words: u64 = 100_000;
    for number in 0..words {
        take(
            &mut server,
            &[9, first.0 as u8, number as u8, (number % 3) as u8],
        );
    }
    assert!(work::steps() - before <= 4 * words);
    let mut sent = 0;
    while server.wants_transmit() {
        let before = server.all_unsent();
        segment(&mut server);
        sent += before - server.all_unsent();
    }
    assert_eq!(sent, 50_000);
}
