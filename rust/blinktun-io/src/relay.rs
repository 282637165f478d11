//! A relay: one TCP (or UNIX) connection and one stream, each feeding the other.
//!
//! Bytes go through no queue of their own: they are read when the stream has room for them, and
//! taken from the stream when the connection has. So back-pressure reaches both ends.
//!
//! An end is passed on after a pause (`closewait`), each direction's by itself. The other direction
//! goes on meanwhile; a break is passed on at once.

use blinktun_proto::session::{Context, Session};
use blinktun_proto::time::{Duration, Time, earliest};
use mio::event::Event;
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::event::{RelayEnd, StreamKey};

/// The most a relay moves in one direction before others have their turn.
const TURN_BYTES: usize = 256 << 10;

/// The two ends, and how far each direction has come.
pub struct Relay {
    /// The number its owner gave it.
    pub token: u64,
    /// The stream.
    pub key: StreamKey,
    /// Bytes from the connection to the stream.
    pub sent: u64,
    /// Bytes from the stream to the connection.
    pub received: u64,
    /// Whether the connection has been made; one may be handed over while it is being made.
    pub connected: bool,
    connection: TcpStream,
    /// When a byte was moved last, or when it began.
    moved: Option<Time>,
    readable: bool,
    writable: bool,
    /// The kernel reported the end of input: read until it shows.
    hung_up: bool,
    /// The kernel reported an error, which nobody has asked for yet.
    failed: bool,
    /// The peer has finished, and everything before its end has been taken.
    peer_finished: bool,
    /// From an end to passing it on.
    close_wait: Duration,
    /// Connection to stream.
    up: End,
    /// Stream to connection.
    down: End,
}

/// How far the end of one direction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// There may be more data.
    Ahead,
    /// There is none; the other side is told at this moment.
    Held(Time),
    /// The other side has been told.
    Passed,
}

/// What pumping a relay led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits for the connection or the stream.
    Waiting,
    /// It has used up its turn.
    More,
    /// It is over.
    Finished(RelayEnd),
}

