//! What holds for all inputs: every byte once, in order, ends truthful; hostile bytes do no harm.

mod smux_support;

use blinktun_proto::smux::{Config, Event, Mux, Role, StreamId, Version};
use blinktun_proto::time::{Duration, Time};
use proptest::prelude::*;
use smux_support::*;
use std::collections::{BTreeMap, VecDeque};

/// What one end did with a stream and saw of it.
#[derive(Default)]
struct Seen {
    written: usize,
    read: usize,
    finished: bool,
    reset: bool,
    saw_finished: bool,
    saw_reset: bool,
    saw_closed: usize,
}

/// One end, the bytes on their way from it, and its streams.
struct End {
    role: Role,
    mux: Mux,
    wire: VecDeque<u8>,
    streams: BTreeMap<StreamId, Seen>,
}

#[derive(Clone, Debug)]
enum Step {
    Open {
        client: bool,
    },
    Write {
        client: bool,
        which: usize,
        size: usize,
    },
    Read {
        client: bool,
        which: usize,
        size: usize,
    },
    Finish {
        client: bool,
        which: usize,
    },
    Reset {
        client: bool,
        which: usize,
    },
    Transmit {
        client: bool,
        room: usize,
    },
    Deliver {
        client: bool,
        size: usize,
    },
    Pass {
        millis: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (client, which) = (any::<bool>(), any::<usize>());
    let size = prop_oneof![1usize..20, 1usize..3_000, 1usize..90_000];
    prop_oneof![
        2 => client.prop_map(|client| Step::Open { client }),
        6 => (client, which, size.clone())
            .prop_map(|(client, which, size)| Step::Write { client, which, size }),
        6 => (client, which, size.clone())
            .prop_map(|(client, which, size)| Step::Read { client, which, size }),
        1 => (client, which).prop_map(|(client, which)| Step::Finish { client, which }),
        1 => (client, which).prop_map(|(client, which)| Step::Reset { client, which }),
        6 => (client, size.clone()).prop_map(|(client, room)| Step::Transmit { client, room }),
        6 => (client, size).prop_map(|(client, size)| Step::Deliver { client, size }),
        1 => (0u64..1_500).prop_map(|millis| Step::Pass { millis }),
    ]
}

/// The byte that stands at `offset` of what `role` writes on stream `id`.
fn byte(role: Role, id: StreamId, offset: usize) -> u8 {
    let salt = id.0 as usize * 31 + usize::from(role == Role::Client) * 7;
    (offset.wrapping_mul(2_654_435_761).wrapping_add(salt) >> 3) as u8
}

impl End {
    fn new(role: Role, common: &Config) -> End {
        let version = common.settings.version.filter(|_| role == Role::Client);
        let mut config = Config {
            role,
            ..common.clone()
        };
        config.settings.version = version;
        let mux = Mux::new(config, at(0));
        End {
            role,
            mux,
            wire: VecDeque::new(),
            streams: BTreeMap::new(),
        }
    }

    /// The streams that are still open here, the `which`th of them.
    fn pick(&self, which: usize) -> Option<StreamId> {
        let open: Vec<_> = self
            .streams
            .iter()
            .filter(|(_, seen)| seen.saw_closed == 0)
            .map(|(id, _)| *id)
            .collect();
        (!open.is_empty()).then(|| open[which % open.len()])
    }

    fn seen(&mut self, id: StreamId) -> &mut Seen {
        self.streams
            .get_mut(&id)
            .expect("events and steps name known streams")
    }

    fn open(&mut self) {
        if let Ok(id) = self.mux.open() {
            self.streams.insert(id, Seen::default());
        }
    }

    fn write(&mut self, id: StreamId, size: usize) {
        let from = self.seen(id).written;
        let bytes: Vec<u8> = (from..from + size)
            .map(|i| byte(self.role, id, i))
            .collect();
        let taken = self.mux.write(id, &bytes);
        assert_eq!(taken.is_err(), self.seen(id).finished);
        self.seen(id).written += taken.unwrap_or(0);
    }

    fn read(&mut self, id: StreamId, size: usize) {
        let peer = if self.role == Role::Client {
            Role::Server
        } else {
            Role::Client
        };
        let from = self.seen(id).read;
        let mut bytes = Vec::new();
        while bytes.len() < size {
            let front = self.mux.read_front(id);
            let count = front.len().min(size - bytes.len());
            if count == 0 {
                break;
            }
            bytes.extend_from_slice(&front[..count]);
            self.mux.consume(id, count);
        }
        for (i, got) in bytes.iter().enumerate() {
            assert_eq!(
                *got,
                byte(peer, id, from + i),
                "stream {id:?}, offset {}",
                from + i
            );
        }
        self.seen(id).read += bytes.len();
    }

