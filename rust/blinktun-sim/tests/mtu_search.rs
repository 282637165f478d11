//! Sessions that tune themselves find out which datagrams their path carries, and notice when that changes.

use blinktun_link::{Link, Weather};
use blinktun_proto::error::CloseReason;
use blinktun_proto::path::mtu_search::BASE;
use blinktun_proto::random::Random;
use blinktun_proto::session::{Config, DEFAULT_MTU, Role};
use blinktun_proto::time::Duration;
use blinktun_sim::go::kcp::Habits;
use blinktun_sim::{
    CLIENT, Client, Crowd, Flow, GoPeer, Ours, SERVER, Setup, Side, World, for_each_seed,
};

const SECOND: Duration = Duration::from_secs(1);

const RATE: u64 = 2_500_000;
/// What UDP over IPv4 carries on paths of 1500 and 1280 bytes.
const ETHERNET: usize = 1472;
const NARROW: usize = 1252;

/// A path of 20 Mbit/s.
fn path(round_trip: u64, mtu: usize, loss: f64) -> Weather {
    Weather {
        rate: Some(RATE),
        queue: 300_000,
        mtu,
        loss,
        ..Weather::perfect(Duration::from_millis(round_trip / 2))
    }
}

fn setup(seed: u64, weather: Weather) -> Setup {
    Setup::new(seed)
        .both(|config| {
            config.smux.receive_buffer = 64 << 20;
            config.smux.stream_buffer = 64 << 20;
            config.compress = false;
            *config = config.clone().tuning_itself();
        })
        .weather(weather)
}

fn mtu(world: &World, side: Side) -> usize {
    let now = world.now;
    world
        .session(side)
        .map_or(0, |session| session.stats(now).mtu)
}

fn set_mtu(world: &mut World, mtu: usize) {
    for link in [&mut world.up, &mut world.down] {
        let weather = link.weather().clone();
        link.set_weather(Weather { mtu, ..weather });
    }
}

/// Go on for some time. Returns the longest time in which the first flow got nothing.
fn longest_pause(world: &mut World, time: Duration) -> Duration {
    let end = world.now + time;
    let (mut longest, mut at, mut read) = (Duration::ZERO, world.now, world.flows[0].down.read);
    while world.step(end) {
        if world.flows[0].down.read > read {
            longest = longest.max(world.now.since(at));
            (at, read) = (world.now, world.flows[0].down.read);
        }
    }
    longest.max(world.now.since(at))
}

#[test]
fn a_path_of_1500_bytes_is_used_after_one_more_round_trip() {
    for_each_seed(|seed| {
        for round_trip in [10, 100, 300] {
            let mut world = setup(seed, path(round_trip, ETHERNET, 0.0)).build();
            world.meet();
            assert_eq!(mtu(&world, Side::Server), BASE);
            world.add(Flow::new(1 << 40, 1 << 40));
            let found = |world: &World| {
                [Side::Client, Side::Server].map(|side| mtu(world, side)) == [ETHERNET; 2]
            };
            // The request opens the stream; the first data of the server is the probe.
            let took = world.run_until(2 * SECOND, found);
            let most = Duration::from_millis(3 * round_trip + 40);
            assert!(took <= most, "{took:?} with {round_trip} ms");
            world.pass(SECOND);
            assert_eq!(
                (world.up.counts.too_long, world.down.counts.too_long),
                (0, 0)
            );
        }
    });
}

#[test]
fn a_path_of_1280_bytes_works_from_the_start() {
    for_each_seed(|seed| {
        for (carries, loss) in [(NARROW, 0.0), (NARROW, 0.05), (1232, 0.0), (BASE, 0.05)] {
            let mut world = setup(seed, path(100, carries, loss)).build();
            world.meet();
            world.add(Flow::new(0, 1 << 40));
            world.pass(Duration::from_millis(300));
            let pause = longest_pause(&mut world, 5 * SECOND);
            let most = Duration::from_millis(if loss > 0.0 { 700 } else { 250 });
            assert!(pause < most, "{pause:?} on {carries}, loss {loss}");
            let found = mtu(&world, Side::Server);
            assert!(found <= carries, "{found} of {carries}");
            let misses = if loss > 0.0 { 40 } else { 16 };
            assert!(carries - found < misses, "{found} of {carries}");
            // Nothing but probes was too long.
            assert!(world.down.counts.too_long <= 20, "{:?}", world.down.counts);
        }
    });
}

