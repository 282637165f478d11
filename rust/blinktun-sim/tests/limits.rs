//! What a session says of its limit, over links of many kinds.

use blinktun_link::Description;
use blinktun_proto::congestion::Algorithm;
use blinktun_proto::endpoint::EndpointEvent;
use blinktun_proto::session::{Config, Event, Limit, LimitKind, Role};
use blinktun_proto::time::{Duration, Time};
use blinktun_sim::go::kcp::Habits;
use blinktun_sim::{
    Client, Crowd, Flow, GoPeer, Link, Ours, SERVER, Setup, Side, World, for_each_seed,
};

const SECOND: Duration = Duration::from_secs(1);
/// A link that nothing but windows and ceilings can be too small for.
const WIDE: &str = "rate=100mbit delay=60ms queue=100ms";
/// A link that is too small for any window, and one that loses as well.
const NARROW: &str = "rate=20mbit delay=50ms queue=100ms";
const LOSSY: &str = "rate=20mbit delay=50ms queue=100ms loss=5%";
/// The round trip of the first.
const ROUND_TRIP: Duration = Duration::from_millis(120);
/// What a full segment holds, in bytes.
const SEGMENT: f64 = 1306.0;

/// Ends that were set by hand, with large windows.
fn manual(seed: u64) -> Setup {
    Setup::new(seed).both(|config| {
        config.compress = false;
        config.shards = None;
        config.nodelay = true;
        config.interval_ms = 10;
        config.send_window = 4096;
        config.receive_window = 4096;
        config.smux.receive_buffer = 64 << 20;
        config.smux.stream_buffer = 64 << 20;
    })
}

/// The same, with nobody who finds the rate.
fn windows_alone(seed: u64) -> Setup {
    manual(seed).both(|config| config.congestion = Algorithm::Fixed)
}

fn auto(seed: u64) -> Setup {
    manual(seed).both(|config| *config = config.clone().tuning_itself())
}

fn world(setup: &Setup, words: &str) -> World {
    let link = Description::parse(words.split(' ')).expect("a link");
    let mut world = setup.build();
    world.up.follow(link.up, Time::ZERO);
    world.down.follow(link.down, Time::ZERO);
    world.meet();
    world
}

/// A client that has something to send all the time, for so long.
fn upload(setup: &Setup, words: &str, time: Duration) -> World {
    let mut world = world(setup, words);
    world.add(Flow::new(1 << 40, 0));
    world.pass(time);
    world
}

fn limit(world: &World) -> Limit {
    let session = world.session(Side::Client).expect("a session");
    session.stats(world.now).limit
}

/// What each side was told, in order.
fn told(world: &World, side: Side) -> Vec<LimitKind> {
    let happened = world.happenings.iter().filter(|it| it.1 == side);
    let kinds = happened.filter_map(|(_, _, event)| match event {
        EndpointEvent::Session(_, Event::Limited(kind)) => Some(*kind),
        _ => None,
    });
    kinds.collect()
}

/// It is this for nearly all of the time, and the session's owner knows.
fn assert_is(world: &World, kind: LimitKind) -> Limit {
    let limit = limit(world);
    assert_eq!(limit.kind, kind, "{limit:?}");
    assert!(limit.held * 4 >= limit.watched * 3, "{limit:?}");
    assert_eq!(told(world, Side::Client), [kind]);
    limit
}

/// The rate is what the limit allows, which is so many bytes a second; both within a part of that.
fn assert_allows(limit: &Limit, rate: f64, part: f64) {
    let allows = limit.allows.expect("a rate") as f64;
    assert!((allows / rate - 1.0).abs() < part, "{limit:?}, {rate}");
    let share = limit.rate as f64 / allows;
    assert!((share - 1.0).abs() < part, "{share}, {limit:?}");
}

fn in_a_round_trip(bytes: f64) -> f64 {
    bytes / ROUND_TRIP.as_secs_f64()
}

#[test]
fn the_peers_window_at_both_ends_of_it() {
    for setup in [manual(1), auto(1)] {
        let mut setup = setup;
        setup.server.receive_window = 128;
        // The receiving end learns its round trip by its first keepalive.
        let world = upload(&setup, WIDE, 20 * SECOND);
        let limit = assert_is(&world, LimitKind::PeerWindow);
        assert_eq!(limit.segments, Some(128));
        assert_allows(&limit, in_a_round_trip(128.0 * SEGMENT), 0.1);
        assert_eq!(limit.rtt, Some(ROUND_TRIP));

        assert_eq!(told(&world, Side::Server), [LimitKind::ReceiveWindow]);
        let session = world.session(Side::Server).expect("a session");
        let theirs = session.stats(world.now).receiving_limit.expect("a limit");
        assert_eq!(theirs.kind, LimitKind::ReceiveWindow);
        assert_eq!(theirs.segments, Some(128));
        assert_allows(&theirs, in_a_round_trip(128.0 * SEGMENT), 0.1);
    }
}

