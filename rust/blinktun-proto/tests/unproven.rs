//! What sources get that have not proved their address.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use blinktun_proto::congestion::Algorithm;
use blinktun_proto::crypt::{CryptKind, PacketCrypt, derive_key};
use blinktun_proto::endpoint::half_open::EPOCH;
use blinktun_proto::endpoint::{Endpoint, EndpointEvent, Limits, SessionId};
use blinktun_proto::kcp::pool::Pool;
use blinktun_proto::kcp::receiver::Sink;
use blinktun_proto::kcp::{self, Kcp, LossDetection};
use blinktun_proto::path::{self, Path};
use blinktun_proto::random::Random;
use blinktun_proto::session::{Config, Event, Role};
use blinktun_proto::smux;
use blinktun_proto::stats::Stats;
use blinktun_proto::time::{Duration, Time};
use blinktun_proto::wire::kcp::{HEADER, Segment, Segments, WINS};
use blinktun_proto::wire::{Millis, Sn};

const NOW: Time = Time::from_millis(1000);

fn endpoint(role: Role, seed: u8) -> Endpoint {
    endpoint_with(role, seed, |_| {})
}

fn endpoint_with(role: Role, seed: u8, change: impl FnOnce(&mut Config)) -> Endpoint {
    let crypt = PacketCrypt::new(CryptKind::None, &derive_key(b"it's a secrect"));
    let mut config = Config::new(&crypt);
    config.compress = false;
    change(&mut config);
    let limits = Limits::default();
    Endpoint::new(config, limits, role, crypt, [seed; 32], Time::ZERO)
}

fn source(number: u32) -> SocketAddr {
    SocketAddr::from((0x0a00_0000u32.wrapping_add(number).to_be_bytes(), 4000))
}

fn server() -> SocketAddr {
    SocketAddr::from(([10, 255, 0, 1], 29900))
}

/// All datagrams that an endpoint wants to send, each with its destination.
fn outgoing(endpoint: &mut Endpoint, now: Time) -> Vec<(SocketAddr, Vec<u8>)> {
    let (mut buffer, mut all) = (vec![0; 65536], Vec::new());
    while let Some(batch) = endpoint.poll_transmit(&mut buffer, now) {
        let datagrams = buffer[..batch.len].chunks(batch.stride);
        all.extend(datagrams.map(|datagram| (batch.to, datagram.to_vec())));
    }
    all
}

/// The same towards the only peer.
fn leaving(endpoint: &mut Endpoint, now: Time) -> Vec<Vec<u8>> {
    let all = outgoing(endpoint, now).into_iter();
    all.map(|(_, datagram)| datagram).collect()
}

fn deliver(to: &mut Endpoint, from: SocketAddr, datagrams: &[Vec<u8>], now: Time) {
    for datagram in datagrams {
        let mut copy = datagram.clone();
        let len = copy.len();
        to.handle_datagrams(from, &mut copy, len, now);
    }
    to.finish_input(now);
}

/// A new conversation that opens `streams` streams and writes `bytes` on each: what leaves before
/// anything is heard.
fn opening(client: &mut Endpoint, streams: usize, bytes: usize) -> (SessionId, Vec<Vec<u8>>) {
    let id = client.dial(server(), NOW);
    let (session, _) = client.session_mut(id).unwrap();
    for _ in 0..streams {
        let stream = session.open_stream().unwrap();
        session.write(stream, &vec![7; bytes]).unwrap();
    }
    let sent = outgoing(client, NOW);
    (id, sent.into_iter().map(|(_, datagram)| datagram).collect())
}

fn events(endpoint: &mut Endpoint) -> Vec<EndpointEvent> {
    std::iter::from_fn(|| endpoint.next_event()).collect()
}

fn opened_sessions(events: &[EndpointEvent]) -> usize {
    let is_opening = |event: &&EndpointEvent| matches!(event, EndpointEvent::Opened(..));
    events.iter().filter(is_opening).count()
}

fn opened_streams(events: &[EndpointEvent]) -> usize {
    let is_opening = |event: &&EndpointEvent| {
        let EndpointEvent::Session(_, event) = event else {
            return false;
        };
        matches!(event, Event::Stream(smux::Event::Opened(_)))
    };
    events.iter().filter(is_opening).count()
}

/// Let both talk until neither has anything to say. Returns the server's events.
fn converse(client: &mut Endpoint, there: &mut Endpoint, now: Time) -> Vec<EndpointEvent> {
    let mut said = Vec::new();
    loop {
        let up = leaving(client, now);
        deliver(there, source(1), &up, now);
        let down = leaving(there, now);
        deliver(client, server(), &down, now);
        said.extend(events(there));
        if up.is_empty() && down.is_empty() {
            return said;
        }
    }
}

