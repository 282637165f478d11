//! What a user lives through: outages, stalls, restarts, idle nights.

use blinktun_proto::crypt::CryptKind;
use blinktun_proto::endpoint::EndpointEvent;
use blinktun_proto::error::CloseReason;
use blinktun_proto::session::{Event, Role};
use blinktun_proto::smux::Version;
use blinktun_proto::time::{Duration, Time};
use blinktun_sim::{Flow, Setup, Side, Weather, World, for_each_seed};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn at(seconds: u64) -> Time {
    Time::from_millis(seconds * 1000)
}

fn near() -> Weather {
    Weather::perfect(Duration::from_millis(15))
}

/// Both rates limited, so that a transfer of a megabyte takes some seconds.
fn slow() -> Weather {
    Weather {
        rate: Some(300_000),
        queue: 100_000,
        ..near()
    }
}

fn silences(world: &World, side: Side) -> Vec<(Time, bool)> {
    let silence = |(at, who, event): &(Time, Side, EndpointEvent)| match event {
        EndpointEvent::Session(_, Event::Silent { .. }) if *who == side => Some((*at, true)),
        EndpointEvent::Session(_, Event::Recovered) if *who == side => Some((*at, false)),
        _ => None,
    };
    world.happenings.iter().filter_map(silence).collect()
}

// --- layouts ----------------------------------------------------------------------------------

#[test]
fn a_tag_behind_every_datagram() {
    for_each_seed(|seed| {
        for (mtu, shards) in [(1350, Some((10, 3))), (1500, None), (1500, Some((3, 7)))] {
            let weather = Weather::perfect(Duration::from_millis(15)).with_loss(0.05);
            let setup = Setup::new(seed).weather(weather).kind(CryptKind::Aes128Gcm);
            let setup = setup.both(|config| {
                (config.mtu, config.shards, config.compress) = (mtu, shards, false);
            });
            let mut world = setup.build();
            let flow = world.add(Flow::new(300_000, 300_000));
            world.run(MINUTE);
            assert!(world.flows[flow].is_done());
            for stats in [world.client.stats(), world.server.stats()] {
                assert_eq!((stats.in_csum_errors, stats.kcp_in_errors), (0, 0));
                assert!(shards.is_none() || stats.fec_recovered > 0, "{stats:?}");
            }
            world.rest();
        }
    });
}

// --- outages ----------------------------------------------------------------------------------

#[test]
fn ten_minutes_without_network() {
    for_each_seed(|seed| {
        let weather = slow().with_loss(0.02).with_outage(at(2), at(602));
        let setup = Setup::new(seed).weather(weather).both(|config| {
            config.smux.outage = 20 * MINUTE;
        });
        let mut world = setup.build();
        let flow = world.add(Flow::new(1_000_000, 1_000_000));
        world.run(11 * MINUTE);
        let done = world.flows[flow].up.done_at.unwrap();
        assert!(done > at(602) && done < at(612), "{done:?}");
        for side in [Side::Client, Side::Server] {
            let heard = silences(&world, side);
            // Catching up, the full queue may be silent for a moment once more.
            assert!(heard.len() >= 2, "{heard:?}");
            assert!(heard[0].1 && heard[0].0 > at(2) && heard[0].0 < at(4));
            assert!(!heard[1].1 && heard[1].0 > at(602) && heard[1].0 < at(604));
        }
        // During the outage: some probes a second, no more.
        assert!(
            world.wakeups.iter().all(|count| *count < 600 * 12),
            "{:?}",
            world.wakeups
        );
        world.rest();
    });
}

#[test]
fn an_outage_too_long_ends_the_session() {
    for_each_seed(|seed| {
        let weather = slow().with_outage(at(2), at(3000));
        let mut world = Setup::new(seed).weather(weather).build();
        world.add(Flow::new(2_000_000, 0));
        world.pass(32 * MINUTE);
        for side in [Side::Client, Side::Server] {
            let closings = world.closings(side);
            assert_eq!(closings.len(), 1);
            assert_eq!(closings[0].1, CloseReason::KeepaliveTimeout);
            let after = closings[0].0.since(at(2));
            assert!(after >= 30 * MINUTE && after <= 31 * MINUTE, "{after:?}");
        }
        assert!(!world.flows[0].is_done());
    });
}

