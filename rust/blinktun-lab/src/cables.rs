//! The devices at the ends of a link.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use blinktun_link::{Direction, Duplex};
use blinktun_proto::time::Time;
use rustix::io::{Errno, ioctl_fionbio, read, write};

/// No packet of a TUN device is longer.
const LONGEST: usize = 65_536;
/// Packets that one turn takes of one device, so that the others have their turn.
const MOST: usize = 128;

/// Two TUN devices, one at the client and one at the server. Each call gives or takes one packet.
pub struct Cables {
    client: OwnedFd,
    server: OwnedFd,
    buffer: Vec<u8>,
}

/// What a turn left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// Nothing came.
    Idle,
    /// Something came, and all of it was taken.
    Taken,
    /// There may be more.
    More,
}

impl Cables {
    pub fn new(client: OwnedFd, server: OwnedFd) -> io::Result<Cables> {
        for device in [&client, &server] {
            ioctl_fionbio(device, true)?;
        }
        Ok(Cables {
            client,
            server,
            buffer: vec![0; LONGEST],
        })
    }

    /// Both devices, to wait for packets.
    pub fn devices(&self) -> [BorrowedFd<'_>; 2] {
        [self.client.as_fd(), self.server.as_fd()]
    }

    /// Give the link what came, and take from it what has arrived by now.
    pub fn turn(&mut self, link: &mut Duplex, now: Time) -> io::Result<Left> {
        let mut left = Left::Idle;
        for direction in Direction::BOTH {
            let source = match direction {
                Direction::Up => &self.client,
                Direction::Down => &self.server,
            };
            let taken = take(source, &mut self.buffer, |packet| {
                link.send(direction, packet, now);
            })?;
            left = left.max(taken);
        }
        for direction in Direction::BOTH {
            let target = match direction {
                Direction::Up => &self.server,
                Direction::Down => &self.client,
            };
            while let Some(packet) = link.receive(direction, now) {
                // A device that is down takes nothing, like a host that is switched off.
                let _ = write(target, &packet);
            }
        }
        Ok(left)
    }
}

fn take(source: &OwnedFd, buffer: &mut [u8], mut give: impl FnMut(&[u8])) -> io::Result<Left> {
    for count in 0..MOST {
        match read(source, &mut *buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => give(&buffer[..len]),
            Err(Errno::AGAIN) if count == 0 => return Ok(Left::Idle),
            Err(Errno::AGAIN) => return Ok(Left::Taken),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Left::More)
}
