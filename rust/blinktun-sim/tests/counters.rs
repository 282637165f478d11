//! Every counter moves when what it counts happens.
//!
//! The table must name each counter that there is, so a new one comes with its story.

use blinktun_proto::congestion::Algorithm;
use blinktun_proto::crypt::CryptKind;
use blinktun_proto::endpoint::{Endpoint, EndpointEvent, Limits};
use blinktun_proto::random::Random;
use blinktun_proto::session::Role;
use blinktun_proto::stats::Stats;
use blinktun_proto::time::{Duration, Time};
use blinktun_proto::wire::kcp::{HEADER, PUSH, Segment, WASK};
use blinktun_proto::wire::{Millis, Sn};
use blinktun_sim::{CLIENT, Flow, SERVER, Setup, Side, Weather, World, for_each_seed};

const SECOND: Duration = Duration::from_secs(1);

/// A story's name, and the counters that it moves, at the client or at the server.
type Story = (fn(u64) -> Stats, &'static [&'static str]);

const STORIES: &[Story] = &[
    (
        upload_at_client,
        &["bytes_sent", "active_opens", "out_pkts", "out_bytes"],
    ),
    (upload_at_client, &["out_segs", "ring_buffer_snd_buffer"]),
    (
        upload_at_server,
        &["bytes_received", "passive_opens", "max_conn", "curr_estab"],
    ),
    (
        upload_at_server,
        &["in_pkts", "in_bytes", "in_segs", "fec_parity_shards"],
    ),
    (upload_at_server, &["fec_full_shards", "fec_shard_min"]),
    (a_reader_that_stops, &["ring_buffer_rcv_queue"]),
    (a_window_that_is_full, &["ring_buffer_snd_queue"]),
    (losses_at_client, &["retrans_segs", "fast_retrans_segs"]),
    (an_outage, &["lost_segs"]),
    (losses_at_server, &["fec_recovered"]),
    (every_second_lost, &["fec_shard_set"]),
    (the_last_segment_lost, &["early_retrans_segs"]),
    (acks_that_come_late, &["spurious_retrans_segs"]),
    (duplicates, &["repeat_segs"]),
    (replays, &["replays"]),
    (foreign_addresses, &["in_errs"]),
    (noise, &["in_csum_errors"]),
    (refused_by_kcp, &["kcp_in_errors"]),
    (lying_parity, &["fec_errs"]),
    (out_of_band, &["oob_packets"]),
    (strangers, &["strays"]),
    (a_flood, &["half_open"]),
    (a_full_server, &["openings_dropped"]),
    (a_move, &["moves"]),
];

#[test]
fn every_counter_moves() {
    for_each_seed(|seed| {
        for (story, names) in STORIES {
            let stats = story(seed);
            for name in *names {
                assert!(value(&stats, name) > 0, "{name} stands still: {stats:?}");
            }
        }
    });
}

#[test]
fn every_counter_has_a_story() {
    let told = STORIES.iter().flat_map(|(_, names)| names.iter().copied());
    let mut told: Vec<_> = told.collect();
    let mut all: Vec<_> = Stats::default().entries().iter().map(|(n, _)| *n).collect();
    told.push("out_errs"); // counted by the owner of the socket
    told.sort_unstable();
    all.sort_unstable();
    assert_eq!(told, all);
}

#[test]
fn without_trouble_no_trouble_is_counted() {
    let quiet = [
        ["in_errs", "in_csum_errors", "kcp_in_errors", "retrans_segs"],
        ["repeat_segs", "fec_errs", "fec_recovered", "oob_packets"],
        ["replays", "strays", "moves", "openings_dropped"],
    ];
    for_each_seed(|seed| {
        for stats in [upload_at_client(seed), upload_at_server(seed)] {
            for name in quiet.as_flattened() {
                assert_eq!(value(&stats, name), 0, "{name}: {stats:?}");
            }
        }
    });
}

/// Parity names no conversation, so a server cannot keep it for the session to come.
#[test]
fn parity_that_comes_before_its_session_is_no_error() {
    let setup = Setup::new(1).kind(CryptKind::Null);
    let mut server = setup.endpoint(Role::Server, 0, Time::ZERO);
    for mut datagram in uploaded(&setup).filter(|datagram| is_parity(datagram)) {
        hear(&mut server, CLIENT, &mut datagram, Time::ZERO);
    }
    let stats = server.stats();
    assert!(
        stats.strays > 0 && stats.strays == stats.in_pkts,
        "{stats:?}"
    );
    assert_eq!(stats.in_errs, 0);
}