// --- restarts ---------------------------------------------------------------------------------

#[test]
fn a_restarted_server_is_noticed_at_once() {
    for_each_seed(|seed| {
        for (upload, download) in [(3_000_000, 0), (0, 3_000_000), (3_000_000, 3_000_000)] {
            let setup = Setup::new(seed).weather(slow().with_loss(0.02));
            let mut world = setup.build();
            world.add(Flow::new(upload, download));
            world.pass(2 * SECOND);
            world.server_is_up = false;
            world.pass(5 * SECOND);
            assert_eq!(
                world.closings(Side::Client),
                [],
                "the server may still come back"
            );
            world.server = setup.endpoint(Role::Server, 1, world.now);
            world.accepted = None;
            world.server_is_up = true;
            world.up.set_weather(slow());
            world.down.set_weather(slow());
            let back = world.now;
            world.pass(30 * SECOND);
            let closings = world.closings(Side::Client);
            assert_eq!(closings.len(), 1, "up {upload}, down {download}");
            assert_eq!(closings[0].1, CloseReason::PeerRestarted);
            if upload > 0 {
                let took = closings[0].0.since(back);
                assert!(took <= SECOND / 2, "{took:?}");
            }
            assert!(!world.flows[0].is_done());
            assert!(world.server.session_ids().is_empty());
        }
    });
}

#[test]
fn an_idle_client_notices_a_restart_with_its_next_keepalive() {
    for_each_seed(|seed| {
        let setup = Setup::new(seed).weather(near());
        let mut world = setup.build();
        world.add(Flow::new(1000, 1000));
        world.run(SECOND);
        world.pass(MINUTE);
        world.server = setup.endpoint(Role::Server, 1, world.now);
        let back = world.now;
        world.pass(11 * SECOND);
        let closings = world.closings(Side::Client);
        assert_eq!(closings.len(), 1);
        assert_eq!(closings[0].1, CloseReason::PeerRestarted);
        assert!(closings[0].0.since(back) < 10 * SECOND + SECOND / 10);
    });
}

#[test]
fn after_a_restart_a_new_session_works_from_the_same_socket() {
    for_each_seed(|seed| {
        let setup = Setup::new(seed).weather(slow());
        let mut world = setup.build();
        world.add(Flow::new(3_000_000, 0));
        world.pass(2 * SECOND);
        world.server = setup.endpoint(Role::Server, 1, world.now);
        world.accepted = None;
        world.run_until(3 * SECOND, |world| !world.closings(Side::Client).is_empty());
        world.client.remove(world.dialed);
        world.flows.clear();
        world.dialed = world.client.dial(blinktun_sim::SERVER, world.now);
        world.add(Flow::new(300_000, 300_000));
        world.run(10 * SECOND);
        world.pass(MINUTE);
        assert_eq!(world.closings(Side::Client).len(), 1);
    });
}

#[test]
fn months_later_a_restart_is_still_noticed() {
    const DAY: Duration = Duration::from_secs(86_400);
    let setup = Setup::new(1).both(|config| {
        config.smux.keepalive = DAY / 4;
        config.smux.keepalive_timeout = DAY;
    });
    for days in [20, 26, 45, 55] {
        let mut world = setup.build();
        world.add(Flow::new(1000, 1000));
        world.run(SECOND);
        world.pass(days * DAY);
        assert_eq!(world.closings(Side::Client), []);
        world.server = setup.endpoint(Role::Server, 1, world.now);
        world.pass(DAY / 2);
        let reasons: Vec<_> = world.closings(Side::Client).iter().map(|c| c.1).collect();
        assert_eq!(reasons, [CloseReason::PeerRestarted], "after {days} days");
    }
}

#[test]
fn a_restarted_client_opens_a_second_session() {
    for_each_seed(|seed| {
        let setup = Setup::new(seed).weather(slow().with_loss(0.02));
        let mut world = setup.build();
        world.add(Flow::new(1_000_000, 1_000_000));
        world.pass(2 * SECOND);
        world.client = setup.endpoint(Role::Client, 1, world.now);
        world.dialed = world.client.dial(blinktun_sim::SERVER, world.now);
        world.accepted = None;
        world.flows.clear();
        world.add(Flow::new(300_000, 300_000));
        world.run(20 * SECOND);
        world.pass(31 * MINUTE);
        // The first life's session is given up; the second's goes on.
        let reasons: Vec<_> = world.closings(Side::Server).iter().map(|c| c.1).collect();
        assert_eq!(reasons, [CloseReason::KeepaliveTimeout]);
        assert_eq!(world.closings(Side::Client), []);
    });
}