/// The same while timers run. Nothing is kept of an opening, so it has to come again behind the proof.
fn converse_for_a_second(
    client: &mut Endpoint,
    there: &mut Endpoint,
    from: Time,
) -> Vec<EndpointEvent> {
    let mut said = Vec::new();
    for later in (0..10).map(|turn| from + turn * Duration::from_millis(100)) {
        client.handle_timeout(later);
        there.handle_timeout(later);
        said.extend(converse(client, there, later));
    }
    said
}

#[test]
fn spoofed_openings_get_three_times_their_bytes_and_no_session() {
    let (mut client, mut there) = (endpoint(Role::Client, 1), endpoint(Role::Server, 2));
    let (mut received, mut sent) = (0, 0);
    for number in 0..10_000 {
        let (id, datagrams) = opening(&mut client, 1, 10);
        client.remove(id);
        deliver(&mut there, source(number), &datagrams, NOW);
        received += datagrams[0].len();
        sent += outgoing(&mut there, NOW)
            .iter()
            .map(|(_, d)| d.len())
            .sum::<usize>();
    }
    assert!(
        sent > received / 2 && sent <= 3 * received,
        "{received} {sent}"
    );
    assert!(events(&mut there).is_empty() && there.session_ids().is_empty());
    assert_eq!(there.next_timeout(), None);
}

#[test]
fn many_streams_of_an_unproven_source_wait_for_the_proof() {
    let (mut client, mut there) = (endpoint(Role::Client, 1), endpoint(Role::Server, 2));
    let (_, datagrams) = opening(&mut client, 1000, 0);
    deliver(&mut there, source(1), &datagrams, NOW);
    assert!(events(&mut there).is_empty());
    let said = converse_for_a_second(&mut client, &mut there, NOW);
    assert_eq!((opened_sessions(&said), opened_streams(&said)), (1, 1000));
}

#[test]
fn a_client_survives_the_loss_of_the_greeting() {
    let (mut client, mut there) = (endpoint(Role::Client, 1), endpoint(Role::Server, 2));
    let (_, datagrams) = opening(&mut client, 1, 10);
    deliver(&mut there, source(1), &datagrams, NOW);
    assert_eq!(there.stats().half_open, 1);
    assert_eq!(outgoing(&mut there, NOW).len(), 1, "this answer is lost");
    let later = NOW + Duration::from_millis(900);
    let said = converse_for_a_second(&mut client, &mut there, later);
    assert_eq!((opened_sessions(&said), opened_streams(&said)), (1, 1));
}

/// The client's only datagram is answered, and nothing else is to be said: were the answer an
/// acknowledgement as well, nobody would repeat the proof.
#[test]
fn a_client_survives_the_loss_of_its_proof() {
    let (mut client, mut there) = (endpoint(Role::Client, 1), endpoint(Role::Server, 2));
    let (id, datagrams) = opening(&mut client, 1, 0);
    deliver(&mut there, source(1), &datagrams, NOW);
    let answers = leaving(&mut there, NOW);
    deliver(&mut client, server(), &answers, NOW);
    assert_eq!(outgoing(&mut client, NOW).len(), 1, "this proof is lost");
    let later = NOW + Duration::from_millis(900);
    let said = converse_for_a_second(&mut client, &mut there, later);
    assert_eq!((opened_sessions(&said), opened_streams(&said)), (1, 1));
    let session = client.session(id).unwrap();
    assert!(session.is_drained(), "it knows what has arrived");
    let rtt = session.path().rtt.smoothed();
    assert!(rtt < later.since(NOW) / 2, "{rtt:?}");
}

/// The proof is lost, and then all for some seconds. An opening that was acknowledged would never
/// come again, and without it nothing that does is an opening.
#[test]
fn a_proof_may_come_too_late() {
    let (mut client, mut there) = (endpoint(Role::Client, 1), endpoint(Role::Server, 2));
    let (_, datagrams) = opening(&mut client, 1, 10);
    deliver(&mut there, source(1), &datagrams, NOW);
    let answers = outgoing(&mut there, NOW).into_iter().map(|(_, d)| d);
    deliver(&mut client, server(), &answers.collect::<Vec<_>>(), NOW);
    assert_eq!(outgoing(&mut client, NOW).len(), 1, "this proof is lost");
    let later = NOW + 2 * EPOCH;
    there.handle_timeout(later);
    let mut said = Vec::new();
    for later in (0..10).map(|turn| later + turn * Duration::from_millis(300)) {
        client.handle_timeout(later);
        said.extend(converse(&mut client, &mut there, later));
    }
    assert_eq!((opened_sessions(&said), opened_streams(&said)), (1, 1));
}

