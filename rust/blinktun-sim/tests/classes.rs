//! Classes of streams: what is told to be interactive goes before downloads, what is bulk behind them.

use blinktun_link::Weather;
use blinktun_proto::session::{Config, Role, Session};
use blinktun_proto::smux::StreamClass::{Bulk, Interactive, Learned};
use blinktun_proto::smux::{StreamClass, StreamId};
use blinktun_proto::time::{Duration, Time};
use blinktun_sim::go::kcp::Habits;
use blinktun_sim::{
    Client, Crowd, Flow, GoPeer, Link, Ours, SERVER, Setup, Side, World, for_each_seed,
};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Two sessions that tune themselves over 100 ms, with this rate in bytes a second and this loss.
fn setup(seed: u64, rate: u64, loss: f64) -> Setup {
    let weather = Weather {
        rate: Some(rate),
        queue: rate as usize / 10,
        ..Weather::perfect(50 * MILLI).with_loss(loss)
    };
    let tuned = |config: &mut Config| {
        config.smux.receive_buffer = 128 << 20;
        config.smux.stream_buffer = 128 << 20;
        config.compress = false;
        *config = config.clone().tuning_itself();
    };
    Setup::new(seed).weather(weather).both(tuned)
}

fn with<T>(world: &mut World, side: Side, use_it: impl FnOnce(&mut Session, Time) -> T) -> T {
    let now = world.now;
    let (node, id) = match side {
        Side::Client => (&mut world.client, Some(world.dialed)),
        Side::Server => (&mut world.server, world.accepted),
    };
    let (session, _) = id.and_then(|id| node.session_mut(id)).expect("it lives");
    use_it(session, now)
}

fn download(world: &mut World, class: StreamClass, bytes: u64) -> usize {
    let mut flow = Flow::new(0, bytes);
    flow.down.is_random = true;
    flow.class = class;
    world.add(flow)
}

/// Messages of the server in a rhythm, on a stream that the client has opened.
struct Call {
    stream: StreamId,
    /// Bytes of a message, and of all of them in a second.
    message: usize,
    rate: usize,
    sent: Vec<Time>,
    /// Bytes that the stream has taken.
    written: usize,
    read: usize,
    delays: Vec<Duration>,
}

impl Call {
    fn new(world: &mut World, class: StreamClass, (message, rate): (usize, usize)) -> Call {
        let stream = with(world, Side::Client, |session, _| {
            session.open_stream_as(class)
        });
        Call {
            stream: stream.expect("there is room for it"),
            message,
            rate,
            sent: Vec::new(),
            written: 0,
            read: 0,
            delays: Vec::new(),
        }
    }

    /// Speak for some time, and wait for the last words.
    fn go_on(&mut self, world: &mut World, time: Duration) {
        let end = world.now + time;
        let every = SECOND.mul_f64(self.message as f64 / self.rate as f64);
        while world.now < end {
            self.sent.push(world.now);
            self.wait(world, every);
        }
        self.wait(world, SECOND);
    }

    fn wait(&mut self, world: &mut World, time: Duration) {
        let end = world.now + time;
        while world.now < end {
            self.write(world);
            world.pass(MILLI.min(end.since(world.now)));
            self.take(world);
        }
    }

    fn write(&mut self, world: &mut World) {
        let (stream, due) = (self.stream, self.sent.len() * self.message - self.written);
        let taken = with(world, Side::Server, |session, _| {
            session.write(stream, &vec![7; due])
        });
        self.written += taken.expect("it lives");
    }

    fn take(&mut self, world: &mut World) {
        let (session, cx) = world.client.session_mut(world.dialed).expect("it lives");
        self.read += session.read(self.stream, usize::MAX, world.now, cx).len();
        while self.delays.len() < self.read / self.message {
            let sent = self.sent[self.delays.len()];
            self.delays.push(world.now.since(sent));
        }
    }

    /// The time in which this share of the messages has come. Those that have not come have taken long.
    fn delay(&self, share: f64) -> Duration {
        let mut delays = self.delays.clone();
        delays.resize(self.sent.len(), 1000 * SECOND);
        delays.sort();
        delays[(delays.len() as f64 * share) as usize]
    }
}

