//! What sessions that tune themselves spend so that requests do not wait for what is lost: copies and parity.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use blinktun_link::Description;
use blinktun_proto::crypt::{PacketCrypt, Verdict};
use blinktun_proto::session::{Config, DEFAULT_OVERHEAD, Role, Session};
use blinktun_proto::smux::StreamId;
use blinktun_proto::time::{Duration, Time};
use blinktun_proto::wire::Payload;
use blinktun_sim::download::{Download, Idle, Measured};
use blinktun_sim::end::Datagram;
use blinktun_sim::go::kcp::Habits;
use blinktun_sim::{
    Client, Crowd, End, Flow, GoPeer, Link, Ours, SERVER, Setup, Side, Streams, Weather, World,
};

const SECONDS: u64 = 15;
/// Luck makes a difference.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=6;

/// As with another program at one end: there all streams wait for what one has lost.
fn download(link: &str, max_overhead: f64, seed: u64) -> Download {
    Download {
        link: Description::parse([link]).expect("a link"),
        seconds: SECONDS,
        max_overhead,
        is_independent: false,
        seed,
    }
}

/// Downloads, and the means of the median of their requests, in ms, and of their bytes on the wire for each
/// that arrives.
fn means(link: &str, max_overhead: f64) -> (f64, f64) {
    let seen: Vec<Measured> = SEEDS
        .map(|seed| download(link, max_overhead, seed).measure())
        .collect();
    let mean = |what: fn(&Measured) -> f64| seen.iter().map(what).sum::<f64>() / seen.len() as f64;
    (mean(|seen| seen.requests.ms(0.5)), mean(|seen| seen.wire))
}

#[test]
fn requests_beside_a_download_wait_less_for_a_few_percent() {
    let (without, _) = means("loss10", 0.0);
    let (wait, cost) = means("loss10", DEFAULT_OVERHEAD);
    assert!(without > 350.0 && wait < 290.0, "{without}, {wait} ms");
    assert!(cost < 1.24, "{cost}");
}

#[test]
fn who_asks_for_much_parity_waits_hardly_at_all_and_pays_no_more_than_that() {
    let (_, without) = means("loss5", 0.0);
    let (wait, cost) = means("loss5", 0.3);
    assert!(wait < 150.0, "{wait} ms");
    assert!(cost < without * 1.3, "{cost}, {without}");
}

#[test]
fn requests_alone_hardly_ever_wait_for_what_is_lost() {
    let idle = |link, overhead| -> Vec<Idle> {
        (1..=5)
            .map(|seed| {
                let seconds = 40; // a 99th percentile wants many requests
                let download = download(link, overhead, seed);
                Download {
                    seconds,
                    ..download
                }
                .measure_idle()
            })
            .collect()
    };
    let slow = |seen: &[Idle], most: f64| {
        let times = seen.iter().map(|it| it.requests.ms(0.99));
        times.filter(|time| *time > most).count()
    };
    for (link, most) in [("loss5", 130.0), ("loss10", 220.0)] {
        let with = idle(link, DEFAULT_OVERHEAD);
        assert!(slow(&with, most) < 2, "{link}");
        let without = idle(link, 0.0);
        assert!(slow(&without, most) > 3, "{link}");
    }
}

/// Two sessions that tune themselves with this overhead, a download that loses a tenth, and requests.
fn asking(max_overhead: f64) -> World {
    let setup = Setup::new(1).weather(lossy(0.1)).both(|config| {
        config.smux.receive_buffer = 64 << 20;
        config.smux.stream_buffer = 64 << 20;
        *config = Config::tuning_itself(config.clone());
        config.max_overhead = max_overhead;
        config.smux.independent = false; // as with another program: a request waits for the download
        config.searches_mtu = max_overhead > 0.0; // its probes are copied as well
    });
    let mut world = setup.build();
    world.meet();
    world.add(Flow::new(0, 1 << 40));
    for n in 1..=50 {
        let mut request = Flow::new(1000, 1000);
        request.opens = world.now + Duration::from_millis(120 * n);
        world.add(request);
    }
    world
}

fn lossy(loss: f64) -> Weather {
    Weather {
        rate: Some(12_500_000),
        queue: 1_250_000,
        ..Weather::perfect(Duration::from_millis(50)).with_loss(loss)
    }
}

#[test]
fn with_no_overhead_there_is_neither_parity_nor_a_copy() {
    let mut world = asking(0.0);
    world.pass(Duration::from_secs(7));
    let (client, server) = (world.client.stats(), world.server.stats());
    assert_eq!((client.fec_parity_shards, client.fec_recovered), (0, 0));
    assert_eq!(
        server.retrans_segs,
        server.fast_retrans_segs + server.lost_segs,
        "no copies"
    );
    assert!(
        !world
            .session(Side::Server)
            .is_some_and(Session::is_protected)
    );
}

