//! Whole conversations captured between Go peers (`tests/vectors/sessions.json`), heard by ours.
//!
//! Ours hears one side at a time: the client's packets come to a server endpoint, the server's to a
//! session with the captured conversation's number. What ours answers goes nowhere; it only says
//! the same, in enough segments for the captured acknowledgements to be of something. The echo of our
//! greeting, which no captured packet holds, is made here.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;

use std::net::SocketAddr;

use blinktun_proto::crypt::{CryptKind, PacketCrypt, Verdict, derive_key};
use blinktun_proto::endpoint::{Endpoint, EndpointEvent, Limits, SessionId};
use blinktun_proto::qpp::{Pads, Revision};
use blinktun_proto::random::Random;
use blinktun_proto::session::{Config, Context, Event, Role, Session};
use blinktun_proto::smux::{self, StreamId, Version};
use blinktun_proto::time::{Duration, Time};
use blinktun_proto::wire::Payload;
use blinktun_proto::wire::kcp::{ACK, HEADER, Segment, Segments};
use serde_json::Value;

type Streams = BTreeMap<u32, String>;

struct Conversation {
    name: String,
    kind: CryptKind,
    key: [u8; 32],
    config: Config,
    from_client: Vec<Vec<u8>>,
    from_server: Vec<Vec<u8>>,
    said_by_client: Streams,
    said_by_server: Streams,
    conv: u32,
}