#[test]
fn both_ends_count_the_same() {
    for_each_seed(|seed| {
        let setup = Setup::new(seed);
        let mut world = setup.build();
        world.add(Flow::new(300_000, 100_000));
        world.run(60 * SECOND);
        world.rest();
        let head = setup.client.head as u64;
        let (client, server) = (world.client.stats(), world.server.stats());
        for (from, to) in [(client, server), (server, client)] {
            assert_eq!(from.out_pkts, to.in_pkts, "{from:?} {to:?}");
            assert_eq!(from.out_bytes, to.in_bytes + head * to.in_pkts);
            // Before the proof the server does not look into what comes: an initial window.
            let unseen = if to.half_open > 0 { 32 } else { 0 };
            let least = from.out_segs - from.retrans_segs - unseen;
            let all = least..=from.out_segs;
            assert!(all.contains(&to.in_segs), "{} of {all:?}", to.in_segs);
            assert_eq!(from.bytes_sent, to.bytes_received);
        }
        world.run_until(3 * SECOND, |world| {
            let stats = world.server.stats();
            (stats.fec_shard_set, stats.ring_buffer_snd_buffer) == (0, 0)
        });
    });
}

fn value(stats: &Stats, name: &str) -> u64 {
    let entries = stats.entries();
    let entry = entries.iter().find(|(known, _)| *known == name);
    entry.unwrap_or_else(|| panic!("no counter {name}")).1
}

// --- stories ----------------------------------------------------------------------------------

/// A megabyte on its way up, far from done.
fn upload(setup: &Setup) -> World {
    let mut world = setup.build();
    world.meet();
    world.add(Flow::new(1_000_000, 0));
    world.run_until(60 * SECOND, |world| world.flows[0].up.read > 500_000);
    world
}

fn upload_at_client(seed: u64) -> Stats {
    upload(&Setup::new(seed)).client.stats().clone()
}

fn upload_at_server(seed: u64) -> Stats {
    upload(&Setup::new(seed)).server.stats().clone()
}

fn a_reader_that_stops(seed: u64) -> Stats {
    let setup = Setup::new(seed).both(|config| {
        config.smux.receive_buffer = 20_000;
        config.smux.stream_buffer = 20_000;
    });
    let mut world = setup.build();
    let flow = world.add(Flow::new(1_000_000, 0));
    world.flows[flow].up.pauses = vec![(Time::ZERO, Time::from_millis(60_000))];
    world.pass(SECOND);
    world.server.stats().clone()
}

/// What was taken from the streams waits until there is room in the window.
fn a_window_that_is_full(seed: u64) -> Stats {
    let setup = Setup::new(seed).both(|config| config.send_window = 40);
    let mut world = setup.build();
    world.add(Flow::new(20_000_000, 0));
    world.run_until(60 * SECOND, |world| {
        world.client.stats().ring_buffer_snd_queue > 0
    });
    world.client.stats().clone()
}

fn losses(seed: u64) -> World {
    let weather = Weather::perfect(SECOND / 50).with_loss(0.1);
    let setup = Setup::new(seed).weather(weather);
    let setup = setup.both(|config| config.max_overhead = 0.0); // no copies
    let mut world = setup.build();
    world.add(Flow::new(3_000_000, 0));
    world.run(60 * SECOND);
    world
}

fn losses_at_client(seed: u64) -> Stats {
    let stats = losses(seed).client.stats().clone();
    let sum = stats.fast_retrans_segs + stats.early_retrans_segs + stats.lost_segs;
    assert_eq!(stats.retrans_segs, sum, "{stats:?}");
    stats
}

fn an_outage(seed: u64) -> Stats {
    let mut world = upload(&Setup::new(seed));
    world.up.clear();
    world
        .up
        .set_weather(Weather::perfect(SECOND).with_loss(1.0));
    world.pass(2 * SECOND);
    world.client.stats().clone()
}

fn losses_at_server(seed: u64) -> Stats {
    losses(seed).server.stats().clone()
}

/// No group is complete, and none can be.
fn every_second_lost(seed: u64) -> Stats {
    let mut world = upload(&Setup::new(seed));
    world.settle(); // more data leaves
    let mut sent = 0;
    world.up.lose_if(|_| {
        sent += 1;
        sent % 2 == 0
    });
    world.pass(SECOND / 100);
    world.server.stats().clone()
}