#[test]
fn two_blinktun_repair_what_leaves_again() {
    let mut world = asking(DEFAULT_OVERHEAD);
    world.pass(Duration::from_secs(7));
    let client = world.client.stats();
    assert!(client.fec_recovered > 100, "{client:?}");
    assert_eq!(client.fec_errs, 0);
    let server = world.session(Side::Server).expect("a session");
    let server = server.stats(world.now);
    assert!(server.counts.spurious_retransmissions * 100 < client.fec_recovered);
}

/// What a Go program was sent.
#[derive(Debug, Default)]
struct Seen {
    plain: u64,
    data: u64,
    parity: u64,
}

/// A Go program, and what it was sent.
struct Watched {
    go: GoPeer,
    crypt: PacketCrypt,
    shards: Option<(usize, usize)>,
    seen: Rc<RefCell<Seen>>,
}

impl End for Watched {
    fn handle_datagram(&mut self, from: SocketAddr, datagram: &mut [u8], now: Time) {
        let (mut copy, mut verdicts) = (datagram.to_vec(), Vec::new());
        let len = copy.len();
        self.crypt.open(&mut copy, len, &mut verdicts);
        assert_eq!(verdicts, [Verdict::Ok]);
        let payload = &copy[self.crypt.head()..len - self.crypt.tail()];
        let mut seen = self.seen.borrow_mut();
        let (packet, is_data) = match Payload::parse(payload).expect("a payload") {
            Payload::Data(packet, _) => (Some(packet), true),
            Payload::Parity(packet) => (Some(packet), false),
            _ => (None, false),
        };
        match packet {
            None => seen.plain += 1,
            Some(packet) => {
                let (data, parity) = self.shards.expect("FEC towards a program without");
                let position = packet.seqid.0 as usize % (data + parity);
                assert_eq!(is_data, position < data, "a packet in the wrong place");
                *(if is_data {
                    &mut seen.data
                } else {
                    &mut seen.parity
                }) += 1;
            }
        }
        drop(seen);
        End::handle_datagram(&mut self.go, from, datagram, now);
    }

    fn poll_transmit(&mut self, now: Time) -> Option<Datagram> {
        End::poll_transmit(&mut self.go, now)
    }

    fn next_timeout(&self) -> Option<Time> {
        End::next_timeout(&self.go)
    }

    fn handle_timeout(&mut self, now: Time) {
        End::handle_timeout(&mut self.go, now);
    }

    fn next_finished(&mut self) -> Option<(Option<SocketAddr>, StreamId)> {
        End::next_finished(&mut self.go)
    }

    fn streams(&mut self, peer: SocketAddr) -> Option<Box<dyn Streams + '_>> {
        End::streams(&mut self.go, peer)
    }
}

/// An upload to a Go server with these numbers, and requests beside it.
fn upload_to_go(shards: Option<(usize, usize)>) -> Seen {
    let weather = lossy(0.05);
    let mut setup = Setup::new(3).weather(weather.clone()).both(|config| {
        config.shards = shards;
        config.compress = false;
        config.smux.receive_buffer = 64 << 20;
        config.smux.stream_buffer = 64 << 20;
        (config.send_window, config.receive_window) = (4096, 4096);
        (config.nodelay, config.interval_ms) = (true, 10);
    });
    setup.client = Config::tuning_itself(setup.client);
    setup.client.max_overhead = 0.5;
    let now = setup.start;
    let mut ours = Ours::new(setup.endpoint(Role::Client, 0, now));
    let conv = ours.dial(SERVER, now);
    let habits = Habits {
        acks_at_once: true,
        flushes_on_loss: true,
    };
    let luck = (setup.crypt(), 7);
    let seen = Rc::new(RefCell::new(Seen::default()));
    let go = Watched {
        go: GoPeer::new(&setup.server, Role::Server, conv, habits, luck, now),
        crypt: setup.crypt(),
        shards,
        seen: Rc::clone(&seen),
    };
    let mut upload = Flow::new(1 << 40, 1);
    upload.set_seed(1);
    let mut flows = vec![upload];
    for n in 0..40 {
        let mut request = Flow::new(1000, 1000);
        request.set_seed(2 + n);
        request.opens = now + Duration::from_millis(500 + n * 100);
        flows.push(request);
    }
    let mut crowd = Crowd::new(Box::new(go), now);
    crowd.clients.push(Client {
        end: Box::new(ours),
        address: SocketAddr::from(([10, 1, 0, 1], 1000)),
        up: Link::new(weather.clone(), 1),
        down: Link::new(weather, 2),
        flows,
    });
    crowd.pass(Duration::from_secs(6));
    drop(crowd);
    Rc::into_inner(seen)
        .expect("nobody else looks")
        .into_inner()
}

#[test]
fn a_go_program_gets_parity_with_its_own_numbers_alone() {
    for shards in [(10, 3), (7, 2)] {
        let seen = upload_to_go(Some(shards));
        assert!(seen.data > 100 && seen.parity > 10, "{shards:?}: {seen:?}");
        assert!(seen.parity < seen.data, "{shards:?}: {seen:?}");
    }
    let seen = upload_to_go(None);
    assert!(
        seen.plain > 1000 && seen.data + seen.parity == 0,
        "{seen:?}"
    );
}
