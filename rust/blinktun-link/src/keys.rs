//! The keys of descriptions.

use blinktun_proto::time::Duration;

use crate::values::{self, Room};
use crate::weather::Direction;

/// A key of descriptions, and what it means.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name, without a direction.
    pub name: &'static str,
    /// A value that it may have.
    pub example: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    pub(crate) read: Reader,
}

/// How the value of a key is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reader {
    /// Something that both directions have, and that can change.
    Change(fn(&str) -> Result<Change, &'static str>),
    /// The same of one direction.
    OneWay(Direction, fn(&str) -> Result<Change, &'static str>),
    /// A time and how long nothing passes from then on.
    Outage,
    Seed,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Rate(Option<u64>),
    Delay(Duration),
    Queue(Room),
    Loss(f64),
    Burst(f64),
    Jitter(Duration),
    Reorder(bool),
    Duplicate(f64),
    Corrupt(f64),
    Mtu(usize),
    Icmp(bool),
}

const fn key(
    name: &'static str,
    example: &'static str,
    summary: &'static str,
    read: Reader,
) -> Key {
    Key {
        name,
        example,
        summary,
        read,
    }
}

/// Every key.
pub const KEYS: [Key; 16] = [
    key(
        "down",
        "20mbit",
        "rate from server to client, headers of IP included",
        Reader::OneWay(Direction::Down, rate),
    ),
    key(
        "up",
        "4mbit",
        "rate from client to server",
        Reader::OneWay(Direction::Up, rate),
    ),
    key("rate", "100mbit", "rate each way", Reader::Change(rate)),
    key(
        "step",
        "12s:20mbit",
        "rate each way from this moment on",
        Reader::Change(rate),
    ),
    key(
        "delay",
        "20ms",
        "time that a packet travels one way; a round trip is twice as long",
        Reader::Change(|text| values::time(text).map(Change::Delay)),
    ),
    key(
        "queue",
        "400ms",
        "what may wait for its turn: a time at the rate, or a size like 64kb; 100ms if nothing is said",
        Reader::Change(|text| values::room(text).map(Change::Queue)),
    ),
    key(
        "loss",
        "0.5%",
        "share of packets that are lost by chance",
        Reader::Change(|text| values::chance(text).map(Change::Loss)),
    ),
    key(
        "burst",
        "6",
        "mean number of packets that are lost in a row",
        Reader::Change(|text| values::burst(text).map(Change::Burst)),
    ),
    key(
        "jitter",
        "40ms",
        "up to this much more delay, different for each packet",
        Reader::Change(|text| values::time(text).map(Change::Jitter)),
    ),
    key(
        "reorder",
        "yes",
        "with jitter packets overtake each other",
        Reader::Change(|text| values::switch(text).map(Change::Reorder)),
    ),
    key(
        "duplicate",
        "1%",
        "share of packets that arrive twice",
        Reader::Change(|text| values::chance(text).map(Change::Duplicate)),
    ),
    key(
        "corrupt",
        "0.1%",
        "share of packets that arrive with a wrong bit",
        Reader::Change(|text| values::chance(text).map(Change::Corrupt)),
    ),
    key(
        "mtu",
        "1280",
        "longest packet in bytes; 1500 if nothing is said",
        Reader::Change(|text| values::mtu(text).map(Change::Mtu)),
    ),
    key(
        "icmp",
        "no",
        "no: what is longer than the MTU vanishes; yes: it is cut, or its sender is told",
        Reader::Change(|text| values::switch(text).map(Change::Icmp)),
    ),
    key(
        "outage",
        "30s:5s",
        "from 30 s on nothing passes for 5 s",
        Reader::Outage,
    ),
    key("seed", "7", "the same luck in every run", Reader::Seed),
];

fn rate(text: &str) -> Result<Change, &'static str> {
    values::rate(text).map(Change::Rate)
}