/// Small questions, each a segment; nothing new follows the last, and one of two is lost.
fn the_last_segment_lost(seed: u64) -> Stats {
    let weather = Weather::perfect(SECOND / 50).with_loss(0.3);
    let mut setup = Setup::new(seed).weather(weather);
    setup = setup.both(|config| {
        config.shards = None;
        config.congestion = Algorithm::Reno;
        config.resend = 0;
    });
    let mut world = setup.build();
    for n in 0..200 {
        let mut flow = Flow::new(3000, 0);
        flow.opens = Time::from_millis(n * 100);
        world.add(flow);
    }
    world.run(120 * SECOND);
    world.client.stats().clone()
}

/// The way back grows long all at once.
fn acks_that_come_late(seed: u64) -> Stats {
    let mut world = upload(&Setup::new(seed));
    world.run(60 * SECOND);
    world.down.set_weather(Weather::perfect(SECOND / 3));
    // One segment, whose acknowledgement comes alone.
    let mut late = Flow::new(100, 0);
    late.opens = world.now;
    world.add(late);
    world.run(60 * SECOND);
    world.pass(SECOND);
    world.client.stats().clone()
}

/// Behind `null` there are no nonces that would tell a copy.
fn duplicates(seed: u64) -> Stats {
    doubled(Setup::new(seed).kind(CryptKind::Null))
}

fn replays(seed: u64) -> Stats {
    doubled(Setup::new(seed))
}

fn doubled(mut setup: Setup) -> Stats {
    setup.up.duplicate = 0.2;
    upload(&setup).server.stats().clone()
}

fn foreign_addresses(seed: u64) -> Stats {
    let setup = Setup::new(seed);
    let mut world = upload(&setup);
    let mut datagram = seal(&setup, &data_packet(1234));
    let from = "10.9.9.9:9".parse().expect("an address");
    hear(&mut world.client, from, &mut datagram, world.now);
    let foreign = world.client.stats().in_errs;
    // What is malformed is an error of KCP, wherever it comes from.
    let mut cut = seal(&setup, &data_packet(1234)[..32]);
    hear(&mut world.client, from, &mut cut, world.now);
    assert_eq!(world.client.stats().kcp_in_errors, 1);
    let mut short = seal(&setup, &[0, 0, 0, 0, 0xf1, 0, 2, 0]);
    hear(&mut world.client, SERVER, &mut short, world.now);
    assert_eq!((foreign, world.client.stats().in_errs), (1, 2));
    world.client.stats().clone()
}

fn noise(seed: u64) -> Stats {
    let mut setup = Setup::new(seed);
    setup.up.corrupt = 0.2;
    upload(&setup).server.stats().clone()
}

fn refused_by_kcp(seed: u64) -> Stats {
    let setup = Setup::new(seed);
    let mut world = upload(&setup);
    let mut wrong = data_packet(conv(&world));
    wrong[8 + 4] = 99; // no such command
    for payload in [&wrong[..], &[0; 20]] {
        let mut datagram = seal(&setup, payload);
        hear(&mut world.server, CLIENT, &mut datagram, world.now);
    }
    assert_eq!(world.server.stats().kcp_in_errors, 2);
    world.server.stats().clone()
}

/// Data is lost, and what its parity makes of it is none of KCP's commands.
fn lying_parity(seed: u64) -> Stats {
    let mut world = upload(&Setup::new(seed).kind(CryptKind::Null));
    world.settle(); // more data leaves
    let (mut sent, mut lies) = (0, Vec::new());
    world.up.lose_if(|datagram| {
        sent += 1;
        if is_parity(datagram) {
            lies.push(datagram.to_vec());
        }
        is_parity(datagram) || sent % 7 == 0
    });
    for mut lie in lies {
        lie[8 + 4] ^= 0x80;
        world.up.send(&lie, world.now);
    }
    world.run(60 * SECOND);
    world.server.stats().clone()
}

/// What a client sends in an upload.
fn uploaded(setup: &Setup) -> impl Iterator<Item = Vec<u8>> {
    let mut world = setup.build();
    world.log = Some(Vec::new());
    world.add(Flow::new(1_000_000, 0));
    world.run(60 * SECOND);
    let log = world.log.take().unwrap_or_default().into_iter();
    log.filter_map(|(side, datagram)| (side == Side::Client).then_some(datagram))
}

