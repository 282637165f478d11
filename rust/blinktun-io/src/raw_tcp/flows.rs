//! Whose segments count: the peers to which the kernel has a TCP connection, and the numbers that
//! make segments to and from them look like parts of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use blinktun_proto::time::Time;

use super::segment::{Header, Segment};

/// Flows of one socket.
pub const MAX_FLOWS: usize = 16384;

/// One peer's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Our address, which the peer writes to.
    pub local: IpAddr,
    /// Our next sequence number; none before the peer has acknowledged anything.
    seq: Option<u32>,
    /// The byte expected from the peer.
    ack: Option<u32>,
    /// The peer's last timestamp.
    echo: u32,
    last: Time,
}

/// All flows of a socket, at most [`MAX_FLOWS`].
#[derive(Default)]
pub struct Flows {
    // An IPv6 address has a scope beside, which the kernel names or not.
    flows: HashMap<(IpAddr, u16), Flow>,
}

impl Flows {
    /// Let the peer's segments count from now on. Returns false if there are too many flows.
    pub fn admit(&mut self, peer: SocketAddr, local: IpAddr, now: Time) -> bool {
        let full = self.flows.len() >= MAX_FLOWS;
        let flow = Flow {
            local,
            seq: None,
            ack: None,
            echo: 0,
            last: now,
        };
        match self.flows.entry(key(peer)) {
            Entry::Vacant(_) if full => return false,
            Entry::Vacant(place) => {
                place.insert(flow);
            }
            // A new connection from the port of an old one.
            Entry::Occupied(mut place) => {
                place.insert(flow);
            }
        }
        true
    }

    /// The flow of a peer.
    pub fn get_mut(&mut self, peer: SocketAddr) -> Option<&mut Flow> {
        self.flows.get_mut(&key(peer))
    }

    /// Forget the flows without traffic for `idle`; returns their peers.
    pub fn expire(&mut self, idle: Duration, now: Time) -> Vec<SocketAddr> {
        let is_idle = |_: &(IpAddr, u16), flow: &mut Flow| now.since(flow.last) >= idle;
        let gone = self.flows.extract_if(is_idle);
        gone.map(|((ip, port), _)| SocketAddr::new(ip, port))
            .collect()
    }
}

impl Flow {
    /// Learn from a segment of the peer.
    pub fn note(&mut self, segment: &Segment, now: Time) {
        self.last = now;
        self.echo = segment.timestamp.unwrap_or(self.echo);
        // As the original: numbers go back to where the peer is, after a loss for example.
        self.seq = segment.ack.or(self.seq);
        let len = segment.payload.len() as u32 + u32::from(segment.is_syn_ack);
        let end = segment.seq.wrapping_add(len);
        let is_ahead = self
            .ack
            .is_none_or(|ack| (end.wrapping_sub(ack) as i32) > 0);
        if segment.is_syn_ack || is_ahead {
            self.ack = Some(end);
        }
    }

    /// The header for the next segment, of `len` bytes. None if the peer has said nothing yet.
    pub fn next(&mut self, ports: (u16, u16), len: usize, now: Time) -> Option<Header> {
        let (seq, ack) = (self.seq?, self.ack?);
        self.skip(len);
        Some(Header {
            ports,
            seq,
            ack,
            timestamps: (now.as_millis() as u32, self.echo),
        })
    }

    /// Count `len` bytes that were sent.
    pub fn skip(&mut self, len: usize) {
        self.seq = self.seq.map(|seq| seq.wrapping_add(len as u32));
    }
}

fn key(peer: SocketAddr) -> (IpAddr, u16) {
    (peer.ip(), peer.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn segment(seq: u32, ack: u32, len: usize) -> Segment {
        Segment {
            ports: (1, 2),
            seq,
            ack: Some(ack),
            is_syn_ack: false,
            is_push: len > 0,
            timestamp: Some(5),
            payload: 20..20 + len,
        }
    }

    fn admitted() -> Flows {
        let mut flows = Flows::default();
        assert!(flows.admit(peer(1), LOCAL, Time::ZERO));
        flows
    }

    #[test]
    fn numbers_begin_with_the_peers() {
        let mut flows = admitted();
        let flow = flows.get_mut(peer(1)).expect("admitted");
        assert_eq!(flow.next((1, 2), 10, Time::ZERO), None);
        let mut answer = segment(100, 500, 0);
        answer.is_syn_ack = true;
        flow.note(&answer, Time::ZERO);
        let first = flow.next((1, 2), 10, Time::from_millis(3));
        let first = first.expect("the peer has spoken");
        assert_eq!((first.seq, first.ack, first.timestamps), (500, 101, (3, 5)));
        let second = flow.next((1, 2), 10, Time::ZERO).expect("goes on");
        assert_eq!((second.seq, second.ack), (510, 101));
    }

    #[test]
    fn acknowledgements_go_forward_only_and_wrap() {
        let mut flows = admitted();
        let flow = flows.get_mut(peer(1)).expect("admitted");
        let mut ack_after = |seq, len| {
            flow.note(&segment(seq, 0, len), Time::ZERO);
            flow.next((1, 2), 0, Time::ZERO).map(|header| header.ack)
        };
        assert_eq!(ack_after(u32::MAX - 4, 10), Some(5));
        assert_eq!(ack_after(u32::MAX - 9, 5), Some(5)); // late
        assert_eq!(ack_after(30, 10), Some(40)); // after a loss
    }

    #[test]
    fn idle_flows_are_forgotten() {
        let mut flows = admitted();
        assert!(flows.admit(peer(2), LOCAL, Time::ZERO));
        let flow = flows.get_mut(peer(2)).expect("admitted");
        flow.note(&segment(1, 1, 1), Time::from_millis(30_000));
        let idle = Duration::from_secs(60);
        assert_eq!(flows.expire(idle, Time::from_millis(59_999)), []);
        assert_eq!(flows.expire(idle, Time::from_millis(60_000)), [peer(1)]);
        assert!(flows.get_mut(peer(1)).is_none());
        assert!(flows.get_mut(peer(2)).is_some());
    }

    #[test]
    fn flows_are_bounded() {
        let mut flows = Flows::default();
        for index in 0..MAX_FLOWS as u32 {
            let address = std::net::Ipv4Addr::from(index);
            assert!(flows.admit((address, 1).into(), LOCAL, Time::ZERO));
        }
        assert!(!flows.admit(peer(1), LOCAL, Time::ZERO));
        let known = (std::net::Ipv4Addr::from(7), 1).into();
        assert!(flows.admit(known, LOCAL, Time::ZERO));
    }
}