/// The conversations: one in every kind, at the least.
fn conversations() -> Vec<Conversation> {
    let path = format!(
        "{}/../../tests/vectors/sessions.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).expect("the vectors are in the repository");
    let vectors: Value = serde_json::from_str(&text).expect("the vectors are JSON");
    let sessions = vectors["sessions"].as_array().expect("sessions");
    assert_eq!(sessions.len(), 16);
    let conversations: Vec<Conversation> = sessions.iter().map(parse).collect();
    for kind in CryptKind::ALL {
        let has = conversations.iter().any(|story| story.kind == *kind);
        assert!(has, "no conversation in {}", kind.name());
    }
    conversations
}

fn parse(vector: &Value) -> Conversation {
    let text = |key: &str| vector[key].as_str().expect("a string");
    let kind = CryptKind::parse(text("crypt")).expect("a kind");
    let key = derive_key(text("key").as_bytes());
    let mut config = Config::new(&PacketCrypt::new(kind, &key));
    let number = |value: &Value| value.as_u64().expect("a number") as usize;
    config.shards = vector["fec"]
        .as_array()
        .map(|fec| (number(&fec[0]), number(&fec[1])));
    config.compress = vector["compression"] == true;
    let version = if vector["smux_version"] == 1 {
        Version::V1
    } else {
        Version::V2
    };
    config.smux.version = Some(version);
    // Captured in revision B.
    config.pads = vector["qpp_pads"].as_u64().map(|count| {
        let count = NonZeroU16::new(count as u16).expect("not 0");
        Arc::new(Pads::new(text("key").as_bytes(), count, Revision::B))
    });
    let packets = vector["packets"].as_array().expect("packets");
    let from = |direction: &str| -> Vec<Vec<u8>> {
        let packets = packets.iter().filter(|packet| packet["dir"] == direction);
        let bytes =
            |packet: &Value| hex::decode(packet["hex"].as_str().expect("a string")).expect("hex");
        packets.map(bytes).collect()
    };
    Conversation {
        name: text("name").to_string(),
        kind,
        key,
        config,
        from_client: from("client->server"),
        from_server: from("server->client"),
        said_by_client: payloads(&vector["client_stream_payloads"]),
        said_by_server: payloads(&vector["server_stream_payloads"]),
        conv: number(&vector["client_kcp_conv"]) as u32,
    }
}

fn payloads(streams: &Value) -> Streams {
    let entry = |(id, data): (&String, &Value)| {
        let data = data.as_str().expect("a string").to_string();
        (id.parse().expect("a number"), data)
    };
    streams
        .as_object()
        .expect("streams")
        .iter()
        .map(entry)
        .collect()
}

fn read(session: &mut Session, cx: &mut Context, id: StreamId, now: Time, said: &mut Streams) {
    let front = session.read_front(id).to_vec();
    session.consume(id, front.len(), now, cx);
    *said.entry(id.0).or_default() += std::str::from_utf8(&front).expect("text");
}

/// Say what was said: version 2 reports how much of it was read.
fn say(session: &mut Session, id: StreamId, said: &Streams) {
    let data = said.get(&id.0).map_or("", String::as_str);
    session.write(id, data.as_bytes()).expect("open");
}

/// What a client answers to a greeting.
fn echo(crypt: &PacketCrypt, mut greeting: Vec<u8>, conv: u32) -> Vec<u8> {
    let (stride, mut verdicts) = (greeting.len(), Vec::new());
    crypt.open(&mut greeting, stride, &mut verdicts);
    let payload = &greeting[crypt.head()..stride - crypt.tail()];
    let segments = Segments::parse(payload).expect("good segments");
    assert_eq!(segments.conv(), conv);
    let segment = segments.into_iter().next().expect("a segment");
    let mut datagram = vec![0; crypt.head() + HEADER + crypt.tail()];
    Segment {
        cmd: ACK,
        una: segment.sn.plus(1),
        data: &[],
        ..segment
    }
    .write(&mut datagram[crypt.head()..]);
    let stride = datagram.len();
    crypt.seal(&mut datagram, stride, &mut Random::from_number(5));
    datagram
}

/// What the client said, as a server endpoint hears it.
fn heard_by_server(story: &Conversation, packets: &[Vec<u8>]) -> Streams {
    let make_crypt = || PacketCrypt::new(story.kind, &story.key);
    let (crypt, mut now) = (make_crypt(), Time::from_millis(5));
    let limits = Limits::default();
    let mut server = Endpoint::new(
        story.config.clone(),
        limits,
        Role::Server,
        make_crypt(),
        [3; 32],
        now,
    );
    let peer: SocketAddr = "10.0.0.1:1000".parse().expect("an address");
    let (mut said, mut out) = (Streams::new(), vec![0; 65536]);
    let mut accepted: Option<SessionId> = None;
    for packet in packets {
        now += Duration::from_millis(1);
        for _ in 0..4 {
            if let Some((session, _)) = accepted.and_then(|id| server.session_mut(id)) {
                session.ping();
            }
            while server.poll_transmit(&mut out, now).is_some() {}
        }
        server.handle_datagrams(peer, &mut packet.clone(), packet.len(), now);
        while let Some(sent) = server.poll_transmit(&mut out, now) {
            if accepted.is_none() {
                let mut echo = echo(&crypt, out[..sent.len].to_vec(), story.conv);
                let stride = echo.len();
                server.handle_datagrams(peer, &mut echo, stride, now);
            }
        }
        server.finish_input(now);
        while let Some(event) = server.next_event() {
            match event {
                EndpointEvent::Opened(id, _) => accepted = Some(id),
                EndpointEvent::Session(_, Event::Closed(reason)) => {
                    panic!("{}: {reason}", story.name)
                }
                EndpointEvent::Session(_, Event::Stream(smux::Event::Readable(stream))) => {
                    let id = accepted.expect("a session");
                    let (session, cx) = server.session_mut(id).expect("it lives");
                    read(session, cx, stream, now, &mut said);
                }
                EndpointEvent::Session(id, Event::Stream(smux::Event::Opened(stream))) => {
                    let (session, _) = server.session_mut(id).expect("it lives");
                    say(session, stream, &story.said_by_server);
                }
                _ => {}
            }
        }
    }
    assert_eq!(server.session_ids().len(), 1, "{}", story.name);
    let stats = server.stats();
    assert_eq!(
        (stats.in_csum_errors, stats.kcp_in_errors),
        (0, 0),
        "{}",
        story.name
    );
    said
}

/// What the server said, as a client's session hears it.
fn heard_by_client(story: &Conversation) -> Streams {
    let crypt = PacketCrypt::new(story.kind, &story.key);
    let mut now = Time::from_millis(5);
    let mut cx = Context::new([4; 32]);
    let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 9)).into();
    let mut client = Session::new(&story.config, Role::Client, (peer, story.conv), 0, now);
    let (mut said, mut out) = (Streams::new(), vec![0; 65536]);
    for _ in 0..2 {
        let stream = client.open_stream().expect("room");
        say(&mut client, stream, &story.said_by_client);
    }
    for packet in &story.from_server {
        now += Duration::from_millis(1);
        for _ in 0..4 {
            client.ping();
            let limit = out.len();
            while client
                .poll_transmit(&mut out, limit, now, &mut cx)
                .is_some()
            {}
        }
        let (mut packet, mut verdicts) = (packet.clone(), Vec::new());
        let stride = packet.len();
        crypt.open(&mut packet, stride, &mut verdicts);
        assert_eq!(verdicts, [Verdict::Ok], "{}", story.name);
        let payload = Payload::parse(&packet[crypt.head()..stride - crypt.tail()]);
        client.handle_payload(payload.expect("a payload"), now, &mut cx);
        client.finish_input(now);
        while let Some(event) = client.next_event() {
            match event {
                Event::Closed(reason) => panic!("{}: {reason}", story.name),
                Event::Stream(smux::Event::Readable(stream)) => {
                    read(&mut client, &mut cx, stream, now, &mut said);
                }
                _ => {}
            }
        }
    }
    assert_eq!(cx.stats.kcp_in_errors, 0, "{}", story.name);
    said
}

#[test]
fn what_the_client_said() {
    for story in &conversations() {
        assert_eq!(
            heard_by_server(story, &story.from_client),
            story.said_by_client,
            "{}",
            story.name
        );
    }
}

#[test]
fn what_the_server_said() {
    for story in &conversations() {
        assert_eq!(
            heard_by_client(story),
            story.said_by_server,
            "{}",
            story.name
        );
    }
}

#[test]
fn what_the_client_said_when_packets_come_twice() {
    for story in &conversations() {
        let twice: Vec<Vec<u8>> = story
            .from_client
            .iter()
            .flat_map(|p| [p.clone(), p.clone()])
            .collect();
        assert_eq!(
            heard_by_server(story, &twice),
            story.said_by_client,
            "{}",
            story.name
        );
    }
}
