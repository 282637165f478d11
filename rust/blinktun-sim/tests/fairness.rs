//! Many clients of one server at once: each gets what its own path carries.

use std::net::SocketAddr;

use blinktun_proto::random::Random;
use blinktun_proto::session::{Config, Role};
use blinktun_proto::time::Duration;
use blinktun_sim::{Client, Crowd, Flow, Link, Ours, SERVER, Setup, Weather};

const CLIENTS: usize = 1000;
/// A moment of the simulation. A real endpoint is woken no more often than this, as a rule.
const GRAIN: Duration = Duration::from_millis(1);
/// In this time each session has found its rate.
const BEGINNING: Duration = Duration::from_secs(8);
const MEASURED: Duration = Duration::from_secs(10);
/// The payload of a full packet: 1298 of 1378 bytes, with an MTU of 1350 for KCP.
const PAYLOAD: f64 = 1298.0 / 1378.0;
/// What IPv4 and UDP put in front of a datagram, in bytes.
const HEADERS: usize = 28;

/// Six packets.
const LEAST_QUEUE: u64 = 8192;

/// A path of its own kind: 0.5 to 1.2 Mbit/s, 20 to 300 ms both ways, a queue of 50 to 300 ms, up to 5 % loss.
fn path(random: &mut Random) -> Weather {
    let between = |low: u64, high: u64, random: &mut Random| low + random.below(high - low + 1);
    let rate = between(62_500, 150_000, random);
    Weather {
        rate: Some(rate),
        queue: (rate * between(50, 300, random) / 1000).max(LEAST_QUEUE) as usize,
        loss: between(0, 50, random) as f64 / 1000.0,
        ..Weather::perfect(Duration::from_millis(between(10, 150, random)))
    }
}

#[test]
fn a_thousand_downloads_from_one_server_get_what_their_paths_carry() {
    let setup = Setup::new(1).both(|config| {
        config.compress = false;
        *config = Config::tuning_itself(config.clone());
    });
    let now = setup.start;
    let mut random = Random::from_number(1);
    let server = Ours::new(setup.endpoint(Role::Server, 0, now));
    let mut crowd = Crowd::new(Box::new(server), now);
    crowd.grain = GRAIN;
    for number in 0..CLIENTS {
        let own = Setup {
            seed: random.next_u64(),
            ..setup.clone()
        };
        let mut client = Ours::new(own.endpoint(Role::Client, 0, now));
        client.dial(SERVER, now);
        let weather = path(&mut random);
        let link = |seed: u64| {
            let mut link = Link::new(weather.clone(), seed);
            link.headers = HEADERS;
            link
        };
        let mut download = Flow::new(0, 1 << 40);
        download.opens = now + Duration::from_millis(random.below(1000));
        download.set_seed(random.next_u64());
        let [_, _, third, fourth] = (number as u32).to_be_bytes();
        crowd.clients.push(Client {
            end: Box::new(client),
            address: SocketAddr::from(([10, 1, third, fourth], 1000)),
            up: link(random.next_u64()),
            down: link(random.next_u64()),
            flows: vec![download],
        });
    }
    crowd.pass(BEGINNING);
    let read = |crowd: &Crowd| -> Vec<u64> {
        let clients = crowd.clients.iter();
        clients.map(|client| client.flows[0].down.read).collect()
    };
    let before = read(&crowd);
    crowd.pass(MEASURED);
    let mut shares: Vec<f64> = crowd
        .clients
        .iter()
        .zip(before)
        .map(|(client, before)| {
            let bytes = (client.flows[0].down.read - before) as f64;
            let weather = client.down.weather();
            let rate = weather.rate.expect("a rate") as f64 * PAYLOAD * (1.0 - weather.loss);
            bytes / MEASURED.as_secs_f64() / rate
        })
        .collect();
    shares.sort_by(f64::total_cmp);
    let at = |share: f64| shares[(share * (CLIENTS - 1) as f64) as usize];
    let seen = [0.0, 0.01, 0.1, 0.5, 0.9, 1.0].map(at);
    // One in a hundred may have less: at some dozen packets a second, luck lasts for seconds. Nobody starves.
    let [least, one_in_hundred, .., most] = seen;
    assert!(most < 1.5 * one_in_hundred, "{seen:?}");
    assert!(least > 0.4, "{seen:?}");
}
