//! Which sockets a turn visits, and what the poller's descriptor says. Conditions are waited for;
//! nothing is measured with a clock.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use blinktun_proto::crypt::{CryptKind, PacketCrypt};
use blinktun_proto::session::Config;
use blinktun_proto::session::Event::Stream;
use blinktun_proto::smux::Event::Readable;
use blinktun_proto::smux::StreamClass;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, getrlimit, setrlimit};

use super::*;
use crate::event::StreamKey;

const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// Sockets, each with an idle session.
const IDLE: usize = 1000;
/// After so long without anything to do, a test has failed.
const PATIENCE: Duration = Duration::from_secs(20);

fn config() -> SocketConfig {
    let pass = [0; 32];
    let mut session = Config::new(&PacketCrypt::new(CryptKind::Null, &pass));
    session.shards = None;
    session.compress = false;
    SocketConfig {
        session,
        crypt: CryptKind::Null,
        pass,
        close_wait: Duration::ZERO,
        buffer: 1 << 20,
        dscp: 0,
        trace: None,
    }
}

/// Wait until one of them must have a turn, by its descriptor or its timeout, and let it have one.
/// Returns which of them had one.
fn next_turn(both: [&mut Reactor; 2]) -> [bool; 2] {
    let timeouts = both.each_ref().map(|reactor| reactor.next_timeout());
    let timeout = timeouts.into_iter().flatten().min();
    let wait = Timespec::try_from(timeout.unwrap_or(PATIENCE)).expect("a short wait");
    let mut watched = both
        .each_ref()
        .map(|reactor| PollFd::new(reactor.poll.registry(), PollFlags::IN));
    let count = poll(&mut watched, Some(&wait)).expect("two descriptors");
    assert!(count > 0 || timeout.is_some(), "nothing happens any more");
    let readable = watched.map(|fd| !fd.revents().is_empty());
    let had = [0, 1].map(|index| readable[index] || timeouts[index].is_some());
    for (reactor, _) in both.into_iter().zip(had).filter(|(_, had)| *had) {
        reactor.turn().expect("a turn");
    }
    had
}

/// Open a stream on each session and carry `data` over it.
fn carry(client: &mut Reactor, sessions: &[SessionKey], server: &mut Reactor, data: &[u8]) {
    for &session in sessions {
        let stream = client
            .open_stream(session, StreamClass::Learned)
            .expect("room");
        assert_eq!(client.write(stream, data).expect("open"), data.len());
    }
    let mut missing = data.len() * sessions.len();
    while missing > 0 {
        next_turn([client, server]);
        while let Some(event) = server.next_event() {
            if let Event::Session(session, Stream(Readable(stream))) = event {
                let stream = StreamKey { session, stream };
                missing -= server.read(stream, data.len()).expect("open").len();
            }
        }
    }
}

#[test]
fn a_turn_visits_none_of_a_thousand_idle_sockets() {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).expect("what is allowed");
    let (mut client, mut server) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let endpoint = server.listen(HERE, &config()).expect("a socket");
    let to = server.link(endpoint).unwrap().local_addr().unwrap();
    let sessions: Vec<SessionKey> = (0..IDLE)
        .map(|_| client.dial(to, &config()).expect("a socket"))
        .collect();
    client.turn().expect("a turn");
    let visited: BTreeSet<EndpointId> = client.sockets.visited.drain(..).collect();
    assert_eq!(visited.len(), IDLE, "a new socket has its turn");
    assert!(!client.sockets.is_any_ready());

    let busy = sessions[IDLE / 2];
    carry(&mut client, &[busy], &mut server, &[7; 100_000]);
    let visited: BTreeSet<EndpointId> = client.sockets.visited.drain(..).collect();
    assert_eq!(visited, BTreeSet::from([busy.endpoint]));

    let stats = client.stats();
    assert_eq!((stats.curr_estab, stats.max_conn), (1000, 1000));
}

#[test]
fn a_round_visits_each_ready_socket_twice() {
    let mut reactor = Reactor::new().unwrap();
    let ids: Vec<EndpointId> = (0..3)
        .map(|_| reactor.listen(HERE, &config()).expect("a socket"))
        .collect();
    reactor.turn().expect("a turn");
    reactor.sockets.visited.clear();
    for id in [ids[1], ids[0], ids[1]] {
        reactor.sockets.get_mut(id).expect("it is open");
    }
    assert_eq!(reactor.next_timeout(), Some(Duration::ZERO));
    reactor.turn().expect("a turn");
    let twice = [ids[1], ids[0], ids[1], ids[0]];
    assert_eq!(reactor.sockets.visited, twice);
    assert_eq!(reactor.next_timeout(), None);
}

