use std::io;
use std::net::{IpAddr, SocketAddr};

use blinktun_proto::endpoint::{SessionId, Transmit};
use blinktun_proto::time::Time;

use super::send_error::SendError;
use super::{LONGEST_RUN, MAX_RETRIES, Udp, attempt};
use crate::inbox::{Inbox, Run};

/// The number of datagrams of a run, and their length.
const COUNT: usize = 20;
const STRIDE: usize = 1200;

fn udp(address: &str) -> Udp {
    let address = address.parse().expect("an address");
    Udp::bind(address, 1 << 20, 0).expect("a socket")
}

fn run_to(to: SocketAddr, source: Option<&str>) -> Transmit {
    Transmit {
        to,
        src_ip: source.map(|ip| ip.parse().expect("an address")),
        socket: 0,
        len: COUNT * STRIDE,
        stride: STRIDE,
        whole: None,
    }
}

fn receive(socket: &Udp) -> Vec<Run> {
    let mut inbox = Inbox::default();
    let mut runs = Vec::new();
    while socket.receive(&mut inbox) || !inbox.runs.is_empty() {
        runs.append(&mut inbox.runs);
    }
    runs
}

#[test]
fn the_longest_run_is_not_refused() {
    let (mut sender, receiver) = (udp("127.0.0.1:0"), udp("127.0.0.1:0"));
    let to = receiver.local_addr().expect("bound");
    let transmit = Transmit {
        to,
        src_ip: None,
        socket: 0,
        len: LONGEST_RUN,
        stride: STRIDE,
        whole: None,
    };
    let sent = sender.send(&transmit, &[0; LONGEST_RUN], Time::ZERO);
    assert_eq!(sent.done, LONGEST_RUN);
    assert!(sender.refusals.allows_run(to.ip(), STRIDE, Time::ZERO));
}

/// Send a run from a socket bound to `from` to one bound to `to`, which `asked` reaches.
fn exchange(from: &str, to: &str, asked: &str, source: Option<&str>) -> (Udp, Vec<Run>) {
    let (mut sender, receiver) = (udp(from), udp(to));
    receiver.receive_local_ip().expect("known to the system");
    let port = receiver.local_addr().expect("bound").port();
    let there = SocketAddr::new(asked.parse().expect("an address"), port);
    let datagrams = vec![7; COUNT * STRIDE];
    let sent = sender.send(&run_to(there, source), &datagrams, Time::ZERO);
    assert_eq!((sent.done, sender.refused()), (datagrams.len(), 0));
    let runs = receive(&receiver);
    let bytes: usize = runs.iter().map(|run| run.len).sum();
    assert_eq!(bytes, datagrams.len());
    assert!(runs.iter().all(|run| run.stride == STRIDE));
    (sender, runs)
}

fn asked(runs: &[Run]) -> Option<IpAddr> {
    let first = runs[0].path.local_ip;
    assert!(runs.iter().all(|run| run.path.local_ip == first));
    first
}

#[test]
fn a_socket_with_all_addresses_learns_which_was_asked() {
    for (to, ip) in [
        ("0.0.0.0:0", "127.0.0.2"),
        ("[::]:0", "::ffff:127.0.0.2"),
        ("[::]:0", "::1"),
    ] {
        let from = if to.starts_with('[') {
            "[::]:0"
        } else {
            "0.0.0.0:0"
        };
        let (_, runs) = exchange(from, to, ip, None);
        let expected: IpAddr = ip.parse().expect("an address");
        assert_eq!(asked(&runs), Some(expected.to_canonical()), "{ip}");
    }
    let (_, runs) = exchange("127.0.0.1:0", "127.0.0.2:0", "127.0.0.2", None);
    assert_eq!(asked(&runs), None); // there is only one
}