#[test]
fn a_lost_probe_is_no_congestion() {
    for_each_seed(|seed| {
        let bytes = [ETHERNET, NARROW].map(|carries| {
            let mut world = setup(seed, path(100, carries, 0.0)).build();
            world.meet();
            world.add(Flow::new(0, 1 << 40));
            world.pass(5 * SECOND);
            world.flows[0].down.read as f64
        });
        // Shorter datagrams have more headers, which is 1 %.
        assert!(bytes[1] > 0.95 * bytes[0], "{bytes:?}");
    });
}

#[test]
fn a_fall_in_the_middle_of_a_transfer_costs_less_than_three_seconds() {
    for_each_seed(|seed| {
        for (round_trip, loss) in [(20, 0.0), (20, 0.05), (100, 0.0), (100, 0.05), (200, 0.02)] {
            let mut world = setup(seed, path(round_trip, ETHERNET, loss)).build();
            world.cuts = true;
            world.meet();
            world.add(Flow::new(0, 1 << 40));
            world.pass(2 * SECOND);
            assert!(mtu(&world, Side::Server) > ETHERNET - 16);
            set_mtu(&mut world, BASE);
            let pause = longest_pause(&mut world, 4 * SECOND);
            assert!(
                pause < 3 * SECOND,
                "{pause:?} at {round_trip} ms, loss {loss}"
            );
            assert_eq!(mtu(&world, Side::Server), BASE);
            let read = world.flows[0].down.read;
            world.pass(4 * SECOND);
            let rate = (world.flows[0].down.read - read) as f64 / 4.0;
            assert!(
                rate > 0.8 * RATE as f64 * (1.0 - loss),
                "{rate} bytes a second"
            );
        }
    });
}

#[test]
fn a_path_that_becomes_wide_again_is_found_within_ten_minutes() {
    let mut world = setup(1, path(50, BASE, 0.01)).build();
    world.meet();
    let mut flow = Flow::new(0, 1 << 40);
    flow.down.rate = Some(20_000);
    world.add(flow);
    world.pass(60 * SECOND);
    assert_eq!(mtu(&world, Side::Server), BASE);
    set_mtu(&mut world, ETHERNET);
    // A datagram that has little data in it may be some bytes shorter than it could be.
    world.run_until(600 * SECOND, |world| {
        mtu(world, Side::Server) > ETHERNET - 24
    });
}

#[test]
fn an_answer_of_one_datagram_notices_the_fall_too() {
    for_each_seed(|seed| {
        let mut world = setup(seed, path(50, ETHERNET, 0.0)).build();
        world.cuts = true;
        world.meet();
        world.add(Flow::new(0, 300_000));
        world.run(10 * SECOND);
        assert_eq!(mtu(&world, Side::Server), ETHERNET);
        set_mtu(&mut world, NARROW);
        world.add(Flow::new(100, 1400));
        let took = world.run(10 * SECOND);
        assert!(took < 3 * SECOND, "{took:?}");
        assert!(mtu(&world, Side::Server) <= NARROW);
    });
}

#[test]
fn independent_segments_are_cut_again_where_the_path_takes_no_fragments() {
    for_each_seed(|seed| {
        for (round_trip, loss) in [(50, 0.0), (50, 0.05), (200, 0.02)] {
            let mut world = setup(seed, path(round_trip, ETHERNET, loss)).build();
            world.meet();
            world.add(Flow::new(0, 8_000_000));
            world.add(Flow::new(2_000_000, 0));
            world.pass(2 * SECOND);
            set_mtu(&mut world, NARROW);
            let pause = longest_pause(&mut world, 4 * SECOND);
            assert!(
                pause < 3 * SECOND,
                "{pause:?} at {round_trip} ms, loss {loss}"
            );
            world.run(60 * SECOND);
            assert!(world.closings(Side::Server).is_empty());
        }
    });
}