#[test]
fn a_server_that_appears_late() {
    for_each_seed(|seed| {
        let setup = Setup::new(seed).weather(near().with_loss(0.05));
        let setup = setup.both(|config| config.answer_within = MINUTE);
        let mut world = setup.build();
        world.server_is_up = false;
        world.add(Flow::new(200_000, 200_000));
        world.pass(20 * SECOND);
        assert!(matches!(
            world.happenings[0],
            (
                _,
                Side::Client,
                EndpointEvent::Session(_, Event::Silent { heard: false })
            )
        ));
        assert_eq!(world.happenings.len(), 1, "{:?}", world.happenings);
        world.server_is_up = true;
        let took = world.run(10 * SECOND);
        assert!(took < 5 * SECOND, "{took:?}");
        assert_eq!(
            silences(&world, Side::Client).last().map(|s| s.1),
            Some(false)
        );
        world.rest();
    });
}

// --- moves ------------------------------------------------------------------------------------

#[test]
fn a_client_whose_address_changes_keeps_its_session() {
    for_each_seed(|seed| {
        for (upload, download) in [(2_000_000, 0), (0, 2_000_000), (1_000_000, 1_000_000)] {
            let mut world = Setup::new(seed).weather(slow().with_loss(0.02)).build();
            world.add(Flow::new(upload, download));
            for port in [1001, 1002, 1003] {
                world.pass(SECOND);
                world.client_address.set_port(port);
            }
            let took = world.run(MINUTE);
            assert!(took < 20 * SECOND, "{took:?}, up {upload}, down {download}");
            assert!(world.server.stats().moves >= 2);
            assert_eq!(world.server.session_ids().len(), 1);
            world.rest();
        }
    });
}

#[test]
fn an_idle_client_may_move_as_well() {
    for_each_seed(|seed| {
        let mut world = Setup::new(seed).weather(near().with_loss(0.1)).build();
        world.add(Flow::new(1000, 1000));
        world.run(10 * SECOND);
        world.pass(MINUTE);
        world.client_address.set_port(1001);
        world.pass(MINUTE);
        let mut late = Flow::new(100_000, 100_000);
        late.opens = world.now;
        world.add(late);
        world.run(10 * SECOND);
        assert!(world.server.stats().moves >= 1);
        world.rest();
    });
}

// --- readers ----------------------------------------------------------------------------------

#[test]
fn a_reader_that_stops_for_minutes() {
    for_each_seed(|seed| {
        for version in [Version::V1, Version::V2] {
            for loss in [0.0, 0.05] {
                let setup = Setup::new(seed)
                    .weather(near().with_loss(loss))
                    .both(|config| {
                        config.smux.version = Some(version);
                        config.smux.receive_buffer = 200_000;
                        config.smux.stream_buffer = 100_000;
                        config.receive_window = 32;
                    });
                let mut world = setup.build();
                let mut flow = Flow::new(2_000_000, 1000);
                flow.up.pauses.push((at(1), at(301)));
                flow.up.rate = Some(200_000);
                world.add(flow);
                world.run(8 * MINUTE);
                assert_eq!(world.closings(Side::Client), []);
                assert_eq!(world.closings(Side::Server), []);
                world.rest();
            }
        }
    });
}

