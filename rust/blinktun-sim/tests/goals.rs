//! Sessions that tune themselves reach the goals of every link with a name, in virtual time.

use std::sync::Mutex;

use blinktun_link::Description;
use blinktun_proto::session::DEFAULT_OVERHEAD;
use blinktun_sim::download::{Download, Measured};
use blinktun_sim::goals::{Goal, goals};

/// Long enough that the beginning costs little.
const SECONDS: u64 = 20;
/// On a slow link one lost segment holds up a percent of what 20 s bring, until it is repeated.
const SECONDS_IF_SLOW: u64 = 60;
/// Bytes a second.
const SLOW: u64 = 500_000;

/// A goal is reached if most of these reach it, or all together: which datagrams a link loses makes a difference of
/// a percent.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=5;
const MOST: usize = 3;

#[test]
fn goodput_and_wire_bytes_are_as_good_as_the_goals_of_every_link() {
    let waiting = Mutex::new(goals());
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some(goal) = next(&waiting) {
            let (mut reached, mut all) = (0, Vec::new());
            for seed in SEEDS {
                let seen = measure(&goal, seed);
                reached += usize::from(is_reached(&goal, &seen));
                all.push(seen);
                if reached == MOST {
                    break;
                }
            }
            let mean = mean(&all);
            if reached < MOST && !is_reached(&goal, &mean) {
                let (rate, share, cost) = (mean.goodput, mean.share, mean.wire);
                let told = format!("{rate:.3} Mbit/s, {share:.3}, {cost:.3}; {goal:?}");
                failures.lock().expect("a lock").push(told);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let failures = failures.into_inner().expect("a lock");
    assert!(failures.is_empty(), "{failures:#?}");
}

fn next(waiting: &Mutex<Vec<Goal>>) -> Option<Goal> {
    waiting.lock().expect("a lock").pop()
}

fn measure(goal: &Goal, seed: u64) -> Measured {
    let link = Description::parse([goal.link]).expect("a link");
    let is_slow = link.down.first.rate.is_some_and(|rate| rate < SLOW);
    Download {
        link,
        seconds: if is_slow { SECONDS_IF_SLOW } else { SECONDS },
        max_overhead: DEFAULT_OVERHEAD,
        is_independent: true,
        seed,
    }
    .measure()
}

fn is_reached(goal: &Goal, seen: &Measured) -> bool {
    let is_cheap = goal.wire.is_none_or(|wire| seen.wire <= wire);
    is_cheap && (goal.goodput.as_ref()).is_none_or(|goodput| goodput.is_reached(seen))
}

fn mean(all: &[Measured]) -> Measured {
    let of = |value: fn(&Measured) -> f64| all.iter().map(value).sum::<f64>() / all.len() as f64;
    Measured {
        goodput: of(|it| it.goodput),
        share: of(|it| it.share),
        wire: of(|it| it.wire),
        ..all[0].clone()
    }
}