#[test]
fn a_path_that_takes_no_fragments_either_ends_a_session_of_one_order() {
    for_each_seed(|seed| {
        let one_order = |config: &mut Config| config.smux.independent = false;
        let setup = setup(seed, path(50, ETHERNET, 0.0)).both(one_order);
        let mut world = setup.build();
        world.meet();
        world.add(Flow::new(0, 1 << 40));
        world.pass(3 * SECOND);
        set_mtu(&mut world, NARROW);
        let fallen = world.now;
        world.run_until(Duration::from_secs(120), |world| {
            !world.closings(Side::Server).is_empty()
        });
        let closed = world.closings(Side::Server);
        assert_eq!(closed[0].1, CloseReason::PathTooNarrow);
        let took = closed[0].0.since(fallen);
        assert!((30..70).contains(&took.as_secs()), "{took:?}");
    });
}

#[test]
fn random_loss_is_no_black_hole() {
    for_each_seed(|seed| {
        for (loss, rate) in [
            (0.2, None),
            (0.2, Some(20_000)),
            (0.2, Some(4_000)),
            (0.1, None),
        ] {
            let mut world = setup(seed, path(60, ETHERNET, loss)).build();
            world.meet();
            // A bulk of long datagrams, and short ones in between.
            for size in [1 << 40, 1 << 30] {
                let mut flow = Flow::new(size, size);
                for half in [&mut flow.up, &mut flow.down] {
                    half.rate = rate.or((size == 1 << 30).then_some(2_000));
                }
                world.add(flow);
            }
            let end = world.now + Duration::from_secs(if rate.is_some() { 300 } else { 15 });
            let mut highest = [BASE; 2];
            while world.step(end) {
                for (side, highest) in [Side::Client, Side::Server].into_iter().zip(&mut highest) {
                    let now = mtu(&world, side);
                    assert!(now >= *highest, "{now} at {:?}, loss {loss}", world.now);
                    *highest = now;
                }
            }
            assert!(highest.into_iter().all(|mtu| mtu > 1350), "{highest:?}");
        }
    });
}

#[test]
fn an_outage_is_no_black_hole() {
    for_each_seed(|seed| {
        for length in [1, 3, 8] {
            let mut world = setup(seed, path(60, ETHERNET, 0.05)).build();
            world.meet();
            world.add(Flow::new(0, 1 << 40));
            world.pass(2 * SECOND);
            for link in [&mut world.up, &mut world.down] {
                let weather = link.weather().clone();
                link.set_weather(weather.with_outage(world.now, world.now + length * SECOND));
            }
            let end = world.now + 12 * SECOND;
            while world.step(end) {
                assert_eq!(mtu(&world, Side::Server), ETHERNET);
            }
        }
    });
}

#[test]
fn a_given_mtu_stays_as_it_is() {
    for_each_seed(|seed| {
        for mtu in [1000, 1300, 1400] {
            let given = |config: &mut Config| {
                *config = config.clone().tuning_itself();
                (config.mtu, config.searches_mtu) = (mtu, false);
                config.max_overhead = 0.0; // else there is room for a FEC header
            };
            let mut world = Setup::new(seed).both(given).build();
            world.log = Some(Vec::new());
            world.add(Flow::new(1_000_000, 1_000_000));
            world.run(Duration::from_secs(60));
            let log = world.log.take().expect("a log");
            assert_eq!(log.iter().map(|(_, it)| it.len()).max(), Some(mtu));
        }
        let mut world = Setup::new(seed).build();
        world.log = Some(Vec::new());
        world.add(Flow::new(1_000_000, 1_000_000));
        world.run(Duration::from_secs(60));
        let log = world.log.take().expect("a log");
        assert_eq!(log.iter().map(|(_, it)| it.len()).max(), Some(DEFAULT_MTU));
    });
}