/// Whether a datagram of the `null` cipher is a parity shard.
fn is_parity(datagram: &[u8]) -> bool {
    datagram[4..6] == [0xf2, 0]
}

fn out_of_band(seed: u64) -> Stats {
    let setup = Setup::new(seed);
    let mut world = upload(&setup);
    for len in [8, 12, 200] {
        let mut payload = vec![7; len];
        payload[4..6].copy_from_slice(&0x00f3u16.to_le_bytes());
        let mut datagram = seal(&setup, &payload);
        hear(&mut world.server, CLIENT, &mut datagram, world.now);
    }
    let stats = world.server.stats().clone();
    assert_eq!((stats.oob_packets, stats.in_errs), (2, 1), "one is short");
    world.run(60 * SECOND);
    stats
}

fn strangers(seed: u64) -> Stats {
    let setup = Setup::new(seed);
    let mut server = setup.endpoint(Role::Server, 0, Time::ZERO);
    let mut payload = [0; HEADER];
    let ask = segment(1234, WASK, &[]);
    ask.write(&mut payload);
    let mut datagram = seal(&setup, &payload);
    hear(&mut server, CLIENT, &mut datagram, Time::ZERO);
    server.stats().clone()
}

/// An opening that nobody proves.
fn a_flood(seed: u64) -> Stats {
    let setup = Setup::new(seed);
    let mut world = setup.build();
    world.add(Flow::new(100, 0));
    world.down.set_weather(setup.down.clone().with_loss(1.0));
    world.up.set_weather(Weather::perfect(SECOND / 100));
    world.pass(30 * SECOND);
    let stats = world.server.stats().clone();
    assert_eq!((stats.curr_estab, stats.passive_opens), (0, 0));
    stats
}

/// An opening at a server that may have no more sessions.
fn a_full_server(seed: u64) -> Stats {
    let limits = Limits {
        sessions: 0,
        ..Limits::default()
    };
    let setup = Setup {
        limits,
        ..Setup::new(seed)
    };
    let mut world = setup.build();
    world.add(Flow::new(100, 0));
    world.pass(SECOND);
    let stats = world.server.stats().clone();
    assert_eq!((stats.half_open, stats.passive_opens), (0, 0));
    stats
}

fn a_move(seed: u64) -> Stats {
    let mut world = upload(&Setup::new(seed));
    world.client_address.set_port(1001);
    world.run(60 * SECOND);
    world.rest();
    let moved = world.count(|_, event| matches!(event, EndpointEvent::Moved(..)));
    assert_eq!(world.server.stats().moves, moved as u64);
    world.server.stats().clone()
}

// --- datagrams made by hand -------------------------------------------------------------------

fn hear(endpoint: &mut Endpoint, from: std::net::SocketAddr, datagram: &mut [u8], now: Time) {
    let stride = datagram.len();
    endpoint.handle_datagrams(from, datagram, stride, now);
    endpoint.finish_input(now);
    let mut buffer = vec![0; 65536];
    while endpoint.poll_transmit(&mut buffer, now).is_some() {}
}

fn conv(world: &World) -> u32 {
    let session = world.session(Side::Server);
    session.map(|session| session.conv()).unwrap_or_default()
}

fn segment(conv: u32, cmd: u8, data: &[u8]) -> Segment<'_> {
    Segment {
        conv,
        cmd,
        wnd: 128,
        ts: Millis(0),
        sn: Sn(5),
        una: Sn(0),
        data,
    }
}

/// A FEC data packet with one byte of data.
fn data_packet(conv: u32) -> Vec<u8> {
    let mut packet = vec![0, 0, 0, 0, 0xf1, 0, 2 + 25, 0];
    packet.resize(8 + HEADER + 1, 0);
    segment(conv, PUSH, b"x").write(&mut packet[8..]);
    packet
}

fn seal(setup: &Setup, payload: &[u8]) -> Vec<u8> {
    let crypt = setup.crypt();
    let mut datagram = vec![0; crypt.head()];
    datagram.extend_from_slice(payload);
    datagram.resize(datagram.len() + crypt.tail(), 0);
    let stride = datagram.len();
    let mut random = Random::from_number(setup.seed ^ datagram.len() as u64);
    crypt.seal(&mut datagram, stride, &mut random);
    datagram
}
