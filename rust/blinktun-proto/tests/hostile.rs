//! Datagrams that nobody honest sent: mutated, cut, spliced, repeated, forged, from anywhere.

use std::net::SocketAddr;

use blinktun_proto::crypt::{CryptKind, PacketCrypt};
use blinktun_proto::endpoint::{Endpoint, EndpointEvent, Limits};
use blinktun_proto::fec::{Decoder, Shards};
use blinktun_proto::random::Random;
use blinktun_proto::session::Event;
use blinktun_proto::time::{Duration, Time};
use blinktun_proto::wire::kcp::{ACK, HEADER, PUSH, Segment, WASK, WINS};
use blinktun_proto::wire::{Millis, Sn};
use blinktun_sim::{CLIENT, Flow, Node, SERVER, Setup, Side, Weather, World, for_each_seed};

const SECOND: Duration = Duration::from_secs(1);

fn slow() -> Weather {
    Weather {
        rate: Some(300_000),
        queue: 100_000,
        ..Weather::perfect(Duration::from_millis(15))
    }
}

/// Someone who has seen everything and sends what he likes.
struct Attacker {
    random: Random,
    crypt: PacketCrypt,
}

impl Attacker {
    fn new(setup: &Setup) -> Attacker {
        Attacker {
            random: Random::from_number(setup.seed ^ 0xbad),
            crypt: setup.crypt(),
        }
    }

    fn pick<'a>(&mut self, seen: &'a [(Side, Vec<u8>)], side: Side) -> &'a [u8] {
        loop {
            let (from, datagram) = &seen[self.random.below(seen.len() as u64) as usize];
            if *from == side {
                return datagram;
            }
        }
    }

    fn address(&mut self) -> SocketAddr {
        let host = self.random.below(64) as u8;
        SocketAddr::from(([10, 9, 9, host], 1 + self.random.below(9) as u16))
    }

    /// Change a few things about some bytes.
    fn mutate(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.random.below(3) {
            let len = bytes.len().max(1) as u64;
            let at = self.random.below(len) as usize;
            match self.random.below(7) {
                0 => bytes.truncate(at),
                1 => bytes.extend_from_slice(&other[..other.len().min(at)]),
                2 => bytes.resize((at + 30).min(1400), 0),
                3 => self.overwrite(bytes, at),
                _ => {
                    // A field of the first segment, with and without a FEC header in front.
                    let field = [0, 4, 6, 8, 12, 16, 20][self.random.below(7) as usize];
                    let header = 8 * self.random.below(2) as usize;
                    self.overwrite(bytes, header + field);
                }
            }
        }
        bytes.truncate(1400);
    }

    fn overwrite(&mut self, bytes: &mut [u8], at: usize) {
        let near = (self.random.below(300) as u32).wrapping_sub(150);
        let value = if self.random.below(2) == 0 {
            near
        } else {
            self.random.next_u32()
        };
        let count = 1 + self.random.below(4) as usize;
        for (target, source) in bytes
            .iter_mut()
            .skip(at)
            .zip(value.to_le_bytes())
            .take(count)
        {
            *target = source;
        }
    }

    fn seal(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut datagram = vec![0; self.crypt.head()];
        datagram.extend_from_slice(payload);
        datagram.resize(datagram.len() + self.crypt.tail(), 0);
        let stride = datagram.len();
        self.crypt.seal(&mut datagram, stride, &mut self.random);
        datagram
    }
}

/// Two endpoints in mid-transfer, and everything that was said.
fn warm(setup: &Setup) -> World {
    let mut world = setup.build();
    world.log = Some(Vec::new());
    world.add(Flow::new(2_000_000, 2_000_000));
    world.pass(2 * SECOND);
    world
}

// --- with the key: nothing breaks but the conversation ------------------------------------------

/// Do what a driver does; count what leaves.
fn drive(endpoint: &mut Endpoint, now: Time, buffer: &mut [u8]) {
    endpoint.finish_input(now);
    if endpoint.next_timeout().is_some_and(|at| at <= now) {
        endpoint.handle_timeout(now);
    }
    while endpoint.poll_transmit(buffer, now).is_some() {}
    while let Some(event) = endpoint.next_event() {
        if let EndpointEvent::Session(id, Event::Closed(_)) = event {
            endpoint.remove(id);
        }
    }
}

fn check_bounds(endpoint: &Endpoint, setup: &Setup) {
    let ids = endpoint.session_ids();
    assert!(ids.len() <= setup.limits.sessions);
    let widest = Shards::new(128, 127).expect("valid numbers");
    let fec_bound = Decoder::memory_bound(widest) + 100_000;
    for session in ids.iter().filter_map(|id| endpoint.session(*id)) {
        let (kcp, mux) = (session.kcp(), session.mux());
        assert!(kcp.receiver().held() <= 2 * setup.server.receive_window as usize);
        let streams = mux.stream_count();
        assert!(streams <= setup.server.smux.max_streams);
        let unread = 2 * setup.server.smux.receive_buffer + 300_000;
        let unsent = streams * 2 * (setup.server.smux.send_buffer + 65_536);
        assert!(mux.allocated() <= unread + unsent, "{}", mux.allocated());
        assert!(
            session.fec_memory() <= fec_bound,
            "{}",
            session.fec_memory()
        );
    }
}

