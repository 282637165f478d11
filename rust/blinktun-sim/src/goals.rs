//! What a session must reach over each link with a name.

use crate::download::Measured;

/// The table; live measurements have the same.
const TABLE: &str = include_str!("../../../benchmarks/links/goals.txt");

/// The goals of one link. What has none is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// The name of the link.
    pub link: &'static str,
    /// At least so much of a download.
    pub goodput: Option<Goodput>,
    /// Bytes on the wire for each that is delivered, at most.
    pub wire: Option<f64>,
    /// Half of all requests beside the download are answered in so many ms.
    pub p50: Option<f64>,
    /// 99 of 100.
    pub p99: Option<f64>,
    /// The same with nothing beside it.
    pub idle99: Option<f64>,
    /// Round trips until the download has 80 % of the link.
    pub start: Option<f64>,
}

/// What a download must have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goodput {
    /// Mbit/s.
    Rate(f64),
    /// This share of what each phase of the link can carry.
    Share(f64),
}

impl Goodput {
    /// Whether a download had it.
    pub fn is_reached(self, measured: &Measured) -> bool {
        match self {
            Goodput::Rate(rate) => measured.goodput >= rate,
            Goodput::Share(share) => measured.share >= share,
        }
    }
}

/// The goals of all links, in the order of their table.
///
/// # Panics
/// If the table cannot be read.
pub fn goals() -> Vec<Goal> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| parse(line).unwrap_or_else(|| panic!("not a line of goals: {line}")))
        .collect()
}

fn parse(line: &'static str) -> Option<Goal> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [link, goodput, wire, p50, p99, idle99, start] = words[..] else {
        return None;
    };
    Some(Goal {
        link,
        goodput: match goodput.strip_suffix('%') {
            Some(percent) => Some(Goodput::Share(percent.parse::<f64>().ok()? / 100.0)),
            None => optional(goodput)?.map(Goodput::Rate),
        },
        wire: optional(wire)?,
        p50: optional(p50)?,
        p99: optional(p99)?,
        idle99: optional(idle99)?,
        start: optional(start)?,
    })
}

/// A number, or `-` for none; `None` if it is neither.
fn optional(word: &str) -> Option<Option<f64>> {
    match word {
        "-" => Some(None),
        _ => word.parse().ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blinktun_link::catalog::LINKS;

    #[test]
    fn every_named_link_has_its_goals() {
        let links: Vec<&str> = goals().iter().map(|goal| goal.link).collect();
        assert_eq!(links, LINKS.map(|link| link.name));
    }

    #[test]
    fn a_line_is_read_and_nonsense_is_not() {
        let goal = parse("x 85% 1.1 - 30 - 8").expect("a goal");
        assert_eq!(goal.goodput, Some(Goodput::Share(0.85)));
        assert_eq!(
            (goal.wire, goal.p50, goal.p99),
            (Some(1.1), None, Some(30.0))
        );
        for line in [
            "x 1 1 1 1 1",
            "x 1 1 1 1 1 1 1",
            "x 1 y 1 1 1 1",
            "x %% 1 1 1 1 1",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
