//! Between two blinktun no stream waits for what another has lost.

use blinktun_proto::session::Config;
use blinktun_proto::smux::Version;
use blinktun_proto::time::Duration;
use blinktun_sim::{Flow, Setup, Side, Weather, World, for_each_seed};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn lossy(seed: u64) -> Setup {
    let weather = Weather {
        rate: Some(5_000_000),
        queue: 500_000,
        ..Weather::perfect(50 * MILLI).with_loss(0.05)
    };
    Setup::new(seed).weather(weather)
}

fn is_independent(world: &World) -> [bool; 2] {
    let sessions = [Side::Client, Side::Server].map(|side| world.session(side));
    sessions.map(|session| session.is_some_and(|it| it.mux().is_independent()))
}

/// How long requests take beside a download, in order.
fn requests(setup: &Setup) -> (Vec<Duration>, World) {
    let mut world = setup.build();
    let mut download = Flow::new(0, 1 << 40);
    download.down.is_random = true;
    world.add(download);
    world.pass(2 * SECOND);
    let mut took = Vec::new();
    for _ in 0..30 {
        let begun = world.now;
        let request = world.add(Flow::new(1000, 1000));
        world.run_until(10 * SECOND, |world| world.flows[request].is_done());
        took.push(world.now.since(begun));
    }
    took.sort();
    (took, world)
}

#[test]
fn a_request_does_not_wait_for_what_a_download_has_lost() {
    for_each_seed(|seed| {
        for compress in [false, true] {
            let setup = lossy(seed).both(|config| config.compress = compress);
            let (took, world) = requests(&setup);
            assert_eq!(is_independent(&world), [true, true]);
            // A round trip is 100 ms; the queue of the download comes on top.
            assert!(took[15] < 130 * MILLI, "{took:?}, compress {compress}");
            let (before, world) = requests(&setup.both(|config| config.smux.independent = false));
            assert_eq!(is_independent(&world), [false, false]);
            assert!(took[15] < before[15], "{took:?} {before:?}");
        }
    });
}

#[test]
fn one_end_that_does_not_know_it_is_enough_to_go_on_as_before() {
    for_each_seed(|seed| {
        let mut setup = lossy(seed);
        setup.server.smux.independent = false;
        let mut world = setup.build();
        world.add(Flow::new(500_000, 500_000));
        world.run(60 * SECOND);
        assert_eq!(is_independent(&world), [false, false]);
    });
}

#[test]
fn every_byte_arrives_whatever_the_settings() {
    for_each_seed(|seed| {
        for (window, version, shards) in [
            (8, Version::V1, None),
            (64, Version::V2, Some((3, 2))),
            (1024, Version::V2, None),
        ] {
            let mut setup = lossy(seed).both(|config| {
                (config.send_window, config.receive_window) = (window, window);
                config.shards = shards;
                config.compress = seed % 2 == 0;
            });
            setup.client.smux.version = Some(version);
            let mut world = setup.build();
            for n in 0..10 {
                let mut flow = Flow::new(n * 7_000, 40_000 / (n + 1));
                flow.down.rate = (n % 3 == 0).then_some(30_000);
                world.add(flow);
            }
            world.run(120 * SECOND);
            assert!(is_independent(&world)[0]);
        }
    });
}

#[test]
fn a_paused_stream_is_not_reset_because_another_loses_segments() {
    for_each_seed(|seed| {
        let setup = lossy(seed).both(|config| *config = config.clone().tuning_itself());
        let mut world = setup.build();
        let mut paused = Flow::new(0, 1_000_000);
        paused.down.pauses = vec![(world.now, world.now + 20 * SECOND)];
        world.add(paused);
        let busy = world.add(Flow::new(0, 20_000_000));
        world.run_until(15 * SECOND, |world| world.flows[busy].is_done());
        world.run(60 * SECOND);
    });
}

#[test]
fn connections_of_30_kb_in_turn_do_not_wait_for_two_downloads() {
    for_each_seed(|seed| {
        let weather = Weather {
            rate: Some(12_500_000),
            queue: 1_250_000,
            ..Weather::perfect(50 * MILLI).with_loss(0.05)
        };
        let tuned = |config: &mut Config| *config = config.clone().tuning_itself();
        let mut world = Setup::new(seed).weather(weather).both(tuned).build();
        world.meet();
        for _ in 0..2 {
            let mut download = Flow::new(0, 1 << 40);
            download.down.is_random = true;
            world.add(download);
        }
        world.pass(3 * SECOND);
        let mut took = Vec::new();
        for _ in 0..200 {
            let begun = world.now;
            let mut fetch = Flow::new(200, 30_000);
            fetch.down.is_random = true;
            let fetch = world.add(fetch);
            world.run_until(10 * SECOND, |world| world.flows[fetch].is_done());
            took.push(world.now.since(begun));
        }
        took.sort();
        // Some lose a segment and its repair, and wait for a round trip more: 4 to 6 in a hundred.
        let seen = [took[100], took[180], took[190]];
        let bounds = [130, 170, 260].map(|most| most * MILLI);
        assert!(
            seen.iter().zip(bounds).all(|(it, most)| *it < most),
            "{seen:?}"
        );
    });
}

#[test]
fn a_request_does_not_wait_for_the_first_flights_of_a_download() {
    let weather = Weather {
        rate: Some(5_000_000),
        queue: 1_000_000,
        ..Weather::perfect(140 * MILLI)
    };
    let tuned = |config: &mut Config| *config = config.clone().tuning_itself();
    let mut world = Setup::new(1).weather(weather).both(tuned).build();
    world.meet();
    let begun = world.now;
    world.add(Flow::new(0, 1 << 40));
    for turn in 1..=6 {
        let mut request = Flow::new(1000, 1000);
        // Until then the server has not heard whether the client takes independent segments.
        request.opens = begun + (200 + 100 * turn) * MILLI;
        world.add(request);
    }
    world.pass(3 * SECOND);
    for request in &world.flows[world.flows.len() - 6..] {
        let took = request.down.done_at.map(|at| at.since(request.opens));
        assert!(took.is_some_and(|it| it < 350 * MILLI), "{took:?}");
    }
}