/// A call of 200 KB/s beside so many downloads of a class that have the link for themselves before.
fn call(setup: &Setup, class: StreamClass, message: usize, beside: (usize, StreamClass)) -> Call {
    let mut world = setup.build();
    world.meet();
    for _ in 0..beside.0 {
        download(&mut world, beside.1, 1 << 40);
    }
    let mut call = Call::new(&mut world, class, (message, 200_000));
    world.pass(3 * SECOND);
    call.go_on(&mut world, 8 * SECOND);
    call
}

#[test]
fn a_call_does_not_wait_for_downloads_on_a_path_that_loses() {
    for_each_seed(|seed| {
        let setup = setup(seed, 12_500_000, 0.05);
        for others in [Learned, Bulk] {
            // 50 ms are the path's. A picture of 32 KB has 25 segments, and some lose their copies, too.
            for (message, half, most) in [(4000, 70, 230), (32_000, 80, 230)] {
                let call = call(&setup, Interactive, message, (2, others));
                let seen = (call.delay(0.5), call.delay(0.99));
                let bound = (half * MILLI, most * MILLI);
                assert!(seen.0 < bound.0 && seen.1 < bound.1, "{message} {seen:?}");
            }
        }
    });
}

#[test]
fn a_call_keeps_its_rate_on_a_link_that_has_no_fair_share_for_it() {
    // 400 KB/s, and ten downloads.
    let setup = setup(1, 400_000, 0.0);
    for others in [Learned, Bulk] {
        let told = call(&setup, Interactive, 32_000, (10, others));
        assert!(told.delay(0.99) < 300 * MILLI, "{:?}", told.delay(0.99));
    }
    let learned = call(&setup, Learned, 32_000, (10, Learned));
    assert!(learned.delay(0.5) > SECOND, "nobody would have to tell it");
}

#[test]
fn what_is_told_to_be_bulk_comes_last_and_does_not_starve() {
    for_each_seed(|seed| {
        for loss in [0.0, 0.05] {
            let mut world = setup(seed, 2_500_000, loss).build();
            world.meet();
            let bulk = [0, 1].map(|_| download(&mut world, Bulk, 30_000_000));
            world.pass(3 * SECOND);
            let learned = download(&mut world, Learned, 20_000_000);
            world.pass(2 * SECOND); // until its windows are open
            let all = [learned, bulk[0], bulk[1]];
            let read = |world: &World| all.map(|it| world.flows[it].down.read as f64);
            let before = read(&world);
            world.run_until(20 * SECOND, |world| world.flows[learned].is_done());
            assert!(bulk.iter().all(|it| !world.flows[*it].is_done()));
            let after = read(&world);
            let [own, first, second] = [0, 1, 2].map(|it| after[it] - before[it]);
            // One byte for eight, in turn; more while the other one waits for its windows.
            for share in [first / own, second / own] {
                assert!((0.05..0.11).contains(&share), "{share}");
            }
            world.run(60 * SECOND);
        }
    });
}

/// What downloads of these classes have got in eight seconds, in bytes, and what each byte has cost on the wire.
fn shares(setup: &Setup, classes: &[StreamClass]) -> (Vec<f64>, f64, World) {
    let mut world = setup.build();
    world.meet();
    let all = classes.iter();
    let all: Vec<_> = all.map(|it| download(&mut world, *it, 1 << 40)).collect();
    world.pass(4 * SECOND);
    let read = |world: &World| all.iter().map(|it| world.flows[*it].down.read).collect();
    let (before, sent): (Vec<u64>, _) = (read(&world), world.down.counts.bytes);
    world.pass(8 * SECOND);
    let after: Vec<u64> = read(&world);
    let got: Vec<_> = after
        .iter()
        .zip(before)
        .map(|(now, then)| (now - then) as f64)
        .collect();
    let wire = (world.down.counts.bytes - sent) as f64 / got.iter().sum::<f64>();
    (got, wire, world)
}

