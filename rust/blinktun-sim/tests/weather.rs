//! Every byte arrives once and in order, whatever the network does.

use blinktun_proto::congestion::Algorithm;
use blinktun_proto::session::Config;
use blinktun_proto::time::Duration;
use blinktun_sim::{Bursts, Flow, Setup, Weather, World, for_each_seed};

const SECOND: Duration = Duration::from_secs(1);

fn near() -> Weather {
    Weather::perfect(Duration::from_millis(15))
}

/// Both directions at once, and what is left afterwards: nothing.
fn carry(setup: &Setup, bytes: u64, limit: Duration) -> World {
    carry_in(setup.build(), bytes, limit)
}

fn carry_in(mut world: World, bytes: u64, limit: Duration) -> World {
    world.add(Flow::new(bytes, bytes / 2));
    world.add(Flow::new(bytes / 10, bytes));
    world.run(limit);
    world.rest();
    assert_eq!(world.closings(blinktun_sim::Side::Client), []);
    assert_eq!(world.closings(blinktun_sim::Side::Server), []);
    world
}

#[test]
fn perfect_weather_repeats_nothing() {
    for_each_seed(|seed| {
        let mut world = Setup::new(seed).build();
        world.meet();
        let world = carry_in(world, 500_000, 10 * SECOND);
        let (client, server) = (world.client.stats(), world.server.stats());
        assert_eq!((client.retrans_segs, server.retrans_segs), (0, 0));
        assert_eq!((client.repeat_segs, server.repeat_segs), (0, 0));
    });
}

#[test]
fn loss() {
    for_each_seed(|seed| {
        for loss in [0.01, 0.05, 0.1, 0.2, 0.3] {
            carry(
                &Setup::new(seed).weather(near().with_loss(loss)),
                200_000,
                60 * SECOND,
            );
        }
    });
}

#[test]
fn loss_without_fec() {
    for_each_seed(|seed| {
        for loss in [0.01, 0.1, 0.3] {
            let setup = Setup::new(seed).both(|config| config.shards = None);
            carry(&setup.weather(near().with_loss(loss)), 200_000, 60 * SECOND);
        }
    });
}

#[test]
fn loss_in_one_direction() {
    for_each_seed(|seed| {
        let lossy = near().with_loss(0.2);
        for (up, down) in [(near(), lossy.clone()), (lossy.clone(), near())] {
            carry(
                &Setup {
                    up,
                    down,
                    ..Setup::new(seed)
                },
                200_000,
                60 * SECOND,
            );
        }
    });
}

#[test]
fn bursts() {
    for_each_seed(|seed| {
        let bursts = Bursts {
            begin: 0.02,
            end: 0.1,
            loss: 0.9,
        };
        let weather = Weather {
            bursts: Some(bursts),
            ..near()
        };
        carry(&Setup::new(seed).weather(weather), 300_000, 60 * SECOND);
    });
}

/// kcptun's modes, and manual ones at their limits: nodelay, interval, resend, nc.
const MODES: [(bool, u32, u32, bool); 8] = [
    (false, 40, 2, true),  // normal
    (false, 30, 2, true),  // fast
    (true, 20, 2, true),   // fast2
    (true, 10, 2, true),   // fast3
    (false, 50, 0, false), // manual, as it comes
    (true, 10, 0, false),
    (false, 5000, 1, true),
    (true, 100, 65535, false),
];

/// A fifth of all datagrams, 5 in a row on average.
fn a_fifth_in_bursts() -> Weather {
    let bursts = Bursts {
        begin: 0.05,
        end: 0.175,
        loss: 0.9,
    };
    Weather {
        bursts: Some(bursts),
        ..near()
    }
}

#[test]
fn a_fifth_lost_in_bursts_in_every_mode() {
    for_each_seed(|seed| {
        for (nodelay, interval, resend, nc) in MODES {
            let setup = Setup::new(seed)
                .weather(a_fifth_in_bursts())
                .both(|config| {
                    config.nodelay = nodelay;
                    config.interval_ms = interval;
                    config.resend = resend;
                    config.congestion = if nc {
                        Algorithm::Fixed
                    } else {
                        Algorithm::Reno
                    };
                });
            carry(&setup, 200_000, 300 * SECOND);
        }
    });
}

