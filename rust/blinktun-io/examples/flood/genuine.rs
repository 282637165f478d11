//! Datagrams as a genuine client sends them.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use blinktun_proto::endpoint::{Endpoint, Limits, SessionId};
use blinktun_proto::random::Random;
use blinktun_proto::session::Role;
use blinktun_proto::time::Time;

use crate::options::Options;

/// How long a captured session talks.
const TALK: Duration = Duration::from_millis(150);
const ECHOED: usize = 40_000;

/// Our client's own protocol machine.
pub struct Client {
    endpoint: Endpoint,
    to: SocketAddr,
    start: Instant,
    out: Vec<u8>,
}

impl Client {
    /// A client of the port under attack, with the settings that it expects.
    pub fn new(options: &Options, random: &mut Random) -> Client {
        let mut seed = [0; 32];
        random.fill(&mut seed);
        let (config, crypt) = (options.config(), options.crypt());
        let limits = Limits::default();
        Client {
            endpoint: Endpoint::new(config, limits, Role::Client, crypt, seed, Time::ZERO),
            to: options.to,
            start: Instant::now(),
            out: vec![0; 65536],
        }
    }

    /// The first datagram of a new conversation: a stream is opened and asks for `request`.
    pub fn opening(&mut self, request: &str) -> Vec<u8> {
        let (now, id) = (self.now(), self.dial(request.as_bytes()));
        let first = self.endpoint.poll_transmit(&mut self.out, now).unwrap();
        self.endpoint.remove(id);
        self.out[..first.len.min(first.stride)].to_vec()
    }

    /// Hold a conversation over `socket` for a moment. Returns all datagrams that left, in order,
    /// and whether anything was acknowledged.
    pub fn talk(&mut self, socket: &UdpSocket) -> (Vec<Vec<u8>>, bool) {
        let mut request = format!("ECHO {ECHOED}\n").into_bytes();
        request.extend((0..ECHOED).map(|n| ((n * n) >> 7) as u8));
        let id = self.dial(&request);
        let (began, mut sent) = (Instant::now(), Vec::new());
        let mut buffer = [0; 65536];
        while began.elapsed() < TALK {
            let now = self.now();
            self.endpoint.handle_timeout(now);
            while let Ok(len) = socket.recv(&mut buffer) {
                let datagram = &mut buffer[..len];
                self.endpoint.handle_datagrams(self.to, datagram, len, now);
            }
            self.endpoint.finish_input(now);
            while let Some(batch) = self.endpoint.poll_transmit(&mut self.out, now) {
                for datagram in self.out[..batch.len].chunks(batch.stride) {
                    let _ = socket.send(datagram); // a full buffer is a loss like any other
                    sent.push(datagram.to_vec());
                }
            }
            while self.endpoint.next_event().is_some() {}
            std::thread::sleep(Duration::from_millis(1));
        }
        let heard = self
            .endpoint
            .session(id)
            .is_some_and(|session| session.kcp().heard());
        self.endpoint.remove(id);
        (sent, heard)
    }

    fn dial(&mut self, request: &[u8]) -> SessionId {
        let id = self.endpoint.dial(self.to, self.now());
        let (session, _) = self.endpoint.session_mut(id).unwrap();
        let stream = session.open_stream().unwrap();
        session.write(stream, request).unwrap();
        id
    }

    fn now(&self) -> Time {
        Time::from_micros(self.start.elapsed().as_micros() as u64)
    }
}
