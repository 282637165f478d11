//! A link in words: `dsl loss=2%`.
//!
//! A description is a row of words. The first may be a name of [`catalog`]; the others are `key=value`. A
//! key that ends in `-up` or `-down` is about one direction. A value may have a time in front,
//! `mtu=30s:1280`: it holds from then on. A later word overrides an earlier one.

use blinktun_proto::time::{Duration, Time};

use crate::catalog;
use crate::error::Error;
use crate::keys::{Change, KEYS, Key, Reader};
use crate::traits::schedule;
use crate::values;
use crate::weather::{Direction, Schedule};

/// No description has more words.
const MAX_WORDS: usize = 256;
/// A key that stands for `reorder=yes` alone. As the first word it is the name of a link.
const SWITCH: &str = "reorder";

/// A link over time.
#[derive(Clone, Debug)]
pub struct Description {
    /// From client to server.
    pub up: Schedule,
    /// From server to client.
    pub down: Schedule,
    /// The seed of its randomness; without one each run differs.
    pub seed: Option<u64>,
    /// Its words, with those of its name.
    pub words: Vec<String>,
}

impl Description {
    /// Read a description.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Description, Error> {
        let mut reading = Reading::default();
        for (index, word) in words.into_iter().enumerate() {
            match catalog::find(word) {
                Some(named) if index == 0 => {
                    for word in named.words.split(' ') {
                        reading.word(word)?;
                    }
                }
                Some(_) if word != SWITCH => {
                    let problem = "the name of a link stands in front of all other words";
                    return Err(Error::new("", word, problem, format!("begin with {word}")));
                }
                _ if index < MAX_WORDS => reading.word(word)?,
                _ => {
                    return Err(Error::new(
                        "",
                        word,
                        "there are too many words",
                        "leave words out",
                    ));
                }
            }
        }
        reading.finish()
    }

    /// The longest packet that passes at any time in any direction, in bytes.
    pub fn largest_mtu(&self) -> usize {
        self.up.largest_mtu().max(self.down.largest_mtu())
    }
}

/// A description that is being read.
#[derive(Default)]
struct Reading {
    up: Vec<(Duration, Change)>,
    down: Vec<(Duration, Change)>,
    outages: Vec<(Time, Time)>,
    seed: Option<u64>,
    words: Vec<String>,
}

impl Reading {
    fn word(&mut self, word: &str) -> Result<(), Error> {
        let (written, value) = match word {
            SWITCH => (word, "yes"),
            _ => word.split_once('=').ok_or_else(|| no_pair(word))?,
        };
        let (name, directions) = match written.rsplit_once('-') {
            Some((name, "up")) => (name, &[Direction::Up][..]),
            Some((name, "down")) => (name, &[Direction::Down][..]),
            _ => (written, &Direction::BOTH[..]),
        };
        let is_whole = name == written;
        let key = KEYS.iter().find(|key| key.name == name);
        let key = key.filter(|key| is_whole || matches!(key.read, Reader::Change(_)));
        let key = key.ok_or_else(|| no_key(written, value))?;
        match key.read {
            Reader::Change(read) => self.change(key, (written, value), directions, read)?,
            Reader::OneWay(way, read) => self.change(key, (written, value), &[way], read)?,
            Reader::Outage => self.outage(key, value)?,
            Reader::Seed => {
                let seed =
                    values::seed(value).map_err(|expected| wrong(key, written, value, expected))?;
                self.seed = Some(seed);
            }
        }
        self.words.push(word.into());
        Ok(())
    }

    fn change(
        &mut self,
        key: &Key,
        (written, value): (&str, &str),
        directions: &[Direction],
        read: fn(&str) -> Result<Change, &'static str>,
    ) -> Result<(), Error> {
        let (at, rest) = match value.split_once(':') {
            Some((at, rest)) => {
                let at =
                    values::time(at).map_err(|expected| wrong(key, written, value, expected))?;
                (at, rest)
            }
            None if key.name == "step" => {
                return Err(wrong(key, written, value, "a time and a rate"));
            }
            None => (Duration::ZERO, value),
        };
        let change = read(rest).map_err(|expected| wrong(key, written, value, expected))?;
        for direction in directions {
            self.of(*direction).push((at, change));
        }
        Ok(())
    }

