//! What paced sessions cost: so many of them share one rate, and each sends its part of it.
//! `cargo bench -p blinktun-io --bench paced` (Linux: it reads the time on the CPU from /proc).

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use blinktun_io::{Event, Reactor, SocketConfig, StreamKey};
use blinktun_proto::congestion::Algorithm;
use blinktun_proto::crypt::{CryptKind, PacketCrypt};
use blinktun_proto::session::Config;
use blinktun_proto::session::Event::Stream;
use blinktun_proto::smux::Event::{Readable, Writable};
use blinktun_proto::smux::StreamClass;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Bytes of data a second that all sessions send together.
const RATE: u64 = 20_000_000;
const MEASURED: Duration = Duration::from_secs(3);
static PIECE: [u8; 65536] = [0x55; 65536];

fn main() {
    for (paced, idle) in [(1, 0), (1, 1000), (100, 0), (1000, 0)] {
        let mut pair = Pair::new(paced, idle);
        pair.carry(Duration::from_secs(1));
        let (cpu, wall) = (cpu_time(), Instant::now());
        let bytes = pair.carry(MEASURED) as f64;
        let (cpu, wall) = (cpu_time() - cpu, wall.elapsed());
        println!(
            "{paced:5} paced sessions, {idle:5} idle ones: {:6.1} MB/s, {:6.2} ms of CPU a MB",
            bytes / 1e6 / wall.as_secs_f64(),
            cpu.as_secs_f64() * 1e3 / (bytes / 1e6),
        );
    }
}

/// The time that this thread has spent on a CPU.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = text
        .split_whitespace()
        .next()
        .and_then(|it| it.parse().ok());
    Duration::from_nanos(nanos.expect("a number"))
}

struct Pair {
    client: Reactor,
    server: Reactor,
    streams: Vec<StreamKey>,
}

impl Pair {
    fn new(paced: u32, idle: u32) -> Pair {
        let reactor = || Reactor::new().expect("a poller");
        let (mut client, mut server) = (reactor(), reactor());
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = config(Algorithm::Paced(RATE / u64::from(paced)));
        let endpoint = server.listen(here, &config).expect("a socket");
        let link = server.link(endpoint).expect("it is open");
        let to = link.local_addr().expect("bound");
        let mut dial = || client.dial(to, &config).expect("a socket");
        let _idle: Vec<_> = (0..idle).map(|_| dial()).collect();
        let sessions: Vec<_> = (0..paced).map(|_| dial()).collect();
        let open = |&key| client.open_stream(key, StreamClass::Learned).expect("room");
        let streams = sessions.iter().map(open).collect();
        Pair {
            client,
            server,
            streams,
        }
    }

    /// Write until a stream takes no more; it tells when it does again.
    fn fill(&mut self, stream: StreamKey) {
        while self.client.write(stream, &PIECE).expect("it is open") == PIECE.len() {}
    }

    /// Let all streams send for so long; the bytes that have arrived.
    fn carry(&mut self, time: Duration) -> u64 {
        let (until, mut bytes) = (Instant::now() + time, 0);
        for stream in self.streams.clone() {
            self.fill(stream);
        }
        while Instant::now() < until {
            self.wait();
            self.client.turn().expect("a turn");
            self.server.turn().expect("a turn");
            while let Some(event) = self.client.next_event() {
                if let Event::Session(session, Stream(Writable(stream))) = event {
                    self.fill(StreamKey { session, stream });
                }
            }
            while let Some(event) = self.server.next_event() {
                if let Event::Session(session, Stream(Readable(stream))) = event {
                    let stream = StreamKey { session, stream };
                    let read = self.server.read(stream, PIECE.len());
                    bytes += read.expect("it is open").len() as u64;
                }
            }
        }
        bytes
    }
}

impl Pair {
    /// Sleep until one of both has something to do, as an event loop does.
    fn wait(&self) {
        let fds = [self.client.as_raw_fd(), self.server.as_raw_fd()];
        // SAFETY: both reactors live as long as `self`.
        let [client, server] = fds.map(|fd| unsafe { BorrowedFd::borrow_raw(fd) });
        let mut fds = [client, server].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let longest = Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        poll(&mut fds, Some(&longest)).expect("two descriptors");
    }
}

fn config(congestion: Algorithm) -> SocketConfig {
    let pass = [0; 32];
    let mut session = Config::new(&PacketCrypt::new(CryptKind::Null, &pass));
    (session.shards, session.compress) = (None, false);
    (session.congestion, session.send_window) = (congestion, 1024);
    SocketConfig {
        session,
        crypt: CryptKind::Null,
        pass,
        close_wait: Duration::ZERO,
        buffer: 4 << 20,
        dscp: 0,
        trace: None,
    }
}
