//! Conversations with Go's programs from their first datagram on, whatever the network does and
//! whatever the settings are: nobody may ever wait for somebody who waits for him.
//!
//! Keepalives are so far apart that none can end a wait.

use std::net::SocketAddr;

use blinktun_proto::congestion::Algorithm;
use blinktun_proto::crypt::CryptKind;
use blinktun_proto::random::Random;
use blinktun_proto::session::{Config, Role};
use blinktun_proto::smux::Version;
use blinktun_proto::time::{Duration, Time};
use blinktun_sim::go::kcp::Habits;
use blinktun_sim::{
    Bursts, Client, Crowd, End, Flow, GoPeer, Link, Ours, SERVER, Setup, Weather, for_each_seed,
};

const MILLI: Duration = Duration::from_millis(1);
const NEVER: Duration = Duration::from_secs(600);
/// Longer than bad luck lasts, as a rule, and shorter than half a minute.
const PATIENCE: Duration = Duration::from_secs(25);
/// Worlds of each seed.
const WORLDS: u64 = 60;

/// Draws settings.
struct Dice(Random);

impl Dice {
    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.0.below(choices.len() as u64) as usize].clone()
    }

    fn up_to(&mut self, most: u64) -> u64 {
        self.0.below(most + 1)
    }

    fn weather(&mut self) -> Weather {
        let loss = self.one_of(&[0.0, 0.05, 0.1, 0.2, 0.3]);
        let length = self.one_of(&[1.0, 3.0, 6.0]);
        let bursts = Bursts {
            begin: loss / 2.0 / (0.9 - loss / 2.0) / length,
            end: 1.0 / length,
            loss: 0.9,
        };
        Weather {
            loss: loss / 2.0,
            bursts: (loss > 0.0).then_some(bursts),
            reorder: self.one_of(&[0.0, 0.0, 0.1, 0.3]),
            overtaken_by: self.one_of(&[5, 50]) * MILLI,
            duplicate: self.one_of(&[0.0, 0.0, 0.05, 0.3]),
            jitter: self.one_of(&[0, 3, 30]) * MILLI,
            ..Weather::perfect(self.one_of(&[1, 15, 75, 150]) * MILLI)
        }
    }

    /// Settings that each end has for itself.
    fn change_alone(&mut self, config: &mut Config) {
        let overhead = config.head + config.tail + 8;
        config.mtu = self.one_of(&[overhead + 50, overhead + 90, 576, 1350, 1350, 1500]);
        config.shards = self.one_of(&[
            None,
            Some((10, 3)),
            Some((10, 3)),
            Some((3, 2)),
            Some((1, 1)),
            Some((20, 10)),
        ]);
        (config.nodelay, config.interval_ms, config.resend) = self.one_of(&[
            (false, 40, 2),
            (false, 30, 2),
            (true, 20, 2),
            (true, 10, 1),
            (false, 50, 0),
        ]);
        let (fixed, reno) = (Algorithm::Fixed, Algorithm::Reno);
        config.congestion = self.one_of(&[fixed, fixed, fixed, reno]);
        config.send_window = self.one_of(&[8, 32, 128, 1024]);
        config.receive_window = self.one_of(&[8, 32, 512, 1024]);
        config.rate_limit = self.one_of(&[0, 0, 0, 30_000]);
        config.smux.frame_size = self.one_of(&[200, 8192, 8192, 32768]);
        config.smux.receive_buffer = self.one_of(&[3000, 70_000, 4 << 20]);
        config.smux.stream_buffer = self.one_of(&[500, 5_000, 65_536, 2 << 20]);
        (config.smux.keepalive, config.smux.keepalive_timeout) = (NEVER, 2 * NEVER);
        config.answer_within = NEVER;
    }

    fn setup(&mut self, seed: u64) -> Setup {
        let kind = self.one_of(&[CryptKind::None, CryptKind::Null, CryptKind::Aes128Gcm]);
        let (compress, version) = (
            self.one_of(&[true, true, false]),
            self.one_of(&[Version::V1, Version::V2]),
        );
        let mut setup = Setup::new(seed)
            .kind(kind)
            .both(|config| config.compress = compress);
        setup.client.smux.version = Some(version);
        self.change_alone(&mut setup.client);
        self.change_alone(&mut setup.server);
        (setup.up, setup.down) = (self.weather(), self.weather());
        setup
    }

    fn habits(&mut self) -> Habits {
        Habits {
            acks_at_once: self.one_of(&[true, false]),
            flushes_on_loss: self.one_of(&[true, false]),
        }
    }

    fn flow(&mut self, most: u64) -> Flow {
        let sizes = [0, 1, self.up_to(1_000), self.up_to(most)];
        let mut flow = Flow::new(self.one_of(&sizes), self.one_of(&sizes));
        flow.opens = Time::ZERO + self.one_of(&[0, 0, 1, 300]) * MILLI;
        for half in [&mut flow.up, &mut flow.down] {
            half.from = Time::ZERO + self.one_of(&[0, 0, 30, 700]) * MILLI;
            half.rate = self.one_of(&[None, None, None, Some(50_000)]);
        }
        flow.set_seed(self.0.next_u64());
        flow
    }
}

