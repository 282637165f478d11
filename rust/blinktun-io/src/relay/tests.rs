//! The pause before an end is passed on, in virtual time.

use std::os::unix::net::UnixStream;

use blinktun_proto::crypt::{CryptKind, PacketCrypt};
use blinktun_proto::endpoint::SessionId;
use blinktun_proto::session::{Config, Event as SessionEvent, Role};
use blinktun_proto::smux::{self, StreamId};
use blinktun_proto::wire::Payload;

use super::*;
use crate::event::{EndpointId, SessionKey};

const WAIT: Duration = Duration::from_secs(30);

fn at(seconds: u64) -> Time {
    Time::from_millis(1000 * seconds)
}

/// An application, its relay at the client, and the server's end of the stream.
struct Path {
    application: UnixStream,
    relay: Relay,
    near: (Session, Context),
    far: (Session, Context),
    stream: StreamId,
    scratch: Vec<u8>,
}

impl Path {
    fn new() -> Path {
        let config = Config::new(&PacketCrypt::new(CryptKind::Null, &[0; 32]));
        let end = |role| {
            let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 9)).into();
            let session = Session::new(&config, role, (peer, 7), 7, Time::ZERO);
            (session, Context::new([role as u8; 32]))
        };
        let (mut near, far) = (end(Role::Client), end(Role::Server));
        let stream = near.0.open_stream().expect("room");
        let (application, ours) = UnixStream::pair().expect("two sockets");
        application.set_nonblocking(true).expect("a socket");
        let session = SessionKey {
            endpoint: EndpointId(0),
            session: SessionId(0),
        };
        let key = StreamKey { session, stream };
        let mut relay = Relay::new(0, key, ours.into(), false).expect("a socket");
        relay.set_close_wait(WAIT);
        let scratch = vec![0; 65536];
        Path {
            application,
            relay,
            near,
            far,
            stream,
            scratch,
        }
    }

    /// Let everything happen that can happen at this moment.
    fn pump(&mut self, now: Time) -> (Progress, Vec<smux::Event>) {
        let mut far_events = Vec::new();
        for _ in 0..20 {
            carry(&mut self.near, &mut self.far, now);
            carry(&mut self.far, &mut self.near, now);
            for event in events(&mut self.near.0) {
                if matches!(event, smux::Event::Finished(_)) {
                    self.relay.note_finished();
                }
            }
            far_events.extend(events(&mut self.far.0));
            (self.relay.readable, self.relay.writable) = (true, true);
            let (session, cx) = &mut self.near;
            let progress = self.relay.pump((session, cx), &mut self.scratch, now);
            if progress != Progress::Waiting {
                return (progress, far_events);
            }
        }
        (Progress::Waiting, far_events)
    }

    fn heard(&mut self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 100];
        let count = would_block(self.application.read(&mut bytes)).expect("no break")?;
        bytes.truncate(count);
        Some(bytes)
    }
}

fn carry(from: &mut (Session, Context), to: &mut (Session, Context), now: Time) {
    if from.0.next_timeout().is_some_and(|at| at <= now) {
        from.0.handle_timeout(now, &mut from.1);
    }
    let mut out = vec![0; 65536];
    let limit = out.len();
    while let Some(batch) = from.0.poll_transmit(&mut out, limit, now, &mut from.1) {
        for datagram in out[..batch.len].chunks(batch.stride) {
            let payload = Payload::parse(datagram).expect("a payload");
            to.0.handle_payload(payload, now, &mut to.1);
        }
    }
    to.0.finish_input(now);
}

fn events(session: &mut Session) -> Vec<smux::Event> {
    let streams = |event| match event {
        SessionEvent::Stream(event) => Some(event),
        _ => None,
    };
    std::iter::from_fn(|| session.next_event())
        .filter_map(streams)
        .collect()
}

#[test]
fn the_end_of_the_connection_is_held_and_bytes_flow_back_meanwhile() {
    let mut path = Path::new();
    path.application.write_all(b"ask").expect("room");
    path.application.shutdown(Shutdown::Write).expect("open");
    let finished = smux::Event::Finished(path.stream);
    let (progress, seen) = path.pump(at(1));
    assert_eq!(progress, Progress::Waiting);
    assert_eq!(path.relay.next_timeout(), Some(at(31)));
    assert_eq!(path.far.0.read_front(path.stream), b"ask");
    path.far.0.consume(path.stream, 3, at(1), &mut path.far.1);
    assert!(!seen.contains(&finished));

    path.far.0.write(path.stream, b"answer").expect("open");
    let (_, seen) = path.pump(at(20));
    assert_eq!(path.heard(), Some(b"answer".to_vec()));
    assert!(!seen.contains(&finished));

    let (progress, seen) = path.pump(at(31));
    assert_eq!(
        (progress, path.relay.next_timeout()),
        (Progress::Waiting, None)
    );
    assert!(seen.contains(&finished), "{seen:?}");
}

