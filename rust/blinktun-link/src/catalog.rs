//! Links with names.

/// A link that others describe by its name.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// The name.
    pub name: &'static str,
    /// Its description, word by word.
    pub words: &'static str,
    /// What it stands for, in a line.
    pub summary: &'static str,
}

const fn named(name: &'static str, words: &'static str, summary: &'static str) -> Named {
    Named {
        name,
        words,
        summary,
    }
}

/// Every link that has a name. Benchmarks compare their results by these names, so a link keeps its figures.
pub const LINKS: [Named; 15] = [
    named(
        "clean",
        "rate=100mbit delay=50ms queue=100ms",
        "a good link to another continent",
    ),
    named(
        "loss1",
        "rate=100mbit delay=50ms queue=100ms loss=1%",
        "the same with random loss",
    ),
    named(
        "loss5",
        "rate=100mbit delay=50ms queue=100ms loss=5%",
        "the same with more loss",
    ),
    named(
        "loss10",
        "rate=100mbit delay=50ms queue=100ms loss=10%",
        "the same with much loss",
    ),
    named(
        "loss20",
        "rate=100mbit delay=50ms queue=100ms loss=20%",
        "the same with extreme loss",
    ),
    named(
        "burst5",
        "rate=100mbit delay=50ms queue=100ms loss=5% burst=6",
        "losses of several packets in a row",
    ),
    named(
        "jitter",
        "rate=100mbit delay=50ms queue=100ms loss=2% jitter=40ms",
        "a delay that changes, as on a busy wireless link",
    ),
    named(
        "reorder",
        "rate=100mbit delay=50ms queue=100ms loss=2% jitter=15ms reorder",
        "packets that overtake each other",
    ),
    named(
        "dsl",
        "down=20mbit up=4mbit delay=20ms queue=400ms loss=0.5%",
        "a line at home whose modem has a large buffer",
    ),
    named(
        "far",
        "down=50mbit up=20mbit delay=140ms queue=200ms loss=3%",
        "the other side of the world",
    ),
    named(
        "deep",
        "rate=20mbit delay=30ms queue=1500ms",
        "a buffer that never seems to be full",
    ),
    named(
        "policer",
        "rate=30mbit delay=40ms queue=8ms",
        "a provider that drops what is too fast instead of queueing it",
    ),
    named(
        "step",
        "rate=100mbit delay=50ms queue=100ms loss=2% step=12s:20mbit step=20s:100mbit",
        "a rate that falls to a fifth after 12 s, and comes back after 20 s",
    ),
    named(
        "near",
        "rate=200mbit delay=5ms queue=50ms loss=2%",
        "a fast link to the same city",
    ),
    named(
        "slow",
        "down=2mbit up=1mbit delay=60ms queue=300ms loss=3%",
        "a bad mobile connection",
    ),
];

/// The link of a name.
pub fn find(name: &str) -> Option<&'static Named> {
    LINKS.iter().find(|link| link.name == name)
}
