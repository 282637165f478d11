//! A laptop's day: networks come and go, the lid is closed and opened, the port changes all the time.

use std::net::SocketAddr;

use blinktun_proto::crypt::CryptKind;
use blinktun_proto::endpoint::EndpointEvent;
use blinktun_proto::path::FourTuple;
use blinktun_proto::random::Random;
use blinktun_proto::session::Event;
use blinktun_proto::smux;
use blinktun_proto::time::{Duration, Time};
use blinktun_sim::{Flow, SERVER, Setup, Side, Weather, World, for_each_seed};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(20);
/// How long streams are in use, sleep not counted.
const DAY: Duration = Duration::from_secs(3 * 3600);
const NAP: Duration = Duration::from_secs(600);
/// The longest time without a new byte while there is a network.
const STALL: Duration = Duration::from_millis(1500);
/// How often the client goes to another port (`hop=30s`), of so many.
const HOP: Duration = Duration::from_secs(30);
const PORTS: u32 = 20;
/// Bytes a second of a stream that lasts all day, down and up.
const SOURCES: [u64; 2] = [40_000, 10_000];
/// Bytes of a download that is under way when something happens.
const DOWNLOAD: u64 = 8_000_000;
/// As many sockets stay open as in the program.
const SOCKETS: u32 = 3;

/// A network that the laptop may be in.
#[derive(Clone, Copy)]
struct Network {
    /// Kilobytes a second to the laptop; a quarter of that from it.
    rate: u64,
    /// Milliseconds one way.
    delay: u64,
    loss: f64,
    mtu: usize,
}

const fn network(rate: u64, delay: u64, loss: f64, mtu: usize) -> Network {
    Network {
        rate,
        delay,
        loss,
        mtu,
    }
}

const NETWORKS: [Network; 5] = [
    network(6000, 10, 0.0, 1500),
    network(1500, 35, 0.01, 1428),
    network(3000, 5, 0.0, 1500),
    network(1000, 60, 0.02, 1280),
    network(2500, 20, 0.005, 1492),
];

impl Network {
    fn weather(self, share: u64) -> Weather {
        let rate = self.rate * 1000 / share;
        Weather {
            rate: Some(rate),
            queue: (rate / 5) as usize,
            mtu: self.mtu - 28,
            ..Weather::perfect(Duration::from_millis(self.delay)).with_loss(self.loss)
        }
    }
}

/// What happens to the laptop.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// No network for so many milliseconds, then this one, from another address.
    Network(u64, usize),
    /// A NAT box forgets the client, which does not notice it.
    Forgotten,
    /// The lid is closed for ten minutes, and opened in this network.
    Nap(usize),
}

/// More than all outages of the plan together.
const OUTAGES: Duration = Duration::from_secs(200);

const DAY_PLAN: [Change; 14] = [
    Change::Network(0, 1),
    Change::Network(300, 2),
    Change::Nap(3),
    Change::Network(5_000, 0),
    Change::Forgotten,
    Change::Network(1_000, 4),
    Change::Network(45_000, 3),
    Change::Network(0, 0),
    Change::Nap(1),
    Change::Forgotten,
    Change::Network(2_000, 2),
    Change::Network(120_000, 4),
    Change::Network(700, 3),
    Change::Network(10_000, 1),
];

struct Laptop {
    world: World,
    random: Random,
    /// Since when there is a network.
    back: Time,
    next_hop: Time,
    hops: u64,
    next_request: Time,
    begun: u64,
    /// What has been read of the transfers, and when that was less.
    seen: [(u64, Time); 2],
    worst: Duration,
}

impl Laptop {
    fn new(seed: u64) -> Laptop {
        let setup = Setup::new(seed)
            .both(|config| *config = config.clone().tuning_itself())
            .kind(CryptKind::Aes128Gcm);
        let mut world = setup.build();
        world.meet();
        let now = world.now;
        let mut laptop = Laptop {
            world,
            random: Random::from_number(seed),
            back: now,
            next_hop: now + HOP,
            hops: 0,
            next_request: now,
            begun: 0,
            seen: [(0, now); 2],
            worst: Duration::ZERO,
        };
        laptop.enter(NETWORKS[0]);
        laptop
    }

    fn enter(&mut self, network: Network) {
        self.world.down.set_weather(network.weather(1));
        self.world.up.set_weather(network.weather(4));
        self.back = self.world.now;
    }

    /// Neither direction carries anything, and what is on its way is lost.
    fn leave(&mut self) {
        for link in [&mut self.world.up, &mut self.world.down] {
            link.clear();
            link.set_weather(Weather::perfect(SECOND).with_loss(1.0));
        }
    }

