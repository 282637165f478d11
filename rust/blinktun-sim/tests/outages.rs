//! A path that carries nothing for a while: what is sent into it, and how soon all goes on.

use blinktun_proto::error::CloseReason;
use blinktun_proto::session::{Config, Role};
use blinktun_proto::time::{Duration, Time};
use blinktun_sim::{Flow, Setup, Side, Weather, World, for_each_seed};

const SECOND: Duration = Duration::from_secs(1);
/// When the path fails.
const BEGIN: Time = Time::from_millis(5_000);
/// What a full queue held is acknowledged until then, and lets a window more leave.
const NOTICED: Duration = Duration::from_millis(300);
/// Bytes a second.
const RATE: u64 = 2_000_000;
/// The wait between two questions after a long outage.
const LONG: Duration = Duration::from_millis(1350);
/// What questions and answers take beside the wait for the question.
const ROUND_TRIPS: Duration = Duration::from_millis(150);
/// The most that a session sends into a dark path.
const A_MINUTE: u64 = 100;

/// Which direction carries nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dark {
    Up,
    Down,
    Both,
}

/// What the applications do.
#[derive(Clone, Copy, Debug)]
enum Use {
    Upload,
    Download,
    Both,
    /// An open stream without traffic.
    Idle,
}

const USES: [Use; 4] = [Use::Upload, Use::Download, Use::Both, Use::Idle];

fn near(rate: u64) -> Weather {
    Weather {
        rate: Some(rate),
        queue: 40_000_000,
        ..Weather::perfect(Duration::from_millis(10))
    }
}

fn world(seed: u64, dark: Dark, (length, rate): (Duration, u64), change: fn(&mut Config)) -> World {
    let (mut setup, out) = (Setup::new(seed).both(change), BEGIN + length);
    (setup.up, setup.down) = (near(rate), near(rate));
    if dark != Dark::Down {
        setup.up = near(rate).with_outage(BEGIN, out);
    }
    if dark != Dark::Up {
        setup.down = near(rate).with_outage(BEGIN, out);
    }
    setup.build()
}

/// A transfer that lasts, and a byte each way as soon as all is over for a stream that idles.
fn flow(traffic: Use, end: Time) -> Flow {
    let long = 4_000_000_000;
    let mut flow = match traffic {
        Use::Upload => Flow::new(long, 0),
        Use::Download => Flow::new(0, long),
        Use::Both => Flow::new(long, long),
        Use::Idle => Flow::new(1, 1),
    };
    if let Use::Idle = traffic {
        (flow.up.from, flow.down.from) = (end, end);
    }
    flow
}

fn read(world: &World) -> u64 {
    let flow = &world.flows[0];
    flow.up.read + flow.down.read
}

/// Datagrams that were lost so far.
fn lost(world: &World) -> u64 {
    world.up.counts.lost + world.down.counts.lost
}

/// An outage of `length`. Returns what was sent into its first minute, and how long it took
/// afterwards until the first new byte was read.
fn live_through(
    seed: u64,
    (dark, traffic): (Dark, Use),
    (length, rate): (Duration, u64),
    change: fn(&mut Config),
) -> (u64, Duration) {
    let mut world = world(seed, dark, (length, rate), change);
    world.add(flow(traffic, BEGIN + length));
    world.pass(BEGIN.since(Time::ZERO) + NOTICED);
    let before = lost(&world);
    world.pass(length.min(60 * SECOND) - NOTICED);
    let wasted = lost(&world) - before;
    world.pass((BEGIN + length).since(world.now));
    let (seen, back) = (read(&world), world.now);
    world.run_until(10 * SECOND, |world| read(world) > seen);
    let took = world.now.since(back);
    world.pass(SECOND / 4);
    for side in [Side::Client, Side::Server] {
        assert_eq!(world.closings(side), []);
    }
    (wasted, took)
}

#[test]
fn a_minute_in_the_dark_costs_few_datagrams_and_all_goes_on_afterwards() {
    for_each_seed(|seed| {
        for dark in [Dark::Up, Dark::Down, Dark::Both] {
            for traffic in USES {
                for seconds in [1, 20, 70] {
                    let length = Duration::from_secs(seconds);
                    let span = (length, RATE);
                    let (wasted, took) = live_through(seed, (dark, traffic), span, |_| ());
                    let story = format!("{dark:?} {traffic:?} {seconds}: {wasted}, {took:?}");
                    assert!(wasted <= A_MINUTE, "{story}");
                    let soon = if seconds <= 20 { SECOND / 2 } else { LONG };
                    assert!(took <= soon + ROUND_TRIPS, "{story}");
                }
            }
        }
    });
}

