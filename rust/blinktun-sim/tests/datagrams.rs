//! Datagrams beside the streams: lost rather than late, protected, or reliable, as their flow wants it.

use std::collections::BTreeSet;

use blinktun_link::Weather;
use blinktun_proto::session::Config;
use blinktun_proto::smux::{Class, DatagramCounts, FlowError, FlowId, Version};
use blinktun_proto::time::{Duration, Time};
use blinktun_sim::{Flow, Setup, Side, World, for_each_seed};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn setup(seed: u64, loss: f64) -> Setup {
    let weather = Weather {
        rate: Some(12_500_000),
        queue: 1_250_000,
        ..Weather::perfect(50 * MILLI).with_loss(loss)
    };
    let with_flows = |config: &mut Config| {
        config.smux.max_flows = 100;
        *config = config.clone().tuning_itself();
    };
    Setup::new(seed).weather(weather).both(with_flows)
}

/// Datagrams that leave one end in a rhythm, and what has come of them at the other.
struct Beat {
    side: Side,
    flow: FlowId,
    size: usize,
    sent: Vec<Time>,
    seen: BTreeSet<u64>,
    delays: Vec<Duration>,
}

impl Beat {
    fn new(world: &mut World, side: Side, class: Class, size: usize) -> Beat {
        let flow = with(world, side, |session, _| session.open_flow(b"", class));
        Beat {
            side,
            flow: flow.expect("there is room for it"),
            size,
            sent: Vec::new(),
            seen: BTreeSet::new(),
            delays: Vec::new(),
        }
    }

    fn send(&mut self, world: &mut World) -> bool {
        let number = self.sent.len() as u64;
        let mut data = vec![number as u8; self.size];
        data[..8].copy_from_slice(&number.to_le_bytes());
        let flow = self.flow;
        let taken = with(world, self.side, |session, now| {
            session.send_datagram(flow, &data, now)
        });
        let taken = taken.expect("the peer takes them");
        if taken {
            self.sent.push(world.now);
        }
        taken
    }

    fn take(&mut self, world: &mut World) {
        let (flow, size, now) = (self.flow, self.size, world.now);
        let other = if self.side == Side::Client {
            Side::Server
        } else {
            Side::Client
        };
        if world.session(other).is_none() {
            return;
        }
        while let Some(data) = with(world, other, |session, _| session.take_datagram(flow)) {
            let number = u64::from_le_bytes(data[..8].try_into().expect("eight bytes"));
            assert_eq!(data.len(), size);
            assert!(data[8..].iter().all(|byte| *byte == number as u8));
            assert!(self.seen.insert(number), "{number} came twice");
            self.delays.push(now.since(self.sent[number as usize]));
        }
    }

    fn lost(&self) -> f64 {
        1.0 - self.seen.len() as f64 / self.sent.len() as f64
    }

    fn slowest(&self) -> Duration {
        self.delays.iter().max().copied().unwrap_or_default()
    }
}

fn with<T>(
    world: &mut World,
    side: Side,
    use_it: impl FnOnce(&mut blinktun_proto::session::Session, Time) -> T,
) -> T {
    let now = world.now;
    let (node, id) = match side {
        Side::Client => (&mut world.client, Some(world.dialed)),
        Side::Server => (&mut world.server, world.accepted),
    };
    let (session, _) = id.and_then(|id| node.session_mut(id)).expect("it lives");
    use_it(session, now)
}

/// Send `each` datagrams of every beat in each millisecond, for some time, and wait for the last ones.
fn beat(world: &mut World, beats: &mut [Beat], (each, every): (usize, Duration), time: Duration) {
    let end = world.now + time;
    while world.now < end {
        for beat in &mut *beats {
            for _ in 0..each {
                beat.send(world);
            }
        }
        let next = world.now + every;
        while world.now < next {
            world.pass(MILLI.min(next.since(world.now)));
            beats.iter_mut().for_each(|beat| beat.take(world));
        }
    }
    for _ in 0..1000 {
        world.pass(MILLI);
        beats.iter_mut().for_each(|beat| beat.take(world));
    }
}

/// A world in which both ends know that the other takes datagrams.
fn met(setup: &Setup) -> World {
    let mut world = setup.build();
    world.meet();
    let mut first = Beat::new(&mut world, Side::Client, Class::Plain, 100);
    beat(
        &mut world,
        core::slice::from_mut(&mut first),
        (1, 100 * MILLI),
        SECOND,
    );
    world
}

