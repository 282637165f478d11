//! Many source addresses: 127.0.0.0/8 is all ours. What comes back is counted for each.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

const FIRST: u32 = u32::from_be_bytes([127, 1, 0, 1]);

struct Source {
    socket: UdpSocket,
    sent: u64,
    received: u64,
}

/// The sockets, one for each address.
pub struct Sources {
    sources: Vec<Source>,
    sent: u64,
    sent_bytes: u64,
    received: u64,
}

impl Sources {
    /// Bind `count` sockets, each to an address of its own, all connected to `to`.
    ///
    /// # Errors
    /// What the system says: often that too few files may be open (`ulimit -n`).
    pub fn bind(count: usize, to: SocketAddr) -> io::Result<Sources> {
        let bind = |index: u32| {
            let socket = UdpSocket::bind((Ipv4Addr::from(FIRST + index), 0))?;
            socket.connect(to)?;
            socket.set_nonblocking(true)?;
            Ok(Source {
                socket,
                sent: 0,
                received: 0,
            })
        };
        let sources: io::Result<Vec<Source>> = (0..count as u32).map(bind).collect();
        Ok(Sources {
            sources: sources?,
            sent: 0,
            sent_bytes: 0,
            received: 0,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Send from source `index`.
    pub fn send(&mut self, index: usize, datagram: &[u8]) {
        let source = &mut self.sources[index];
        if source.socket.send(datagram).is_ok() {
            source.sent += datagram.len() as u64;
            self.sent += 1;
            self.sent_bytes += datagram.len() as u64;
        }
    }

    /// Send from a socket that is not one of the sources: what comes back there is not counted.
    pub fn send_from(&mut self, socket: &UdpSocket, datagram: &[u8]) {
        if socket.send(datagram).is_ok() {
            self.sent += 1;
            self.sent_bytes += datagram.len() as u64;
        }
    }

    /// Count what has come back.
    pub fn sweep(&mut self) {
        let mut buffer = [0; 2048];
        for source in &mut self.sources {
            while let Ok(len) = source.socket.recv(&mut buffer) {
                source.received += len as u64;
                self.received += 1;
            }
        }
    }

    /// The figures as one line of JSON. `worst_ratio` is the most bytes that one source got back for
    /// each that it sent.
    pub fn report(&self, sending: Duration) -> String {
        let ratio = |source: &Source| source.received as f64 / source.sent.max(1) as f64;
        let worst = self.sources.iter().map(ratio).fold(0.0, f64::max);
        let (sent, received) = self.sources.iter().fold((0, 0), |(s, r), source| {
            (s + source.sent, r + source.received)
        });
        format!(
            "{{\"sent\": {}, \"sent_bytes\": {}, \"seconds\": {:.3}, \"received\": {}, \
             \"received_bytes\": {received}, \"ratio\": {:.3}, \"worst_ratio\": {worst:.3}}}",
            self.sent,
            self.sent_bytes,
            sending.as_secs_f64(),
            self.received,
            received as f64 / sent.max(1) as f64,
        )
    }
}