    fn of(&mut self, direction: Direction) -> &mut Vec<(Duration, Change)> {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    fn outage(&mut self, key: &Key, value: &str) -> Result<(), Error> {
        let expected = |expected| wrong(key, key.name, value, expected);
        let (at, length) = value
            .split_once(':')
            .ok_or_else(|| expected("when it begins and how long it lasts"))?;
        let begin = Time::ZERO + values::time(at).map_err(expected)?;
        let end = begin + values::time(length).map_err(expected)?;
        self.outages.push((begin, end));
        Ok(())
    }

    fn finish(mut self) -> Result<Description, Error> {
        let (up, down) = (std::mem::take(&mut self.up), std::mem::take(&mut self.down));
        Ok(Description {
            up: schedule(up, &self.outages)?,
            down: schedule(down, &self.outages)?,
            seed: self.seed,
            words: self.words,
        })
    }
}

fn wrong(key: &Key, written: &str, value: &str, expected: &str) -> Error {
    let problem = format!("is not {expected}");
    Error::new(
        written,
        value,
        problem,
        format!("write {written}={}", key.example),
    )
}

fn no_key(written: &str, value: &str) -> Error {
    let names = KEYS.map(|key| key.name).join(", ");
    let fix =
        format!("keys: {names}; all but down, up, step, outage and seed also with -up or -down");
    Error::new(written, value, "there is no such key", fix)
}

fn no_pair(word: &str) -> Error {
    let names = catalog::LINKS.map(|link| link.name).join(", ");
    let fix = format!("write one of {names}, or key=value");
    Error::new("", word, "is neither the name of a link nor key=value", fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Description, Error> {
        Description::parse(text.split_whitespace())
    }

    #[test]
    fn every_name_and_every_example_is_understood() {
        for link in catalog::LINKS {
            let described = parse(link.name).unwrap();
            assert_eq!(described.words.join(" "), link.words);
            assert!(described.up.first.rate.is_some() && described.down.first.rate.is_some());
        }
        for key in KEYS {
            parse(&format!("loss=5% jitter=1ms {}={}", key.name, key.example)).unwrap();
        }
    }

    #[test]
    fn a_description_becomes_weather() {
        let link =
            parse("dsl loss=2% burst=6 jitter=5ms reorder duplicate=1% corrupt=3% seed=9").unwrap();
        let (up, down) = (&link.up.first, &link.down.first);
        assert_eq!((up.rate, down.rate), (Some(500_000), Some(2_500_000)));
        assert_eq!((up.queue, down.queue), (200_000, 1_000_000));
        assert_eq!(up.delay, Duration::from_millis(20));
        assert_eq!(up.loss, 0.0, "bursts have all of it");
        let bursts = up.bursts.unwrap();
        assert!((up.lost() - 0.02).abs() < 1e-9);
        assert!((bursts.end - 1.0 / 6.0).abs() < 1e-9);
        assert_eq!((up.jitter, up.in_order), (Duration::from_millis(5), false));
        assert_eq!((up.duplicate, up.corrupt), (0.01, 0.03));
        assert_eq!((up.mtu, up.icmp, link.seed), (1500, true, Some(9)));
    }

    #[test]
    fn nothing_said_is_a_perfect_link() {
        let link = parse("").unwrap();
        assert_eq!((link.up.first.rate, link.up.first.loss), (None, 0.0));
        assert!(link.up.first.delay.is_zero() && link.up.later.is_empty());
    }

    #[test]
    fn directions_differ() {
        let link = parse("loss=1% loss-up=3% delay-down=9ms mtu-up=1400 icmp-down=no").unwrap();
        let (up, down) = (&link.up.first, &link.down.first);
        assert_eq!((up.loss, down.loss), (0.03, 0.01));
        assert_eq!(
            (up.delay, down.delay),
            (Duration::ZERO, Duration::from_millis(9))
        );
        assert_eq!((up.mtu, down.mtu), (1400, 1500));
        assert_eq!((up.icmp, down.icmp), (true, false));
    }

    #[test]
    fn later_words_override_and_times_are_kept() {
        let link = parse("step rate=50mbit queue=64kb mtu=15s:1280 outage=3s:1s").unwrap();
        let times: Vec<u64> = link.up.later.iter().map(|(at, _)| at.as_secs()).collect();
        assert_eq!(times, [12, 15, 20]);
        let begin = link.up.phases().map(|(at, _)| at.as_secs());
        assert!(begin.eq([0, 12, 15, 20]));
        let rates = link.up.later.iter().map(|(_, weather)| weather.rate);
        assert_eq!(link.up.first.rate, Some(6_250_000));
        assert!(rates.eq([2_500_000, 2_500_000, 12_500_000].map(Some)));
        let mtus = link.up.later.iter().map(|(_, weather)| weather.mtu);
        assert!(mtus.eq([1500, 1280, 1280]));
        assert_eq!(link.up.later[0].1.queue, 64_000);
        assert!(link.up.later[2].1.is_out(Time::from_millis(3500)));
        assert_eq!(link.largest_mtu(), 1500);
    }

    #[test]
    fn a_queue_in_time_follows_the_rate() {
        let link = parse("rate=100mbit queue=100ms step=5s:20mbit").unwrap();
        assert_eq!(link.down.first.queue, 1_250_000);
        assert_eq!(link.down.later[0].1.queue, 250_000);
        assert_eq!(parse("rate=8mbit").unwrap().up.first.queue, 100_000);
    }

    #[test]
    fn errors_name_key_value_and_fix() {
        for (text, key, value, problem, fix) in [
            ("loss=1", "loss", "1", "is not a share", "write loss=0.5%"),
            (
                "loss-up=x",
                "loss-up",
                "x",
                "is not a share",
                "write loss-up=0.5%",
            ),
            (
                "dwon=1mbit",
                "dwon",
                "1mbit",
                "no such key",
                "keys: down, up,",
            ),
            ("down-up=1mbit", "down-up", "1mbit", "no such key", "keys: "),
            ("dls", "", "dls", "neither the name", "one of clean, loss1,"),
            ("loss=1% dsl", "", "dsl", "in front", "begin with dsl"),
            (
                "step=12:20",
                "step",
                "12:20",
                "is not a time",
                "write step=12s:20mbit",
            ),
            (
                "step=20mbit",
                "step",
                "20mbit",
                "a time and a rate",
                "step=12s:20mbit",
            ),
            (
                "outage=5s",
                "outage",
                "5s",
                "how long",
                "write outage=30s:5s",
            ),
            ("burst=6", "burst", "6", "no loss", "write loss=5% too"),
            (
                "loss=75% burst=2",
                "burst",
                "2",
                "so much loss",
                "write burst=3",
            ),
            ("loss=100% burst=2", "burst", "2", "so much loss", "outage"),
            (
                "delay=1ms reorder",
                "reorder",
                "yes",
                "without jitter",
                "jitter=15ms",
            ),
            (
                "mtu=1280s",
                "mtu",
                "1280s",
                "bytes from 68",
                "write mtu=1280",
            ),
            ("icmp", "", "icmp", "neither", "key=value"),
            ("=", "", "", "no such key", "keys"),
            ("seed=x", "seed", "x", "whole number", "write seed=7"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(
                (error.key.as_str(), error.value.as_str()),
                (key, value),
                "{text}"
            );
            assert!(error.problem.contains(problem), "{text}: {}", error.problem);
            assert!(error.fix.contains(fix), "{text}: {}", error.fix);
        }
        assert!(parse(&"loss=1% ".repeat(MAX_WORDS + 1)).is_err());
    }
}