    fn transmit(&mut self, room: usize, now: Time) -> usize {
        let mut out = Vec::new();
        let n = self.mux.transmit(room, &mut out, now).bytes;
        assert!(n == out.len() && n <= room);
        self.wire.extend(out);
        n
    }

    fn deliver_to(&mut self, peer: &mut End, size: usize, now: Time) -> usize {
        let size = size.min(self.wire.len()).min(peer.mux.receive_space());
        let bytes: Vec<u8> = self.wire.drain(..size).collect();
        peer.mux
            .receive(&bytes, now)
            .expect("blinktun speaks properly");
        size
    }

    fn note_events(&mut self) {
        while let Some(event) = self.mux.next_event() {
            match event {
                Event::Opened(id) => assert!(self.streams.insert(id, Seen::default()).is_none()),
                Event::Finished(id) => {
                    assert!(!std::mem::replace(&mut self.seen(id).saw_finished, true));
                }
                Event::Reset(id) => self.seen(id).saw_reset = true,
                Event::Closed(id) => self.seen(id).saw_closed += 1,
                Event::Readable(id) | Event::Writable(id) => {
                    assert!(self.streams.contains_key(&id))
                }
                Event::PeerHello => {}
                Event::FlowOpened(_)
                | Event::DatagramsReadable(_)
                | Event::DatagramsWritable(_)
                | Event::FlowEnded(_) => panic!("nobody opens flows"),
            }
        }
    }
}

fn perform(step: Step, client: &mut End, server: &mut End, now: &mut Time) {
    let is_client = match step {
        Step::Pass { millis } => return *now += Duration::from_millis(millis),
        Step::Open { client }
        | Step::Write { client, .. }
        | Step::Read { client, .. }
        | Step::Finish { client, .. }
        | Step::Reset { client, .. }
        | Step::Transmit { client, .. }
        | Step::Deliver { client, .. } => client,
    };
    let (end, peer) = if is_client {
        (client, server)
    } else {
        (server, client)
    };
    match step {
        Step::Open { .. } => end.open(),
        Step::Write { which, size, .. } => drop(end.pick(which).map(|id| end.write(id, size))),
        Step::Read { which, size, .. } => drop(end.pick(which).map(|id| end.read(id, size))),
        Step::Finish { which, .. } => {
            if let Some(id) = end.pick(which) {
                end.mux.finish(id);
                end.seen(id).finished = true;
            }
        }
        Step::Reset { which, .. } => {
            if let Some(id) = end.pick(which) {
                end.mux.reset(id);
                end.seen(id).reset = true;
            }
        }
        Step::Transmit { room, .. } => drop(end.transmit(room, *now)),
        Step::Deliver { size, .. } => drop(end.deliver_to(peer, size, *now)),
        Step::Pass { .. } => {}
    }
    end.note_events();
    peer.note_events();
}

/// Read and carry everything, and let the clocks run for ten seconds.
fn settle(client: &mut End, server: &mut End, now: &mut Time) {
    let end_of_time = *now + Duration::from_secs(10);
    loop {
        let mut moved = client.transmit(50_000, *now) + server.transmit(50_000, *now);
        moved += client.deliver_to(server, 40_000, *now) + server.deliver_to(client, 40_000, *now);
        for end in [&mut *client, &mut *server] {
            end.note_events();
            for id in end.streams.keys().copied().collect::<Vec<_>>() {
                end.read(id, usize::MAX);
            }
            end.note_events();
        }
        if moved > 0 {
            continue;
        }
        let next = client
            .mux
            .next_timeout()
            .min(server.mux.next_timeout())
            .expect("clocks run");
        if next > end_of_time {
            return;
        }
        *now = next.max(*now);
        client.mux.handle_timeout(*now).expect("alive");
        server.mux.handle_timeout(*now).expect("alive");
    }
}

/// Compare what `end` saw of a stream with what `peer` did. `None`: it never heard of the stream.
fn check(end: &Seen, peer: Option<&Seen>) {
    let Some(peer) = peer else {
        return assert!(
            end.reset || end.saw_reset,
            "a stream that the peer never saw was refused"
        );
    };
    assert!(end.read <= peer.written);
    if end.saw_finished {
        assert!(
            peer.finished && end.read == peer.written,
            "a clean end, and nothing is missing"
        );
    }
    if end.saw_reset {
        assert!(peer.reset, "no abort out of nothing");
    }
    if !end.reset && !peer.reset {
        assert_eq!(end.read, peer.written);
        assert_eq!(end.saw_finished, peer.finished);
        assert_eq!(end.saw_closed == 1, end.finished && peer.finished);
    }
    if peer.reset && !end.reset && !(end.finished && end.saw_finished) {
        assert!(end.saw_reset, "an abort is never mistaken for an end");
    }
    if !end.reset && !end.saw_reset {
        assert_eq!(end.saw_closed > 0, end.finished && end.saw_finished);
    }
    assert!(end.saw_closed <= 1);
}

fn common_config() -> impl Strategy<Value = Config> {
    let version = prop_oneof![Just(Version::V1), Just(Version::V2)];
    let sizes = (1usize..9_000, 1usize..100_000, 1usize..70_000);
    (version, sizes, 1usize..6).prop_map(|(version, (frame, stream, send), streams)| {
        config_with(Role::Client, Some(version), |settings| {
            settings.frame_size = frame;
            settings.receive_buffer = 150_000;
            settings.stream_buffer = stream;
            settings.send_buffer = send;
            settings.max_streams = streams;
        })
    })
}

/// A frame that is well-formed more often than not.
fn hostile_frame() -> impl Strategy<Value = Vec<u8>> {
    let version = prop_oneof![9 => Just(Version::V2), 1 => Just(Version::V1)];
    let id = prop_oneof![0u32..20, any::<u32>()];
    let size = prop_oneof![Just(0usize), 0usize..50, Just(8usize), 0usize..65_536];
    let proper =
        (version, 0u8..5, id, size, any::<u8>()).prop_map(|(version, command, id, size, fill)| {
            match command {
                PSH => frame(version, PSH, id, &vec![fill; size]),
                UPD => frame(version, UPD, id, &[fill, 0, 0, 0, fill, 0, 0, 0]),
                _ => frame(version, command, id, &[]),
            }
        });
    let hello = Just(frame(Version::V2, NOP, blinktun_proto::smux::HELLO, &[]));
    let garbage = prop::collection::vec(any::<u8>(), 0..30);
    prop_oneof![60 => proper, 4 => hello, 1 => garbage]
}

proptest! {
    #[test]
    fn two_ends_agree(common in common_config(), steps in prop::collection::vec(step(), 1..150)) {
        let mut client = End::new(Role::Client, &common);
        let mut server = End::new(Role::Server, &common);
        let mut now = at(0);
        for step in steps {
            perform(step, &mut client, &mut server, &mut now);
        }
        settle(&mut client, &mut server, &mut now);
        for (end, peer) in [(&client, &server), (&server, &client)] {
            for (id, seen) in &end.streams {
                check(seen, peer.streams.get(id));
            }
            let open = end.streams.values().filter(|seen| seen.saw_closed == 0).count();
            prop_assert_eq!(end.mux.stream_count(), open);
            prop_assert!(end.mux.receive_space() >= 150_000);
            prop_assert_eq!(end.mux.allocated(), 0);
        }
    }

    #[test]
    fn hostile_bytes_stay_within_bounds_however_split(
        frames in prop::collection::vec(hostile_frame(), 0..60),
        pieces in prop::collection::vec(1usize..5_000, 1..50),
    ) {
        let bytes = frames.concat();
        let config = config_with(Role::Server, None, |settings| {
            (settings.max_streams, settings.stream_buffer) = (4, 1_000);
        });
        let (mut whole, mut split) = (Mux::new(config.clone(), at(0)), Mux::new(config, at(0)));
        let result = whole.receive(&bytes, at(0));

        let (mut rest, mut split_result) = (&bytes[..], Ok(()));
        for size in pieces.iter().cycle() {
            let (piece, beyond) = rest.split_at((*size).min(rest.len()));
            split_result = split.receive(piece, at(0));
            rest = beyond;
            if split_result.is_err() || rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(result, split_result);
        prop_assert_eq!(events(&mut whole), events(&mut split));
        // A frame that breaks the window may have come in part before it does.
        let ids: Vec<_> = whole.stream_ids().collect();
        prop_assert!(ids.len() <= 4);
        for id in ids {
            prop_assert!(result.is_err() || whole.unread(id) == split.unread(id));
            prop_assert!(split.unread(id) <= 262_144 + 65_536);
        }
        for mux in [&mut whole, &mut split] {
            prop_assert!(mux.allocated() <= 2 * 4 * (262_144 + 65_536 + 65_536));
            // The answers are in proportion: to refuse a stream takes as much as to ask for it,
            // to say that one was aborted twice that; to free a writer takes one byte of it.
            prop_assert!(transmit(mux, at(0)).len() <= 3 * bytes.len() + 8);
        }
    }

    #[test]
    fn a_broken_session_stays_harmless(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let mut mux = server();
        for piece in bytes.chunks(100) {
            let _ = mux.receive(piece, at(0));
        }
        mux.handle_timeout(at(10_000)).expect("first NOP");
        transmit(&mut mux, at(10_000));
        prop_assert!(mux.unread(StreamId(3)) <= bytes.len());
    }
}