fn counts(world: &World, side: Side) -> DatagramCounts {
    world
        .session(side)
        .expect("it lives")
        .mux()
        .datagram_counts()
}

#[test]
fn a_datagram_does_not_wait_for_another_that_is_lost() {
    for_each_seed(|seed| {
        // Of protected ones 0.04 % are lost in the mean.
        for (class, most) in [(Class::Plain, 0.03), (Class::Protected, 0.002)] {
            let mut world = met(&setup(seed, 0.02));
            // 20 Mbit/s each way, as of a VPN. Until the rate is found, what does not fit is lost.
            let both = |world: &mut World| {
                [Side::Client, Side::Server].map(|side| Beat::new(world, side, class, 1300))
            };
            let mut first = both(&mut world);
            beat(&mut world, &mut first, (2, MILLI), 2 * SECOND);
            let mut beats = both(&mut world);
            beat(&mut world, &mut beats, (2, MILLI), 3 * SECOND);
            for beat in &beats {
                assert!(beat.lost() <= most, "{class:?} {}", beat.lost());
                // 50 ms are the path's. A copy leaves up to 10 ms later.
                let slowest = beat.slowest();
                assert!(slowest <= 75 * MILLI, "{class:?} {slowest:?}");
            }
        }
    });
}

#[test]
fn reliable_datagrams_all_arrive() {
    for_each_seed(|seed| {
        let mut world = met(&setup(seed, 0.1));
        let mut beats = [1300, 100, 5000]
            .map(|size| Beat::new(&mut world, Side::Client, Class::Reliable, size));
        beat(&mut world, &mut beats, (1, 10 * MILLI), 3 * SECOND);
        for beat in &mut beats {
            world.run_until(10 * SECOND, |world| {
                world
                    .session(Side::Client)
                    .is_some_and(|it| it.is_drained())
            });
            beat.take(&mut world);
            assert_eq!(beat.seen.len(), beat.sent.len());
        }
    });
}

#[test]
fn one_that_is_longer_than_a_segment_arrives_whole_or_not_at_all() {
    for_each_seed(|seed| {
        for loss in [0.0, 0.05] {
            let mut world = met(&setup(seed, loss));
            let mut beats = [9000, 65507, 1400]
                .map(|size| Beat::new(&mut world, Side::Client, Class::Plain, size));
            beat(&mut world, &mut beats, (1, 400 * MILLI), 4 * SECOND);
            for beat in &beats {
                assert!(
                    loss > 0.0 || beat.lost() == 0.0,
                    "{} {}",
                    beat.size,
                    beat.lost()
                );
                assert!(!beat.seen.is_empty() || beat.size > 60_000);
            }
            assert!(counts(&world, Side::Server).received > 0);
        }
    });
}

#[test]
fn small_ones_do_not_wait_for_a_download() {
    for_each_seed(|seed| {
        let mut world = met(&setup(seed, 0.05));
        world.add(Flow::new(0, 1 << 40));
        world.pass(3 * SECOND);
        let mut beats = [Beat::new(&mut world, Side::Server, Class::Plain, 200)];
        beat(&mut world, &mut beats, (1, 20 * MILLI), 5 * SECOND);
        let mut delays = beats[0].delays.clone();
        delays.sort();
        let late = delays[delays.len() * 98 / 100];
        assert!(late < 75 * MILLI, "{late:?}");
        assert!(beats[0].lost() < 0.12, "{}", beats[0].lost());
    });
}

#[test]
fn a_download_and_a_flood_of_datagrams_have_half_of_the_link_each() {
    for_each_seed(|seed| {
        let mut world = met(&setup(seed, 0.0));
        world.add(Flow::new(0, 1 << 40));
        world.pass(2 * SECOND);
        let read = world.flows[0].down.read;
        let mut beats = [Beat::new(&mut world, Side::Server, Class::Plain, 1300)];
        beat(&mut world, &mut beats, (12, MILLI), 4 * SECOND);
        let streams = (world.flows[0].down.read - read) as f64;
        let datagrams = (beats[0].seen.len() * 1300) as f64;
        let share = datagrams / (datagrams + streams);
        assert!((0.35..0.6).contains(&share), "{share}");
        // What waits is bounded, and the newest count.
        assert!(beats[0].slowest() < 300 * MILLI, "{:?}", beats[0].slowest());
    });
}

