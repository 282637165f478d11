//! Sessions that tune themselves, over paths of many kinds: what a download gets, and what it costs.

use blinktun_proto::session::{Config, Role};
use blinktun_proto::time::Duration;
use blinktun_sim::go::kcp::Habits;
use blinktun_sim::{
    Bursts, Client, Crowd, Flow, GoPeer, Link, Ours, SERVER, Setup, Weather, for_each_seed,
};

/// What a datagram of 1350 bytes carries: without the checksum's 20 bytes and KCP's 24.
const PAYLOAD: f64 = 1306.0 / 1350.0;

/// A path of so many Mbit/s whose queue takes as long as its round trip.
fn path(mbit: u64, round_trip: u64) -> Weather {
    let rate = mbit * 125_000;
    Weather {
        rate: Some(rate),
        queue: (rate * round_trip / 1000) as usize,
        ..Weather::perfect(Duration::from_millis(round_trip / 2))
    }
}

/// What a download of some seconds has brought.
#[derive(Debug)]
struct Measured {
    /// Of what the path can carry beside its own loss.
    share: f64,
    /// Bytes that left for each byte that arrived.
    cost: f64,
    retransmitted: u64,
    spurious: u64,
    sent: u64,
}

/// Download for `seconds` after `skipped` seconds.
fn download(seed: u64, weather: &Weather, (skipped, seconds): (u64, u64)) -> Measured {
    let mut world = Setup::new(seed)
        .both(|config| {
            config.smux.receive_buffer = 64 << 20;
            config.smux.stream_buffer = 64 << 20;
            config.compress = false;
            *config = Config::tuning_itself(config.clone());
        })
        .weather(weather.clone())
        .build();
    world.meet();
    let flow = world.add(Flow::new(0, 1 << 40));
    world.pass(Duration::from_secs(skipped));
    let (read, counts) = (world.flows[flow].down.read, world.down.counts);
    let stats = world.server.stats().clone();
    world.pass(Duration::from_secs(seconds));
    let bytes = (world.flows[flow].down.read - read) as f64;
    let loss = weather.loss
        + weather
            .bursts
            .map_or(0.0, |bursts| bursts.begin / (bursts.begin + bursts.end));
    let rate = weather.rate.expect("a rate") as f64 * PAYLOAD * (1.0 - loss);
    let now = world.server.stats();
    Measured {
        share: bytes / rate / seconds as f64,
        cost: (world.down.counts.bytes - counts.bytes) as f64 / bytes,
        retransmitted: now.retrans_segs - stats.retrans_segs,
        spurious: now.spurious_retrans_segs - stats.spurious_retrans_segs,
        sent: world.down.counts.sent - counts.sent,
    }
}

fn bursts(loss: f64, length: f64) -> Bursts {
    let end = 1.0 / length;
    Bursts {
        begin: end * loss / (1.0 - loss),
        end,
        loss: 1.0,
    }
}

#[test]
fn any_path_is_filled_whatever_it_loses_and_costs_little_more_than_it_loses() {
    let near = Weather {
        queue: 1_250_000,
        ..path(200, 10)
    };
    for_each_seed(|seed| {
        for (weather, share, cost) in [
            (path(100, 100), 0.97, 1.05),
            (path(100, 100).with_loss(0.01), 0.96, 1.07),
            (path(100, 100).with_loss(0.05), 0.95, 1.13),
            (path(100, 100).with_loss(0.10), 0.93, 1.20),
            (path(100, 100).with_loss(0.20), 0.88, 1.38),
            (
                Weather {
                    bursts: Some(bursts(0.05, 6.0)),
                    ..path(100, 100)
                },
                0.92,
                1.17,
            ),
            (path(20, 40).with_loss(0.005), 0.95, 1.07),
            (path(50, 280).with_loss(0.03), 0.90, 1.15),
            (near.clone().with_loss(0.02), 0.95, 1.09),
            (path(2, 120).with_loss(0.03), 0.88, 1.12),
        ] {
            let seen = download(seed, &weather, (4, 8));
            assert!(
                seen.share >= share && seen.cost <= cost,
                "{seen:?}, {weather:?}"
            );
        }
    });
}

#[test]
fn a_shallow_queue_gets_what_it_passes_and_little_more() {
    for_each_seed(|seed| {
        let policer = Weather {
            queue: 30_000,
            ..path(30, 80)
        };
        let seen = download(seed, &policer, (4, 10));
        assert!(seen.share >= 0.93 && seen.cost <= 1.09, "{seen:?}");
    });
}

