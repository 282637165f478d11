//! Buffers to receive into, used again and again by all sockets.

use std::net::SocketAddr;

use blinktun_proto::path::FourTuple;

/// What one buffer holds: the largest UDP payload, or a coalesced run of them.
pub const BUFFER: usize = 65536;
/// Buffers filled by one call.
pub const BUFFERS: usize = 8;

/// Datagrams of one path that arrived as one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where from, and which of our addresses was asked.
    pub path: FourTuple,
    /// Where in the inbox.
    pub start: usize,
    /// Bytes.
    pub len: usize,
    /// Length of each datagram; the last may be shorter.
    pub stride: usize,
}

/// What one call received.
pub struct Inbox {
    pub(crate) bytes: Vec<u8>,
    pub(crate) runs: Vec<Run>,
}

impl Default for Inbox {
    /// Empty buffers. The system gives them memory when they are first written to.
    fn default() -> Inbox {
        Inbox {
            bytes: vec![0; BUFFER * BUFFERS],
            runs: Vec::new(),
        }
    }
}

impl Inbox {
    /// Run `index`, as the last call of `receive` left it.
    pub fn run(&mut self, index: usize) -> Option<(Run, &mut [u8])> {
        let run = *self.runs.get(index)?;
        let bytes = self.bytes.get_mut(run.start..run.start + run.len)?;
        Some((run, bytes))
    }

    /// Move one datagram behind those that are kept already, into their run if it fits there.
    ///
    /// Datagrams are given in the order in which they lie, so that none is written over.
    pub(crate) fn keep(&mut self, from: SocketAddr, start: usize, len: usize) {
        let path = from.into();
        let end = self.runs.last().map_or(0, |run| run.start + run.len);
        self.bytes.copy_within(start..start + len, end);
        match self.runs.last_mut() {
            Some(run) if run.path == path && len <= run.stride && run.len % run.stride == 0 => {
                run.len += len;
            }
            _ => self.runs.push(Run {
                path,
                start: end,
                len,
                stride: len,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn equal_datagrams_of_one_peer_become_a_run() {
        let mut inbox = Inbox::default();
        for (index, (port, len)) in [(1, 4), (1, 4), (1, 2), (1, 4), (2, 4), (2, 5)]
            .into_iter()
            .enumerate()
        {
            let start = 100 + index * 10;
            inbox.bytes[start..start + len].fill(index as u8);
            inbox.keep(peer(port), start, len);
        }
        let seen: Vec<_> = (0..4)
            .filter_map(|index| inbox.run(index).map(|(run, bytes)| (run, bytes.to_vec())))
            .map(|(run, bytes)| (run.path.remote.port(), run.stride, bytes))
            .collect();
        assert_eq!(
            seen,
            [
                (1, 4, vec![0, 0, 0, 0, 1, 1, 1, 1, 2, 2]),
                (1, 4, vec![3; 4]),
                (2, 4, vec![4; 4]),
                (2, 5, vec![5; 5]),
            ]
        );
        assert!(inbox.run(4).is_none());
    }
}
