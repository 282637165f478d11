//! The thread that carries packets.

use std::io;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use blinktun_link::{Counts, Description, Direction, Duplex};
use blinktun_proto::time::{Duration, Time};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::{Errno, write};
use rustix::thread::set_current_timer_slack;

use crate::cables::Cables;
use crate::rest::{Rest, Rhythm};

/// A link between two TUN devices. It ends when it is stopped or dropped, or when a device is gone.
#[derive(Debug)]
pub struct Emulator {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<io::Result<()>>>>,
}

/// What the thread and its owner both see.
#[derive(Debug)]
struct Shared {
    link: Mutex<Duplex>,
    begin: Instant,
    is_over: AtomicBool,
    /// Makes the thread look up.
    bell: OwnedFd,
}

impl Emulator {
    /// Carry packets between two TUN devices, which give and take IP packets without a header in front
    /// (`IFF_NO_PI`). The link's time begins now, and its luck comes from `seed`.
    pub fn start(
        client: OwnedFd,
        server: OwnedFd,
        link: Description,
        seed: u64,
    ) -> io::Result<Emulator> {
        let cables = Cables::new(client, server)?;
        let shared = Arc::new(Shared {
            link: Mutex::new(Duplex::new(link, seed)),
            begin: Instant::now(),
            is_over: AtomicBool::new(false),
            bell: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
        });
        let seen = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("blinktun-lab".into())
            .spawn(move || carry(&seen, cables))?;
        Ok(Emulator {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Change the link; what is on its way is not affected. The times of the description count from now.
    pub fn follow(&self, link: Description) {
        let now = self.shared.now();
        self.shared.link().follow(link, now);
    }

    /// What one direction has done so far.
    pub fn counts(&self, direction: Direction) -> Counts {
        self.shared.link().counts(direction)
    }

    /// Carry no more; what is on its way is lost. A second call does nothing.
    ///
    /// # Errors
    /// The thread had ended before: a device was gone.
    pub fn stop(&self) -> io::Result<()> {
        match self.join() {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }

    /// How the thread ended; `None` if that was asked before.
    fn join(&self) -> Option<thread::Result<io::Result<()>>> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // This fails only if the bell rings already.
        let _ = write(&self.shared.bell, &1_u64.to_ne_bytes());
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.take().map(JoinHandle::join)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // There is no caller any more to whom an error could be returned.
        let _ = self.join();
    }
}

impl Shared {
    fn now(&self) -> Time {
        Time::from_micros(self.begin.elapsed().as_micros() as u64)
    }

    fn link(&self) -> MutexGuard<'_, Duplex> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn carry(shared: &Shared, mut cables: Cables) -> io::Result<()> {
    // Else the kernel may wake the thread 50 microseconds late, to wake others at the same moment.
    set_current_timer_slack(NonZeroU64::new(1))?;
    let mut rhythm = Rhythm::default();
    while !shared.is_over.load(Ordering::Relaxed) {
        let now = shared.now();
        let (left, next) = {
            let mut link = shared.link();
            (cables.turn(&mut link, now)?, link.next_arrival())
        };
        match rhythm.rest(left, next, now) {
            Rest::None => {}
            Rest::Sleep(time) => thread::sleep(time),
            Rest::Wait(longest) => wait(shared, &cables, longest)?,
        }
    }
    Ok(())
}

/// Wait for a packet at either device, or for the bell.
fn wait(shared: &Shared, cables: &Cables, longest: Option<Duration>) -> io::Result<()> {
    let [client, server] = cables.devices();
    let mut sources = [
        PollFd::from_borrowed_fd(client, PollFlags::IN),
        PollFd::from_borrowed_fd(server, PollFlags::IN),
        PollFd::new(&shared.bell, PollFlags::IN),
    ];
    let longest = longest.map(Timespec::try_from).transpose();
    match poll(&mut sources, longest.map_err(io::Error::other)?.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    /// An emulator whose devices are sockets, and the other ends of these.
    fn emulator(text: &str) -> (Emulator, [UnixDatagram; 2]) {
        let (client, server) = (UnixDatagram::pair().unwrap(), UnixDatagram::pair().unwrap());
        for end in [&client.0, &server.0] {
            end.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        }
        let link = Description::parse(text.split(' ')).unwrap();
        let emulator = Emulator::start(client.1.into(), server.1.into(), link, 1).unwrap();
        (emulator, [client.0, server.0])
    }

    #[test]
    fn packets_go_both_ways_in_their_time() {
        let (emulator, ends) = emulator("delay-up=20ms delay-down=30ms");
        for (from, to, delay) in [(0, 1, 20), (1, 0, 30)] {
            let begin = Instant::now();
            ends[from].send(&[7; 1400]).unwrap();
            let mut buffer = [0; 2000];
            assert_eq!(ends[to].recv(&mut buffer).unwrap(), 1400);
            assert!(begin.elapsed() >= Duration::from_millis(delay));
        }
        for direction in Direction::BOTH {
            let counts = emulator.counts(direction);
            assert_eq!(
                (counts.sent, counts.delivered, counts.delivered_bytes),
                (1, 1, 1400)
            );
        }
        emulator.stop().unwrap();
        emulator.stop().unwrap();
    }

    #[test]
    fn many_packets_at_once_all_arrive_in_order() {
        let (emulator, [client, server]) = emulator("delay=1ms");
        let mut buffer = [0; 4];
        // A socket of this kind holds ten packets.
        for batch in (0..2000_u32).collect::<Vec<_>>().chunks(8) {
            for number in batch {
                client.send(&number.to_be_bytes()).unwrap();
            }
            for number in batch {
                server.recv(&mut buffer).unwrap();
                assert_eq!(u32::from_be_bytes(buffer), *number);
            }
        }
        assert_eq!(emulator.counts(Direction::Up).delivered, 2000);
    }

    #[test]
    fn a_link_can_change_while_it_carries() {
        let (emulator, [client, server]) = emulator("loss=100%");
        client.send(&[1]).unwrap();
        while emulator.counts(Direction::Up).lost == 0 {
            thread::yield_now();
        }
        emulator.follow(Description::parse(["delay=1ms"]).unwrap());
        client.send(&[2]).unwrap();
        let mut buffer = [0; 4];
        server.recv(&mut buffer).unwrap();
        assert_eq!(buffer[0], 2);
    }

    #[test]
    fn a_device_that_is_gone_ends_it() {
        let nothing = std::fs::File::open("/dev/null").unwrap();
        let (end, _other) = UnixDatagram::pair().unwrap();
        let link = Description::parse([]).unwrap();
        let emulator = Emulator::start(nothing.into(), end.into(), link, 1).unwrap();
        while !emulator
            .thread
            .lock()
            .unwrap()
            .as_ref()
            .unwrap()
            .is_finished()
        {
            thread::yield_now();
        }
        assert!(emulator.stop().is_err());
    }
}