#[test]
fn a_peer_that_takes_none_ends_the_flow() {
    let none = |config: &mut Config| config.smux.max_flows = 0;
    let mut setup = setup(1, 0.0);
    none(&mut setup.server);
    let mut world = setup.build();
    let flow = with(&mut world, Side::Client, |session, _| {
        session.open_flow(b"", Class::Plain)
    });
    let flow = flow.expect("nobody has said anything yet");
    with(&mut world, Side::Client, |session, now| {
        session.send_datagram(flow, b"x", now)
    })
    .expect("it waits");
    world.pass(SECOND);
    assert_eq!(
        world
            .session(Side::Client)
            .expect("it lives")
            .mux()
            .flow_count(),
        0
    );
    let again = with(&mut world, Side::Client, |session, _| {
        session.open_flow(b"", Class::Plain)
    });
    assert_eq!(again, Err(FlowError::Unsupported));
}

#[test]
fn a_session_of_datagrams_alone_begins_and_finds_its_mtu() {
    for_each_seed(|seed| {
        let mut world = setup(seed, 0.01).build();
        let mut beats = [Beat::new(&mut world, Side::Client, Class::Plain, 1300)];
        beat(&mut world, &mut beats, (1, 5 * MILLI), 3 * SECOND);
        assert!(beats[0].lost() < 0.05, "{}", beats[0].lost());
        let now = world.now;
        let stats = world.session(Side::Client).expect("it lives").stats(now);
        assert_eq!(stats.mtu, 1472);
    });
}

#[test]
fn a_session_of_datagrams_alone_begins_whatever_its_first_words_are() {
    for compress in [false, true] {
        for version in [None, Some(Version::V1), Some(Version::V2)] {
            let mut setup = setup(1, 0.0).both(|config| config.compress = compress);
            setup.client.smux.version = version;
            let mut world = setup.build();
            let mut beats = [Beat::new(&mut world, Side::Client, Class::Plain, 100)];
            beat(&mut world, &mut beats, (1, 50 * MILLI), SECOND);
            assert_eq!(beats[0].lost(), 0.0, "{compress} {version:?}");
        }
    }
}

#[test]
fn copies_do_not_slow_a_session_down() {
    for_each_seed(|seed| {
        // 20 Mbit/s of datagrams and as much of copies: the first link has room for that, the others have not.
        for (rate, least) in [
            (6_250_000, 2_590_000.0),
            (3_750_000, 1_350_000.0),
            (2_000_000, 640_000.0),
        ] {
            let mut setup = setup(seed, 0.02);
            for weather in [&mut setup.up, &mut setup.down] {
                weather.rate = Some(rate);
                weather.queue = rate as usize / 10;
            }
            let mut world = met(&setup);
            let mut first = [Beat::new(&mut world, Side::Client, Class::Protected, 1300)];
            beat(&mut world, &mut first, (2, MILLI), 3 * SECOND);
            let mut beats = [Beat::new(&mut world, Side::Client, Class::Protected, 1300)];
            beat(&mut world, &mut beats, (2, MILLI), 4 * SECOND);
            let arrived = (beats[0].seen.len() * 1300) as f64 / 4.0;
            assert!(arrived >= least, "{arrived} bytes a second over {rate}");
        }
    });
}

#[test]
fn a_label_that_is_too_long_for_the_path_loses_datagrams_and_nothing_else() {
    let mut setup = setup(1, 0.0);
    setup = setup.both(|config| (config.mtu, config.searches_mtu) = (200, false));
    let mut world = met(&setup);
    let label = [7; 255];
    let flow = with(&mut world, Side::Client, |session, _| {
        session.open_flow(&label, Class::Reliable)
    });
    let flow = flow.expect("there is room for it");
    for size in [0, 10, 1000] {
        let data = vec![1; size];
        with(&mut world, Side::Client, |session, now| {
            session.send_datagram(flow, &data, now)
        })
        .expect("it waits");
    }
    let mut beats = [Beat::new(&mut world, Side::Client, Class::Reliable, 1000)];
    beat(&mut world, &mut beats, (1, 50 * MILLI), SECOND);
    assert_eq!(beats[0].lost(), 0.0);
    assert_eq!(counts(&world, Side::Client).dropped, 3);
}
