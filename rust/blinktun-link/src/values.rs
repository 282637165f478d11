//! The values of a description: numbers with units.

use blinktun_proto::time::Duration;

/// No longer time can be asked for.
const LONGEST: f64 = 86_400.0;
const MAX_BURST: f64 = 10_000.0;
/// An IPv4 link carries at least this much (RFC 791), and no packet is longer.
const MTU: core::ops::RangeInclusive<usize> = 68..=65_535;

/// What a value must be, for the message about one that is not.
type Expected = &'static str;

/// Bits a second with a unit, as bytes a second; `None` is unlimited.
pub fn rate(text: &str) -> Result<Option<u64>, Expected> {
    let expected = "a rate from 1kbit to 10gbit, or unlimited";
    if text == "unlimited" {
        return Ok(None);
    }
    let units = [("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9), ("bit", 1.0)];
    let bits = with_unit(text, &units).ok_or(expected)?;
    match (1e3..=1e10).contains(&bits) {
        true => Ok(Some((bits / 8.0).round() as u64)),
        false => Err(expected),
    }
}

/// A time with a unit.
pub fn time(text: &str) -> Result<Duration, Expected> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    match with_unit(text, &units).filter(|seconds| *seconds <= LONGEST) {
        Some(seconds) => Ok(Duration::from_micros((seconds * 1e6).round() as u64)),
        None => Err("a time like 20ms or 1.5s, one day at most"),
    }
}

/// The room of a queue: as long as it takes to send what is in it, or its bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Room {
    /// At the rate of the link.
    Time(Duration),
    /// At any rate.
    Bytes(usize),
}

impl Room {
    /// In bytes, at a rate in bytes a second.
    pub fn bytes(self, rate: u64) -> usize {
        match self {
            Room::Time(time) => (time.as_secs_f64() * rate as f64) as usize,
            Room::Bytes(bytes) => bytes,
        }
    }
}

/// The room of a queue.
pub fn room(text: &str) -> Result<Room, Expected> {
    if let Ok(time) = time(text) {
        return Ok(Room::Time(time));
    }
    let units = [("kb", 1e3), ("mb", 1e6), ("b", 1.0)];
    match with_unit(text, &units).filter(|bytes| *bytes <= 1e9) {
        Some(bytes) => Ok(Room::Bytes(bytes as usize)),
        None => Err("a time like 100ms or a size like 64kb"),
    }
}

/// Percent, as a chance from 0 to 1.
pub fn chance(text: &str) -> Result<f64, Expected> {
    match with_unit(text, &[("%", 0.01)]).filter(|chance| *chance <= 1.0) {
        Some(chance) => Ok(chance),
        None => Err("a share from 0% to 100%"),
    }
}

/// The mean length of a burst, in packets.
pub fn burst(text: &str) -> Result<f64, Expected> {
    match number(text).filter(|length| (1.0..=MAX_BURST).contains(length)) {
        Some(length) => Ok(length),
        None => Err("a mean number of packets from 1 to 10000"),
    }
}

/// The longest packet, in bytes.
pub fn mtu(text: &str) -> Result<usize, Expected> {
    match text.parse().ok().filter(|mtu| MTU.contains(mtu)) {
        Some(mtu) => Ok(mtu),
        None => Err("a number of bytes from 68 to 65535"),
    }
}

/// Yes or no.
pub fn switch(text: &str) -> Result<bool, Expected> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("yes or no"),
    }
}

/// Any seed.
pub fn seed(text: &str) -> Result<u64, Expected> {
    text.parse().map_err(|_| "a whole number")
}

/// A number of one of the units, where 0 needs none; negative and endless ones are none.
fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    let text = text.to_ascii_lowercase();
    let mut found = units
        .iter()
        .filter_map(|(unit, size)| Some(number(text.strip_suffix(unit)?)? * size));
    found.next()
}

/// Digits with one point among them at most: no signs, no exponents, no words.
fn number(text: &str) -> Option<f64> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_units() {
        assert_eq!(rate("20mbit"), Ok(Some(2_500_000)));
        assert_eq!(rate("1.5Mbit"), Ok(Some(187_500)));
        assert_eq!(rate("8000bit"), Ok(Some(1000)));
        assert_eq!(rate("1gbit"), Ok(Some(125_000_000)));
        assert_eq!(rate("unlimited"), Ok(None));
        assert_eq!(time("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(time("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(time("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(time("0"), Ok(Duration::ZERO));
        assert_eq!(room("400ms").map(|room| room.bytes(1000)), Ok(400));
        assert_eq!(room("64kb").map(|room| room.bytes(1)), Ok(64_000));
        assert_eq!(room("1500b"), Ok(Room::Bytes(1500)));
        assert_eq!(chance("0.5%"), Ok(0.005));
        assert_eq!(chance("0"), Ok(0.0));
        assert_eq!(burst("6"), Ok(6.0));
        assert_eq!(mtu("1280"), Ok(1280));
        assert_eq!((switch("yes"), switch("no")), (Ok(true), Ok(false)));
        assert_eq!(seed("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in [
            "", "20", "mbit", "-1mbit", "0", "999bit", "11gbit", "1e3mbit", "nanmbit", "1 mbit",
        ] {
            assert!(rate(text).is_err(), "{text}");
        }
        for text in ["", "20", "ms", "-1ms", "infs", "1m", "86401s", "1.2.3s"] {
            assert!(time(text).is_err(), "{text}");
        }
        for text in ["", "64", "64kib", "2000mb", "b"] {
            assert!(room(text).is_err(), "{text}");
        }
        for text in ["", "1", "101%", "%", "-1%", "0.01"] {
            assert!(chance(text).is_err(), "{text}");
        }
        for text in ["0", "0.5", "six", "10001"] {
            assert!(burst(text).is_err(), "{text}");
        }
        for text in ["67", "65536", "-1", "1280b"] {
            assert!(mtu(text).is_err(), "{text}");
        }
        assert!(switch("maybe").is_err() && seed("-1").is_err() && seed("x").is_err());
    }
}