#[test]
fn memory_that_is_too_small_for_the_path() {
    let mut setup = auto(1);
    // One session gets 48 kB, and a quarter of all beyond that.
    setup.memory = 512_000;
    let world = upload(&setup, WIDE, 20 * SECOND);
    assert_eq!(limit(&world).kind, LimitKind::PeerWindow);
    assert_eq!(told(&world, Side::Server), [LimitKind::Memory]);
    let session = world.session(Side::Server).expect("a session");
    let theirs = session.stats(world.now).receiving_limit.expect("a limit");
    assert_eq!(theirs.kind, LimitKind::Memory);
    assert_allows(&theirs, in_a_round_trip(176_000.0), 0.1);
}

#[test]
fn the_window_of_a_go_peer() {
    for setup in [manual(1), auto(1)] {
        let link = Description::parse(WIDE.split(' ')).expect("a link");
        let now = setup.start;
        let mut ours = Ours::new(setup.endpoint(Role::Client, 0, now));
        let conv = ours.dial(SERVER, now);
        let habits = Habits {
            acks_at_once: true,
            flushes_on_loss: true,
        };
        let config = Config {
            receive_window: 512,
            ..setup.server.clone()
        };
        let luck = (setup.crypt(), 7);
        let go = GoPeer::new(&config, Role::Server, conv, habits, luck, now);
        let mut upload = Flow::new(1 << 40, 0);
        upload.set_seed(1);
        let mut crowd = Crowd::new(Box::new(go), now);
        let path = |schedule, seed| {
            let mut path = Link::new(setup.up.clone(), seed);
            path.follow(schedule, now);
            path
        };
        crowd.clients.push(Client {
            end: Box::new(ours),
            address: std::net::SocketAddr::from(([10, 1, 0, 1], 1000)),
            up: path(link.up, 1),
            down: path(link.down, 2),
            flows: vec![upload],
        });
        crowd.pass(8 * SECOND);
        let session = crowd.clients[0].end.session(SERVER).expect("a session");
        let limit = session.stats(crowd.now).limit;
        assert_eq!(limit.kind, LimitKind::PeerWindow, "{limit:?}");
        // It leaves out what its reader has not taken at that moment.
        assert!(limit.segments.is_some_and(|it| (500..=512).contains(&it)));
        assert_allows(&limit, in_a_round_trip(512.0 * SEGMENT), 0.15);
    }
}

#[test]
fn our_own_window() {
    for mut setup in [manual(1), auto(1)] {
        setup.client.send_window = 256;
        let limit = assert_is(&upload(&setup, WIDE, 9 * SECOND), LimitKind::SendWindow);
        assert_eq!(limit.segments, Some(256));
        assert_allows(&limit, in_a_round_trip(256.0 * SEGMENT), 0.1);
    }
}

#[test]
fn the_window_of_a_stream() {
    for mut setup in [manual(1), auto(1)] {
        setup.server.smux.stream_buffer = 1 << 20;
        let world = upload(&setup, WIDE, 9 * SECOND);
        let limit = assert_is(&world, LimitKind::StreamWindow);
        assert_allows(&limit, in_a_round_trip(f64::from(1 << 20)), 0.3);
    }
}

#[test]
fn an_application_that_reads_slowly_at_the_other_end() {
    for setup in [manual(1), auto(1)] {
        let setup = setup.both(|config| config.smux.stream_buffer = 2 << 20);
        let mut world = world(&setup, WIDE);
        let mut flow = Flow::new(1 << 40, 0);
        flow.up.rate = Some(500_000);
        world.add(flow);
        world.pass(16 * SECOND);
        assert_is(&world, LimitKind::PeerApplication);
    }
}

#[test]
fn an_application_with_little_to_send() {
    for setup in [manual(1), auto(1)] {
        let mut world = world(&setup, WIDE);
        for n in 0..100 {
            let mut request = Flow::new(20_000, 1000);
            request.opens = world.now + Duration::from_millis(100 * n);
            world.add(request);
        }
        world.pass(9 * SECOND);
        let limit = limit(&world);
        assert_eq!(limit.kind, LimitKind::Application, "{limit:?}");
        assert!(limit.rate.abs_diff(200_000) < 40_000, "{limit:?}");
        assert_eq!(told(&world, Side::Client), []);
    }
}