#[test]
fn a_fifth_lost_in_bursts_with_every_size() {
    for_each_seed(|seed| {
        for (mtu, window) in [(576, 8), (576, 32768), (1500, 8), (1500, 32768)] {
            let setup = Setup::new(seed)
                .weather(a_fifth_in_bursts())
                .both(|config| {
                    config.mtu = mtu;
                    config.send_window = window;
                    config.receive_window = window;
                });
            carry(&setup, 100_000, 300 * SECOND);
        }
    });
}

#[test]
fn reordering_duplicates_and_jitter() {
    for_each_seed(|seed| {
        let disorder = Weather {
            reorder: 0.2,
            ..near()
        };
        let twice = Weather {
            duplicate: 0.3,
            ..near()
        };
        let jitter = Weather {
            jitter: Duration::from_millis(200),
            ..near()
        };
        let all = Weather {
            duplicate: 0.1,
            jitter: Duration::from_millis(30),
            ..disorder.clone()
        };
        for weather in [disorder, twice, jitter, all] {
            carry(&Setup::new(seed).weather(weather), 300_000, 60 * SECOND);
        }
    });
}

#[test]
fn corruption_is_loss() {
    for_each_seed(|seed| {
        let weather = Weather {
            corrupt: 0.1,
            ..near()
        };
        let world = carry(&Setup::new(seed).weather(weather), 200_000, 60 * SECOND);
        assert!(world.server.stats().in_csum_errors > 0);
        assert_eq!(world.server.stats().kcp_in_errors, 0);
    });
}

#[test]
fn small_networks() {
    for_each_seed(|seed| {
        for mtu in [576, 1000, 1280, 1350, 1500] {
            let weather = Weather { mtu, ..near() };
            let setup = Setup::new(seed)
                .weather(weather)
                .both(|config| config.mtu = mtu);
            let world = carry(&setup, 200_000, 20 * SECOND);
            assert_eq!((world.up.counts.lost, world.down.counts.lost), (0, 0));
        }
    });
}

#[test]
fn windows() {
    for_each_seed(|seed| {
        for (send, receive) in [
            (8, 8),
            (8, 512),
            (512, 16),
            (128, 512),
            (2048, 2048),
            (32768, 32768),
        ] {
            let weather = Weather {
                rate: Some(4_000_000),
                queue: 4_000_000,
                ..near()
            };
            let setup =
                Setup::new(seed)
                    .weather(weather.with_loss(0.02))
                    .both(|config: &mut Config| {
                        config.send_window = send;
                        config.receive_window = receive;
                    });
            carry(&setup, 300_000, 60 * SECOND);
        }
    });
}

#[test]
fn a_full_queue_with_and_without_congestion_control() {
    for_each_seed(|seed| {
        for congestion in [Algorithm::Fixed, Algorithm::Reno] {
            let weather = Weather {
                rate: Some(300_000),
                queue: 30_000,
                ..near()
            };
            let setup = Setup::new(seed).weather(weather);
            carry(
                &setup.both(|config| config.congestion = congestion),
                300_000,
                60 * SECOND,
            );
        }
    });
}

#[test]
fn congestion_control_under_loss() {
    for_each_seed(|seed| {
        for loss in [0.0, 0.05, 0.2] {
            let setup = Setup::new(seed).weather(near().with_loss(loss));
            let setup = setup.both(|config| config.congestion = Algorithm::Reno);
            carry(&setup, 100_000, 60 * SECOND);
        }
    });
}

#[test]
fn named_weathers() {
    for_each_seed(|seed| {
        for weather in [
            Weather::train(),
            Weather::satellite(),
            Weather::lossy_wifi(),
        ] {
            carry(&Setup::new(seed).weather(weather), 1_000_000, 120 * SECOND);
        }
    });
}
