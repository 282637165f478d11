//! Every byte arrives whatever the settings are, equal at both ends or not.

use std::num::NonZeroU16;
use std::sync::Arc;

use blinktun_proto::crypt::CryptKind;
use blinktun_proto::endpoint::EndpointEvent;
use blinktun_proto::qpp::{Pads, Revision};
use blinktun_proto::session::{Event, Session};
use blinktun_proto::smux::Version;
use blinktun_proto::time::{Duration, Time};
use blinktun_proto::wire::{SeqId, Sn};
use blinktun_sim::{Flow, Node, Setup, Side, Weather, World, for_each_seed};

const SECOND: Duration = Duration::from_secs(1);

fn lossy() -> Weather {
    Weather {
        reorder: 0.1,
        duplicate: 0.02,
        jitter: Duration::from_millis(5),
        ..Weather::perfect(Duration::from_millis(15)).with_loss(0.05)
    }
}

fn carry<N: Node>(mut world: World<N>, bytes: u64) -> World<N> {
    world.add(Flow::new(bytes, bytes));
    world.add(Flow::new(1, 0));
    world.add(Flow::new(0, 1));
    world.add(Flow::new(0, 0));
    world.run(60 * SECOND);
    world.rest();
    assert_eq!(world.closings(Side::Client), []);
    assert_eq!(world.closings(Side::Server), []);
    world
}

#[test]
fn every_cipher() {
    for_each_seed(|seed| {
        for kind in CryptKind::ALL {
            let world = carry(
                Setup::new(seed).kind(*kind).weather(lossy()).build(),
                50_000,
            );
            assert_eq!(world.server.stats().in_csum_errors, 0);
        }
    });
}

#[test]
fn shard_numbers_may_differ() {
    let sizes = [
        None,
        Some((1, 1)),
        Some((2, 1)),
        Some((10, 3)),
        Some((3, 10)),
        Some((70, 30)),
        Some((200, 55)),
    ];
    for_each_seed(|seed| {
        for client in sizes {
            for server in sizes {
                let mut setup = Setup::new(seed).weather(lossy());
                setup.client.shards = client;
                setup.server.shards = server;
                carry(setup.build(), 50_000);
            }
        }
    });
}

#[test]
fn fec_repairs() {
    for_each_seed(|seed| {
        let weather = Weather::perfect(SECOND / 20).with_loss(0.03);
        let world = carry(Setup::new(seed).weather(weather).build(), 1_500_000);
        let stats = world.server.stats();
        assert!(stats.fec_recovered > 5, "{stats:?}");
        assert_eq!(stats.fec_errs, 0);
    });
}

/// Without compression the greeting is the server's hello, and it comes within a round trip. Else the
/// hello comes with the server's first answer behind the greeting.
#[test]
fn fec_begins_with_the_hello_of_the_other() {
    let delay = SECOND / 20;
    let begins = [
        (false, Side::Client, 2),
        (false, Side::Server, 4),
        (true, Side::Client, 4),
        (true, Side::Server, 4),
    ];
    for_each_seed(|seed| {
        for (compress, side, delays) in begins {
            let setup = Setup::new(seed).weather(Weather::perfect(delay));
            let mut world = setup.both(|config| config.compress = compress).build();
            let flow = world.add(Flow::new(2_000_000, 2_000_000));
            world.flows[flow].up.from = Time::from_millis(1000);
            let took = world.run_until(SECOND, |world| {
                world.session(side).is_some_and(Session::is_protected)
            });
            assert!(took <= delays * delay, "{side:?}, {compress}: {took:?}");
            world.run(60 * SECOND);
            for stats in [world.client.stats(), world.server.stats()] {
                assert!(stats.fec_parity_shards > 150, "{stats:?}");
            }
            let told = |_, event: &EndpointEvent| {
                matches!(event, EndpointEvent::Session(_, Event::FecMismatch(_)))
            };
            assert_eq!(world.count(told), 0);
        }
    });
}

#[test]
fn compression_and_both_versions_of_smux() {
    for_each_seed(|seed| {
        for (compress, version) in [
            (true, Version::V1),
            (true, Version::V2),
            (false, Version::V1),
            (false, Version::V2),
        ] {
            let setup = Setup::new(seed).weather(lossy()).both(|config| {
                config.compress = compress;
                config.smux.version = Some(version);
                config.smux.stream_buffer = 65_536;
            });
            carry(setup.build(), 200_000);
        }
    });
}

#[test]
fn permutation_pads_and_both_versions_of_smux() {
    let count = NonZeroU16::new(61).expect("61");
    let pads = Arc::new(Pads::new(b"it's a secrect", count, Revision::B));
    for_each_seed(|seed| {
        for version in [Version::V1, Version::V2] {
            let setup = Setup::new(seed).weather(lossy()).both(|config| {
                config.pads = Some(Arc::clone(&pads));
                config.smux.version = Some(version);
                config.smux.stream_buffer = 65_536;
            });
            let mut world = setup.build();
            for bytes in [1, 7_777, 50_000] {
                world.add(Flow::new(bytes, 0));
                world.add(Flow::new(bytes, bytes));
            }
            carry(world, 200_000);
        }
    });
}

#[test]
fn impatient_and_patient_retransmission() {
    for_each_seed(|seed| {
        for (nodelay, interval_ms, resend) in
            [(false, 50, 0), (false, 40, 1), (true, 10, 2), (true, 1, 1)]
        {
            let setup = Setup::new(seed).weather(lossy()).both(|config| {
                config.nodelay = nodelay;
                config.interval_ms = interval_ms;
                config.resend = resend;
            });
            carry(setup.build(), 100_000);
        }
    });
}

#[test]
fn numbers_wrap() {
    for_each_seed(|seed| {
        let paws = u32::MAX / 13 * 13;
        for (sn, seqid) in [
            (Sn(u32::MAX - 50), SeqId(paws - 130)),
            (Sn(u32::MAX), SeqId(paws - 13)),
            (Sn(i32::MAX as u32 - 50), SeqId(i32::MAX as u32)),
        ] {
            let setup = Setup::new(seed).weather(lossy());
            let world = carry(setup.build_lone(sn, seqid), 200_000);
            let una = world.client.session.kcp().una();
            assert!((60..2000).contains(&una.diff(sn)), "{una:?}");
            assert_eq!(world.server.cx.stats.fec_errs, 0);
        }
    });
}

#[test]
fn clocks_wrap() {
    for_each_seed(|seed| {
        for wrap in [1u64 << 31, 1 << 32] {
            // The sessions add a random offset; each seed wraps elsewhere, this one as well.
            let start = Time::from_millis(wrap - 300);
            let setup = Setup {
                start,
                ..Setup::new(seed).weather(lossy())
            };
            carry(setup.build(), 200_000);
        }
    });
}

#[test]
fn every_clock_offset_wraps_well() {
    for_each_seed(|seed| {
        // 2^32 ms around the clock in 64 steps: some run wraps in mid-transfer for any offset.
        let mut setup = Setup::new(seed).weather(lossy());
        for step in 0..64u64 {
            setup.start = Time::from_millis((step << 26) + seed);
            carry(setup.build(), 20_000);
        }
    });
}