/// Go with compression sends the head of its first frame and the frame itself by two datagrams: the
/// first is enough for the greeting.
#[test]
fn an_opening_in_pieces_is_greeted_at_its_first() {
    for compress in [false, true] {
        // Four bytes of data in each datagram.
        let tiny = |config: &mut Config| {
            (config.mtu, config.shards) = (20 + 24 + 4, None);
            config.compress = compress;
        };
        let mut there = endpoint_with(Role::Server, 2, |config| config.compress = compress);
        let mut client = endpoint_with(Role::Client, 1, tiny);
        let (_, datagrams) = opening(&mut client, 1, 1_000);
        assert!(datagrams.len() > 30 || compress);
        deliver(&mut there, source(1), &datagrams[1..], NOW);
        let _ = outgoing(&mut there, NOW);
        assert_eq!(there.stats().half_open, 0, "that opens nothing");
        deliver(&mut there, source(1), &datagrams[..1], NOW);
        assert_eq!(outgoing(&mut there, NOW).len(), 1);
        assert_eq!(there.stats().half_open, 1);
        let mut said = Vec::new();
        for later in (1..10).map(|turn| NOW + turn * Duration::from_millis(300)) {
            client.handle_timeout(later);
            said.extend(converse(&mut client, &mut there, later));
        }
        assert_eq!((opened_sessions(&said), opened_streams(&said)), (1, 1));
    }
}

/// The source was greeted, its opening comes again, also in another epoch, and the second greeting is
/// lost: the first must open the session nevertheless.
#[test]
fn a_greeting_holds_though_another_followed() {
    for (compress, wait) in [(false, 0), (true, 0), (false, 1), (true, 1)] {
        let set = |config: &mut Config| config.compress = compress;
        let mut there = endpoint_with(Role::Server, 2, set);
        let mut client = endpoint_with(Role::Client, 1, set);
        let (_, datagrams) = opening(&mut client, 1, 10);
        deliver(&mut there, source(1), &datagrams, NOW);
        let greeting = leaving(&mut there, NOW);
        assert_eq!(greeting.len(), 1);
        let later = NOW + wait * EPOCH;
        let mut again = datagrams.clone();
        again.iter_mut().for_each(|datagram| datagram[0] ^= 1); // another nonce
        deliver(&mut there, source(1), &again, later);
        assert_eq!(there.stats().half_open, 2);
        let _ = outgoing(&mut there, later); // lost
        deliver(&mut client, server(), &greeting, later);
        let said = converse(&mut client, &mut there, later);
        let opened = (opened_sessions(&said), opened_streams(&said));
        assert_eq!(opened, (1, 1), "{compress} {wait}");
    }
}

/// Go repeats all that it has sent in as few datagrams as possible.
#[test]
fn a_long_opening_is_greeted_as_well() {
    let mut there = endpoint(Role::Server, 2);
    let mut client = endpoint_with(Role::Client, 1, |config| config.shards = None);
    let (_, datagrams) = opening(&mut client, 1, 1_200);
    let crypt = PacketCrypt::new(CryptKind::None, &derive_key(b"it's a secrect"));
    let payloads = datagrams.iter().flat_map(|d| &d[crypt.head()..]);
    let mut all: Vec<u8> = vec![0; crypt.head()];
    all.extend(payloads);
    let len = all.len();
    assert!(len > 1_200);
    crypt.seal(&mut all, len, &mut Random::from_number(1));
    deliver(&mut there, source(1), &[all], NOW);
    assert_eq!(there.session_ids().len(), 0);
    let answers = leaving(&mut there, NOW);
    assert_eq!(answers.len(), 1);
    deliver(&mut client, server(), &answers, NOW);
    let said = converse_for_a_second(&mut client, &mut there, NOW);
    assert_eq!((opened_sessions(&said), opened_streams(&said)), (1, 1));
}

/// `nocomp` differs at the two ends: the client must not take the server for one that is down.
#[test]
fn a_client_with_other_settings_is_greeted_and_learns_it() {
    for compress in [false, true] {
        let mut there = endpoint_with(Role::Server, 2, |config| config.compress = compress);
        let mut client = endpoint_with(Role::Client, 1, |config| config.compress = !compress);
        let (_, datagrams) = opening(&mut client, 1, 10);
        deliver(&mut there, source(1), &datagrams, NOW);
        let greeting = leaving(&mut there, NOW);
        deliver(&mut client, server(), &greeting, NOW);
        let _ = leaving(&mut client, NOW);
        let said = events(&mut client);
        assert!(
            said.iter()
                .any(|event| matches!(event, EndpointEvent::Session(_, Event::Closed(_)))),
            "{compress}: {said:?}"
        );
    }
}

