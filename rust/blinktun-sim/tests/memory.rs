//! What sessions that tune themselves hold for their peers: windows that grow as far as they are needed, within
//! one bound for all sessions of a process.

use std::net::SocketAddr;

use blinktun_proto::endpoint::{Endpoint, EndpointEvent, SessionId};
use blinktun_proto::memory::{Budget, DEFAULT_BOUND, LEAST};
use blinktun_proto::session::{Config, Event, Role};
use blinktun_proto::smux::{self, StreamId, Version};
use blinktun_proto::time::{Duration, Time};
use blinktun_sim::go::kcp::Habits;
use blinktun_sim::{
    Client, Crowd, Flow, GoPeer, Link, Ours, SERVER, Setup, Side, Weather, World, for_each_seed,
};

const SECOND: Duration = Duration::from_secs(1);
const ROUND_TRIP: Duration = Duration::from_millis(200);
/// What a datagram of 1350 bytes carries: without the checksum's 20 bytes and KCP's 24.
const PAYLOAD: f64 = 1306.0 / 1350.0;

fn path(mbit: u64, round_trip: Duration) -> Weather {
    let rate = mbit * 125_000;
    Weather {
        rate: Some(rate),
        queue: (rate as f64 * round_trip.as_secs_f64() / 2.0) as usize,
        ..Weather::perfect(round_trip / 2)
    }
}

/// Ends that tune themselves, with buffers that bound nothing.
fn tuning_itself(seed: u64) -> Setup {
    Setup::new(seed).both(|config| {
        config.smux.receive_buffer = 128 << 20;
        config.smux.stream_buffer = 128 << 20;
        config.compress = false;
        *config = Config::tuning_itself(config.clone());
    })
}

fn at(seconds: u64) -> Time {
    Time::from_millis(seconds * 1000)
}

/// Go on for so long; at each step the budgets of both ends are kept.
fn pass_within_bounds(world: &mut World, time: Duration, beyond: usize) {
    let end = world.now + time;
    while world.step(end) {
        for endpoint in [&world.client, &world.server] {
            is_kept(endpoint.memory(), beyond);
        }
    }
}

/// Each session may hold so many bytes beyond what it has: a chunk that was compressed.
fn is_kept(memory: &Budget, beyond: usize) {
    let (held, promised, bound) = (memory.held(), memory.promised(), memory.bound());
    assert!(promised <= bound, "{promised} of {bound} are promised");
    assert!(
        held <= promised + beyond,
        "{held} are held, {promised} were promised"
    );
}

#[test]
fn a_fast_and_long_path_is_filled_by_default() {
    let mut world = tuning_itself(1).weather(path(1000, ROUND_TRIP)).build();
    world.meet();
    let flow = world.add(Flow::new(0, 1 << 40));
    world.pass(4 * SECOND);
    let read = world.flows[flow].down.read;
    world.pass(SECOND);
    let share = (world.flows[flow].down.read - read) as f64 / (125e6 * PAYLOAD);
    assert!(share > 0.97, "{share}");
    // Little of what the client could be made to hold is held.
    let memory = world.client.memory();
    assert!(memory.promised() > 25_000_000 && memory.held() < 1_000_000);
}

#[test]
fn a_session_that_is_not_used_gives_its_memory_back() {
    for_each_seed(|seed| {
        let mut world = tuning_itself(seed).weather(path(100, ROUND_TRIP)).build();
        world.meet();
        world.add(Flow::new(0, 20_000_000));
        world.run(60 * SECOND);
        let promised = world.client.memory().promised();
        assert!(promised > 10_000_000, "{promised}");
        pass_within_bounds(&mut world, 60 * SECOND, 0);
        let promised = world.client.memory().promised();
        assert!(promised <= 1 << 20, "{promised}");
        let flow = world.add(Flow::new(0, 20_000_000));
        let took = world.run(60 * SECOND);
        assert!(took < 4 * SECOND, "{took:?}");
        assert!(world.flows[flow].is_done());
    });
}

#[test]
fn a_new_stream_of_a_session_that_is_warm_is_not_held_up_by_its_first_window() {
    let mut world = tuning_itself(1)
        .weather(path(50, 280 * SECOND / 1000))
        .build();
    world.meet();
    world.add(Flow::new(0, 20_000_000));
    world.run(60 * SECOND);
    let mut flow = Flow::new(100, 1_500_000);
    flow.opens = world.now;
    let begin = world.now;
    let flow = world.add(flow);
    world.run(60 * SECOND);
    let done = world.flows[flow].down.done_at.expect("it is done");
    // A round trip for the first byte, and the time in which the path carries 1.5 MB.
    let took = done.since(begin).as_secs_f64();
    let least = 0.28 + 1.5e6 / (50.0 * 125e3 * PAYLOAD);
    assert!(took < least + 0.14, "{took} s, {least} s at best");
}

