//! Paced sessions: what leaves is spread over time, and what need not wait does not.

use blinktun_proto::congestion::Algorithm;
use blinktun_proto::time::{Duration, Time};
use blinktun_sim::{Flow, Setup, Side, World, for_each_seed};

const MILLI: Duration = Duration::from_millis(1);
/// 10 Mbit a second.
const RATE: u64 = 1_250_000;
/// What may leave at once: four milliseconds of the rate.
const BURST: u64 = RATE / 250;
const DATAGRAM: u64 = 1350;
/// The data in it: without the checksum, FEC's header and KCP's.
const DATA_RATE: u64 = RATE * (DATAGRAM - 20 - 8 - 24) / DATAGRAM;

fn paced(seed: u64) -> Setup {
    Setup::new(seed).both(|config| config.congestion = Algorithm::Paced(DATA_RATE))
}

/// Every datagram of one side, and when it left.
fn departures(mut world: World, side: Side, limit: Duration) -> Vec<(Time, u64)> {
    world.log = Some(Vec::new());
    let (end, mut seen) = (world.now + limit, Vec::new());
    while !world.flows.iter().all(Flow::is_done) && world.step(end) {
        let sent = world.log.replace(Vec::new()).expect("a log");
        let ours = sent.iter().filter(|(from, _)| *from == side);
        seen.extend(ours.map(|(_, datagram)| (world.now, datagram.len() as u64)));
    }
    assert!(world.flows.iter().all(Flow::is_done), "not done in time");
    seen
}

/// The most bytes that left within `span`.
fn most_within(span: Duration, seen: &[(Time, u64)]) -> u64 {
    let (mut first, mut sum, mut most) = (0, 0, 0);
    for (at, size) in seen {
        sum += size;
        while at.since(seen[first].0) >= span {
            sum -= seen[first].1;
            first += 1;
        }
        most = most.max(sum);
    }
    most
}

#[test]
fn data_parity_and_repetitions_keep_to_the_rate_together() {
    for_each_seed(|seed| {
        for (loss, shards) in [
            (0.0, None),
            (0.0, Some((10, 3))),
            (0.1, None),
            (0.1, Some((10, 3))),
        ] {
            let mut setup = paced(seed).both(|config| config.shards = shards);
            (setup.up.loss, setup.down.loss) = (loss, loss);
            let mut world = setup.build();
            world.add(Flow::new(2_000_000, 0));
            let seen = departures(world, Side::Client, Duration::from_secs(30));
            for millis in [1, 10, 100, 1000] {
                let most = most_within(millis * MILLI, &seen);
                // Hellos, acknowledgements and questions go beside it.
                let allowed = RATE * u64::from(millis) / 1000 + BURST + 3 * DATAGRAM;
                assert!(
                    most <= allowed,
                    "{most} bytes in {millis} ms, loss {loss}, {shards:?}"
                );
            }
            let took = seen
                .last()
                .expect("departures")
                .0
                .since(seen[0].0)
                .as_micros() as u64;
            let sent: u64 = seen.iter().map(|(_, size)| size).sum();
            assert!(
                loss > 0.0 || sent * 1_000_000 / took > RATE / 100 * 95,
                "{sent} in {took} us"
            );
        }
    });
}

#[test]
fn acknowledgements_wait_for_no_pacer() {
    // The client uploads at a tenth of a megabit, and downloads a hundred times as fast.
    let slow = 12_500;
    let mut setup = Setup::new(1);
    setup.client.congestion = Algorithm::Paced(slow);
    let mut world = setup.build();
    world.add(Flow::new(100_000, 0));
    let download = world.add(Flow::new(0, 1_500_000));
    let begun = world.now;
    let took = world.run_until(Duration::from_secs(20), |world| {
        world.flows[download].is_done()
    });
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(!world.flows[0].is_done() && world.now > begun);
}

#[test]
fn a_small_request_waits_for_a_few_quanta_only() {
    for compress in [false, true] {
        let setup = paced(3).both(|config| config.compress = compress);
        let mut world = setup.build();
        let mut upload = Flow::new(2_000_000, 0);
        upload.up.is_random = true;
        world.add(upload);
        world.pass(500 * MILLI);
        let begun = world.now;
        let request = world.add(Flow::new(300, 300));
        world.run_until(Duration::from_secs(5), |world| {
            world.flows[request].is_done()
        });
        // The round trip is 20 ms; a window of data in front of it would be more than 100 ms.
        let took = world.now.since(begun);
        assert!(took < 60 * MILLI, "{took:?}, compress {compress}");
        assert!(!world.flows[0].is_done());
    }
}

#[test]
fn each_side_keeps_to_its_own_ceiling() {
    for_each_seed(|seed| {
        let setup = Setup::new(seed).both(|config| {
            *config = config.clone().tuning_itself();
            (config.up_ceiling, config.down_ceiling) = (Some(RATE), Some(2 * RATE));
        });
        for (side, ceiling, flow) in [
            (Side::Client, RATE, Flow::new(4_000_000, 0)),
            (Side::Server, 2 * RATE, Flow::new(0, 8_000_000)),
        ] {
            let mut world = setup.build();
            world.add(flow);
            let seen = departures(world, side, Duration::from_secs(30));
            let most = most_within(1000 * MILLI, &seen);
            let allowed = ceiling + ceiling / 250 + 4 * DATAGRAM;
            assert!(
                most <= allowed && most >= ceiling * 9 / 10,
                "{most}, {side:?}"
            );
        }
    });
}