#[test]
fn a_stopped_reader_costs_a_bounded_amount() {
    for_each_seed(|seed| {
        let setup = Setup::new(seed).weather(near()).both(|config| {
            config.smux.receive_buffer = 200_000;
            config.receive_window = 64;
            config.compress = false;
        });
        let mut world = setup.build();
        let mut flow = Flow::new(5_000_000, 0);
        flow.up.pauses.push((at(0), at(90)));
        world.add(flow);
        world.pass(20 * SECOND);
        let before = world.wakeups[0];
        world.pass(60 * SECOND);
        let session = world.session(Side::Server).unwrap();
        assert!(
            session.kcp().receiver().held() <= 2 * 64,
            "{}",
            session.kcp().receiver().held()
        );
        let allocated = session.mux().allocated();
        assert!(allocated <= 2 * 201_500 + 131_072, "{allocated}");
        // The writer's probes get rarer: no storm against the closed window.
        assert!(
            world.wakeups[0] - before < 30,
            "{before}, {:?}",
            world.wakeups
        );
        world.run(5 * MINUTE);
        world.rest();
    });
}

#[test]
fn slow_readers() {
    for_each_seed(|seed| {
        for version in [Version::V1, Version::V2] {
            let setup = Setup::new(seed)
                .weather(near().with_loss(0.03))
                .both(|config| {
                    config.smux.version = Some(version);
                    config.smux.receive_buffer = 65_536;
                    config.smux.stream_buffer = 32_768;
                });
            let mut world = setup.build();
            for rate in [20_000, 60_000, 200_000] {
                let mut flow = Flow::new(400_000, 400_000);
                flow.up.rate = Some(rate);
                flow.down.rate = Some(rate);
                world.add(flow);
            }
            world.run(2 * MINUTE);
            world.rest();
        }
    });
}

#[test]
fn one_stalled_stream_of_many_stops_nobody() {
    for_each_seed(|seed| {
        let setup = Setup::new(seed)
            .weather(near().with_loss(0.02))
            .both(|config| {
                config.smux.version = Some(Version::V2);
                config.smux.stream_buffer = 100_000;
            });
        let mut world = setup.build();
        let mut stalled = Flow::new(1_000_000, 1000);
        stalled.up.pauses.push((at(0), at(300)));
        world.add(stalled);
        for _ in 0..50 {
            world.add(Flow::new(40_000, 40_000));
        }
        let others = |world: &World| world.flows[1..].iter().all(Flow::is_done);
        let took = world.run_until(MINUTE, others);
        assert!(took < 10 * SECOND, "{took:?}");
        assert!(!world.flows[0].is_done());
        world.run(6 * MINUTE);
        world.rest();
    });
}

#[test]
fn giving_up_on_a_stalled_stream_frees_the_others() {
    for_each_seed(|seed| {
        let setup = Setup::new(seed).both(|config| {
            config.smux.version = Some(Version::V1);
            config.smux.receive_buffer = 100_000;
            config.receive_window = 16;
        });
        let mut world = setup.build();
        let mut stalled = Flow::new(1_000_000, 0);
        stalled.up.pauses.push((at(0), at(1_000_000)));
        world.add(stalled);
        world.add(Flow {
            opens: at(5),
            ..Flow::new(50_000, 50_000)
        });
        world.pass(20 * SECOND);
        assert!(
            !world.flows[1].is_done(),
            "version 1 has one window for all"
        );
        let stream = world.flows.remove(0).stream.unwrap();
        let (session, _) = world.server.session_mut(world.accepted.unwrap()).unwrap();
        session.reset(stream);
        let took = world.run(MINUTE);
        assert!(took < SECOND, "{took:?}");
        world.rest();
    });
}

#[test]
fn half_close_is_exact() {
    for_each_seed(|seed| {
        let mut world = Setup::new(seed).weather(near().with_loss(0.05)).build();
        let mut flow = Flow::new(50_000, 50_000);
        flow.down.from = at(10);
        world.add(flow);
        world.run_until(5 * SECOND, |world| world.flows[0].up.ended);
        world.pass(3 * SECOND);
        assert_eq!(world.flows[0].down.read, 0);
        world.run(10 * SECOND);
        world.rest();
    });
}

#[test]
fn a_thousand_streams() {
    let mut world = Setup::new(1).weather(near().with_loss(0.02)).build();
    for n in 0..1000 {
        world.add(Flow {
            opens: Time::from_millis(n),
            ..Flow::new(1000 + n, 2000 - n)
        });
    }
    world.run(30 * SECOND);
    world.rest();
}

// --- silence and idleness ---------------------------------------------------------------------

