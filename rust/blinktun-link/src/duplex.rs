//! Both directions of a path for IP packets.

use blinktun_proto::time::{Time, earliest};

use crate::description::Description;
use crate::link::{Counts, Link, Sent};
use crate::packet;
use crate::weather::{Direction, Schedule};

/// Memory that packets on their way may take in each direction: half a second at 1 Gbit/s.
const MAX_HELD: usize = 64 << 20;

/// A link each way. It does with packets that are too long what a router does: it cuts them if they may
/// be cut, and else tells their senders.
#[derive(Debug)]
pub struct Duplex {
    up: Link,
    down: Link,
}

impl Duplex {
    /// An idle link, whose time begins at zero; its luck comes from `seed`.
    pub fn new(description: Description, seed: u64) -> Duplex {
        let link = |seed, schedule: Schedule| {
            let mut link = Link::new(schedule.first.clone(), seed);
            link.follow(schedule, Time::ZERO);
            link
        };
        Duplex {
            up: link(seed, description.up),
            down: link(!seed, description.down),
        }
    }

    /// Change the link; what is on its way is not affected. The times of the description count from now.
    pub fn follow(&mut self, description: Description, now: Time) {
        self.up.follow(description.up, now);
        self.down.follow(description.down, now);
    }

    /// A packet leaves at `now`.
    pub fn send(&mut self, direction: Direction, packet: &[u8], now: Time) {
        let (link, back) = self.links(direction);
        let weather = link.weather_at(now);
        let (mtu, icmp) = (weather.mtu, weather.icmp);
        if packet.len() <= mtu || !icmp {
            offer(link, packet, now);
            return;
        }
        if let Some(pieces) = packet::fragments(packet, mtu) {
            for piece in pieces {
                offer(link, &piece, now);
            }
        } else if offer(link, packet, now) == Sent::TooLong
            && let Some(complaint) = packet::complaint(packet, mtu)
        {
            offer(back, &complaint, now);
        }
    }

    /// A packet that has arrived by `now`.
    pub fn receive(&mut self, direction: Direction, now: Time) -> Option<Vec<u8>> {
        self.links(direction).0.receive(now)
    }

    /// When the next packet arrives at either end.
    pub fn next_arrival(&self) -> Option<Time> {
        earliest(self.up.next_arrival(), self.down.next_arrival())
    }

    /// What one direction has done so far.
    pub fn counts(&self, direction: Direction) -> Counts {
        match direction {
            Direction::Up => self.up.counts,
            Direction::Down => self.down.counts,
        }
    }

    /// The link of a direction, and that of the other one.
    fn links(&mut self, direction: Direction) -> (&mut Link, &mut Link) {
        match direction {
            Direction::Up => (&mut self.up, &mut self.down),
            Direction::Down => (&mut self.down, &mut self.up),
        }
    }
}

/// Send a packet if there is memory for it.
fn offer(link: &mut Link, packet: &[u8], now: Time) -> Sent {
    match link.held() < MAX_HELD {
        true => link.send(packet, now),
        false => link.refuse(packet.len()),
    }
}
