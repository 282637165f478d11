//! What a failed send says, and for what.
//!
//! An error belongs to a destination, to one of our addresses or to a moment, never to the socket:
//! what the path to one peer refuses, all others still get.

use std::io;
use std::net::IpAddr;

use blinktun_proto::path::FourTuple;
use blinktun_proto::time::{Duration, Time};

use super::expiring::Expiring;

/// Destinations that refused runs, and those that refused an address of ours, at once.
const REMEMBERED: usize = 1024;
/// How long that counts. One refused call is what it costs to learn it again.
const LIFE: Duration = Duration::from_secs(60);

/// Why the system did not take a datagram, or a run of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The socket is full: the rest waits.
    NoRoom,
    /// A signal came, or the error of an earlier datagram was told: the same call may work now.
    Earlier,
    /// Longer than the path, or its first interface, lets through.
    TooLong,
    /// An argument: an address of ours that is gone, or, of older kernels, what is too long.
    Invalid,
    /// There is no way to the destination, or none from this address of ours.
    NoRoute,
    /// There is no memory at this moment.
    NoMemory,
    /// The route, a firewall or the interface refuses it.
    Refused,
}

impl From<&io::Error> for SendError {
    fn from(error: &io::Error) -> SendError {
        match error.raw_os_error() {
            _ if error.kind() == io::ErrorKind::WouldBlock => SendError::NoRoom,
            Some(libc::EINTR | libc::ECONNREFUSED | libc::ECONNRESET) => SendError::Earlier,
            Some(libc::EMSGSIZE) => SendError::TooLong,
            Some(libc::EINVAL | libc::EADDRNOTAVAIL) => SendError::Invalid,
            Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN) => SendError::NoRoute,
            Some(libc::ENOBUFS | libc::ENOMEM) => SendError::NoMemory,
            _ => SendError::Refused,
        }
    }
}

/// What was refused lately. It is not tried again with each datagram.
pub struct Refusals {
    /// The longest datagrams that may leave as a run, by destination.
    strides: Expiring<IpAddr, usize>,
    /// Addresses of ours, each with a destination that is not reached from there.
    sources: Expiring<(IpAddr, IpAddr), ()>,
}

impl Default for Refusals {
    fn default() -> Refusals {
        Refusals {
            strides: Expiring::new(REMEMBERED, LIFE),
            sources: Expiring::new(REMEMBERED, LIFE),
        }
    }
}

impl Refusals {
    /// Whether datagrams of this length may leave for `to` as a run.
    pub fn allows_run(&self, to: IpAddr, stride: usize, now: Time) -> bool {
        self.strides
            .get(&to, now)
            .is_none_or(|most| stride <= *most)
    }

    /// A run was refused whose datagrams leave one by one.
    pub fn note_run(&mut self, to: IpAddr, stride: usize, error: SendError, now: Time) {
        let most = match error {
            SendError::NoRoom | SendError::Earlier | SendError::NoMemory => return,
            SendError::TooLong | SendError::Invalid => stride.saturating_sub(1),
            SendError::NoRoute | SendError::Refused => 0, // the route has no segmentation, under IPsec for example
        };
        self.strides.insert(to, most, now);
    }

    /// The path to use: without our address if the system does not send from there.
    pub fn usable(&self, path: FourTuple, now: Time) -> FourTuple {
        let is_usable = |ip: &IpAddr| self.sources.get(&(*ip, path.remote.ip()), now).is_none();
        FourTuple {
            local_ip: path.local_ip.filter(is_usable),
            ..path
        }
    }

    /// What was refused from our address of `path` leaves from another one.
    pub fn note_source(&mut self, path: FourTuple, now: Time) {
        if let Some(ip) = path.local_ip {
            self.sources.insert((ip, path.remote.ip()), (), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    fn error(number: i32) -> SendError {
        SendError::from(&io::Error::from_raw_os_error(number))
    }

    #[test]
    fn numbers_mean() {
        for (number, meaning) in [
            (libc::EAGAIN, SendError::NoRoom),
            (libc::EINTR, SendError::Earlier),
            (libc::ECONNREFUSED, SendError::Earlier),
            (libc::EMSGSIZE, SendError::TooLong),
            (libc::EINVAL, SendError::Invalid),
            (libc::EADDRNOTAVAIL, SendError::Invalid),
            (libc::ENOBUFS, SendError::NoMemory),
            (libc::EIO, SendError::Refused),
            (libc::EOPNOTSUPP, SendError::Refused),
            (libc::EPERM, SendError::Refused),
            (libc::ENETUNREACH, SendError::NoRoute),
            (libc::EHOSTUNREACH, SendError::NoRoute),
        ] {
            assert_eq!(error(number), meaning, "{number}");
        }
    }

    #[test]
    fn a_refused_run_counts_for_its_destination_and_for_a_minute() {
        let mut refusals = Refusals::default();
        refusals.note_run(ip(1), 1350, SendError::TooLong, at(0));
        assert!(!refusals.allows_run(ip(1), 1350, at(59)));
        assert!(refusals.allows_run(ip(1), 1349, at(59)));
        assert!(refusals.allows_run(ip(2), 1350, at(59)));
        assert!(refusals.allows_run(ip(1), 1350, at(60)));
    }

    #[test]
    fn a_route_without_segmentation_gets_no_runs() {
        let mut refusals = Refusals::default();
        refusals.note_run(ip(1), 1350, SendError::Refused, at(0));
        assert!(!refusals.allows_run(ip(1), 40, at(1)));
        assert!(refusals.allows_run(ip(2), 1350, at(1)));
    }

    #[test]
    fn what_passes_by_itself_is_not_remembered() {
        let mut refusals = Refusals::default();
        for error in [SendError::NoMemory, SendError::Earlier, SendError::NoRoom] {
            refusals.note_run(ip(1), 1350, error, at(0));
        }
        assert!(refusals.allows_run(ip(1), 1350, at(0)));
    }

    #[test]
    fn an_address_that_is_gone_is_tried_again_later() {
        let path = |local, remote| FourTuple {
            remote: (ip(remote), 1).into(),
            local_ip: Some(ip(local)),
            socket: 0,
        };
        let mut refusals = Refusals::default();
        refusals.note_source(path(1, 9), at(0));
        assert_eq!(refusals.usable(path(1, 9), at(59)).local_ip, None);
        assert_eq!(refusals.usable(path(1, 9), at(60)), path(1, 9));
        assert_eq!(refusals.usable(path(2, 9), at(1)), path(2, 9));
        assert_eq!(refusals.usable(path(1, 8), at(1)), path(1, 8));
    }
}