#[test]
fn a_transfer_outlives_five_minutes() {
    for_each_seed(|seed| {
        for traffic in USES {
            let span = (300 * SECOND, RATE);
            let (_, took) = live_through(seed, (Dark::Both, traffic), span, |_| ());
            assert!(took <= LONG + ROUND_TRIPS, "{traffic:?}: {took:?}");
        }
    });
}

#[test]
fn large_windows_and_short_timeouts_cost_no_more() {
    let change = |config: &mut Config| {
        (config.nodelay, config.interval_ms) = (true, 10);
        (config.send_window, config.receive_window) = (1024, 1024);
    };
    for traffic in USES {
        let span = (60 * SECOND, 10 * RATE);
        let (wasted, took) = live_through(1, (Dark::Both, traffic), span, change);
        assert!(wasted <= A_MINUTE, "{traffic:?}: {wasted}");
        assert!(took <= LONG + ROUND_TRIPS, "{traffic:?}: {took:?}");
    }
}

#[test]
fn a_server_that_came_back_without_its_sessions_is_noticed_after_the_dark() {
    for_each_seed(|seed| {
        for traffic in USES {
            let length = 70 * SECOND;
            let mut world = world(seed, Dark::Both, (length, RATE), |_| ());
            world.add(flow(traffic, BEGIN + 2 * length));
            world.pass(BEGIN.since(Time::ZERO) + 30 * SECOND);
            let setup = Setup::new(seed);
            (world.server, world.accepted) = (setup.endpoint(Role::Server, 1, world.now), None);
            world.pass((BEGIN + length).since(world.now));
            let back = world.now;
            world.run_until(2 * SECOND, |world| !world.closings(Side::Client).is_empty());
            let (at, reason) = world.closings(Side::Client)[0];
            assert_eq!(reason, CloseReason::PeerRestarted, "{traffic:?}");
            assert!(at.since(back) <= LONG + ROUND_TRIPS, "{traffic:?}");
        }
    });
}

#[test]
fn a_client_that_got_another_address_in_a_download_waits_less_than_a_second() {
    for_each_seed(|seed| {
        for offset in [0, 3, 7, 20, 333] {
            let mut setup = Setup::new(seed);
            (setup.up, setup.down) = (near(RATE), near(RATE));
            let mut world = setup.build();
            world.add(flow(Use::Download, BEGIN));
            world.pass(2 * SECOND + Duration::from_millis(offset));
            world.client_address.set_port(1001);
            let at = world.now;
            // What was on its way still arrives.
            world.pass(SECOND / 4);
            let seen = read(&world);
            world.run_until(5 * SECOND, |world| read(world) > seen);
            let took = world.now.since(at);
            assert!(took <= SECOND, "{took:?}");
            assert_eq!(world.server.stats().moves, 1);
        }
    });
}

#[test]
fn a_client_that_got_another_address_in_the_dark_goes_on() {
    for_each_seed(|seed| {
        for traffic in USES {
            let length = 70 * SECOND;
            let mut world = world(seed, Dark::Both, (length, RATE), |_| ());
            world.add(flow(traffic, BEGIN + length));
            world.pass(BEGIN.since(Time::ZERO) + 30 * SECOND);
            world.client_address.set_port(1001);
            world.pass((BEGIN + length).since(world.now));
            let (seen, back) = (read(&world), world.now);
            world.run_until(10 * SECOND, |world| read(world) > seen);
            let took = world.now.since(back);
            assert!(took <= LONG + 2 * ROUND_TRIPS, "{traffic:?}: {took:?}");
        }
    });
}

#[test]
fn a_server_that_never_answers_ends_the_session_within_ten_seconds() {
    for_each_seed(|seed| {
        let mut world = Setup::new(seed).build();
        world.server_is_up = false;
        let mut late = Flow::new(1000, 0);
        late.opens = BEGIN;
        world.add(late);
        world.run_until(20 * SECOND, |world| {
            !world.closings(Side::Client).is_empty()
        });
        let (at, reason) = world.closings(Side::Client)[0];
        assert_eq!(reason, CloseReason::NoAnswer);
        let took = at.since(BEGIN);
        assert!(took <= 10 * SECOND && took >= 8 * SECOND, "{took:?}");
        assert!(world.up.counts.sent <= 40, "{:?}", world.up.counts);
    });
}