#[test]
fn resealed_mutations_panic_nothing_and_grow_nothing() {
    const DATAGRAMS: u64 = 15_000;
    for_each_seed(|seed| {
        for compress in [false, true] {
            for (kind, shards) in [
                (CryptKind::None, Some((3, 2))),
                (CryptKind::Null, None),
                (CryptKind::None, Some((10, 3))),
            ] {
                let limits = Limits {
                    sessions: 40,
                    sessions_per_source: 30,
                };
                let setup = Setup {
                    limits,
                    ..Setup::new(seed)
                }
                .kind(kind)
                .weather(slow())
                .both(|config| {
                    config.shards = shards;
                    config.compress = compress;
                    config.receive_window = 64;
                    config.smux.receive_buffer = 100_000;
                    config.smux.max_streams = 50;
                });
                let mut world = warm(&setup);
                let seen = world.log.take().expect("a log");
                let mut attacker = Attacker::new(&setup);
                let (head, tail) = (attacker.crypt.head(), attacker.crypt.tail());
                let (mut now, mut buffer) = (world.now, vec![0; 65536]);
                for n in 0..DATAGRAMS {
                    let side = if n % 4 == 0 {
                        Side::Server
                    } else {
                        Side::Client
                    };
                    let model = attacker.pick(&seen, side);
                    let other = attacker.pick(&seen, side)[head..].to_vec();
                    let mut payload = model[head..model.len() - tail].to_vec();
                    attacker.mutate(&mut payload, &other);
                    let mut datagram = attacker.seal(&payload);
                    let from = match (n % 3, side) {
                        (0, _) => attacker.address(),
                        (_, Side::Client) => CLIENT,
                        (_, Side::Server) => SERVER,
                    };
                    let target = match side {
                        Side::Client => &mut world.server,
                        Side::Server => &mut world.client,
                    };
                    target.handle_datagram(from.into(), &mut datagram, now);
                    if n % 7 == 0 {
                        drive(&mut world.server, now, &mut buffer);
                        drive(&mut world.client, now, &mut buffer);
                        now += Duration::from_millis(1);
                    }
                    if n % 500 == 0 {
                        check_bounds(&world.server, &setup);
                        check_bounds(&world.client, &setup);
                    }
                }
            }
        }
    });
}

// --- without the key, or outside the windows: not even the conversation breaks ------------------

/// Carry a transfer to its end while `attack` acts after every step; all bytes are checked.
fn survive(setup: &Setup, mut attack: impl FnMut(&mut World, &mut Attacker)) -> World {
    let mut world = setup.build();
    world.log = Some(Vec::new());
    world.add(Flow::new(300_000, 300_000));
    let mut attacker = Attacker::new(setup);
    let end = world.now + 60 * SECOND;
    while !world.flows.iter().all(Flow::is_done) {
        assert!(world.step(end), "the attack holds the transfer up");
        attack(&mut world, &mut attacker);
    }
    world.log = None;
    world.rest(); // which needs both sessions alive
    world
}

/// Put a datagram on the wire as if `side` had sent it.
fn inject(world: &mut World, side: Side, from: Option<SocketAddr>, mut datagram: Vec<u8>) {
    let now = world.now;
    match side {
        Side::Client => {
            world
                .server
                .handle_datagram(from.unwrap_or(CLIENT).into(), &mut datagram, now);
            world.server.finish_input(now);
        }
        Side::Server => {
            world
                .client
                .handle_datagram(from.unwrap_or(SERVER).into(), &mut datagram, now);
            world.client.finish_input(now);
        }
    }
}

fn both_sides_spoke(world: &World) -> bool {
    let spoke = |side| world.log.iter().flatten().any(|(from, _)| *from == side);
    spoke(Side::Client) && spoke(Side::Server)
}

#[test]
fn without_the_key_nothing_gets_in() {
    for_each_seed(|seed| {
        for kind in [CryptKind::Aes, CryptKind::Salsa20, CryptKind::Aes128Gcm] {
            let setup = Setup::new(seed).kind(kind).weather(slow());
            let world = survive(&setup, |world, attacker| {
                if !both_sides_spoke(world) {
                    return;
                }
                let seen = world.log.take().expect("a log");
                for side in [Side::Client, Side::Server, Side::Client] {
                    let mut datagram = attacker.pick(&seen, side).to_vec();
                    let other = attacker.pick(&seen, side).to_vec();
                    if attacker.random.below(4) > 0 {
                        attacker.mutate(&mut datagram, &other);
                    }
                    let from = (attacker.random.below(2) == 0).then(|| attacker.address());
                    inject(world, side, from, datagram);
                }
                world.log = Some(seen);
            });
            let stats = world.server.stats();
            assert!(
                stats.in_csum_errors > 100 && stats.replays > 10,
                "{stats:?}"
            );
            assert_eq!((stats.kcp_in_errors, stats.passive_opens), (0, 1));
        }
    });
}