#[test]
fn the_most_sessions_at_once_are_counted_over_all_sockets() {
    let (mut client, mut server) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let endpoint = server.listen(HERE, &config()).expect("a socket");
    let to = server.link(endpoint).unwrap().local_addr().unwrap();
    let dial = |client: &mut Reactor| client.dial(to, &config()).expect("a socket");
    let counts = |reactor: &Reactor| (reactor.stats().curr_estab, reactor.stats().max_conn);

    let first = [dial(&mut client), dial(&mut client)];
    carry(&mut client, &first, &mut server, b"hello");
    assert_eq!((counts(&client), counts(&server)), ((2, 2), (2, 2)));
    client.close_session(first[0]);
    client.close_endpoint(first[1].endpoint);
    client.turn().expect("a turn");
    assert_eq!(counts(&client), (0, 2));
    let second = [dial(&mut client)];
    carry(&mut client, &second, &mut server, b"hello");
    assert_eq!((counts(&client), counts(&server)), ((1, 2), (3, 3)));
    for session in server.session_ids(endpoint) {
        server.close_session(SessionKey { endpoint, session });
    }
    server.turn().expect("a turn");
    assert_eq!(counts(&server), (0, 3));
}

/// A rate limit makes deadlines that are a fraction of a millisecond apart. The test
/// has no timer: the descriptors alone say when there is something to do.
#[cfg(target_os = "linux")]
#[test]
fn the_descriptor_is_readable_at_deadlines_below_a_millisecond() {
    let (mut client, mut server) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let endpoint = server.listen(HERE, &config()).expect("a socket");
    let to = server.link(endpoint).unwrap().local_addr().unwrap();
    let mut config = config();
    config.session.rate_limit = 5_000_000;
    let session = client.dial(to, &config).expect("a socket");
    let stream = client
        .open_stream(session, StreamClass::Learned)
        .expect("room");
    let data = [7; 200_000];
    assert_eq!(client.write(stream, &data).expect("open"), data.len());
    client.turn().expect("a turn");

    let (mut missing, mut shortest) = (data.len(), Duration::MAX);
    while missing > 0 {
        assert_eq!(client.next_timeout(), None);
        let begin = client.now();
        let wait = client.next_deadline().map(|at| at.since(begin));
        shortest = shortest.min(wait.unwrap_or(Duration::MAX));
        let [had, _] = next_turn([&mut client, &mut server]);
        let overdue = client.next_deadline().filter(|at| had && *at <= begin);
        assert_eq!(overdue, None, "what was due is done");
        while let Some(event) = server.next_event() {
            if let Event::Session(session, Stream(Readable(stream))) = event {
                let stream = StreamKey { session, stream };
                missing -= server.read(stream, data.len()).expect("open").len();
            }
        }
    }
    assert!(shortest < Duration::from_millis(1), "{shortest:?}");
}

#[test]
fn a_client_hops_over_the_ports_of_a_server_and_keeps_few_sockets() {
    let (mut client, mut server) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let endpoint = server.listen(HERE, &config()).expect("a socket");
    for _ in 1..5 {
        server.listen_too(endpoint, HERE).expect("a socket");
    }
    let ports = server.local_addresses(endpoint).expect("it is open");
    assert_eq!(ports.len(), 5);
    let session = client.dial(ports[0], &config()).expect("a socket");
    // The client knows only now that the server follows.
    carry(&mut client, &[session], &mut server, b"hello");
    carry(&mut client, &[session], &mut server, b"hello");
    let mut sources = BTreeSet::new();
    for turn in 1..40 {
        assert!(client.hop(session, ports[turn % 5]).expect("a socket"));
        carry(&mut client, &[session], &mut server, &[turn as u8; 10_000]);
        while client.stats().moves < turn as u64 || server.stats().moves < turn as u64 {
            next_turn([&mut client, &mut server]);
        }
        let local = client.link(session.endpoint).unwrap().local_addr().unwrap();
        sources.insert(local.port());
        let sockets = client.local_addresses(session.endpoint).unwrap().len();
        assert!(sockets <= 4, "{sockets}");
    }
    assert!(sources.len() > 30, "another socket each time");
    assert_eq!(
        client.sockets.lines_watched(),
        client.local_addresses(session.endpoint).unwrap().len()
    );
    assert_eq!(
        (server.stats().curr_estab, server.stats().passive_opens),
        (1, 1)
    );
    client.renew_paths(session.endpoint);
    carry(&mut client, &[session], &mut server, &[1; 10_000]);
    assert_eq!(server.stats().curr_estab, 1);
    client.close_endpoint(session.endpoint);
    assert_eq!(client.sockets.lines_watched(), 0);
}
