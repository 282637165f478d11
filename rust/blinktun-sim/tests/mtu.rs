//! The MTU of a path changes while streams are under way.

use blinktun_proto::crypt::CryptKind;
use blinktun_proto::random::Random;
use blinktun_proto::session::{Config, MAX_MTU};
use blinktun_proto::time::Duration;
use blinktun_sim::{Flow, Setup, Side, for_each_seed};

const MILLI: Duration = Duration::from_millis(1);

fn longest(log: &[(Side, Vec<u8>)]) -> usize {
    log.iter().map(|(_, it)| it.len()).max().unwrap_or(0)
}

#[test]
fn every_byte_arrives_whatever_the_mtu_becomes() {
    for_each_seed(|seed| {
        let mut random = Random::from_number(seed);
        let kinds = [CryptKind::Null, CryptKind::Aes, CryptKind::Aes128Gcm];
        let mut setup = Setup::new(seed).kind(kinds[seed as usize % 3]);
        setup.up.loss = [0.0, 0.05][seed as usize % 2];
        setup.down.loss = setup.up.loss;
        if seed % 4 == 0 {
            setup = setup.both(|config| config.shards = None);
        }
        let mut world = setup.build();
        world.add(Flow::new(400_000, 400_000));
        let end = world.now + Duration::from_secs(60);
        let mut change_at = world.now;
        while !world.flows.iter().all(Flow::is_done) && world.step(end) {
            if world.now < change_at {
                continue;
            }
            change_at = world.now + 50 * MILLI;
            let (dialed, accepted) = (world.dialed, world.accepted);
            let ends = [
                world.client.session_mut(dialed),
                accepted.and_then(|id| world.server.session_mut(id)),
            ];
            for (session, cx) in ends.into_iter().flatten() {
                session.set_mtu(100 + random.below(2000) as usize, world.now, cx);
                assert!(session.path().mtu() <= MAX_MTU);
            }
        }
        assert!(world.flows.iter().all(Flow::is_done), "seed {seed}");
    });
}

#[test]
fn what_leaves_for_the_first_time_fits_from_that_moment_on() {
    let mut world = Setup::new(1).build();
    world.log = Some(Vec::new());
    world.add(Flow::new(30_000_000, 0));
    let begun = world.now;
    while world.now < begun + 300 * MILLI && world.step(begun + 300 * MILLI) {}
    assert_eq!(longest(&world.log.take().unwrap()), 1350);
    for mtu in [1200, 576, 1500] {
        let (session, cx) = world.client.session_mut(world.dialed).unwrap();
        session.set_mtu(mtu, world.now, cx);
        world.log = Some(Vec::new());
        let then = world.now + 100 * MILLI;
        while world.now < then && world.step(then) {}
        assert!(
            !world.flows.iter().all(Flow::is_done),
            "there is more to send"
        );
        assert_eq!(longest(&world.log.take().unwrap()), mtu);
    }
}

#[test]
fn what_was_numbered_before_leaves_again_as_it_was() {
    let mut setup = Setup::new(2);
    setup.up.loss = 0.2;
    let one_order = |config: &mut Config| {
        config.shards = None;
        config.smux.independent = false;
    };
    let mut world = setup.both(one_order).build();
    world.add(Flow::new(2_000_000, 0));
    let begun = world.now;
    while world.now < begun + 200 * MILLI && world.step(begun + 200 * MILLI) {}
    let (session, cx) = world.client.session_mut(world.dialed).unwrap();
    session.set_mtu(600, world.now, cx);
    world.log = Some(Vec::new());
    let end = world.now + Duration::from_secs(60);
    while !world.flows.iter().all(Flow::is_done) && world.step(end) {}
    assert!(world.flows.iter().all(Flow::is_done));
    let log = world.log.take().unwrap();
    let uploads = log.iter().filter(|(side, _)| *side == Side::Client);
    let sizes: Vec<usize> = uploads.map(|(_, it)| it.len()).collect();
    assert!(sizes.iter().any(|size| *size > 600), "some were in flight");
    let last_long = sizes.iter().rposition(|size| *size > 600).unwrap();
    assert!(
        last_long < sizes.len() / 2,
        "only those that were lost then"
    );
}

#[test]
fn a_limited_rate_goes_on_whatever_the_mtu_becomes() {
    for_each_seed(|seed| {
        let (rate, size) = (100_000, 400_000);
        let mut setup = Setup::new(seed).both(|config| config.compress = false);
        setup.client.rate_limit = rate;
        let mut world = setup.build();
        world.add(Flow::new(size, 0));
        let begun = world.now;
        let mut random = Random::from_number(seed);
        let end = begun + Duration::from_secs(60);
        let mut change_at = begun;
        while !world.flows.iter().all(Flow::is_done) && world.step(end) {
            if world.now >= change_at {
                change_at = world.now + 30 * MILLI;
                let mtu = [700, 1350, 1500][random.below(3) as usize];
                let (session, cx) = world.client.session_mut(world.dialed).unwrap();
                session.set_mtu(mtu, world.now, cx);
            }
        }
        // The parity takes three tenths, headers a few hundredths; a stall would take seconds.
        let took = world.now.since(begun);
        assert!(took < Duration::from_millis(6000), "{took:?}");
    });
}