#[test]
fn the_end_of_the_stream_is_held_too_and_both_end_the_relay() {
    let mut path = Path::new();
    path.application.write_all(b"ask").expect("room");
    path.pump(at(1));
    path.far.0.write(path.stream, b"answer").expect("open");
    path.far.0.finish(path.stream);
    path.far.0.consume(path.stream, 3, at(1), &mut path.far.1);
    assert_eq!(path.pump(at(10)).0, Progress::Waiting);
    assert_eq!(path.relay.next_timeout(), Some(at(40)));
    assert_eq!(path.heard(), Some(b"answer".to_vec()));
    assert_eq!(path.heard(), None, "no end yet");
    path.application.shutdown(Shutdown::Write).expect("open");
    assert_eq!(path.pump(at(39)).0, Progress::Waiting);
    assert_eq!(path.pump(at(40)).0, Progress::Waiting);
    assert_eq!(path.heard(), Some(Vec::new()), "the end");
    assert_eq!(path.relay.next_timeout(), Some(at(69)));
    assert_eq!(path.pump(at(69)).0, Progress::Finished(RelayEnd::Clean));
}

#[test]
fn when_only_the_stream_s_end_is_held_the_session_may_go() {
    let mut path = Path::new();
    path.application.write_all(b"ask").expect("room");
    path.application.shutdown(Shutdown::Write).expect("open");
    path.pump(at(1));
    path.far.0.consume(path.stream, 3, at(1), &mut path.far.1);
    path.pump(at(31));
    assert!(!path.relay.owes_only_an_end(), "there may be an answer");
    path.far.0.finish(path.stream);
    assert_eq!(path.pump(at(40)).0, Progress::Waiting);
    assert!(path.relay.owes_only_an_end());
}

#[test]
fn without_a_pause_an_end_is_passed_on_at_once() {
    let mut path = Path::new();
    path.relay.set_close_wait(Duration::ZERO);
    path.application.write_all(b"ask").expect("room");
    path.application.shutdown(Shutdown::Write).expect("open");
    path.pump(at(1));
    path.far.0.consume(path.stream, 3, at(1), &mut path.far.1);
    let (_, seen) = path.pump(at(1));
    assert!(
        seen.contains(&smux::Event::Finished(path.stream)),
        "{seen:?}"
    );
}

#[test]
fn a_break_does_not_wait() {
    let mut path = Path::new();
    path.application.write_all(b"ask").expect("room");
    path.application.shutdown(Shutdown::Write).expect("open");
    path.pump(at(1));
    assert_eq!(path.relay.next_timeout(), Some(at(31)));
    path.far.0.write(path.stream, b"answer").expect("open");
    path.application.shutdown(Shutdown::Both).expect("open");
    let (progress, _) = path.pump(at(2));
    assert!(
        matches!(progress, Progress::Finished(RelayEnd::Connection(_))),
        "{progress:?}"
    );
    let reset = smux::Event::Reset(path.stream);
    assert!((0..3).any(|_| path.pump(at(2)).1.contains(&reset)));
}

#[test]
fn a_relay_knows_for_how_long_nothing_has_moved() {
    let mut path = Path::new();
    path.pump(at(1));
    assert_eq!(path.relay.idle(at(4)), Duration::from_secs(3));
    path.application.write_all(b"news").expect("room");
    path.pump(at(5));
    assert_eq!(path.relay.idle(at(5)), Duration::ZERO);
    path.pump(at(7));
    assert_eq!(path.relay.idle(at(9)), Duration::from_secs(4));
}

#[test]
fn a_relay_is_not_idle_while_its_application_has_something_to_take() {
    let mut path = Path::new();
    path.pump(at(1));
    path.relay.connection.write_all(b"unread").expect("room");
    assert_eq!(path.relay.idle(at(9)), Duration::ZERO);
    let mut unread = [0; 6];
    path.application.read_exact(&mut unread).expect("bytes");
    assert_eq!(path.relay.idle(at(9)), Duration::from_secs(8));
}
