//! Streams whose bytes go through quantum permutation pads: every way a stream can begin and end.

mod smux_support;

use blinktun_proto::qpp::{Pads, Revision, StreamPads};
use blinktun_proto::smux::{Config, Event, Mux, Role, StreamId, Version};
use smux_support::*;
use std::num::NonZeroU16;
use std::sync::Arc;

fn pads() -> Arc<Pads> {
    let count = NonZeroU16::new(7).expect("7");
    Arc::new(Pads::new(b"it's a secrect", count, Revision::B))
}

fn mux(role: Role, pads: &Arc<Pads>) -> Mux {
    let version = (role == Role::Client).then_some(Version::V2);
    let pads = Some(Arc::clone(pads));
    let config = Config {
        pads,
        ..config(role, version)
    };
    Mux::new(config, at(0))
}

fn pair() -> (Mux, Mux, Arc<Pads>) {
    let pads = pads();
    (mux(Role::Client, &pads), mux(Role::Server, &pads), pads)
}

fn encrypted(pads: &Arc<Pads>, plain: &[u8]) -> Vec<u8> {
    let mut bytes = plain.to_vec();
    StreamPads::new(pads).encrypt(&mut bytes);
    bytes
}

#[test]
fn payloads_alone_are_changed() {
    let (mut near, mut far, pads) = pair();
    let id = near.open().expect("room");
    near.write(id, b"hello").expect("open");
    let wire = transmit(&mut near, at(0));
    let sent: Vec<_> = parse(&wire).into_iter().filter(|f| f.1 == id.0).collect();
    let expected = (PSH, id.0, encrypted(&pads, b"hello"));
    assert_eq!(sent, [(SYN, id.0, Vec::new()), expected]);
    far.receive(&wire, at(0)).expect("proper");
    assert_eq!(read(&mut far, id), b"hello");
    let reply = parse(&transmit(&mut far, at(0)));
    let update = reply.into_iter().find(|frame| frame.0 == UPD);
    assert_eq!(update.expect("the first read").2[..4], 5u32.to_le_bytes());
}

#[test]
fn both_directions_and_many_streams_each_count_for_themselves() {
    let (mut near, mut far, _) = pair();
    let ids: Vec<StreamId> = (0..5).map(|_| near.open().expect("room")).collect();
    let own = far.open().expect("room");
    exchange(&mut near, &mut far, at(0));
    for round in 0..40usize {
        for &id in ids.iter().chain([&own]) {
            let up = vec![id.0 as u8; 1 + round * 97];
            let down = vec![round as u8; 3 + round * 61];
            assert_eq!(near.write(id, &up), Ok(up.len()));
            assert_eq!(far.write(id, &down), Ok(down.len()));
            exchange(&mut near, &mut far, at(0));
            assert_eq!(read(&mut far, id), up);
            assert_eq!(read(&mut near, id), down);
        }
    }
}

#[test]
fn a_write_cut_short_goes_on_where_it_stopped() {
    let (mut near, mut far, _) = pair();
    let id = near.open().expect("room");
    let data: Vec<u8> = (0..700_000u32).map(|n| (n % 251) as u8).collect();
    let (mut written, mut got) = (0, Vec::new());
    while got.len() < data.len() {
        written += near.write(id, &data[written..]).expect("open");
        exchange(&mut near, &mut far, at(0));
        got.extend(read(&mut far, id));
    }
    assert_eq!(got, data);
}

#[test]
fn a_dropped_stream_disturbs_no_other_and_its_id_begins_anew() {
    let (mut near, mut far, pads) = pair();
    let (dropped, kept) = (near.open().expect("room"), near.open().expect("room"));
    for id in [dropped, kept] {
        near.write(id, b"first").expect("open");
    }
    exchange(&mut near, &mut far, at(0));
    far.reset(dropped);
    near.write(dropped, b"nobody reads this").expect("open");
    near.write(kept, b" second").expect("open");
    exchange(&mut near, &mut far, at(0));
    assert_eq!(read(&mut far, kept), b"first second");
    assert!(events(&mut near).contains(&Event::Reset(dropped)));

    let mut again = frame(Version::V2, SYN, dropped.0, &[]);
    again.extend(frame(
        Version::V2,
        PSH,
        dropped.0,
        &encrypted(&pads, b"anew"),
    ));
    far.receive(&again, at(0)).expect("proper");
    assert_eq!(read(&mut far, dropped), b"anew");
}

#[test]
fn other_pads_give_other_bytes_and_break_nothing() {
    let pads = pads();
    let other = Arc::new(Pads::new(
        b"other",
        NonZeroU16::new(7).expect("7"),
        Revision::B,
    ));
    let (mut near, mut far) = (mux(Role::Client, &pads), mux(Role::Server, &other));
    let id = near.open().expect("room");
    near.write(id, b"hello").expect("open");
    near.finish(id);
    exchange(&mut near, &mut far, at(0));
    let got = read(&mut far, id);
    assert_eq!(got.len(), 5);
    assert_ne!(got, b"hello");
    assert!(far.is_finished(id));
}

#[test]
fn a_peer_that_closes_fully_gets_and_gives_every_byte() {
    let (mut near, _, pads) = pair();
    let id = near.open().expect("room");
    near.write(id, b"request").expect("open");
    near.finish(id);
    let asked = parse(&transmit(&mut near, at(0)));
    assert_eq!(
        asked.last().map(|f| f.2.clone()),
        Some(encrypted(&pads, b"request"))
    );
    // Its FIN would make the peer cut the answer, so ours waits until the answer's own end.
    let mut answer = frame(Version::V2, PSH, id.0, &encrypted(&pads, b"the answer"));
    answer.extend(frame(Version::V2, FIN, id.0, &[]));
    near.receive(&answer, at(100)).expect("proper");
    assert_eq!(read(&mut near, id), b"the answer");
    assert!(events(&mut near).contains(&Event::Finished(id)));
}
