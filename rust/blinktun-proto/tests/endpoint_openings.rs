//! Twenty thousand openings from forged addresses: what they get, and what they cost.
//!
//! This binary counts its heap; its tests take turns.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use blinktun_proto::crypt::CryptKind;
use blinktun_proto::endpoint::{Endpoint, EndpointEvent};
use blinktun_proto::session::{Event, Role};
use blinktun_proto::time::{Duration, Time};
use blinktun_sim::{CLIENT, Flow, SERVER, Setup, Side, for_each_seed};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static HEAP: Counting = Counting;

/// Heap is measured by one test at a time.
static TURN: Mutex<()> = Mutex::new(());

const FORGED: u32 = 20_000;

fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

fn forged(n: u32) -> SocketAddr {
    SocketAddr::from(([172, 16, (n >> 8) as u8, n as u8], 1 + (n >> 16) as u16))
}

/// The first datagrams of `count` conversations, each of one stream with some data.
fn openings(setup: &Setup, count: u32) -> Vec<Vec<u8>> {
    let mut buffer = vec![0; 65536];
    let mut opening = |n: u32| {
        let setup = Setup {
            seed: setup.seed.wrapping_mul(99_991) + u64::from(n),
            ..setup.clone()
        };
        let mut client = setup.endpoint(Role::Client, 9, Time::ZERO);
        let id = client.dial(SERVER, Time::ZERO);
        let (session, _) = client.session_mut(id).expect("dialed");
        let stream = session.open_stream().expect("room");
        session
            .write(stream, b"GET / HTTP/1.1\r\n\r\n")
            .expect("open");
        let transmit = client
            .poll_transmit(&mut buffer, Time::ZERO)
            .expect("an opening");
        buffer[..transmit.stride].to_vec()
    };
    (0..count).map(&mut opening).collect()
}

/// The bytes that each source sent and got.
type Ledger = HashMap<SocketAddr, (usize, usize)>;

struct Victim {
    server: Endpoint,
    ledger: Ledger,
    now: Time,
    buffer: Vec<u8>,
}

impl Victim {
    fn new(setup: &Setup) -> Victim {
        Victim {
            server: setup.endpoint(Role::Server, 0, Time::ZERO),
            // Room for all, so that the ledger does not grow while the heap is measured.
            ledger: Ledger::with_capacity(2 * FORGED as usize),
            now: Time::ZERO,
            buffer: vec![0; 65536],
        }
    }

    fn hear(&mut self, from: SocketAddr, datagram: &[u8]) {
        self.ledger.entry(from).or_default().0 += datagram.len();
        let len = datagram.len();
        self.buffer[..len].copy_from_slice(datagram);
        self.server
            .handle_datagrams(from, &mut self.buffer[..len], len, self.now);
        self.server.finish_input(self.now);
        self.speak();
    }

    fn speak(&mut self) {
        while let Some(transmit) = self.server.poll_transmit(&mut self.buffer, self.now) {
            self.ledger.entry(transmit.to).or_default().1 += transmit.len;
        }
        while let Some(event) = self.server.next_event() {
            if let EndpointEvent::Session(id, Event::Closed(_)) = event {
                self.server.remove(id);
            }
        }
    }

    /// Let time pass, timer by timer.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.server.next_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.server.handle_timeout(self.now);
            self.speak();
        }
        self.now = end;
    }

    fn check_ledger(&self) {
        for (source, (received, sent)) in &self.ledger {
            assert!(
                sent <= &(3 * received),
                "{source}: {sent} for {received} bytes"
            );
        }
    }
}

#[test]
fn forged_openings_get_and_cost_little() {
    let _turn = TURN.lock();
    let setup = Setup::new(1);
    let openings = openings(&setup, FORGED);
    assert!(openings.iter().all(|opening| opening.len() < 200));
    let mut victim = Victim::new(&setup);
    let before = live();
    PEAK.store(before, Ordering::Relaxed);
    let mut after_hundred = 0;
    for (n, opening) in (0..).zip(&openings) {
        victim.hear(forged(n), opening);
        match n {
            100 => after_hundred = live(),
            4000 => {
                let grown = live().saturating_sub(after_hundred);
                // The nonces that must not come again, and the latest 1024 openings.
                let kept = 1024 * 512;
                assert!(
                    grown <= kept + (256 << 10),
                    "{grown} bytes for 3900 openings"
                );
            }
            _ => {}
        }
        if n % 20 == 0 {
            victim.pass(Duration::from_millis(1));
        }
        assert_eq!(victim.server.session_ids().len(), 0);
    }
    let peak = PEAK.load(Ordering::Relaxed) - before;
    assert!(peak <= 8 << 20, "{peak} bytes in all");
    victim.check_ledger();
    victim.pass(Duration::from_secs(30));
    victim.check_ledger();
    assert_eq!(victim.server.session_ids().len(), 0);
    let left = live().saturating_sub(before);
    assert!(left <= 2 << 20, "{left} bytes are left");
}

