//! Prints, for links in virtual time, what a download gets, what it costs, and how long requests beside it take.
//!
//! ```sh
//! cargo run --release -p blinktun-sim --example links                     # all that have a name
//! cargo run --release -p blinktun-sim --example links far "dsl loss=2%"   # these
//! SECONDS=30 SEEDS=1,2,3 cargo run --release -p blinktun-sim --example links loss5
//! INDEPENDENT=0 cargo run --release -p blinktun-sim --example links loss5  # all streams in one order
//! OVERHEAD=0.3 cargo run --release -p blinktun-sim --example links loss5  # of the payload, for copies and parity
//! ```
//!
//! `!` stands behind what misses its goal (`benchmarks/links/goals.txt`).

use blinktun_link::{Description, catalog};
use blinktun_proto::session::DEFAULT_OVERHEAD;
use blinktun_sim::download::{Download, Idle, Measured};
use blinktun_sim::goals::{Goal, goals};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut links: Vec<String> = std::env::args().skip(1).collect();
    if links.is_empty() {
        links = catalog::LINKS.map(|link| link.name.to_owned()).to_vec();
    }
    let seconds = variable("SECONDS", "16").parse()?;
    let seeds = variable("SEEDS", "1");
    let max_overhead = variable("OVERHEAD", &DEFAULT_OVERHEAD.to_string()).parse()?;
    println!(
        "                                   beside the download              alone
Mbit/s    share    wire   start    p50 ms   p99 ms   longest   p50 ms   p99 ms    wire  link"
    );
    let goals = goals();
    for words in &links {
        let link = match Description::parse(words.split_whitespace()) {
            Ok(link) => link,
            Err(error) => return Err(format!("{words}: {} ({})", error.problem, error.fix).into()),
        };
        let goal = goals.iter().find(|goal| goal.link == words);
        for seed in seeds.split(',') {
            let link = link.clone();
            let seed = seed.parse()?;
            let download = Download {
                link,
                seconds,
                max_overhead,
                is_independent: variable("INDEPENDENT", "1") == "1",
                seed,
            };
            let (seen, idle) = (download.measure(), download.measure_idle());
            println!("{}  {words}", row(&seen, &idle, goal));
        }
    }
    Ok(())
}

fn variable(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

fn row(seen: &Measured, idle: &Idle, goal: Option<&Goal>) -> String {
    let most = |value: f64, limit: fn(&Goal) -> Option<f64>| {
        let limit = goal.and_then(limit);
        if limit.is_some_and(|limit| value > limit) {
            '!'
        } else {
            ' '
        }
    };
    let goodput = goal.and_then(|goal| goal.goodput);
    let short = goodput.is_some_and(|goodput| !goodput.is_reached(seen));
    let start = seen.start.unwrap_or(f64::INFINITY);
    let (p50, p99) = (seen.requests.ms(0.5), seen.requests.ms(0.99));
    let idle99 = idle.requests.ms(0.99);
    format!(
        "{:6.1}{}  {:6.3}  {:6.3}{}  {:5.1}{}  {:7.0}{}  {:7.0}{}  {:7.0}  {:7.0}  {:7.0}{}  {:6.3} ",
        seen.goodput,
        if short { '!' } else { ' ' },
        seen.share,
        seen.wire,
        most(seen.wire, |goal| goal.wire),
        start,
        most(start, |goal| goal.start),
        p50,
        most(p50, |goal| goal.p50),
        p99,
        most(p99, |goal| goal.p99),
        seen.requests.ms(1.0),
        idle.requests.ms(0.5),
        idle99,
        most(idle99, |goal| goal.idle99),
        idle.wire,
    )
}
