//! Sessions that tune themselves, over paths of many kinds: what a download gets, and what it costs.

use blinktun_proto::session::{Config, Role};
use blinktun_proto::time::Duration;
use blinktun_sim::go::kcp::Habits;
use blinktun_sim::{
    Client, Crowd, Flow, GoPeer, Link, Ours, SERVER, Setup, Weather, World, for_each_seed,
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

/// Ends that tune themselves, with as large windows for streams as anybody sets.
fn tuning_itself(seed: u64) -> Setup {
    Setup::new(seed).both(|config| {
        config.smux.receive_buffer = 128 << 20;
        config.smux.stream_buffer = 128 << 20;
        config.compress = false;
        *config = Config::tuning_itself(config.clone());
    })
}

/// What a download of some seconds has brought.
#[derive(Debug)]
struct Measured {
    /// Of what the path can carry.
    share: f64,
    retransmitted: u64,
    spurious: u64,
    sent: u64,
}

/// Download for `seconds` after `skipped` seconds.
fn download(seed: u64, weather: &Weather, (skipped, seconds): (u64, u64)) -> Measured {
    let (mut world, flow) = downloading(seed, weather.clone());
    world.pass(Duration::from_secs(skipped));
    let (read, counts) = (world.flows[flow].down.read, world.down.counts);
    let stats = world.server.stats().clone();
    world.pass(Duration::from_secs(seconds));
    let bytes = (world.flows[flow].down.read - read) as f64;
    let rate = weather.rate.expect("a rate") as f64 * PAYLOAD;
    let now = world.server.stats();
    Measured {
        share: bytes / rate / seconds as f64,
        retransmitted: now.retrans_segs - stats.retrans_segs,
        spurious: now.spurious_retrans_segs - stats.spurious_retrans_segs,
        sent: world.down.counts.sent - counts.sent,
    }
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
        let (mut world, flow) = downloading(seed, path(100, 100));
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

/// Two sessions that tune themselves, on a path, with a download that does not end.
fn downloading(seed: u64, weather: Weather) -> (World, usize) {
    let mut world = tuning_itself(seed).weather(weather).build();
    world.meet();
    let flow = world.add(Flow::new(0, 1 << 40));
    (world, flow)
}

/// The share of what a path carries that a download gets in so many seconds.
fn share(world: &mut World, flow: usize, seconds: u64, rate: u64) -> f64 {
    let read = world.flows[flow].down.read;
    world.pass(Duration::from_secs(seconds));
    let bytes = (world.flows[flow].down.read - read) as f64;
    bytes / seconds as f64 / (rate as f64 * PAYLOAD)
}

#[test]
fn a_session_that_moves_to_another_host_finds_the_rate_there() {
    for_each_seed(|seed| {
        let (mut world, flow) = downloading(seed, path(100, 100).with_loss(0.01));
        world.pass(Duration::from_secs(4));
        for mbit in [20, 100] {
            let octet = if mbit == 20 { 77 } else { 78 };
            world.client_address = std::net::SocketAddr::from(([10, 0, 0, octet], 1000));
            let weather = path(mbit, 60).with_loss(0.01);
            let rate = weather.rate.expect("a rate");
            world.up.set_weather(weather.clone());
            world.down.set_weather(weather);
            world.pass(Duration::from_secs(4));
            let counts = world.down.counts;
            let share = share(&mut world, flow, 4, rate);
            assert!(share >= 0.85, "{share} of {mbit} Mbit/s");
            let lost = world.down.counts.lost - counts.lost;
            let sent = world.down.counts.sent - counts.sent;
            assert!(lost * 20 < sent, "{lost} of {sent} lost");
        }
    });
}

#[test]
fn a_download_behind_hours_of_small_messages_is_soon_as_fast_as_any() {
    for_each_seed(|seed| {
        let weather = path(100, 100).with_loss(0.1);
        let mut world = tuning_itself(seed).weather(weather.clone()).build();
        world.meet();
        for n in 0..40 {
            let mut message = Flow::new(200, 200);
            message.opens = world.now + Duration::from_millis(300 * n);
            world.add(message);
        }
        world.pass(Duration::from_secs(15));
        let flow = world.add(Flow::new(0, 1 << 40));
        world.pass(Duration::from_secs(3));
        let share = share(&mut world, flow, 3, weather.rate.expect("a rate"));
        assert!(share >= 0.75, "{share}");
    });
}

#[test]
fn a_download_goes_on_at_its_rate_behind_an_outage() {
    for_each_seed(|seed| {
        for outage in [3, 60] {
            let (mut world, flow) = downloading(seed, path(100, 100));
            world.pass(Duration::from_secs(4));
            let dark = Weather {
                loss: 1.0,
                ..path(100, 100)
            };
            world.up.set_weather(dark.clone());
            world.down.set_weather(dark);
            world.pass(Duration::from_secs(outage));
            world.up.set_weather(path(100, 100));
            world.down.set_weather(path(100, 100));
            world.pass(Duration::from_secs(4));
            let rate = path(100, 100).rate.expect("a rate");
            let share = share(&mut world, flow, 3, rate);
            assert!(share >= 0.8, "{share} behind {outage} s");
        }
    });
}

#[test]
fn many_small_requests_do_not_stop_a_download() {
    let (mut world, flow) = downloading(1, path(20, 40));
    world.pass(Duration::from_secs(3));
    // 4 MB/s of answers, which the path cannot carry: each is smaller than a stream may send at once.
    for n in 0..2000 {
        let mut request = Flow::new(10, 8_000);
        request.opens = world.now + Duration::from_millis(2 * n);
        world.add(request);
    }
    let rate = path(20, 40).rate.expect("a rate");
    let share = share(&mut world, flow, 4, rate);
    assert!(share >= 0.05, "{share}");
}
