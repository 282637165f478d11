//! Two ends in one process, and frames made and read by hand.
#![allow(dead_code)]

use blinktun_proto::smux::{Config, Event, HELLO, Mux, Role, Settings, StreamId, Version};
use blinktun_proto::time::{Duration, Time};

pub const SYN: u8 = 0;
pub const FIN: u8 = 1;
pub const PSH: u8 = 2;
pub const NOP: u8 = 3;
pub const UPD: u8 = 4;
pub const ID: StreamId = StreamId(3);

/// The programs' defaults, with room for 1000 streams.
pub fn config(role: Role, version: Option<Version>) -> Config {
    Config {
        role,
        settings: Settings {
            version,
            frame_size: 8192,
            receive_buffer: 4 << 20,
            stream_buffer: 2 << 20,
            send_buffer: 64 << 10,
            keepalive: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(30),
            outage: Duration::from_secs(600),
            independent: false,
            max_streams: 1000,
            max_flows: 0,
        },
        pads: None,
        hash_seed: 7,
    }
}

/// The same with other settings.
pub fn config_with(
    role: Role,
    version: Option<Version>,
    change: impl FnOnce(&mut Settings),
) -> Config {
    let mut config = config(role, version);
    change(&mut config.settings);
    config
}

pub fn client(version: Version) -> Mux {
    Mux::new(config(Role::Client, Some(version)), Time::ZERO)
}

pub fn server() -> Mux {
    Mux::new(config(Role::Server, None), Time::ZERO)
}

/// A frame as another implementation would write it.
pub fn frame(version: Version, command: u8, id: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![if version == Version::V1 { 1 } else { 2 }, command];
    bytes.extend((data.len() as u16).to_le_bytes());
    bytes.extend(id.to_le_bytes());
    bytes.extend(data);
    bytes
}

pub fn update(id: u32, consumed: u32, window: u32) -> Vec<u8> {
    let data = [consumed.to_le_bytes(), window.to_le_bytes()].concat();
    frame(Version::V2, UPD, id, &data)
}

/// Frames as (command, id, data), read independently of the crate's decoder.
pub fn parse(mut bytes: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(u16::from_le_bytes([bytes[2], bytes[3]]));
        let id = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        frames.push((bytes[1], id, bytes[8..8 + length].to_vec()));
        bytes = &bytes[8 + length..];
    }
    frames
}

/// Everything an end has to send now.
pub fn transmit(mux: &mut Mux, now: Time) -> Vec<u8> {
    let mut out = Vec::new();
    while mux.wants_transmit() && mux.transmit(usize::MAX, &mut out, now).bytes > 0 {}
    out
}

/// What an end sends now, as (command, id, length of data), without hello.
pub fn sends(mux: &mut Mux, now: Time) -> Vec<(u8, u32, usize)> {
    let frames = parse(&transmit(mux, now)).into_iter();
    let kept = frames.filter(|&(command, id, _)| (command, id) != (NOP, HELLO));
    kept.map(|(command, id, data)| (command, id, data.len()))
        .collect()
}

pub fn events(mux: &mut Mux) -> Vec<Event> {
    std::iter::from_fn(|| mux.next_event()).collect()
}

/// Read out a stream.
pub fn read(mux: &mut Mux, id: StreamId) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let front = mux.read_front(id);
        if front.is_empty() {
            return bytes;
        }
        let count = front.len();
        bytes.extend_from_slice(front);
        mux.consume(id, count);
    }
}

/// Carry bytes both ways until both ends have nothing to say.
pub fn exchange(a: &mut Mux, b: &mut Mux, now: Time) {
    loop {
        let (up, down) = (transmit(a, now), transmit(b, now));
        if up.is_empty() && down.is_empty() {
            return;
        }
        b.receive(&up, now).expect("a speaks properly");
        a.receive(&down, now).expect("b speaks properly");
    }
}

pub fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

/// Two blinktun ends that know each other, with stream 3 open.
pub fn acquainted(version: Version) -> (Mux, Mux) {
    let (mut client, mut server) = (client(version), server());
    assert_eq!(client.open(), Ok(ID));
    exchange(&mut client, &mut server, at(0));
    assert_eq!(events(&mut client), [Event::PeerHello]);
    assert_eq!(events(&mut server), [Event::PeerHello, Event::Opened(ID)]);
    assert!(client.peer_is_blinktun() && server.peer_is_blinktun());
    (client, server)
}