#[test]
fn a_rate_limit_and_a_hint() {
    for setup in [manual(1), auto(1)] {
        let setup = setup.both(|config| config.rate_limit = 1_000_000);
        let world = upload(&setup, WIDE, 11 * SECOND);
        let limit = assert_is(&world, LimitKind::RateLimit);
        assert_allows(&limit, 1e6, 0.06);
    }
    let setup = auto(1).both(|config| config.up_ceiling = Some(1_000_000));
    let world = upload(&setup, WIDE, 11 * SECOND);
    assert_allows(&assert_is(&world, LimitKind::Hint), 1e6, 0.08);
}

#[test]
fn what_a_link_carries() {
    for_each_seed(|seed| {
        for (words, mbit) in [(NARROW, 20.0), (LOSSY, 19.0)] {
            let limit = assert_is(&upload(&auto(seed), words, 13 * SECOND), LimitKind::Link);
            assert_allows(&limit, mbit * 125e3 * 0.967, 0.08);
        }
    });
}

#[test]
fn a_policer() {
    for setup in [manual(1), auto(1)] {
        let world = upload(&setup, "policer", 13 * SECOND);
        let limit = assert_is(&world, LimitKind::Loss);
        assert_allows(&limit, 30.0 * 125e3 * 0.967, 0.08);
        assert!(limit.queue < Some(Duration::from_millis(20)), "{limit:?}");
    }
    // A window that nobody has found the rate for is full of losses there.
    let world = upload(&windows_alone(1), "policer", 21 * SECOND);
    let limit = limit_of_losses(&world);
    assert!(limit.rate < 2_000_000, "{limit:?}");
}

fn limit_of_losses(world: &World) -> Limit {
    let limit = assert_is(world, LimitKind::LossRecovery);
    assert!(limit.repeated * 50 >= limit.sent, "{limit:?}");
    limit
}

#[test]
fn a_queue_that_a_window_fills() {
    let world = upload(&windows_alone(1), "deep", 11 * SECOND);
    let limit = assert_is(&world, LimitKind::Queue);
    assert!(limit.queue > Some(Duration::from_millis(100)), "{limit:?}");
}

#[test]
fn the_congestion_window_of_other_programs() {
    for_each_seed(|seed| {
        let setup = manual(seed).both(|config| config.congestion = Algorithm::Reno);
        let world = upload(&setup, "loss1", 11 * SECOND);
        let limit = assert_is(&world, LimitKind::CongestionWindow);
        assert!(limit.window.is_some() && limit.allows.is_some());
    });
}

#[test]
fn a_start_and_an_outage() {
    let mut world = upload(&auto(1), WIDE, SECOND / 2);
    assert_eq!(limit(&world).kind, LimitKind::Searching);
    world.pass(3 * SECOND);
    let outage = (world.now, world.now + 30 * SECOND);
    let mut weather = world.up.weather().clone();
    weather.outages = vec![outage];
    world.up.set_weather(weather);
    world.pass(12 * SECOND);
    assert_eq!(limit(&world).kind, LimitKind::Silence);
    assert_eq!(limit(&world).rate, 0);
    // The owner knows of it by another event.
    assert_eq!(told(&world, Side::Client), []);
}

#[test]
fn a_machine_that_does_not_send_what_it_could() {
    let mut world = world(&manual(1), WIDE);
    let (session, _) = world.client.session_mut(world.dialed).expect("a session");
    let stream = session.open_stream().expect("a stream");
    session.write(stream, &[7; 200_000]).expect("room");
    // The driver takes one batch, and comes back when its socket has room again.
    let batch = world.client.poll_transmit(&mut vec![0; 65536], world.now);
    assert!(batch.is_some());
    let session = world.session(Side::Client).expect("a session");
    let limit = session.stats(world.now + 3 * SECOND).limit;
    assert_eq!(limit.kind, LimitKind::Machine, "{limit:?}");
}

#[test]
fn what_is_long_past_does_not_count() {
    let mut world = world(&manual(1), WIDE);
    world.add(Flow::new(60_000_000, 0));
    world.run(10 * SECOND);
    let end = world.now;
    let session = world.session(Side::Client).expect("a session");
    assert!(session.stats(end).limit.kind != LimitKind::Application);
    // Nothing happens, and nobody asks the session for anything, until then.
    let later = session.stats(end + 5 * SECOND).limit;
    assert_eq!(
        (later.kind, later.held),
        (LimitKind::Application, later.watched)
    );
}