#[test]
fn a_path_that_reorders_causes_no_retransmission() {
    for_each_seed(|seed| {
        let weather = Weather {
            jitter: Duration::from_millis(15),
            reorder: 1.0,
            overtaken_by: Duration::ZERO,
            ..path(100, 100)
        };
        let seen = download(seed, &weather, (2, 8));
        assert!(seen.share >= 0.9, "{seen:?}");
        assert!(seen.retransmitted * 1000 <= seen.sent, "{seen:?}");
        assert!(seen.spurious * 1000 <= seen.sent, "{seen:?}");
    });
}

#[test]
fn the_rate_follows_the_path_within_two_seconds() {
    for_each_seed(|seed| {
        let config = |config: &mut Config| {
            config.smux.receive_buffer = 64 << 20;
            config.smux.stream_buffer = 64 << 20;
            config.compress = false;
            *config = Config::tuning_itself(config.clone());
        };
        let mut world = Setup::new(seed)
            .both(config)
            .weather(path(100, 100))
            .build();
        world.meet();
        let flow = world.add(Flow::new(0, 1 << 40));
        for mbit in [100, 20, 100, 5, 50] {
            let weather = path(mbit, 100);
            let rate = weather.rate.expect("a rate") as f64 * PAYLOAD;
            world.down.set_weather(weather);
            world.pass(Duration::from_secs(2));
            let read = world.flows[flow].down.read;
            world.pass(Duration::from_secs(4));
            let share = (world.flows[flow].down.read - read) as f64 / rate / 4.0;
            assert!(share >= 0.85, "{share} of {mbit} Mbit/s");
        }
    });
}

#[test]
fn a_go_server_that_floods_a_deep_queue_is_slowed_down_from_here() {
    const IDLE: Duration = Duration::from_millis(60);
    let weather = Weather {
        queue: 3_750_000,
        ..path(20, 60)
    };
    let mut setup = Setup::new(1).weather(weather.clone()).both(|config| {
        config.shards = None;
        config.compress = false;
    });
    setup.client = Config::tuning_itself(setup.client);
    setup.server.nodelay = true;
    setup.server.interval_ms = 10;
    setup.server.send_window = 4096;
    let now = setup.start;
    let mut ours = Ours::new(setup.endpoint(Role::Client, 0, now));
    let conv = ours.dial(SERVER, now);
    let habits = Habits {
        acks_at_once: true,
        flushes_on_loss: true,
    };
    let luck = (setup.crypt(), 7);
    let go = GoPeer::new(&setup.server, Role::Server, conv, habits, luck, now);
    let mut download = Flow::new(1, 1 << 40);
    download.set_seed(1);
    let mut flows = vec![download];
    for n in 0..100 {
        let mut request = Flow::new(1000, 1000);
        request.set_seed(2 + n);
        request.opens = now + Duration::from_millis(5000 + n * 100);
        flows.push(request);
    }
    let mut crowd = Crowd::new(Box::new(go), now);
    crowd.clients.push(Client {
        end: Box::new(ours),
        address: std::net::SocketAddr::from(([10, 1, 0, 1], 1000)),
        up: Link::new(weather.clone(), 1),
        down: Link::new(weather.clone(), 2),
        flows,
    });
    crowd.pass(Duration::from_secs(5));
    let read = crowd.clients[0].flows[0].down.read;
    crowd.pass(Duration::from_secs(10));
    let client = &crowd.clients[0];
    let bytes = (client.flows[0].down.read - read) as f64;
    let share = bytes / 10.0 / (weather.rate.expect("a rate") as f64 * PAYLOAD);
    assert!(share > 0.85, "{share}");
    let waits = client.flows[1..].iter().filter_map(|flow| {
        let done = flow
            .down
            .done_at
            .filter(|_| flow.down.read == flow.down.total);
        done.map(|at| at.since(flow.opens))
    });
    let mut waits: Vec<_> = waits.collect();
    waits.sort();
    assert!(waits.len() > 90, "{waits:?}");
    assert!(
        waits[waits.len() / 2] < 2 * IDLE + Duration::from_millis(50),
        "{waits:?}"
    );
    assert!(
        waits[waits.len() * 9 / 10] < 3 * IDLE + Duration::from_millis(50),
        "{waits:?}"
    );
}
