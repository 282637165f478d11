//! The proof of an address gets through, whatever is lost on the way.

use blinktun_proto::time::Duration;
use blinktun_proto::wire::kcp::{ACK, Segments};
use blinktun_sim::{Flow, Setup, World, for_each_seed};

const SECOND: Duration = Duration::from_secs(1);

/// Whether a datagram of a world without encryption and FEC is nothing but acknowledgements.
fn is_bare_ack(datagram: &[u8]) -> bool {
    let segments = Segments::parse(&datagram[20..]).expect("segments");
    segments.into_iter().all(|segment| segment.cmd == ACK)
}

/// Deliver what arrives at the server except the first `lose` bare acknowledgements.
fn run_losing_acks(setup: &Setup, flow: Flow, mut lose: usize) -> World {
    let mut world = setup.build();
    world.add(flow);
    let end = world.now + 40 * SECOND;
    while !world.flows[0].is_done() {
        world.settle();
        world.up.lose_if(|datagram| {
            let lost = lose > 0 && is_bare_ack(datagram);
            lose -= usize::from(lost);
            lost
        });
        assert!(world.step(end), "not done");
    }
    assert_eq!(lose, 0);
    world
}

#[test]
fn a_download_survives_the_loss_of_its_first_acknowledgements() {
    for_each_seed(|seed| {
        let setup = Setup::new(seed).both(|config| config.shards = None);
        for lose in 1..4 {
            let mut world = run_losing_acks(&setup, Flow::new(10, 2_000_000), lose);
            assert!(world.now.as_millis() < 5000, "{:?}, {lose} lost", world.now);
            world.pass(40 * SECOND);
            world.rest();
        }
    });
}

#[test]
fn an_upload_survives_it_too() {
    for_each_seed(|seed| {
        let setup = Setup::new(seed).both(|config| config.shards = None);
        let mut world = run_losing_acks(&setup, Flow::new(500_000, 0), 1);
        world.pass(40 * SECOND);
        world.rest();
    });
}