#[test]
fn nothing_is_lost_and_no_bound_is_broken_however_little_there_is() {
    for_each_seed(|seed| {
        for memory in [1, 2, 8] {
            for compress in [false, true] {
                let weather = path(20, ROUND_TRIP / 4).with_loss(0.03);
                let mut setup = tuning_itself(seed).weather(weather);
                setup.memory = 2 * memory * LEAST;
                setup = setup.both(|config| config.compress = compress);
                let mut world = setup.build();
                for n in 0..6 {
                    let mut flow = Flow::new(300_000, 300_000);
                    if n % 2 == 0 {
                        flow.up.rate = Some(100_000);
                        flow.down.pauses.push((at(1), at(3)));
                    }
                    world.add(flow);
                }
                let chunk = if compress { 65536 } else { 0 };
                pass_within_bounds(&mut world, 20 * SECOND, chunk);
                world.run(100 * SECOND);
                assert_eq!(world.closings(Side::Client), []);
                assert_eq!(world.closings(Side::Server), []);
                for endpoint in [&mut world.client, &mut world.server] {
                    assert_eq!(endpoint.memory().held(), 0);
                    for id in endpoint.session_ids() {
                        endpoint.remove(id);
                    }
                    assert_eq!(endpoint.memory().promised(), 0);
                }
            }
        }
    });
}

#[test]
fn programs_of_go_carry_everything_through_windows_that_shrink() {
    for_each_seed(|seed| {
        for (version, memory) in [(Version::V1, 8), (Version::V2, 12)] {
            let mut setup = tuning_itself(seed).weather(path(20, ROUND_TRIP / 4).with_loss(0.02));
            let memory = memory * LEAST;
            for config in [&mut setup.client, &mut setup.server] {
                config.smux.version = Some(version);
                config.smux.stream_buffer = 2 << 20;
                config.smux.receive_buffer = 4 << 20;
            }
            let now = setup.start;
            let budget = Budget::new(memory);
            let mut endpoint = setup.endpoint(Role::Server, 0, now);
            endpoint.share_memory(budget.clone());
            let mut crowd = Crowd::new(Box::new(Ours::new(endpoint)), now);
            for number in 0..4 {
                let habits = Habits {
                    acks_at_once: number % 2 == 0,
                    flushes_on_loss: number % 2 == 1,
                };
                let (conv, luck) = (number + 7, (setup.crypt(), seed));
                let mut theirs = setup.client.clone();
                theirs.send_window = 1024;
                let go = GoPeer::new(&theirs, Role::Client, conv, habits, luck, now);
                let mut flow = Flow::new(400_000, 50_000);
                flow.set_seed(seed + u64::from(number));
                // They begin one behind the other, so that the windows of the first have to shrink.
                flow.opens = now + SECOND * number;
                flow.up.rate = (number % 2 == 0).then_some(60_000);
                crowd.clients.push(Client {
                    end: Box::new(go),
                    address: SocketAddr::from(([10, 1, 0, number as u8], 1000)),
                    up: Link::new(setup.up.clone(), seed + u64::from(number)),
                    down: Link::new(setup.down.clone(), !seed),
                    flows: vec![flow],
                });
            }
            crowd.run(20 * SECOND);
            is_kept(&budget, 0);
            assert_eq!(budget.held(), 0);
        }
    });
}

// --- a thousand sessions ------------------------------------------------------------------------

/// A server and its clients, each with a stream that it fills. The network takes no time and loses nothing.
struct Thousand {
    now: Time,
    server: Endpoint,
    clients: Vec<(SocketAddr, Endpoint, SessionId, StreamId)>,
    accepted: Vec<(SocketAddr, SessionId, StreamId)>,
    buffer: Vec<u8>,
}

impl Thousand {
    fn new(setup: &Setup, sources: impl Iterator<Item = [u8; 4]>) -> Thousand {
        let now = setup.start;
        let clients = sources.enumerate().map(|(n, source)| {
            let seed = 1000 + n as u64;
            let mut client = Setup {
                seed,
                ..setup.clone()
            }
            .endpoint(Role::Client, 0, now);
            client.share_memory(Budget::new(DEFAULT_BOUND));
            let id = client.dial(SERVER, now);
            let (session, _) = client.session_mut(id).expect("just dialed");
            let stream = session.open_stream().expect("the first one");
            let address = SocketAddr::from((source, 1000 + n as u16));
            (address, client, id, stream)
        });
        Thousand {
            now,
            clients: clients.collect(),
            server: setup.endpoint(Role::Server, 0, now),
            accepted: Vec::new(),
            buffer: vec![0; 65536],
        }
    }

