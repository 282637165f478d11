//! What a server does with each kind of datagram from a source in each state.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use blinktun_proto::crypt::{CryptKind, PacketCrypt, derive_key};
use blinktun_proto::endpoint::half_open::EPOCH;
use blinktun_proto::endpoint::{Endpoint, EndpointEvent, Limits};
use blinktun_proto::session::{Config, Event, Role};
use blinktun_proto::smux;
use blinktun_proto::time::{Duration, Time};
use blinktun_proto::wire::kcp::{ACK, HEADER, PUSH, Segment, WASK, WINS};
use blinktun_proto::wire::{Millis, Sn, u32_at};

const NOW: Time = Time::from_millis(1000);
/// Longer than an opening is kept, and within the epoch of its greeting.
const A_WHILE: Duration = Duration::from_millis(600);
/// A frame of smux that opens stream 3.
const SYN: [u8; 8] = [1, 0, 0, 0, 3, 0, 0, 0];

/// How far a source has come.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing has come from it.
    Unknown,
    /// It was greeted, and its opening is kept.
    Kept,
    /// It was greeted, and its opening is kept no longer.
    Greeted,
    /// It was greeted, and its echo comes too late.
    Expired,
    /// It has a session.
    Open,
}

/// What comes from it.
#[derive(Clone, Copy, Debug)]
enum Input {
    /// The first bytes of a conversation.
    Opening,
    /// The bytes behind them.
    More,
    /// The clock of its greeting, if it has one, else a guess.
    Echo,
    /// A clock that is not that of its greeting.
    Guess,
    /// A question in a conversation that has been answered.
    Question,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is greeted.
    Greeted,
    /// It gets a session, in which its opening has arrived already or not.
    Opened { is_kept: bool },
    /// The server has too many sessions.
    Refused,
    /// It is taken without an answer.
    Taken,
    /// It is dropped.
    Dropped,
    /// It is told that its conversation is lost.
    Reset,
}

/// A source is a port, and the same number is its conversation.
type Source = u16;

fn segment(source: Source, cmd: u8, ts: Millis, (sn, una): (u32, u32), data: &[u8]) -> Vec<u8> {
    let mut out = vec![0; HEADER + data.len()];
    Segment {
        conv: source.into(),
        cmd,
        wnd: 32,
        ts,
        sn: Sn(sn),
        una: Sn(una),
        data,
    }
    .write(&mut out);
    out
}

fn opening(source: Source) -> Vec<u8> {
    segment(source, PUSH, Millis(5), (0, 0), &SYN)
}

/// A server of one session, and what it answered last.
struct Server {
    endpoint: Endpoint,
    now: Time,
}

impl Server {
    fn new() -> Server {
        let crypt = PacketCrypt::new(CryptKind::Null, &derive_key(b"it's a secrect"));
        let mut config = Config::new(&crypt);
        config.compress = false;
        let limits = Limits {
            sessions: 1,
            ..Limits::default()
        };
        let seed = [2; 32];
        Server {
            endpoint: Endpoint::new(config, limits, Role::Server, crypt, seed, Time::ZERO),
            now: NOW,
        }
    }

    /// Take a datagram; returns the first answer.
    fn take(&mut self, from: Source, mut datagram: Vec<u8>) -> Option<Vec<u8>> {
        let (len, address) = (datagram.len(), SocketAddr::from(([10, 0, 0, 1], from)));
        self.endpoint
            .handle_datagrams(address, &mut datagram, len, self.now);
        self.endpoint.finish_input(self.now);
        let (mut buffer, mut first) = (vec![0; 65536], None);
        while let Some(batch) = self.endpoint.poll_transmit(&mut buffer, self.now) {
            first.get_or_insert_with(|| buffer[..batch.len.min(batch.stride)].to_vec());
        }
        first
    }

    /// Let a source be greeted; returns the clock of the greeting.
    fn greet(&mut self, from: Source) -> Millis {
        let greeting = self.take(from, opening(from)).unwrap();
        Millis(u32_at(&greeting, 8))
    }

    /// Let a source open its session.
    fn open(&mut self, from: Source) {
        let clock = self.greet(from);
        self.take(from, segment(from, ACK, clock, (0, 1), &[]));
        assert_eq!(self.endpoint.session_ids().len(), 1);
        while self.endpoint.next_event().is_some() {}
    }