/// How much a stream carries: where little fits into a datagram, a long frame takes its time.
fn most(setup: &Setup, clients: usize) -> u64 {
    let is_small = clients > 5 || setup.client.mtu.min(setup.server.mtu) < 300;
    if is_small { 4_000 } else { 60_000 }
}

fn client(number: usize, end: Box<dyn End>, setup: &Setup, dice: &mut Dice) -> Client {
    let address = SocketAddr::from(([10, 1, 0, number as u8], 1000));
    Client {
        end,
        address,
        up: Link::new(setup.up.clone(), dice.0.next_u64()),
        down: Link::new(setup.down.clone(), dice.0.next_u64()),
        flows: Vec::new(),
    }
}

/// A server and so many clients of Go's, without streams.
fn crowd(setup: &Setup, dice: &mut Dice, count: usize) -> Crowd {
    let now = setup.start;
    let server = Ours::new(setup.endpoint(Role::Server, 0, now));
    let mut crowd = Crowd::new(Box::new(server), now);
    for number in 0..count {
        let luck = (setup.crypt(), dice.0.next_u64());
        let (conv, habits) = (dice.0.next_u32(), dice.habits());
        let go = GoPeer::new(&setup.client, Role::Client, conv, habits, luck, now);
        crowd
            .clients
            .push(client(number, Box::new(go), setup, dice));
    }
    crowd
}

fn go_clients(seed: u64) -> Duration {
    let mut dice = Dice(Random::from_number(seed));
    let setup = dice.setup(seed);
    let count = dice.one_of(&[1, 1, 1, 1, 5, 40]);
    let mut crowd = crowd(&setup, &mut dice, count);
    for client in &mut crowd.clients {
        for _ in 0..dice.one_of(&[1, 1, 2, 12]) {
            client.flows.push(dice.flow(most(&setup, count)));
        }
    }
    crowd.run(PATIENCE)
}

fn quiet_go_clients(seed: u64) -> Duration {
    let mut dice = Dice(Random::from_number(seed));
    let setup = dice.setup(seed);
    let count = dice.one_of(&[1, 5, 20]);
    let mut crowd = crowd(&setup, &mut dice, count);
    for client in &mut crowd.clients {
        let mut flow = Flow::new(0, dice.one_of(&[1, 100, 1000]));
        flow.up.from = Time::ZERO + NEVER;
        flow.down.from = Time::ZERO + dice.one_of(&[0, 100, 1000]) * MILLI;
        client.flows.push(flow);
    }
    crowd.run_until(PATIENCE, |flow| flow.down.is_done())
}

fn go_server(seed: u64) -> Duration {
    let mut dice = Dice(Random::from_number(seed));
    let setup = dice.setup(seed);
    let now = setup.start;
    let mut ours = Ours::new(setup.endpoint(Role::Client, 0, now));
    let conv = ours.dial(SERVER, now);
    let luck = (setup.crypt(), dice.0.next_u64());
    let go = GoPeer::new(&setup.server, Role::Server, conv, dice.habits(), luck, now);
    let mut crowd = Crowd::new(Box::new(go), now);
    let mut client = client(0, Box::new(ours), &setup, &mut dice);
    for _ in 0..dice.one_of(&[1, 1, 2, 12]) {
        client.flows.push(dice.flow(most(&setup, 1)));
    }
    crowd.clients.push(client);
    crowd.run(PATIENCE)
}

/// Tell a story of some worlds for each seed.
fn for_each_world(story: impl Fn(u64) -> Duration) {
    for_each_seed(|seed| {
        for world in 0..WORLDS {
            story(seed * WORLDS + world);
        }
    });
}

#[test]
fn go_clients_never_wait_for_a_keepalive() {
    for_each_world(go_clients);
}

#[test]
fn go_clients_hear_a_server_that_speaks_first() {
    for_each_world(quiet_go_clients);
}

#[test]
fn a_go_server_never_waits_for_a_keepalive() {
    for_each_world(go_server);
}
