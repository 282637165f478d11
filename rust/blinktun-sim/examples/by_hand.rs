//! Prints what a download gets and costs with settings by hand, between programs of either kind.
//!
//! ```sh
//! cargo run --release -p blinktun-sim --example by_hand            # all links that have a name
//! WHO=ours-ours SETTINGS=picture cargo run --release -p blinktun-sim --example by_hand far
//! ```
//!
//! `SETTINGS`: `hand` (windows that fit the link, mode `fast2`), `picture` (kcptun's defaults), `bare` (the same without
//! parity). `OVERHEAD`: the share of the payload for copies. `SECONDS`, `SEEDS`: as for `links`.

use blinktun_link::{Description, catalog};
use blinktun_sim::by_hand::{ByHand, Program, Settings};
use blinktun_sim::download::Download;

fn main() {
    let mut links: Vec<String> = std::env::args().skip(1).collect();
    if links.is_empty() {
        links = catalog::LINKS.map(|link| link.name.to_owned()).to_vec();
    }
    let seconds = variable("SECONDS", "16").parse().expect("a number");
    let seeds = variable("SEEDS", "1");
    let who = variable("WHO", "ours-ours,go-go,ours-go,go-ours");
    let which = variable("SETTINGS", "hand");
    println!("Mbit/s    wire    p50 ms   p99 ms  server-client  link");
    for words in &links {
        let link = Description::parse(words.split_whitespace()).expect("a link");
        for pair in who.split(',') {
            for seed in seeds.split(',') {
                let (server, client) = pair.split_once('-').expect("server-client");
                let seed = seed.parse().expect("a number");
                let settings = match which.as_str() {
                    "picture" => Settings::PICTURE,
                    "bare" => Settings {
                        shards: None,
                        ..Settings::PICTURE
                    },
                    _ => Settings::tuned(&link),
                };
                let link = link.clone();
                let download = Download {
                    link,
                    seconds,
                    max_overhead: variable("OVERHEAD", "0").parse().expect("a number"),
                    is_independent: true,
                    seed,
                };
                let by_hand = ByHand {
                    download,
                    server: program(server),
                    client: program(client),
                    settings,
                };
                let seen = by_hand.measure();
                println!(
                    "{:6.1}  {:6.3}  {:7.0}  {:7.0}  {pair:10}  {words}",
                    seen.goodput,
                    seen.wire,
                    seen.requests.ms(0.5),
                    seen.requests.ms(0.99)
                );
            }
        }
    }
}

fn program(name: &str) -> Program {
    match name {
        "go" => Program::Go,
        _ => Program::Ours,
    }
}

fn variable(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}