#[test]
fn a_forged_opening_does_not_take_the_parity_of_a_live_session() {
    let (mut client, mut there) = (endpoint(Role::Client, 1), endpoint(Role::Server, 2));
    let (id, datagrams) = opening(&mut client, 1, 10);
    deliver(&mut there, source(1), &datagrams, NOW);
    converse(&mut client, &mut there, NOW);
    let (_, forged) = opening(&mut endpoint(Role::Client, 9), 1, 10);
    deliver(&mut there, source(1), &forged, NOW);
    let _ = outgoing(&mut there, NOW);
    let (session, _) = client.session_mut(id).unwrap();
    let stream = session.mux().stream_ids().next().unwrap();
    session.write(stream, &[9; 60_000]).unwrap();
    let mut datagrams = leaving(&mut client, NOW);
    datagrams.remove(datagrams.len() / 2);
    deliver(&mut there, source(1), &datagrams, NOW);
    assert_eq!(there.stats().fec_recovered, 1);
}

#[test]
fn a_copied_datagram_from_elsewhere_diverts_nothing() {
    let (mut client, mut there) = (endpoint(Role::Client, 1), endpoint(Role::Server, 2));
    let (_, datagrams) = opening(&mut client, 1, 3000);
    deliver(&mut there, source(1), &datagrams, NOW);
    let said = converse(&mut client, &mut there, NOW);
    for mut copy in datagrams {
        copy[0] ^= 1; // another nonce: without encryption anyone can do that
        deliver(&mut there, source(66), &[copy], NOW);
    }
    let _ = outgoing(&mut there, NOW);
    let Some(EndpointEvent::Opened(id, _)) = said.first() else {
        panic!("{said:?}");
    };
    let (session, _) = there.session_mut(*id).unwrap();
    let stream = session.mux().stream_ids().next().unwrap();
    session.write(stream, &[1; 50_000]).unwrap();
    let sent = outgoing(&mut there, NOW);
    assert!(sent.len() > 10 && sent.iter().all(|(to, _)| *to == source(1)));
}

#[test]
fn what_we_sent_is_not_taken_for_the_peers() {
    let (mut client, mut there) = (endpoint(Role::Client, 1), endpoint(Role::Server, 2));
    let (_, datagrams) = opening(&mut client, 1, 3000);
    deliver(&mut there, source(1), &datagrams, NOW);
    let answers = outgoing(&mut there, NOW);
    assert!(!answers.is_empty());
    for (_, answer) in &answers {
        deliver(&mut there, source(1), std::slice::from_ref(answer), NOW);
    }
    assert_eq!(there.stats().replays, answers.len() as u64);
}

/// Behind a wrong echo the right one proves nothing: else a datagram would be dozens of guesses.
#[test]
fn a_datagram_is_one_guess() {
    let tells = |clocks: &[u32], conv: u32| {
        let mut payload = Vec::new();
        for clock in clocks {
            let start = payload.len();
            payload.resize(start + HEADER, 0);
            let (cmd, ts, sn, una) = (WINS, Millis(*clock), Sn(0), Sn(0));
            let wnd = 32;
            Segment {
                conv,
                cmd,
                wnd,
                ts,
                sn,
                una,
                data: &[],
            }
            .write(&mut payload[start..]);
        }
        payload
    };
    for (is_alone, proves) in [(true, true), (false, false)] {
        let config = kcp::Config {
            conv: 7,
            block: 1000,
            nodelay: false,
            loss_detection: LossDetection::Packets(2),
            send_window: 32,
            receive_window: 32,
            tunes_itself: false,
            ack_delay: Duration::ZERO,
            clock_offset: 5_000_000,
        };
        let settings = path::Settings {
            nodelay: false,
            interval_ms: 10,
            resend: 2,
            congestion: Algorithm::Fixed,
            send_ceiling: None,
            asks_after_data: false,
            searches_mtu: false,
        };
        let peer = SocketAddr::from(([127, 0, 0, 1], 9)).into();
        let mut path = Path::new(settings, peer, (1000, 1000 - HEADER));
        let mut ours = Kcp::new(config, NOW);
        let (mut out, mut stats) = ([0; 1000], Stats::default());
        ours.ask();
        let asked = ours.emit(&mut out, &mut path, NOW, &mut stats).unwrap();
        let asked = Segments::parse(&out[..asked.len]).unwrap();
        let clock = asked.into_iter().next().unwrap();
        let guesses = [clock.ts.0.wrapping_add(1), clock.ts.0];
        let answer = tells(if is_alone { &guesses[1..] } else { &guesses }, 7);
        let mut pool = Pool::default();
        let into = (&mut Nowhere, &mut pool, &mut stats);
        let answer = Segments::parse(&answer).unwrap();
        ours.input(answer, true, &mut path, NOW, into).unwrap();
        assert_eq!(
            path.validation.echoed().is_some(),
            proves,
            "alone: {is_alone}"
        );
    }
}

struct Nowhere;

impl Sink for Nowhere {
    fn has_room(&mut self, _behind: usize) -> bool {
        false
    }

    fn deliver(&mut self, _: &[u8]) {}
}