#[test]
fn a_run_leaves_from_the_address_that_is_named() {
    for (from, to, ip, source) in [
        ("0.0.0.0:0", "127.0.0.1:0", "127.0.0.1", "127.0.0.9"),
        ("[::]:0", "127.0.0.1:0", "::ffff:127.0.0.1", "127.0.0.9"),
        ("[::]:0", "[::1]:0", "::1", "::1"),
    ] {
        let (_, runs) = exchange(from, to, ip, Some(source));
        let expected: IpAddr = source.parse().expect("an address");
        assert!(runs.iter().all(|run| run.path.remote.ip() == expected));
        // Where the system has segmentation and coalescing, they are kept.
        #[cfg(target_os = "linux")]
        assert_eq!(runs.len(), 1);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_that_is_gone_is_left_out() {
    for (from, to, ip, source) in [
        ("0.0.0.0:0", "127.0.0.1:0", "127.0.0.1", "203.0.113.9"),
        ("[::]:0", "127.0.0.1:0", "::ffff:127.0.0.1", "203.0.113.9"),
        ("[::]:0", "[::1]:0", "::1", "2001:db8::9"),
    ] {
        let (mut sender, runs) = exchange(from, to, ip, Some(source));
        assert!(runs.len() > 1); // one by one, when it was found out
        // The next run is one again.
        let (mut inbox, receiver) = (Inbox::default(), udp(to));
        let there = SocketAddr::new(
            ip.parse().expect("an address"),
            receiver.local_addr().expect("bound").port(),
        );
        let sent = sender.send(
            &run_to(there, Some(source)),
            &vec![7; COUNT * STRIDE],
            Time::ZERO,
        );
        receiver.receive(&mut inbox);
        assert_eq!(sent.done, COUNT * STRIDE);
        assert_eq!(inbox.runs.len(), 1);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_the_system_refuses_is_counted() {
    let mut sender = udp("0.0.0.0:0");
    // No socket of this kind may send to a broadcast address.
    let everybody = run_to("255.255.255.255:9".parse().expect("an address"), None);
    let datagrams = vec![7; COUNT * STRIDE];
    let sent = sender.send(&everybody, &datagrams, Time::ZERO);
    assert_eq!(
        (sent.done, sender.refused()),
        (datagrams.len(), COUNT as u64)
    );
    // That says nothing about others, nor about segmentation.
    let receiver = udp("127.0.0.1:0");
    let there = run_to(receiver.local_addr().expect("bound"), None);
    sender.send(&there, &datagrams, Time::ZERO);
    assert_eq!(receive(&receiver).len(), 1);
    assert!(
        sender
            .refusals
            .allows_run(everybody.to.ip(), STRIDE, Time::ZERO)
    );
}

#[test]
fn the_error_of_an_earlier_datagram_is_not_that_of_this_one() {
    let refused = || io::Error::from_raw_os_error(libc::ECONNREFUSED);
    let mut earlier = vec![refused(), refused()];
    let sent = attempt(|| earlier.pop().map_or(Ok(7), Err));
    assert_eq!(sent, Ok(7));
    // One that stays is this one's.
    let mut calls = 0;
    let sent = attempt(|| {
        calls += 1;
        Err::<(), _>(refused())
    });
    assert_eq!((sent, calls), (Err(SendError::Earlier), MAX_RETRIES));
}

/// What the socket does with datagrams that are too long.
#[cfg(target_os = "linux")]
fn discovery(socket: &Udp) -> libc::c_int {
    use std::os::fd::AsRawFd;
    let (mut value, mut len): (libc::c_int, _) = (0, 4);
    // SAFETY: the pointers and the length describe `value` and `len`, which outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    assert_eq!(result, 0);
    value
}

#[test]
#[cfg(target_os = "linux")]
fn only_what_must_be_whole_is_never_cut() {
    for address in ["127.0.0.1:0", "[::]:0"] {
        let (mut sender, receiver) = (udp(address), udp("127.0.0.1:0"));
        let mut there = run_to(receiver.local_addr().expect("bound"), None);
        if address != "127.0.0.1:0" {
            there
                .to
                .set_ip(IpAddr::V6([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1].into()));
        }
        assert_eq!(discovery(&sender), libc::IP_PMTUDISC_OMIT);
        for (whole, mode) in [
            (Some(SessionId(7)), libc::IP_PMTUDISC_PROBE),
            (None, libc::IP_PMTUDISC_OMIT),
            (Some(SessionId(8)), libc::IP_PMTUDISC_PROBE),
        ] {
            there.whole = whole;
            let sent = sender.send(&there, &[7; COUNT * STRIDE], Time::ZERO);
            assert_eq!((sent.done, sent.too_long), (COUNT * STRIDE, None));
            assert_eq!(discovery(&sender), mode, "{address}");
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn one_that_is_too_long_is_told_and_tried_so_that_it_may_be_cut() {
    let (mut sender, receiver) = (udp("127.0.0.1:0"), udp("127.0.0.1:0"));
    let datagram = vec![7; 65_600]; // more than UDP carries in any number of fragments
    let transmit = Transmit {
        to: receiver.local_addr().expect("bound"),
        src_ip: None,
        socket: 0,
        len: datagram.len(),
        stride: datagram.len(),
        whole: Some(SessionId(7)),
    };
    let sent = sender.send(&transmit, &datagram, Time::ZERO);
    assert_eq!((sent.done, sender.refused()), (datagram.len(), 1));
    let told = sent.too_long.expect("told");
    assert_eq!((told.len, told.known), (65_600, Some(65_507)));
    assert_eq!(discovery(&sender), libc::IP_PMTUDISC_OMIT);
    let allowed = Transmit {
        whole: None,
        ..transmit
    };
    let sent = sender.send(&allowed, &datagram, Time::ZERO);
    assert_eq!((sent.too_long, sender.refused()), (None, 2));
}