    fn arrive(&mut self, network: usize) {
        self.leave();
        let host = 100 + self.random.next_u32() as u8 % 100;
        let port = self.world.client_address.port();
        self.world.client_address = ([10, 1, network as u8, host], port).into();
        self.enter(NETWORKS[network]);
        // The program notices.
        let clock = self.world.time_of(Side::Client);
        self.world.client.renew_paths(clock);
    }

    fn live_through(&mut self, change: Change) {
        match change {
            Change::Network(millis, network) => {
                self.leave();
                self.pass(Duration::from_millis(millis), false);
                self.arrive(network);
            }
            Change::Forgotten => {
                let port = self.world.client_address.port();
                self.world.client_address.set_port(port + 1000);
                self.world.down.clear();
                self.back = self.world.now;
            }
            Change::Nap(network) => {
                self.leave();
                self.world.sleep(NAP);
                self.arrive(network);
            }
        }
    }

    fn hop(&mut self) {
        let world = &mut self.world;
        let Some(session) = world.client.session(world.dialed) else {
            return;
        };
        let socket = world.sockets.end;
        let used = session.path().address.socket;
        world.sockets = used.max(socket.saturating_sub(SOCKETS - 1)).min(used)..socket + 1;
        let port = SERVER.port() + (self.random.next_u32() % PORTS) as u16;
        let to = FourTuple {
            socket,
            ..SocketAddr::new(SERVER.ip(), port).into()
        };
        let clock = world.time_of(Side::Client);
        assert!(
            world.client.hop(world.dialed, to, clock),
            "the server follows"
        );
        self.hops += 1;
    }

    /// An application opens one more stream. What is over is forgotten.
    fn begin(&mut self, mut flow: Flow) {
        flow.opens = self.world.now;
        self.world.flows.retain(|flow| !flow.is_done());
        let place = self.world.add(flow);
        self.begun += 1;
        self.world.flows[place].set_seed(self.begun);
    }

    /// Let time pass; whether there is a network.
    fn pass(&mut self, time: Duration, is_online: bool) {
        let end = self.world.now + time;
        while self.world.now < end {
            if self.world.now >= self.next_hop {
                self.next_hop = self.world.now + HOP;
                self.hop();
            }
            if self.world.now >= self.next_request {
                self.next_request = self.world.now + MINUTE;
                self.begin(Flow::new(300, 3000));
            }
            self.world.pass(STEP.min(end.since(self.world.now)));
            self.note(is_online);
        }
    }

    fn note(&mut self, is_online: bool) {
        let now = self.world.now;
        let reads = [self.world.flows[0].down.read, self.world.flows[0].up.read];
        for ((read, at), now_read) in self.seen.iter_mut().zip(reads) {
            if now_read > *read || !is_online {
                (*read, *at) = (now_read, now);
            }
            let stalled = now.since((*at).max(self.back));
            if stalled > self.worst {
                self.worst = stalled;
            }
        }
    }
}

#[test]
fn every_byte_arrives_and_nothing_stands_still_for_long() {
    for_each_seed(|seed| {
        let mut laptop = Laptop::new(seed);
        let begin = laptop.world.now;
        let part = DAY / (DAY_PLAN.len() as u32 + 1);
        let naps = DAY_PLAN.iter().filter(|it| matches!(it, Change::Nap(_)));
        let naps = naps.count() as u32;
        let all_day = (DAY + NAP * naps + OUTAGES).as_secs();
        let mut day = Flow::new(SOURCES[1] * all_day, SOURCES[0] * all_day);
        (day.down.source, day.up.source) = (Some(SOURCES[0]), Some(SOURCES[1]));
        laptop.world.add(day);
        for change in DAY_PLAN {
            laptop.pass(part - 2 * SECOND, true);
            laptop.begin(Flow::new(0, DOWNLOAD));
            laptop.pass(2 * SECOND, true);
            laptop.live_through(change);
        }
        laptop.pass(part, true);
        let (worst, hops) = (laptop.worst, laptop.hops);
        let world = &mut laptop.world;
        assert!(world.now.since(begin) >= DAY + NAP * naps);
        world.run(3 * MINUTE); // every byte and every end has arrived
        assert!(worst <= STALL, "{worst:?}");
        let is_end = |_, event: &EndpointEvent| {
            matches!(
                event,
                EndpointEvent::Session(_, Event::Closed(_) | Event::Stream(smux::Event::Reset(_)))
            )
        };
        assert_eq!(
            world.count(is_end),
            0,
            "no stream and no session has broken"
        );
        let opened = world.count(|_, event| matches!(event, EndpointEvent::Opened(..)));
        assert_eq!(opened, 1);
        // A hop fails only if there is no network, or a change comes first.
        let moves = world.client.stats().moves;
        assert!(hops >= 360 && moves >= hops * 19 / 20, "{moves} of {hops}");
    });
}
