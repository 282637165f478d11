//! Known answers: frames and whole conversations captured from Go peers (`tests/vectors/`).

mod smux_support;

use blinktun_proto::qpp::{Pads, Revision};
use blinktun_proto::smux::{self, Event, HELLO, Mux, Role, StreamId, Version};
use serde_json::Value;
use smux_support::*;
use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;

fn load(name: &str) -> Value {
    let path = format!("{}/../../tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the vectors are in the repository");
    serde_json::from_str(&text).expect("the vectors are JSON")
}

fn number(value: &Value, key: &str) -> u32 {
    value[key]
        .as_u64()
        .expect("a number")
        .try_into()
        .expect("32 bits")
}

fn bytes(value: &Value, key: &str) -> Vec<u8> {
    hex::decode(value[key].as_str().expect("a string")).expect("hex")
}

fn version(number: u32) -> Version {
    if number == 1 {
        Version::V1
    } else {
        Version::V2
    }
}

#[test]
fn single_frames_are_written_as_captured() {
    for vector in load("smux.json")["vectors"].as_array().expect("a list") {
        let (sid, data) = (number(vector, "sid"), bytes(vector, "data_hex"));
        let expected = bytes(vector, "frame_hex");
        let mut mux = client(version(number(vector, "version")));
        let out = match (number(vector, "cmd") as u8, sid) {
            (NOP, _) => {
                mux.handle_timeout(at(10_000))
                    .expect("10 s of silence are nothing");
                transmit(&mut mux, at(10_000))
            }
            (UPD, _) => update_after(
                &mut mux,
                sid,
                u32::from_le_bytes([data[0], data[1], data[2], data[3]]),
            ),
            (_, sid) => {
                open_up_to(&mut mux, sid);
                mux.write(StreamId(sid), &data).expect("open");
                mux.finish(StreamId(sid));
                // No hello came: the FIN is held for two seconds.
                let mut out = transmit(&mut mux, at(0));
                mux.handle_timeout(at(2_000)).expect("alive");
                out.extend(transmit(&mut mux, at(2_000)));
                out
            }
        };
        let found = out
            .windows(expected.len())
            .filter(|window| *window == expected)
            .count();
        assert_eq!(found, 1, "{}", vector["name"]);
    }
}

fn open_up_to(mux: &mut Mux, sid: u32) {
    while mux.open().expect("few streams").0 < sid {}
}

/// Let the peer send `n` bytes in one frame, of which all are read before anything is sent.
fn update_after(mux: &mut Mux, sid: u32, n: u32) -> Vec<u8> {
    open_up_to(mux, sid);
    mux.receive(&frame(Version::V2, PSH, sid, &vec![1; n as usize]), at(0))
        .expect("proper");
    read(mux, StreamId(sid));
    transmit(mux, at(0))
}

fn wire(frames: &Value) -> Vec<u8> {
    let frames = frames.as_array().expect("a list").iter();
    let encode = |f: &Value| {
        let command = number(f, "cmd") as u8;
        frame(
            version(number(f, "version")),
            command,
            number(f, "sid"),
            &bytes(f, "data_hex"),
        )
    };
    frames.flat_map(encode).collect()
}

/// Feed a captured direction in pieces, reading all streams at once; returns what they carried.
fn replay(mux: &mut Mux, wire: &[u8], piece: usize) -> (BTreeMap<u32, Vec<u8>>, Vec<Event>) {
    let (mut streams, mut seen) = (BTreeMap::<u32, Vec<u8>>::new(), Vec::new());
    for piece in wire.chunks(piece) {
        mux.receive(piece, at(0))
            .expect("a Go peer speaks properly");
        for event in events(mux) {
            match event {
                Event::Readable(id) => streams.entry(id.0).or_default().extend(read(mux, id)),
                Event::Opened(id) => send_something(mux, id),
                _ => {}
            }
            seen.push(event);
        }
        seen.extend(events(mux));
    }
    (streams, seen)
}

/// The captured window updates refer to bytes that must have been sent.
fn send_something(mux: &mut Mux, id: StreamId) {
    mux.write(id, &[0; 1000]).expect("open");
    transmit(mux, at(0));
}

fn payloads(value: &Value) -> BTreeMap<u32, Vec<u8>> {
    let entries = value.as_object().expect("an object").iter();
    let text = |v: &Value| v.as_str().expect("a string").as_bytes().to_vec();
    let payloads = entries.map(|(sid, v)| (sid.parse().expect("a number"), text(v)));
    payloads.filter(|(_, bytes)| !bytes.is_empty()).collect()
}

/// The pads of a conversation that has them; such were captured in revision B.
fn pads(session: &Value) -> Option<Arc<Pads>> {
    let count = session["qpp_pads"].as_u64()?;
    let count = NonZeroU16::new(count as u16).expect("not 0");
    let key = session["key"].as_str().expect("a string").as_bytes();
    Some(Arc::new(Pads::new(key, count, Revision::B)))
}

fn with_pads(role: Role, version: Option<Version>, pads: &Option<Arc<Pads>>) -> Mux {
    let pads = pads.clone();
    let config = smux::Config {
        pads,
        ..config(role, version)
    };
    Mux::new(config, at(0))
}

#[test]
fn captured_conversations_are_understood_however_split() {
    let sessions = load("sessions.json");
    for session in sessions["sessions"].as_array().expect("a list") {
        let pads = pads(session);
        for piece in [1, 7, 20] {
            let mut server = with_pads(Role::Server, None, &pads);
            let (streams, seen) = replay(&mut server, &wire(&session["client_smux_frames"]), piece);
            assert_eq!(
                streams,
                payloads(&session["client_stream_payloads"]),
                "{session:.100}"
            );
            assert!(seen.contains(&Event::Opened(StreamId(3))));
            assert!(seen.contains(&Event::Finished(StreamId(3))));
            assert_eq!(
                server.version(),
                Some(version(number(session, "smux_version")))
            );
            assert!(!server.peer_is_blinktun());

            let spoken = Some(version(number(session, "smux_version")));
            let mut client = with_pads(Role::Client, spoken, &pads);
            open_up_to(&mut client, 5);
            send_something(&mut client, StreamId(5));
            let (streams, _) = replay(&mut client, &wire(&session["server_smux_frames"]), piece);
            assert_eq!(
                streams,
                payloads(&session["server_stream_payloads"]),
                "{session:.100}"
            );
            assert_eq!(client.dropped_bytes(), 0);
        }
    }
}

#[test]
fn the_hello_is_an_ordinary_nop() {
    let mut mux = Mux::new(config(Role::Client, Some(Version::V1)), at(0));
    mux.open().expect("no streams yet");
    assert_eq!(
        hex::encode(transmit(&mut mux, at(0))),
        "01030000324b4c420100000003000000"
    );
    assert_eq!(HELLO.to_be_bytes(), *b"BLK2");
}

/// Builds that said "BLK1" do not change to version 2 in a session.
#[test]
fn an_older_hello_is_that_of_another_program() {
    let mut server = Mux::new(config(Role::Server, None), at(0));
    let old = u32::from_be_bytes(*b"BLK1");
    let mut frames = frame(Version::V1, NOP, old, &[]);
    frames.extend(frame(Version::V1, SYN, 3, &[]));
    server.receive(&frames, at(0)).expect("proper");
    assert!(server.peer_is_other());
    server.write(StreamId(3), b"answer").expect("open");
    let sent = transmit(&mut server, at(100));
    assert_eq!(
        [sent[0], sent[8]],
        [1, 1],
        "our hello and the data, in version 1"
    );
}