impl Relay {
    /// A relay between `key` and a stream socket, which becomes non-blocking, without delay and
    /// with keepalive. One that is still `connecting` is non-blocking already.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(
        token: u64,
        key: StreamKey,
        connection: OwnedFd,
        connecting: bool,
    ) -> io::Result<Relay> {
        let connection = TcpStream::from(connection);
        if !connecting {
            connection.set_nonblocking(true)?;
        }
        let socket = SockRef::from(&connection);
        // A UNIX socket has neither; a TCP one that refuses them still works.
        let _ = socket.set_tcp_nodelay(true);
        let _ = socket.set_keepalive(true);
        Ok(Relay {
            token,
            key,
            sent: 0,
            received: 0,
            connected: !connecting,
            connection,
            moved: None,
            readable: true,
            writable: true,
            hung_up: false,
            failed: false,
            peer_finished: false,
            close_wait: Duration::ZERO,
            up: End::Ahead,
            down: End::Ahead,
        })
    }

    /// Hold each end back for this long, of those that come from now on.
    pub fn set_close_wait(&mut self, wait: Duration) {
        self.close_wait = wait;
    }

    /// For how long nothing has been moved, and nothing waits in the kernel for the application to
    /// take it.
    pub fn idle(&self, now: Time) -> Duration {
        if self.is_unsent() {
            return Duration::ZERO;
        }
        self.moved.map_or(Duration::ZERO, |moved| now.since(moved))
    }

    /// Whether the kernel still has bytes that the application's system has not taken.
    fn is_unsent(&self) -> bool {
        let mut count: libc::c_int = 0;
        // SAFETY: the descriptor is open, and TIOCOUTQ writes one int.
        let asked = unsafe { libc::ioctl(self.connection.as_raw_fd(), libc::TIOCOUTQ, &mut count) };
        asked == 0 && count > 0
    }

    /// When [`Relay::pump`] has something to do even if nothing happens.
    pub fn next_timeout(&self) -> Option<Time> {
        earliest(self.up.due(), self.down.due())
    }

    /// Whether all is done but to tell the connection of the stream's end: no session is needed
    /// for that, and its loss breaks nothing.
    pub fn owes_only_an_end(&self) -> bool {
        self.up == End::Passed && matches!(self.down, End::Held(_))
    }

    /// Note what the poller reported.
    pub fn note_ready(&mut self, event: &Event) {
        let hung_up = event.is_read_closed() || event.is_error();
        self.readable |= event.is_readable() | hung_up;
        self.writable |= event.is_writable();
        self.hung_up |= hung_up;
        self.failed |= event.is_error();
        self.connected |= event.is_writable() && !event.is_error();
    }

    /// Note the peer's clean end, which comes after all data has been taken.
    pub fn note_finished(&mut self) {
        self.peer_finished = true;
    }

    /// Move what can be moved.
    pub fn pump(
        &mut self,
        (session, cx): (&mut Session, &mut Context),
        scratch: &mut [u8],
        now: Time,
    ) -> Progress {
        let stream = self.key.stream;
        let moved = self
            .pump_down((session, cx), now)
            .and_then(|down| Ok(down + self.pump_up(session, scratch, now)?))
            .and_then(|moved| self.check().map(|()| moved));
        if self.moved.is_none() || moved.as_ref().is_ok_and(|bytes| *bytes > 0) {
            self.moved = Some(now);
        }
        match moved {
            Err(error) => {
                session.reset(stream);
                Progress::Finished(RelayEnd::Connection(error.to_string()))
            }
            Ok(_) if (self.up, self.down) == (End::Passed, End::Passed) => {
                Progress::Finished(RelayEnd::Clean)
            }
            Ok(bytes) if bytes >= TURN_BYTES => Progress::More,
            Ok(_) => Progress::Waiting,
        }
    }

    /// Stream to connection.
    fn pump_down(
        &mut self,
        (session, cx): (&mut Session, &mut Context),
        now: Time,
    ) -> io::Result<usize> {
        let stream = self.key.stream;
        let mut moved = 0;
        while self.writable && moved < TURN_BYTES {
            let front = session.read_front(stream);
            if front.is_empty() {
                break;
            }
            let Some(count) = would_block(self.connection.write(front))? else {
                self.writable = false;
                break;
            };
            session.consume(stream, count, now, cx);
            moved += count;
        }
        self.received += moved as u64;
        if self.peer_finished && self.connected && self.down == End::Ahead {
            self.down = End::Held(now + self.close_wait);
        }
        if self.down.due().is_some_and(|at| at <= now) {
            self.down = End::Passed;
            // The connection may be gone already; reading will tell.
            let _ = self.connection.shutdown(Shutdown::Write);
        }
        Ok(moved)
    }

    /// Connection to stream.
    fn pump_up(
        &mut self,
        session: &mut Session,
        scratch: &mut [u8],
        now: Time,
    ) -> io::Result<usize> {
        let stream = self.key.stream;
        let mut moved = 0;
        while self.readable && self.up == End::Ahead && moved < TURN_BYTES {
            let room = session.write_room(stream).min(scratch.len());
            if room == 0 {
                break;
            }
            let Some(count) = would_block(self.connection.read(&mut scratch[..room]))? else {
                self.readable = false;
                break;
            };
            if count == 0 {
                self.up = End::Held(now + self.close_wait);
                break;
            }
            let taken = session.write(stream, &scratch[..count]);
            if taken != Ok(count) {
                return Err(io::Error::other("the stream is closed"));
            }
            moved += count;
            // Less than asked for: the kernel's queue is empty, and will say when it is not.
            self.readable = count == room || self.hung_up;
        }
        self.sent += moved as u64;
        if self.up.due().is_some_and(|at| at <= now) {
            self.up = End::Passed;
            session.finish(stream);
        }
        Ok(moved)
    }

    /// An application may go away while nothing is read from it (it has ended its direction, or
    /// the stream has no room) and nothing is written to it.
    fn check(&mut self) -> io::Result<()> {
        if !core::mem::take(&mut self.failed) {
            return Ok(());
        }
        self.connection.take_error()?.map_or(Ok(()), Err)
    }

    /// Break the connection off, so that its application sees a reset and not an end.
    pub fn abort(self) {
        // Failing to set it leaves an ordinary close: nothing better can be done.
        let _ = SockRef::from(&self.connection).set_linger(Some(Duration::ZERO));
    }
}

impl End {
    fn due(self) -> Option<Time> {
        match self {
            End::Held(at) => Some(at),
            End::Ahead | End::Passed => None,
        }
    }
}

impl AsRawFd for Relay {
    fn as_raw_fd(&self) -> RawFd {
        self.connection.as_raw_fd()
    }
}

/// `None` for "try again later".
fn would_block(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