#[test]
fn an_idle_session_sends_keepalives_and_nothing_else() {
    for_each_seed(|seed| {
        let mut world = Setup::new(seed).weather(near()).build();
        world.add(Flow::new(100_000, 100_000));
        world.run(10 * SECOND);
        world.rest();
        let (up, down) = (world.up.counts.sent, world.down.counts.sent);
        let wakeups = world.wakeups;
        world.pass(60 * MINUTE);
        // 360 keepalives each way, their acknowledgements, parity now and then.
        for sent in [world.up.counts.sent - up, world.down.counts.sent - down] {
            assert!((360..=2 * 361 + 120).contains(&sent), "{sent}");
        }
        for (after, before) in world.wakeups.iter().zip(wakeups) {
            assert!(after - before <= 5 * 361, "{}", after - before);
        }
        assert_eq!(silences(&world, Side::Client), []);
        world.rest();
    });
}

#[test]
fn a_short_silence_is_told_and_taken_back() {
    for_each_seed(|seed| {
        let weather = slow().with_outage(at(2), at(5));
        let mut world = Setup::new(seed).weather(weather).build();
        world.add(Flow::new(2_000_000, 0));
        world.run(30 * SECOND);
        let told = silences(&world, Side::Client);
        assert_eq!(told.len(), 2);
        assert!(told[0].0 > at(3) && told[0].0 < at(4), "{told:?}");
        assert!(told[1].0 > at(5) && told[1].0 < at(6), "{told:?}");
        world.rest();
    });
}

#[test]
fn old_echoes_do_not_spoil_the_round_trip() {
    for_each_seed(|seed| {
        // Groups of three fill with keepalives: what parity rebuilds may be ten seconds old.
        let weather = Weather {
            reorder: 0.1,
            duplicate: 0.2,
            ..near().with_loss(0.1)
        };
        let setup = Setup::new(seed)
            .weather(weather)
            .both(|config| config.shards = Some((3, 10)));
        let mut world = setup.build();
        world.add(Flow::new(50_000, 50_000));
        world.run(10 * SECOND);
        for _ in 0..60 {
            world.pass(7 * SECOND);
            for side in [Side::Client, Side::Server] {
                let rto = world.session(side).unwrap().path().rtt.rto();
                assert!(rto < SECOND, "{rto:?} at {:?}", world.now);
            }
        }
    });
}

#[test]
fn a_closed_session_is_quiet() {
    for_each_seed(|seed| {
        let mut world = Setup::new(seed).weather(slow()).build();
        world.add(Flow::new(3_000_000, 3_000_000));
        world.pass(2 * SECOND);
        let (session, _) = world.client.session_mut(world.dialed).unwrap();
        session.close(CloseReason::Local);
        let sent = world.up.counts.sent;
        world.pass(5 * SECOND);
        assert_eq!(world.up.counts.sent, sent);
        assert!(!world.flows[0].is_done());
    });
}

#[test]
fn a_restarted_server_is_noticed_by_a_client_that_only_downloads() {
    for_each_seed(|seed| {
        let mut world = Setup::new(seed).weather(slow()).build();
        world.add(Flow::new(0, 3_000_000));
        world.pass(2 * SECOND);
        world.server = Setup::new(seed).endpoint(Role::Server, 2, world.now);
        world.pass(2 * SECOND);
        let closings = world.closings(Side::Client);
        assert_eq!(closings.len(), 1, "{closings:?}");
        assert_eq!(closings[0].1, CloseReason::PeerRestarted);
        assert!(
            closings[0].0 <= at(2) + Duration::from_millis(1500),
            "{closings:?}"
        );
    });
}

// --- long paths -------------------------------------------------------------------------------

#[test]
fn a_long_path_is_not_taken_for_a_lossy_one() {
    for_each_seed(|seed| {
        // A round trip of half a second, longer than the first timeout.
        let setup = Setup::new(seed).weather(Weather::perfect(Duration::from_millis(250)));
        let mut world = setup.build();
        world.meet();
        world.add(Flow::new(1_000_000, 1_000_000));
        world.run(MINUTE);
        // Not more than one in a round trip.
        let round_trips = world.now.as_millis() / 500;
        for stats in [world.client.stats(), world.server.stats()] {
            assert!(stats.retrans_segs <= round_trips, "{stats:?}");
        }
    });
}
