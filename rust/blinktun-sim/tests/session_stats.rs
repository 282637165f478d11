//! What a session counts is what its endpoint counts, if it is the only one.

use blinktun_proto::session::SessionStats;
use blinktun_proto::stats::Stats;
use blinktun_proto::time::Duration;
use blinktun_sim::{Flow, Setup, Side, Weather, World, for_each_seed};

const SECOND: Duration = Duration::from_secs(1);
const TRIP: Duration = Duration::from_millis(20);

fn carried(seed: u64, loss: f64) -> World {
    let weather = Weather::perfect(TRIP).with_loss(loss);
    let mut world = Setup::new(seed).weather(weather).build();
    world.meet();
    world.add(Flow::new(2_000_000, 200_000));
    world.run(60 * SECOND);
    world.rest();
    world
}

fn of_client(world: &World) -> SessionStats {
    of(world, Side::Client)
}

fn of(world: &World, side: Side) -> SessionStats {
    world.session(side).expect("a session").stats(world.now)
}

fn assert_same(session: &SessionStats, all: &Stats) {
    let counts = session.counts;
    let told = [
        (counts.sent_packets, all.out_pkts),
        (counts.sent_bytes, all.out_bytes),
        (counts.received_packets, all.in_pkts),
        (counts.sent_payload, all.bytes_sent),
        (counts.received_payload, all.bytes_received),
        (counts.fast_retransmissions, all.fast_retrans_segs),
        (counts.early_retransmissions, all.early_retrans_segs),
        (counts.timeout_retransmissions, all.lost_segs),
        (counts.spurious_retransmissions, all.spurious_retrans_segs),
        (counts.repaired_packets, all.fec_recovered),
    ];
    for (own, all) in told {
        assert_eq!(own, all, "{counts:?}");
    }
    // An endpoint counts what came without the envelope, which is 20 bytes here.
    assert_eq!(counts.received_bytes, all.in_bytes + 20 * all.in_pkts);
}

#[test]
fn the_only_session_counts_what_its_endpoint_counts() {
    for_each_seed(|seed| {
        let world = carried(seed, 0.2);
        let client = of_client(&world);
        assert_same(&client, world.client.stats());
        let counts = client.counts;
        assert!(counts.fast_retransmissions + counts.timeout_retransmissions > 0);
        let server = of(&world, Side::Server);
        assert!(server.counts.repaired_packets > 0);
        assert_eq!(server.counts.received_payload, counts.sent_payload);
    });
}

#[test]
fn what_a_session_shows_of_its_path_is_the_path() {
    for_each_seed(|seed| {
        let stats = of_client(&carried(seed, 0.0));
        assert!(
            stats
                .min_rtt
                .is_some_and(|rtt| (2 * TRIP..3 * TRIP).contains(&rtt))
        );
        assert!(stats.rtt.is_some() && stats.latest_rtt.is_some());
        assert_eq!((stats.in_flight, stats.mtu), (0, 1350));
        assert!(stats.rate.is_some());
        assert!(stats.window > 0 && stats.peer_window > 0);
        // FEC of 10 + 3, and headers.
        let overhead = stats.counts.sent_overhead().expect("data was sent");
        assert!((1.3..1.6).contains(&overhead), "{overhead}");
    });
}

#[test]
fn a_session_that_has_done_nothing_knows_nothing() {
    let world = Setup::new(1).build();
    let stats = of_client(&world);
    assert_eq!(stats.counts, Default::default());
    assert_eq!(
        (stats.rtt, stats.min_rtt, stats.latest_rtt),
        (None, None, None)
    );
    assert_eq!(stats.counts.sent_overhead(), None);
}