    /// All clients write what they can, and all that anybody wants to send arrives, for so long.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(20);
            for place in 0..self.clients.len() {
                let now = self.now;
                let (address, client, id, stream) = &mut self.clients[place];
                client.handle_timeout(now);
                let (session, _) = client.session_mut(*id).expect("it stays");
                let _ = session.write(*stream, &[place as u8; 16384]).expect("open");
                while let Some(sent) = client.poll_transmit(&mut self.buffer, now) {
                    let datagrams = &mut self.buffer[..sent.len];
                    self.server
                        .handle_datagrams(*address, datagrams, sent.stride, now);
                    self.server.finish_input(now);
                }
            }
            self.server.handle_timeout(self.now);
            self.answer();
            is_kept(self.server.memory(), 0);
        }
    }

    fn answer(&mut self) {
        while let Some(sent) = self.server.poll_transmit(&mut self.buffer, self.now) {
            let to = |at: &&mut (SocketAddr, Endpoint, SessionId, StreamId)| at.0 == sent.to;
            let (_, client, ..) = self.clients.iter_mut().find(to).expect("a client");
            let datagrams = &mut self.buffer[..sent.len];
            client.handle_datagrams(SERVER, datagrams, sent.stride, self.now);
            client.finish_input(self.now);
        }
        while let Some(event) = self.server.next_event() {
            if let EndpointEvent::Session(id, Event::Stream(smux::Event::Opened(stream))) = event {
                let peer = self.server.peer(id).expect("it stays");
                self.accepted.push((peer, id, stream));
            }
        }
    }

    /// Unread bytes of a session's stream.
    fn unread(&self, place: usize) -> usize {
        let (_, id, stream) = self.accepted[place];
        self.server
            .session(id)
            .expect("it stays")
            .mux()
            .unread(stream)
    }

    /// Read so much of each stream; returns how much that was of the one with the least.
    fn read(&mut self, most: usize) -> usize {
        let now = self.now;
        let read = self.accepted.iter().map(|(_, id, stream)| {
            let (session, cx) = self.server.session_mut(*id).expect("it stays");
            session.read(*stream, most, now, cx).len()
        });
        read.min().unwrap_or(0)
    }
}

#[test]
fn a_thousand_sessions_of_readers_that_stop_stay_within_the_bound_and_none_starves() {
    for version in [Version::V1, Version::V2] {
        let mut setup = tuning_itself(1).both(|config| {
            config.smux.version = Some(version);
        });
        setup.memory = 96 << 20;
        let sources = (0..1000_u16).map(|n| [10, 2, (n >> 8) as u8, n as u8]);
        let mut thousand = Thousand::new(&setup, sources);
        thousand.pass(3 * SECOND);
        assert_eq!(thousand.accepted.len(), 1000);
        let unread: Vec<usize> = (0..1000).map(|place| thousand.unread(place)).collect();
        let [least, most] =
            [unread.iter().min(), unread.iter().max()].map(|it| it.expect("sessions"));
        assert!(*least >= 30_000, "{least}");
        assert!(*most <= 1 << 20, "{most}");
        assert!(thousand.server.memory().held() > 30_000_000);
        // Somebody reads a little of each: all go on.
        for _ in 0..10 {
            assert_eq!(thousand.read(8_000), 8_000);
            thousand.pass(SECOND / 2);
        }
        let memory = thousand.server.memory().clone();
        drop(thousand);
        assert_eq!((memory.promised(), memory.held()), (0, 0));
    }
}

#[test]
fn one_source_with_a_thousand_sessions_leaves_half_to_others() {
    let mut setup = tuning_itself(1);
    setup.memory = 64 << 20;
    let one = (0..1000).map(|_| [10, 3, 0, 1]);
    let mut crowd = Thousand::new(&setup, one.chain([[10, 3, 0, 2]]));
    crowd.pass(3 * SECOND);
    let late = crowd
        .accepted
        .iter()
        .position(|(peer, ..)| peer.ip() == std::net::IpAddr::from([10, 3, 0, 2]));
    let late = late.expect("the other one was let in");
    let many = crowd.accepted.len() - 1;
    assert!(many <= (32 << 20) / LEAST, "{many}");
    assert!(crowd.server.memory().promised() <= 50 << 20);
    assert!(crowd.unread(late) > 0);
}
