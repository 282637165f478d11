//! Every link that has a name carries data in virtual time too.

use blinktun_link::{Description, catalog};
use blinktun_proto::time::{Duration, Time};
use blinktun_sim::{Flow, Setup, World};

/// A world whose path is the link of these words.
fn world(words: &str) -> World {
    let link = Description::parse(words.split(' ')).expect("a link");
    let setup = Setup::new(1).both(|config| config.compress = false);
    let mut world = setup.build();
    world.up.follow(link.up, Time::ZERO);
    world.down.follow(link.down, Time::ZERO);
    world
}

#[test]
fn every_named_link_carries_data() {
    for link in catalog::LINKS {
        let mut world = world(link.name);
        world.add(Flow::new(20_000, 200_000));
        world.run(Duration::from_secs(60));
        assert!(world.down.counts.delivered > 140, "{}", link.name);
    }
}

#[test]
fn the_rate_of_a_link_bounds_a_flow_at_each_time() {
    let mut world = world("rate=8mbit delay=10ms queue=1s step=5s:1mbit");
    world.add(Flow::new(0, 6_000_000));
    world.run(Duration::from_secs(60));
    let bytes = world.down.counts.delivered_bytes as f64;
    let seconds = world.now.since(Time::ZERO).as_secs_f64();
    assert!(
        bytes <= 5e6 + (seconds - 5.0) * 125e3 + 250e3,
        "{bytes} in {seconds}"
    );
    assert!(seconds > 8.0);
}
