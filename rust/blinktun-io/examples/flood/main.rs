//! Attacks one of our own UDP ports, on this machine only, and counts what comes back.
//!
//! ```sh
//! cargo run --release -p blinktun-io --example flood -- --to 127.0.0.1:29900 --mode spoof
//! ```
//!
//! | mode | each datagram |
//! | --- | --- |
//! | `spoof` | opens a conversation, whole and genuine, from one of many source addresses |
//! | `random` | noise of any length, half of it sealed with a right checksum |
//! | `mutate` | one that a genuine session sent, with fields changed, sealed again |
//! | `replay` | one that a genuine session sent, as it was |
//! | `storm` | one of the three above |
//!
//! It stops by itself: after `--count` datagrams or [`LONGEST`]. The last line printed is JSON.

#![allow(clippy::unwrap_used)] // a tool for tests: a panic is a clear end

mod forge;
mod genuine;
mod options;
mod sources;

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use blinktun_proto::random::Random;
use forge::Forger;
use genuine::Client;
use options::{Mode, Options};
use sources::Sources;

/// No attack lasts longer.
const LONGEST: Duration = Duration::from_secs(1800);
/// Datagrams from one look at what came back to the next.
const SWEEP: u64 = 4096;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("flood: {text}");
            return ExitCode::from(2);
        }
    };
    match attack(&options) {
        Ok(report) => println!("{report}"),
        Err(error) => {
            eprintln!("flood: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn attack(options: &Options) -> std::io::Result<String> {
    let mut sources = Sources::bind(options.sources, options.to)?;
    let mut random = Random::from_number(options.seed);
    let mut forger = Forger::new(options, &mut random);
    let mut opener = Client::new(options, &mut random);
    let began = Instant::now();
    for number in 0..options.count {
        pace(began, number, options.rate);
        if number.is_multiple_of(SWEEP) {
            sources.sweep();
            if began.elapsed() > LONGEST {
                break;
            }
        }
        let source = number as usize % sources.len();
        match options.mode {
            Mode::Spoof => sources.send(source, &opener.opening(&options.request)),
            _ => {
                let genuine = forger.refresh(number)?;
                let datagram = forger.next();
                // Half of what is forged comes from the address of the session that it was made of.
                match genuine.filter(|_| number % 2 == 0) {
                    Some(socket) => sources.send_from(&socket, datagram),
                    None => sources.send(source, datagram),
                }
            }
        }
    }
    let sending = began.elapsed();
    listen(&mut sources, options.listen);
    Ok(sources.report(sending))
}

/// Sleep when ahead of `rate` datagrams a second (0: never).
fn pace(began: Instant, number: u64, rate: u64) {
    if rate == 0 || !number.is_multiple_of(64) {
        return;
    }
    let due = Duration::from_secs_f64(number as f64 / rate as f64);
    let ahead = due.saturating_sub(began.elapsed());
    if ahead > Duration::from_millis(1) {
        sleep(ahead);
    }
}

fn listen(sources: &mut Sources, time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        sleep(Duration::from_millis(50));
        sources.sweep();
    }
}