#[test]
fn one_source_that_repeats_itself_gets_three_times_its_bytes_at_most() {
    let _turn = TURN.lock();
    for kind in [CryptKind::Null, CryptKind::None, CryptKind::Aes128Gcm] {
        let setup = Setup::new(1).kind(kind);
        let openings = openings(&setup, 40);
        let mut victim = Victim::new(&setup);
        for round in 0..300 {
            for (n, opening) in (0..).zip(&openings) {
                victim.hear(forged(n), opening);
            }
            victim.pass(Duration::from_millis(20 + round % 3 * 100));
            victim.check_ledger();
        }
    }
}

#[test]
fn strays_get_less_than_they_sent() {
    let _turn = TURN.lock();
    for kind in [CryptKind::Null, CryptKind::None] {
        let setup = Setup::new(1).kind(kind).both(|config| config.shards = None);
        let mut world = setup.build();
        world.log = Some(Vec::new());
        world.add(Flow::new(300_000, 0));
        world.run(Duration::from_secs(10));
        let mut victim = Victim::new(&setup);
        let seen = world.log.take().expect("a log");
        let from_client = seen.iter().filter(|(side, _)| *side == Side::Client);
        for (n, (_, datagram)) in (0..).zip(from_client.skip(1)) {
            victim.hear(forged(n), datagram);
        }
        assert!(victim.server.stats().strays > 50);
        assert!(victim.ledger.values().any(|(_, sent)| *sent > 0));
        assert!(
            victim
                .ledger
                .values()
                .all(|(received, sent)| sent <= received)
        );
        assert_eq!(victim.server.session_ids().len(), 0);
    }
}

#[test]
fn an_honest_client_gets_through_a_flood() {
    let _turn = TURN.lock();
    let flood = openings(&Setup::new(77), 3000);
    for_each_seed(|seed| {
        let setup = Setup::new(seed);
        let mut world = setup.build();
        world.add(Flow::new(100_000, 100_000));
        let end = world.now + Duration::from_secs(20);
        let mut forgeries = (0..).zip(&flood);
        while !world.flows.iter().all(Flow::is_done) {
            assert!(world.step(end), "the flood drowns the client");
            for (n, opening) in forgeries.by_ref().take(20) {
                let stride = opening.len();
                world
                    .server
                    .handle_datagrams(forged(n), &mut opening.clone(), stride, world.now);
            }
            world.server.finish_input(world.now);
        }
        assert_eq!(
            world.server.peer(world.accepted.expect("a session")),
            Some(CLIENT)
        );
        world.pass(Duration::from_secs(60));
        let living = world.server.session_ids().into_iter();
        let living = living
            .filter_map(|id| world.server.session(id))
            .filter(|s| s.closed().is_none());
        assert_eq!(living.count(), 1);
    });
}

/// However many openings come between a client's and its proof, they take nobody's place.
#[test]
fn ten_thousand_openings_within_a_round_trip_keep_nobody_out() {
    let _turn = TURN.lock();
    let flood = openings(&Setup::new(77), 10_000);
    for compress in [true, false] {
        let setup = Setup::new(5).both(|config| config.compress = compress);
        let mut victim = Victim::new(&setup);
        let mut client = setup.endpoint(Role::Client, 9, Time::ZERO);
        let id = client.dial(SERVER, Time::ZERO);
        let (session, _) = client.session_mut(id).expect("dialed");
        let stream = session.open_stream().expect("room");
        session.write(stream, b"GET / HTTP/1.1").expect("open");
        let mut buffer = vec![0; 65536];
        let mut hand_over = |from: &mut Endpoint, to: &mut Endpoint, now: Time| {
            while let Some(transmit) = from.poll_transmit(&mut buffer, now) {
                let path = if transmit.to == SERVER {
                    CLIENT
                } else {
                    SERVER
                };
                if transmit.to == SERVER || transmit.to == CLIENT {
                    to.handle_datagrams(path, &mut buffer[..transmit.len], transmit.stride, now);
                }
            }
            to.finish_input(now);
        };
        hand_over(&mut client, &mut victim.server, victim.now);
        hand_over(&mut victim.server, &mut client, victim.now);
        for (n, opening) in (0..).zip(&flood) {
            victim.hear(forged(n), opening);
        }
        let count = |server: &Endpoint| {
            let of_client = |id: &_| server.peer(*id) == Some(CLIENT);
            server
                .session_ids()
                .iter()
                .filter(|id| of_client(id))
                .count()
        };
        assert_eq!(count(&victim.server), 0, "it has proved nothing");
        hand_over(&mut client, &mut victim.server, victim.now);
        assert_eq!(count(&victim.server), 1, "compressed: {compress}");
        // Its opening was not kept: it comes again, and the stream opens.
        let later = victim.now + Duration::from_millis(900);
        client.handle_timeout(later);
        hand_over(&mut client, &mut victim.server, later);
        hand_over(&mut victim.server, &mut client, later);
        let opened = std::iter::from_fn(|| victim.server.next_event()).any(|event| {
            matches!(
                event,
                EndpointEvent::Session(_, Event::Stream(blinktun_proto::smux::Event::Opened(_)))
            )
        });
        assert!(opened, "compressed: {compress}");
    }
}
