//! What leaves under a rate limit: never more than it allows, and hardly less.

use blinktun_proto::session::pace::BURST;
use blinktun_proto::time::{Duration, Time};
use blinktun_sim::{Flow, Setup, Side, Weather, World, for_each_seed};

const SECOND: Duration = Duration::from_secs(1);

fn limited(seed: u64, up: u64, down: u64) -> Setup {
    let mut setup = Setup::new(seed).both(|config| config.compress = false);
    setup.client.rate_limit = up;
    setup.server.rate_limit = down;
    setup
}

/// What may have left by now at `rate`.
fn allowed(rate: u64, now: Time) -> u64 {
    BURST + rate * now.as_micros() / 1_000_000
}

/// Go on until `end`; no rate is exceeded at any moment.
fn watch(world: &mut World, setup: &Setup, end: Time) {
    let (up, down) = (setup.client.rate_limit, setup.server.rate_limit);
    let mut going = true;
    while going {
        going = world.step(end);
        assert!(up == 0 || world.up.counts.bytes <= allowed(up, world.now));
        assert!(down == 0 || world.down.counts.bytes <= allowed(down, world.now));
    }
}

#[test]
fn over_a_long_time_the_rate_is_kept_within_one_percent() {
    for_each_seed(|seed| {
        let (up, down) = (200_000, 1_000_000);
        let setup = limited(seed, up, down);
        let mut world = setup.build();
        world.add(Flow::new(1_000_000_000, 1_000_000_000));
        watch(&mut world, &setup, Time::from_millis(100_000));
        for (rate, sent) in [(up, world.up.counts.bytes), (down, world.down.counts.bytes)] {
            let due = allowed(rate, world.now);
            assert!(sent >= due - due / 100, "{sent} of {due}");
        }
        // Parity and headers take their share.
        let read = world.flows[0].up.read;
        assert!(read < 85 * 200_000 && read > 60 * 200_000, "{read}");
        // One waking for each datagram, and acknowledgements.
        assert!(world.wakeups[0] < 20_000, "{:?}", world.wakeups);
    });
}

#[test]
fn a_burst_leaves_at_once_and_after_a_pause_again() {
    for_each_seed(|seed| {
        let setup = limited(seed, 10_000, 0);
        let mut world = setup.build();
        world.meet();
        let first = world.add(Flow::new(60_000, 0));
        let done = |world: &World, flow: usize| world.flows[flow].up.is_done();
        let took = world.run_until(SECOND, |world| done(world, first));
        assert!(took < SECOND / 4, "{took:?}");
        world.pass(20 * SECOND);
        let begin = world.now;
        let second = world.add(Flow::new(60_000, 0));
        world.run_until(SECOND, |world| done(world, second));
        assert!(world.now.since(begin) < SECOND / 4);
        watch(&mut world, &setup, begin + SECOND);
    });
}

#[test]
fn with_loss_everything_arrives() {
    for_each_seed(|seed| {
        let weather = Weather {
            reorder: 0.1,
            duplicate: 0.02,
            jitter: Duration::from_millis(5),
            ..Weather::perfect(Duration::from_millis(30)).with_loss(0.05)
        };
        let setup = limited(seed, 100_000, 50_000).weather(weather);
        let mut world = setup.build();
        world.add(Flow::new(1_000_000, 300_000));
        let took = world.run(60 * SECOND);
        assert!(took < 25 * SECOND, "{took:?}");
        world.rest();
        assert_eq!(world.closings(Side::Client), []);
        let (up, down) = (&world.up.counts, &world.down.counts);
        assert!(up.bytes <= allowed(100_000, world.now), "{up:?}");
        assert!(down.bytes <= allowed(50_000, world.now), "{down:?}");
    });
}

#[test]
fn a_rate_below_a_datagram_a_second_still_sends() {
    for_each_seed(|seed| {
        let setup = limited(seed, 300, 300);
        let mut world = setup.build();
        world.meet();
        world.add(Flow::new(260_000, 0));
        watch(&mut world, &setup, Time::from_millis(600_000));
        let (sent, due) = (world.up.counts.bytes, allowed(300, world.now));
        assert!(sent >= due - due / 100, "{sent} of {due}");
        world.run(120 * SECOND);
        assert_eq!(world.closings(Side::Server), []);
        world.rest();
    });
}