#[test]
fn who_calls_everything_interactive_gains_nothing() {
    for_each_seed(|seed| {
        let setup = setup(seed, 2_500_000, 0.05);
        let (honest, cost, _) = shares(&setup, &[Learned; 3]);
        let (liar, cost_of_lies, _) = shares(&setup, &[Interactive; 3]);
        let sum = |got: &[f64]| got.iter().sum::<f64>();
        for got in &liar {
            let share = got / sum(&liar);
            assert!((0.27..0.40).contains(&share), "{liar:?}");
        }
        assert!(sum(&liar) < 1.05 * sum(&honest), "{liar:?} {honest:?}");
        // Copies and parity are paid: 5 % of the payload, and what is lost of them.
        assert!(cost_of_lies < cost + 0.07, "{cost_of_lies} {cost}");
    });
}

#[test]
fn copies_of_an_interactive_stream_that_always_has_more_are_never_free() {
    for_each_seed(|seed| {
        let costs = [Learned, Interactive].map(|class| {
            let mut world = setup(seed, 12_500_000, 0.05).build();
            world.meet();
            // The link has room for copies of all that is said.
            let mut call = Call::new(&mut world, class, (100_000, 2_000_000));
            world.pass(SECOND);
            call.go_on(&mut world, 3 * SECOND);
            let (read, sent) = (call.read, world.down.counts.bytes);
            call.go_on(&mut world, 8 * SECOND);
            (world.down.counts.bytes - sent) as f64 / (call.read - read) as f64
        });
        assert!(costs[1] < costs[0] + 0.05, "{costs:?}");
    });
}

#[test]
fn a_download_that_is_called_interactive_leaves_a_ninth_and_small_requests_alone() {
    for_each_seed(|seed| {
        let setup = setup(seed, 2_500_000, 0.0);
        let (got, _, mut world) = shares(&setup, &[Interactive, Learned]);
        let share = got[1] / (got[0] + got[1]);
        assert!((0.10..0.13).contains(&share), "{share}");
        for _ in 0..20 {
            let request = world.add(Flow::new(1000, 1000));
            let took = world.run_until(SECOND, |world| world.flows[request].is_done());
            assert!(took < 200 * MILLI, "{took:?}");
        }
    });
}

#[test]
fn towards_other_programs_a_class_counts_for_what_we_send() {
    let weather = setup(1, 2_500_000, 0.01).up;
    let setup = Setup::new(1).weather(weather.clone());
    let now = setup.start;
    let mut ours = Ours::new(setup.endpoint(Role::Client, 0, now));
    let conv = ours.dial(SERVER, now);
    let habits = Habits {
        acks_at_once: true,
        flushes_on_loss: true,
    };
    let luck = (setup.crypt(), 7);
    let go = GoPeer::new(&setup.server, Role::Server, conv, habits, luck, now);
    let upload = |seed, class| {
        let mut flow = Flow::new(4_000_000, 1000);
        flow.set_seed(seed);
        flow.class = class;
        flow
    };
    let mut crowd = Crowd::new(Box::new(go), now);
    crowd.clients.push(Client {
        end: Box::new(ours),
        address: std::net::SocketAddr::from(([10, 1, 0, 1], 1000)),
        up: Link::new(weather.clone(), 1),
        down: Link::new(weather, 2),
        flows: vec![upload(1, Bulk), upload(2, Learned), upload(3, Interactive)],
    });
    let read = |crowd: &Crowd| [0, 1, 2].map(|it| crowd.clients[0].flows[it].up.read);
    let until_read = |crowd: &mut Crowd, class| {
        crowd.run_until(60 * SECOND, |flow| {
            flow.class != class || flow.up.read == flow.up.total
        });
    };
    until_read(&mut crowd, Interactive);
    let seen = read(&crowd);
    assert!(seen[0] < 1_200_000 && seen[1] < 1_200_000, "{seen:?}");
    until_read(&mut crowd, Learned);
    assert!(read(&crowd)[0] < 2_000_000, "{:?}", read(&crowd));
    crowd.run(60 * SECOND);
}

#[test]
fn a_peer_whose_segments_are_ordered_is_served_as_before() {
    for_each_seed(|seed| {
        let mut setup = setup(seed, 2_500_000, 0.05);
        setup.server.smux.independent = false;
        let mut world = setup.build();
        for class in StreamClass::ALL {
            let mut flow = Flow::new(300_000, 300_000);
            flow.class = class;
            world.add(flow);
        }
        world.run(60 * SECOND);
    });
}