    /// Sources greeted, sessions opened, openings refused, datagrams dropped.
    fn counts(&self) -> [u64; 4] {
        let stats = self.endpoint.stats();
        [
            stats.half_open,
            stats.passive_opens,
            stats.openings_dropped,
            stats.strays,
        ]
    }

    fn outcome(&mut self, from: Source, datagram: Vec<u8>) -> Outcome {
        let before = self.counts();
        let answer = self.take(from, datagram);
        let is_stream = |event: &EndpointEvent| {
            let EndpointEvent::Session(_, event) = event else {
                return false;
            };
            matches!(event, Event::Stream(smux::Event::Opened(_)))
        };
        let is_kept = std::iter::from_fn(|| self.endpoint.next_event()).any(|it| is_stream(&it));
        let after = self.counts();
        let counts = [0, 1, 2, 3].map(|which| after[which] - before[which]);
        let is_reset = answer.is_some_and(|answer| answer[4] == WINS);
        match counts {
            [1, 0, 0, 0] => Outcome::Greeted,
            [0, 1, 0, 0] => Outcome::Opened { is_kept },
            [0, 0, 1, 0] => Outcome::Refused,
            [0, 0, 0, 1] if is_reset => Outcome::Reset,
            [0, 0, 0, 1] => Outcome::Dropped,
            [0, 0, 0, 0] => Outcome::Taken,
            _ => panic!("{counts:?}"),
        }
    }
}

/// What happens to a source, at a server that `is_full` or not.
fn outcome(state: State, input: Input, is_full: bool) -> Outcome {
    let (mut server, from) = (Server::new(), 1);
    let clock = match state {
        State::Unknown => Millis(77),
        State::Open => {
            server.open(from);
            Millis(77)
        }
        State::Kept | State::Greeted | State::Expired => server.greet(from),
    };
    if is_full {
        server.open(2);
    }
    match state {
        State::Greeted => server.now = NOW + A_WHILE,
        State::Expired => server.now = NOW + 2 * EPOCH,
        State::Unknown | State::Kept | State::Open => {}
    }
    let datagram = match input {
        Input::Opening => opening(from),
        Input::More => segment(from, PUSH, Millis(5), (1, 0), b"more"),
        Input::Echo => segment(from, ACK, clock, (0, 1), &[]),
        Input::Guess => segment(from, ACK, Millis(clock.0 ^ 4), (0, 1), &[]),
        Input::Question => segment(from, WASK, Millis(5), (0, 1), &[]),
    };
    server.outcome(from, datagram)
}

const INPUTS: [Input; 5] = [
    Input::Opening,
    Input::More,
    Input::Echo,
    Input::Guess,
    Input::Question,
];

#[test]
fn every_state_takes_every_input() {
    use Outcome::{Dropped, Greeted, Opened, Reset, Taken};
    let (with_it, without_it) = (Opened { is_kept: true }, Opened { is_kept: false });
    let table = [
        (State::Unknown, [Greeted, Dropped, Dropped, Dropped, Reset]),
        (State::Kept, [Greeted, Taken, with_it, Taken, Taken]),
        (
            State::Greeted,
            [Greeted, Dropped, without_it, Dropped, Reset],
        ),
        (State::Expired, [Greeted, Dropped, Dropped, Dropped, Reset]),
        (State::Open, [Taken; 5]),
    ];
    for (state, row) in table {
        for (input, expected) in INPUTS.into_iter().zip(row) {
            assert_eq!(
                outcome(state, input, false),
                expected,
                "{state:?} {input:?}"
            );
        }
    }
}

#[test]
fn a_full_server_greets_nobody_and_opens_nothing() {
    use Outcome::{Dropped, Refused, Reset, Taken};
    let table = [
        (State::Unknown, [Refused, Dropped, Dropped, Dropped, Reset]),
        (State::Kept, [Refused, Taken, Refused, Taken, Taken]),
        (State::Greeted, [Refused, Dropped, Refused, Dropped, Reset]),
        (State::Expired, [Refused, Dropped, Dropped, Dropped, Reset]),
    ];
    for (state, row) in table {
        for (input, expected) in INPUTS.into_iter().zip(row) {
            assert_eq!(outcome(state, input, true), expected, "{state:?} {input:?}");
        }
    }
}