/// A client of Go's with its path, and a server of ours that tunes itself; or the other way round.
fn with_go(seed: u64, habits: Habits, weather: &Weather, is_ours_the_server: bool) -> Crowd {
    let setup = setup(seed, weather.clone());
    let theirs = Setup::new(seed).both(|config| {
        config.compress = false;
        config.shards = None;
        (config.nodelay, config.interval_ms) = (true, 20);
        (config.send_window, config.receive_window) = (1024, 1024);
    });
    let (now, mut random) = (setup.start, Random::from_number(seed));
    let luck = (setup.crypt(), random.next_u64());
    let (end, server): (Box<dyn blinktun_sim::End>, Box<dyn blinktun_sim::End>) =
        if is_ours_the_server {
            let conv = random.next_u32();
            let go = GoPeer::new(&theirs.client, Role::Client, conv, habits, luck, now);
            (
                Box::new(go),
                Box::new(Ours::new(setup.endpoint(Role::Server, 0, now))),
            )
        } else {
            let mut ours = Ours::new(setup.endpoint(Role::Client, 0, now));
            let conv = ours.dial(SERVER, now);
            let go = GoPeer::new(&theirs.server, Role::Server, conv, habits, luck, now);
            (Box::new(ours), Box::new(go))
        };
    let mut crowd = Crowd::new(server, now);
    crowd.cuts = true;
    crowd.clients.push(Client {
        end,
        address: CLIENT,
        up: Link::new(weather.clone(), random.next_u64()),
        down: Link::new(weather.clone(), random.next_u64()),
        flows: vec![match is_ours_the_server {
            true => Flow::new(0, 1 << 40),
            false => Flow::new(1 << 40, 0),
        }],
    });
    crowd
}

#[test]
fn a_program_of_go_gets_what_the_path_carries() {
    for_each_seed(|seed| {
        for (at_once, on_loss) in [(true, true), (false, true), (false, false)] {
            let habits = Habits {
                acks_at_once: at_once,
                flushes_on_loss: on_loss,
            };
            for is_ours_the_server in [true, false] {
                for loss in [0.0, 0.05] {
                    let weather = path(60, ETHERNET, loss);
                    let mut crowd = with_go(seed, habits, &weather, is_ours_the_server);
                    let link = |crowd: &Crowd| match is_ours_the_server {
                        true => crowd.clients[0].down.counts,
                        false => crowd.clients[0].up.counts,
                    };
                    let got = move |most: u64| {
                        move |flow: &Flow| match is_ours_the_server {
                            true => flow.down.read >= most,
                            false => flow.up.read >= most,
                        }
                    };
                    let patience = 3 * SECOND;
                    crowd.run_until(patience, got(1_000_000));
                    let before = link(&crowd);
                    crowd.run_until(patience, got(4_000_000));
                    let now = link(&crowd);
                    let mean = (now.bytes - before.bytes) / (now.sent - before.sent);
                    assert!(mean > 1400, "{mean}, {habits:?}, loss {loss}");
                    assert_eq!(now.too_long, 0);
                    let client = &mut crowd.clients[0];
                    for link in [&mut client.up, &mut client.down] {
                        let weather = link.weather().clone();
                        link.set_weather(Weather {
                            mtu: BASE,
                            ..weather
                        });
                    }
                    // Nobody gets nothing for longer than `patience`.
                    crowd.run_until(patience, got(6_000_000));
                    let before = link(&crowd);
                    crowd.run_until(patience, got(9_000_000));
                    let now = link(&crowd);
                    let mean = (now.bytes - before.bytes) / (now.sent - before.sent);
                    assert!(
                        (1100..=1220).contains(&mean),
                        "{mean}, {habits:?}, loss {loss}"
                    );
                }
            }
        }
    });
}
