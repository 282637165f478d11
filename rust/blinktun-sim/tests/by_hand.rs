//! With settings by hand, a download gets what it gets between two Go programs, and costs no more, whichever
//! of both programs stands at which end.

use blinktun_link::Description;
use blinktun_sim::by_hand::{ByHand, Program, Settings};
use blinktun_sim::download::Download;

const SECONDS: u64 = 8;
/// Luck makes a difference.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=3;
const LINKS: [&str; 6] = ["clean", "loss5", "burst5", "reorder", "far", "policer"];

/// Who stands at both ends, what they get of what two Go programs get at least, and what they send for each
/// byte at most. Where Go's program sends, luck decides when its queue overflows.
const PAIRS: [(Program, Program, f64, f64); 3] = [
    (Program::Ours, Program::Ours, 0.9, 1.0),
    (Program::Ours, Program::Go, 0.8, 1.0),
    (Program::Go, Program::Ours, 0.8, 1.15),
];

/// Mbit/s, and bytes on the wire for each that arrives.
fn measure(link: &Description, settings: Settings, server: Program, client: Program) -> (f64, f64) {
    let (mut goodput, mut wire) = (0.0, 0.0);
    for seed in SEEDS {
        let by_hand = ByHand {
            download: Download {
                link: link.clone(),
                seconds: SECONDS,
                max_overhead: 0.0,
                is_independent: true,
                seed,
            },
            server,
            client,
            settings,
        };
        let seen = by_hand.measure();
        goodput += seen.goodput;
        wire += seen.wire;
    }
    let count = SEEDS.count() as f64;
    (goodput / count, wire / count)
}

fn compare(settings: impl Fn(&Description) -> Settings) {
    let mut worse = Vec::new();
    for name in LINKS {
        let link = Description::parse([name]).expect("a link");
        let settings = settings(&link);
        let (all, usual) = measure(&link, settings, Program::Go, Program::Go);
        for (server, client, least, most) in PAIRS {
            let (goodput, wire) = measure(&link, settings, server, client);
            if goodput < all * least || wire > usual * most {
                worse.push(format!(
                    "{name}, {server:?} to {client:?}: {goodput:.1} of {all:.1} Mbit/s, {wire:.3} and {usual:.3}"
                ));
            }
        }
    }
    assert!(worse.is_empty(), "{worse:#?}");
}

#[test]
fn with_windows_that_fit_the_link() {
    compare(Settings::tuned);
}

#[test]
fn with_the_defaults_of_the_go_program() {
    compare(|_| Settings::PICTURE);
}
