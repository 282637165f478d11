//! Clients that go to another port or network, and those who would like to send a session elsewhere.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr};

use blinktun_proto::crypt::{CryptKind, PacketCrypt, derive_key};
use blinktun_proto::endpoint::{Endpoint, EndpointEvent, Limits, SessionId};
use blinktun_proto::path::FourTuple;
use blinktun_proto::session::{Config, Event, Role};
use blinktun_proto::smux::{self, StreamId};
use blinktun_proto::time::{Duration, Time};
use blinktun_proto::work;

const KIND: CryptKind = CryptKind::Aes128Gcm;
const SERVER: [u8; 4] = [10, 0, 0, 2];
/// The first port of the server's range, and of a client's sockets.
const PORT: u16 = 2000;
const MILLI: Duration = Duration::from_millis(1);

fn endpoint(role: Role, seed: u8, kind: CryptKind, change: impl Fn(&mut Config)) -> Endpoint {
    let crypt = PacketCrypt::new(kind, &derive_key(b"it's a secrect"));
    let mut config = Config::new(&crypt);
    change(&mut config);
    let limits = Limits::default();
    Endpoint::new(config, limits, role, crypt, [seed; 32], Time::ZERO)
}

/// A datagram on its way: from where it left, to where, and its bytes.
#[derive(Clone, Debug)]
struct Packet {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

struct Client {
    endpoint: Endpoint,
    ip: IpAddr,
    id: SessionId,
}

impl Client {
    fn socket(&self) -> u32 {
        let session = self.endpoint.session(self.id).unwrap();
        session.path().address.socket
    }