#[test]
fn repeated_datagrams_do_no_harm_even_without_a_nonce() {
    for_each_seed(|seed| {
        for shards in [None, Some((3, 2))] {
            let setup = Setup::new(seed).kind(CryptKind::Null).weather(slow());
            let world = survive(
                &setup.both(|config| config.shards = shards),
                |world, attacker| {
                    if !both_sides_spoke(world) {
                        return;
                    }
                    let seen = world.log.take().expect("a log");
                    for side in [Side::Client, Side::Server, Side::Client, Side::Server] {
                        let datagram = attacker.pick(&seen, side).to_vec();
                        inject(world, side, None, datagram);
                    }
                    world.log = Some(seen);
                },
            );
            assert_eq!(world.server.stats().replays, 0);
            assert!(world.server.stats().repeat_segs > 100);
        }
    });
}

#[test]
fn datagrams_repeated_from_elsewhere_do_not_divert_the_session() {
    for_each_seed(|seed| {
        let setup = Setup::new(seed).kind(CryptKind::Null).weather(slow());
        let world = survive(&setup, |world, attacker| {
            if !both_sides_spoke(world) || attacker.random.below(10) > 0 {
                return;
            }
            let seen = world.log.take().expect("a log");
            let datagram = attacker.pick(&seen, Side::Client).to_vec();
            let from = attacker.address();
            inject(world, Side::Client, Some(from), datagram);
            world.log = Some(seen);
        });
        assert_eq!(world.server.stats().moves, 0);
    });
}

#[test]
fn forged_numbers_outside_the_windows_have_no_effect() {
    for_each_seed(|seed| {
        let setup = Setup::new(seed).weather(slow());
        let world = survive(&setup, |world, attacker| {
            for side in [Side::Client, Side::Server] {
                if let Some(payload) = forge(world, attacker, side) {
                    let datagram = attacker.seal(&payload);
                    inject(world, side, None, datagram);
                }
            }
        });
        assert!(world.server.stats().kcp_in_errors > 50);
        assert!(world.client.stats().kcp_in_errors > 50);
    });
}

/// A segment as if from `side`, with a number that the other cannot have given or taken.
fn forge(world: &World, attacker: &mut Attacker, side: Side) -> Option<Vec<u8>> {
    let (victim, receive_window) = match side {
        Side::Client => (Side::Server, 512),
        Side::Server => (Side::Client, 512),
    };
    let session = world.session(victim).filter(|s| s.kcp().una().0 > 2)?;
    let kcp = session.kcp();
    let far = 1 + attacker.random.below(1 << 20) as u32;
    let old_una = Sn(1 + attacker.random.below(u64::from(kcp.una().0 - 1)) as u32);
    let beyond = kcp.send_next().plus(far);
    let (cmd, sn, una, data): (u8, Sn, Sn, &[u8]) = match attacker.random.below(5) {
        0 => (ACK, beyond, kcp.una(), &[]),
        1 => (WINS, Sn(0), beyond, &[]),
        2 => (WASK, Sn(0), Sn(kcp.una().0.wrapping_sub(70_000 + far)), &[]),
        3 => (
            PUSH,
            kcp.receive_next().plus(receive_window + far),
            old_una,
            b"garbage",
        ),
        _ => (WINS, Sn(0), old_una, &[]),
    };
    let mut payload = vec![0; HEADER + data.len()];
    let (conv, wnd, ts) = (session.conv(), 0, Millis(attacker.random.next_u32()));
    Segment {
        conv,
        cmd,
        wnd,
        ts,
        sn,
        una,
        data,
    }
    .write(&mut payload);
    Some(payload)
}

// --- openings in bad company ----------------------------------------------------------------------

#[test]
fn a_source_that_proves_itself_gets_a_whole_conversation() {
    for_each_seed(|seed| {
        for (compress, shards) in [(true, Some((10, 3))), (false, None)] {
            let setup = Setup::new(seed).weather(slow()).both(|config| {
                config.compress = compress;
                config.shards = shards;
            });
            let mut world = setup.build();
            world.add(Flow::new(200_000, 200_000));
            world.run_until(SECOND, |world| world.server.stats().half_open == 1);
            assert!(world.server.session_ids().is_empty());
            world.run(10 * SECOND);
            assert_eq!(world.server.stats().openings_dropped, 0);
            world.rest();
        }
    });
}

#[test]
fn proofs_survive_loss() {
    for_each_seed(|seed| {
        let setup = Setup::new(seed).weather(slow().with_loss(0.3));
        let mut world = setup.build();
        world.add(Flow::new(50_000, 50_000));
        world.run(60 * SECOND);
        world.rest();
    });
}