    /// Go to this port of the server by the next socket.
    fn hop(&mut self, port: u16, now: Time) -> bool {
        let to = FourTuple {
            socket: self.socket() + 1,
            ..SocketAddr::from((SERVER, PORT + port)).into()
        };
        self.endpoint.hop(self.id, to, now)
    }
}

/// A server with many ports, and its clients. Nothing takes time.
struct Net {
    server: Endpoint,
    clients: Vec<Client>,
    now: Time,
    events: Vec<EndpointEvent>,
    /// All that has left.
    log: Vec<Packet>,
}

impl Net {
    fn new(kind: CryptKind, change: impl Fn(&mut Config)) -> Net {
        Net {
            server: endpoint(Role::Server, 200, kind, change),
            clients: Vec::new(),
            now: Time::from_millis(1000),
            events: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Add a client whose luck comes from `seed`. It has a session with one stream.
    fn join(&mut self, seed: u8, kind: CryptKind) -> StreamId {
        let mut endpoint = endpoint(Role::Client, seed, kind, |_| {});
        let id = endpoint.dial((SERVER, PORT).into(), self.now);
        let number = self.clients.len() as u8;
        let ip = IpAddr::from([10, 0, 1, number]);
        self.clients.push(Client { endpoint, ip, id });
        let client = self.clients.last_mut().unwrap();
        let (session, _) = client.endpoint.session_mut(id).unwrap();
        let stream = session.open_stream().unwrap();
        session.write(stream, &[7; 10]).unwrap();
        self.pass(100 * MILLI, 10);
        stream
    }

    /// What leaves now.
    fn leaving(&mut self) -> Vec<Packet> {
        let (mut buffer, mut all) = (vec![0; 65536], Vec::new());
        let mut take = |endpoint: &mut Endpoint, ip: IpAddr, now| {
            while let Some(sent) = endpoint.poll_transmit(&mut buffer, now) {
                for datagram in buffer[..sent.len].chunks(sent.stride) {
                    all.push(Packet {
                        from: (ip, PORT + sent.socket as u16).into(),
                        to: sent.to,
                        bytes: datagram.to_vec(),
                    });
                }
            }
        };
        for client in &mut self.clients {
            take(&mut client.endpoint, client.ip, self.now);
        }
        take(&mut self.server, SERVER.into(), self.now);
        self.log.extend(all.iter().cloned());
        all
    }

    /// Hand one over, if somebody is there.
    fn deliver(&mut self, packet: &Packet) {
        let path = FourTuple {
            socket: u32::from(packet.to.port() - PORT),
            ..packet.from.into()
        };
        let is_there = |client: &&mut Client| client.ip == packet.to.ip();
        let endpoint = match self.clients.iter_mut().find(is_there) {
            Some(client) => &mut client.endpoint,
            None if packet.to.ip() == IpAddr::from(SERVER) => &mut self.server,
            None => return,
        };
        let (mut bytes, len) = (packet.bytes.clone(), packet.bytes.len());
        endpoint.handle_datagrams(path, &mut bytes, len, self.now);
        endpoint.finish_input(self.now);
    }

    /// Carry all that `lets` through, until nothing more leaves.
    fn settle_through(&mut self, lets: impl Fn(&Packet) -> bool) {
        loop {
            let packets = self.leaving();
            for packet in packets.iter().filter(|packet| lets(packet)) {
                self.deliver(packet);
            }
            self.events
                .extend(std::iter::from_fn(|| self.server.next_event()));
            if packets.is_empty() {
                return;
            }
        }
    }

    fn settle(&mut self) {
        self.settle_through(|_| true);
    }

    fn handle_timeouts(&mut self) {
        self.server.handle_timeout(self.now);
        for client in &mut self.clients {
            client.endpoint.handle_timeout(self.now);
        }
    }

    /// Let so many steps of time pass.
    fn pass(&mut self, step: Duration, count: u32) {
        for _ in 0..count {
            self.now += step;
            self.handle_timeouts();
            self.settle();
        }
    }

    /// The server's session with a client.
    fn accepted(&self, client: usize) -> SessionId {
        let ip = self.clients[client].ip;
        let at = |id: &SessionId| self.server.peer(*id).is_some_and(|peer| peer.ip() == ip);
        self.server.session_ids().into_iter().find(at).unwrap()
    }

    /// Where the server sees a client, and at which port.
    fn seen(&self, client: usize) -> (u16, u32) {
        let session = self.server.session(self.accepted(client)).unwrap();
        let path = session.path().address;
        (path.remote.port() - PORT, path.socket)
    }

    fn write(&mut self, client: usize, stream: StreamId, data: &[u8]) {
        let client = &mut self.clients[client];
        let (session, _) = client.endpoint.session_mut(client.id).unwrap();
        assert_eq!(session.write(stream, data).unwrap(), data.len());
    }

    /// What the server has got of a client's stream.
    fn read(&mut self, client: usize, stream: StreamId) -> Vec<u8> {
        let (id, mut out) = (self.accepted(client), Vec::new());
        let (session, cx) = self.server.session_mut(id).unwrap();
        while let front = session.read_front(stream).to_vec()
            && !front.is_empty()
        {
            session.consume(stream, front.len(), self.now, cx);
            out.extend(front);
        }
        out
    }

    fn ends(&self) -> usize {
        let is_end = |event: &&EndpointEvent| {
            matches!(
                event,
                EndpointEvent::Session(_, Event::Closed(_) | Event::Stream(smux::Event::Reset(_)))
            )
        };
        self.events.iter().filter(is_end).count()
    }
}

/// Another place of the network.
fn elsewhere(number: u32) -> SocketAddr {
    SocketAddr::from((0x0b00_0000u32.wrapping_add(number).to_be_bytes(), PORT))
}

#[test]
fn a_client_goes_to_another_port_by_another_socket() {
    for kind in [KIND, CryptKind::Aes, CryptKind::None, CryptKind::Null] {
        let mut net = Net::new(kind, |_| {});
        let stream = net.join(1, kind);
        assert_eq!(net.read(0, stream), [7; 10]);
        for port in [5, 17, 3, 0] {
            let (before, now) = (net.clients[0].socket(), net.now);
            assert!(net.clients[0].hop(port, now));
            net.write(0, stream, &[port as u8; 40_000]);
            net.settle();
            assert_eq!(net.seen(0), (before as u16 + 1, port.into()), "{kind:?}");
            assert_eq!(net.clients[0].socket(), before + 1);
            net.pass(10 * MILLI, 50);
            assert_eq!(net.read(0, stream), vec![port as u8; 40_000]);
        }
        let client = &net.clients[0].endpoint;
        assert_eq!((client.stats().moves, net.server.stats().moves), (4, 4));
        assert_eq!(client.stats().retrans_segs, 0, "nothing was lost");
        assert_eq!(net.ends(), 0);
    }
}

#[test]
fn a_way_that_lets_nothing_through_is_given_up_and_nothing_waits_for_it() {
    let mut net = Net::new(KIND, |_| {});
    let stream = net.join(1, KIND);
    let now = net.now;
    assert!(net.clients[0].hop(9, now));
    let is_open = |packet: &Packet| ![packet.from.port(), packet.to.port()].contains(&(PORT + 9));
    let mut asked = 0;
    for turn in 0..100u8 {
        net.write(0, stream, &[turn; 100]);
        net.now += 50 * MILLI;
        net.handle_timeouts();
        let before = net.log.len();
        net.settle_through(is_open);
        asked += net.log[before..].iter().filter(|it| !is_open(it)).count();
        assert!(net.read(0, stream).ends_with(&[turn; 100]));
    }
    assert_eq!(asked, 8);
    assert_eq!(net.seen(0), (0, 0));
    let client = &net.clients[0];
    assert_eq!(client.endpoint.session(client.id).unwrap().hops_to(), None);
}

#[test]
fn a_port_of_another_server_is_not_taken_and_ends_nothing() {
    let mut net = Net::new(KIND, |_| {});
    let stream = net.join(1, KIND);
    let mut other = endpoint(Role::Server, 77, KIND, |_| {});
    let question = question(&mut net);
    let (mut bytes, len) = (question.bytes.clone(), question.bytes.len());
    other.handle_datagrams(question.from, &mut bytes, len, net.now);
    let mut buffer = vec![0; 65536];
    let sent = other.poll_transmit(&mut buffer, net.now);
    let answer = buffer[..sent.unwrap().len].to_vec();
    net.deliver(&Packet {
        from: question.to,
        to: question.from,
        bytes: answer,
    });
    net.settle_through(|packet| packet.to.port() == PORT || packet.from.port() == PORT);
    net.write(0, stream, &[2; 100]);
    net.settle_through(|packet| packet.to.port() == PORT || packet.from.port() == PORT);
    assert_eq!((net.seen(0), net.clients[0].socket()), ((0, 0), 0));
    assert!(net.read(0, stream).ends_with(&[2; 100]));
    let client = &net.clients[0];
    let session = client.endpoint.session(client.id).unwrap();
    assert_eq!(session.closed(), None);
}

#[test]
fn sessions_of_one_number_are_told_apart() {
    let kind = CryptKind::None;
    let mut net = Net::new(kind, |_| {});
    // The same luck: both draw the same number.
    let streams = [net.join(7, kind), net.join(7, kind)];
    let number = |client: &Client| client.endpoint.session(client.id).unwrap().conv();
    assert_eq!(number(&net.clients[0]), number(&net.clients[1]));
    for turn in 1..=6 {
        for client in [0, 1] {
            let now = net.now;
            assert!(net.clients[client].hop(10 * client as u16 + turn, now));
            net.write(client, streams[client], &[client as u8; 5000]);
        }
        net.pass(10 * MILLI, 50);
    }
    assert_eq!((net.seen(0), net.seen(1)), ((6, 6), (6, 16)));
    for client in [0, 1] {
        let read = net.read(client, streams[client]);
        assert_eq!(read[10..], vec![client as u8; 30_000]);
    }
    // One of them is somewhere else now, and does not know it.
    net.write(0, streams[0], &[9; 100]);
    let home = net.clients[0].ip;
    net.clients[0].ip = IpAddr::from([10, 9, 9, 9]);
    let strays = net.server.stats().strays;
    net.pass(10 * MILLI, 20);
    assert!(
        net.server.stats().strays > strays,
        "the number names nobody"
    );
    net.clients[0].ip = home;
    assert!(
        net.read(0, streams[0]).is_empty(),
        "not taken, and not for the other"
    );
    net.pass(100 * MILLI, 20);
    assert_eq!(
        net.read(0, streams[0]),
        [9; 100],
        "and not told that it is unknown"
    );
    // By its questions it is found.
    net.write(0, streams[0], &[8; 100]);
    let (id, now) = (net.accepted(0), net.now);
    net.clients[0].ip = IpAddr::from([10, 9, 9, 9]);
    net.clients[0].endpoint.renew_paths(now);
    net.pass(10 * MILLI, 100);
    assert_eq!(net.accepted(0), id);
    assert_eq!(net.read(0, streams[0]), [8; 100]);
    assert_eq!(net.ends(), 0);
}

#[test]
fn a_server_that_does_not_follow_says_nothing_and_is_not_asked() {
    let mut net = Net::new(KIND, |config| config.follows = false);
    net.join(1, KIND);
    let now = net.now;
    assert!(!net.clients[0].hop(1, now));
    let before = net.log.len();
    net.pass(100 * MILLI, 10);
    assert!(net.log[before..].iter().all(|it| it.to.port() == PORT));
}

/// The question of a client that goes to port 1, held back.
fn question(net: &mut Net) -> Packet {
    let now = net.now;
    assert!(net.clients[0].hop(1, now));
    let mut packets = net.leaving();
    packets.retain(|packet| packet.to.port() == PORT + 1);
    assert_eq!(packets.len(), 1);
    packets.pop().unwrap()
}

#[test]
fn whoever_repeats_a_question_from_elsewhere_gets_little_and_moves_nothing() {
    for kind in [KIND, CryptKind::None] {
        let mut net = Net::new(kind, |_| {});
        let stream = net.join(1, kind);
        let question = question(&mut net);
        let (mut received, mut sent) = (0, 0);
        for number in 0..1000 {
            let from = elsewhere(number);
            let copy = Packet {
                from,
                ..question.clone()
            };
            received += copy.bytes.len();
            net.deliver(&copy);
            net.write(0, stream, &[1; 10]);
            let packets = net.leaving();
            for packet in &packets {
                match packet.to == from {
                    true => sent += packet.bytes.len(),
                    false => net.deliver(packet), // all else goes on by the old path
                }
            }
            net.settle();
        }
        assert!(sent > 0 && sent <= 3 * received, "{kind:?} {sent}");
        if kind == KIND {
            assert_eq!(net.server.stats().replays, 999);
        }
        assert_eq!(net.server.stats().moves, 0);
        assert_eq!(
            net.read(0, stream),
            [[7; 10].to_vec(), vec![1; 10_000]].concat()
        );
        // Later it is no question any more.
        net.pass(100 * MILLI, 30);
        net.write(0, stream, &[1; 10]);
        net.settle();
        let copy = Packet {
            from: elsewhere(1),
            ..question
        };
        net.deliver(&copy);
        assert!(net.leaving().is_empty());
    }
}

#[test]
fn an_answer_that_somebody_else_returns_proves_only_where_the_question_was_asked() {
    let mut net = Net::new(KIND, |_| {});
    let stream = net.join(1, KIND);
    let question = question(&mut net);
    // An attacker on the way passes the question on from its own address, and so gets the challenge.
    let copy = Packet {
        from: elsewhere(1),
        ..question
    };
    net.deliver(&copy);
    let challenge = net.leaving().pop().unwrap();
    assert_eq!(challenge.to, elsewhere(1));
    // The client meets it by its new way, which the attacker passes on from a third place.
    let to = (net.clients[0].ip, PORT + 1).into();
    net.deliver(&Packet { to, ..challenge });
    let answers = net.leaving();
    assert!(!answers.is_empty());
    for answer in answers {
        net.deliver(&Packet {
            from: elsewhere(2),
            ..answer
        });
    }
    assert_eq!(net.seen(0), (0, 0), "nobody is at the third place");
    assert_eq!(net.server.stats().moves, 0);
    // What comes by the honest way is believed again.
    net.write(0, stream, &[1; 10]);
    net.pass(100 * MILLI, 20);
    assert_eq!(net.seen(0), (1, 1));
    assert_eq!(net.ends(), 0);
}

#[test]
fn a_storm_of_questions_costs_a_few_steps_each() {
    let mut net = Net::new(KIND, |_| {});
    let stream = net.join(1, KIND);
    let (mut most, mut received, mut sent) = (0, 0, 0);
    for number in 0..10_000u32 {
        net.now += MILLI;
        let question = question(&mut net);
        let from = elsewhere(number);
        received += question.bytes.len();
        let before = work::steps();
        net.deliver(&Packet { from, ..question });
        most = most.max(work::steps() - before);
        let answers = net.leaving();
        let bytes = answers.iter().filter(|answer| answer.to == from);
        sent += bytes.map(|answer| answer.bytes.len()).sum::<usize>();
    }
    assert!(most <= 64, "{most} steps");
    assert!(sent <= 3 * received);
    assert_eq!(net.server.stats().moves, 0);
    net.write(0, stream, &[3; 100]);
    net.pass(100 * MILLI, 20);
    assert_eq!(
        net.read(0, stream),
        [[7; 10].to_vec(), vec![3; 100]].concat()
    );
    assert_eq!((net.seen(0), net.ends()), ((1, 1), 0));
}

#[test]
fn what_was_under_way_arrives_behind_the_move() {
    let mut net = Net::new(KIND, |_| {});
    let stream = net.join(1, KIND);
    net.write(0, stream, &[5; 3000]);
    let late = net.leaving();
    assert!(!late.is_empty());
    let now = net.now;
    net.clients[0].hop(4, now);
    net.settle();
    assert_eq!(net.seen(0), (1, 4));
    for packet in &late {
        net.deliver(packet);
    }
    assert_eq!(
        net.read(0, stream),
        [[7; 10].to_vec(), vec![5; 3000]].concat()
    );
    assert_eq!(net.seen(0), (1, 4), "it goes nowhere");
    assert_eq!(net.server.stats().strays, 0);
}
