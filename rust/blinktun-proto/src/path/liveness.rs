//! Whether the peer is still there: when to ask it, and when it counts as silent.
//!
//! A peer is asked if data in flight makes no progress, and, by a client, if data was coming and has
//! stopped. A download leaves nothing unacknowledged at its receiver, so a server that died looks
//! like one that pauses. Then a question leaves now and then, and nothing else until an answer
//! comes: a path that is down costs fewer than 100 datagrams a minute.

use crate::time::{Duration, Time, earliest};

/// No acknowledgement for this long with data in flight: only ask, do not pour more in.
pub const SILENCE: Duration = Duration::from_millis(1000);
/// How often a silent peer is asked at first. Most outages are short, and the session goes on with
/// the first question that gets through.
const GAP: Duration = Duration::from_millis(440);
/// Data in flight that makes no progress for so long was asked about in vain. With a long RTO the first
/// question is the first thing that is sent again, and its answer takes time.
pub const STALL: Duration = SILENCE.saturating_add(GAP);
/// How often it is asked after [`SHORT_OUTAGE`].
const LONG_GAP: Duration = Duration::from_millis(1350);
const SHORT_OUTAGE: Duration = Duration::from_secs(20);
/// The longest wait if the peer asks as well: each wait is as long as the silence before it.
const LONGEST_GAP: Duration = Duration::from_secs(30);
/// How often it is asked, for so long, while the path may have become a black hole for long datagrams.
const URGENT_GAP: Duration = Duration::from_millis(220);
const URGENT: Duration = Duration::from_secs(3);
/// A client asks when data has paused for this long: a client whose address was changed by a NAT
/// box is found by this question.
const PAUSE: Duration = Duration::from_millis(500);

/// What a client knows about the data that its server sends.
#[derive(Clone, Copy, Debug, Default)]
enum Download {
    /// Nothing has come since the last answer: nothing to ask.
    #[default]
    Settled,
    /// Data came last at the first moment. The second is a timer: it is not moved with every
    /// datagram, but looks at the first when it fires.
    Coming(Time, Time),
    /// It has paused, and the server has not answered since this moment.
    Paused(Time),
}

/// The questions since a peer became silent.
#[derive(Clone, Copy, Debug)]
struct Asking {
    since: Time,
    last: Time,
    next: Time,
    /// The last question has no answer yet.
    is_open: bool,
    /// Data in flight is stalled: not only a download has paused.
    is_stalled: bool,
}

/// Whether the peer is still there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Liveness {
    /// We are a client: a server whose client is gone loses nothing by waiting for keepalive.
    asks_after_data: bool,
    download: Download,
    asking: Option<Asking>,
    peer_asks: bool,
    /// The answers show whether short datagrams arrive while long ones vanish.
    is_urgent: bool,
    /// When data came that was new.
    last_news: Option<Time>,
}

impl Liveness {
    /// With `asks_after_data` a peer that has stopped sending is asked whether it is still there.
    pub fn new(asks_after_data: bool) -> Liveness {
        Liveness {
            asks_after_data,
            ..Liveness::default()
        }
    }

    /// The path is another: a client asks at once, and again until something comes.
    pub fn begin_path(&mut self, now: Time) {
        if self.asks_after_data {
            (self.download, self.asking) = (Download::Paused(now), None);
        }
    }

    /// From now on the peer is known to ask us as well while it hears nothing.
    pub fn note_peer_asks(&mut self) {
        self.peer_asks = true;
    }

    /// Whether answers are wanted soon.
    pub fn set_urgent(&mut self, is_urgent: bool) {
        self.is_urgent = is_urgent;
    }

    /// Whether the peer is known to ask us as well.
    pub fn peer_asks(&self) -> bool {
        self.peer_asks
    }

    /// Data came that was new.
    pub fn note_news(&mut self, now: Time) {
        self.last_news = Some(now);
    }

    /// Whether new data has ever come.
    pub fn has_had_news(&self) -> bool {
        self.last_news.is_some()
    }

    /// A payload came, with data or without.
    pub fn note_payload(&mut self, has_data: bool, now: Time) {
        match has_data {
            _ if !self.asks_after_data => {}
            true => self.note_data(now),
            false => self.note_sign(),
        }
    }

    /// A client got data.
    fn note_data(&mut self, now: Time) {
        self.download = match self.download {
            Download::Coming(_, at) => Download::Coming(now, at),
            _ => Download::Coming(now, now + PAUSE),
        };
    }

    /// A client got something without data: an answer, if there was a question.
    fn note_sign(&mut self) {
        if matches!(self.download, Download::Paused(_)) {
            self.download = Download::Settled;
        }
    }

    /// Something came from a silent peer, so a question may get through now. Returns whether to ask.
    pub fn hear(&mut self, now: Time) -> bool {
        let may_ask = self.asking.is_some_and(|asking| now >= asking.last + GAP);
        may_ask && self.ask(now)
    }

    /// Take the answer to the last question, once. Returns when that left.
    pub fn take_answer(&mut self) -> Option<Time> {
        let asking = self.asking.as_mut()?;
        core::mem::take(&mut asking.is_open).then_some(asking.last)
    }

    /// Note what is known now; `stalled` is the moment since which data in flight counts as
    /// stalled. Returns whether to ask now.
    pub fn update(&mut self, stalled: Option<Time>, now: Time) -> bool {
        if let Download::Coming(last, at) = self.download
            && at <= now
        {
            self.download = match last + PAUSE {
                at if at <= now => Download::Paused(now),
                at => Download::Coming(last, at),
            };
        }
        let paused = match self.download {
            Download::Paused(since) => Some(since),
            _ => None,
        };
        let Some(since) = earliest(stalled, paused) else {
            self.asking = None;
            return false;
        };
        match &mut self.asking {
            None => {
                self.asking = Some(Asking {
                    since,
                    last: now,
                    next: now,
                    is_open: false,
                    is_stalled: stalled.is_some(),
                });
            }
            Some(asking) => {
                if stalled.is_some() && !asking.is_stalled {
                    asking.next = now;
                }
                (asking.since, asking.is_stalled) = (since, stalled.is_some());
            }
        }
        self.asking.is_some_and(|asking| asking.next <= now) && self.ask(now)
    }

    fn ask(&mut self, now: Time) -> bool {
        if let Some(asking) = &mut self.asking {
            let silence = now.since(asking.since);
            let gap = match silence {
                _ if self.is_urgent && silence < URGENT => URGENT_GAP,
                _ if self.peer_asks => silence.clamp(GAP, LONGEST_GAP),
                _ if silence < SHORT_OUTAGE => GAP,
                _ => LONG_GAP,
            };
            (asking.last, asking.next, asking.is_open) = (now, now + gap, true);
        }
        self.asking.is_some()
    }

    /// When [`Liveness::update`] has something to do, beside noticing that data has stalled.
    pub fn next_timeout(&self) -> Option<Time> {
        let pause = match self.download {
            Download::Coming(_, at) => Some(at),
            _ => None,
        };
        earliest(pause, self.asking.map(|asking| asking.next))
    }

    /// Whether it is known that data in flight is stalled.
    pub fn knows_stall(&self) -> bool {
        self.asking.is_some_and(|asking| asking.is_stalled)
    }

    /// Whether the peer is being asked.
    pub fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// Whether the peer seems gone: data in flight makes no progress though it was asked about
    /// (`is_stalled`, for [`STALL`]) and no new data comes either; or a server that stopped sending has left
    /// questions unanswered for [`SILENCE`]. A peer that sends slowly has its acknowledgements wait in line.
    pub fn is_silent(&self, is_stalled: bool, now: Time) -> bool {
        let has_news = self.last_news.is_some_and(|at| now.since(at) < SILENCE);
        let has_paused =
            matches!(self.download, Download::Paused(since) if now.since(since) >= SILENCE);
        (is_stalled && !has_news) || has_paused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    /// How often a peer is asked that is silent for so long.
    fn questions(liveness: &mut Liveness, seconds: u64) -> Vec<Time> {
        let (mut asked, mut now) = (Vec::new(), at(1000));
        while now <= at(1000 * seconds) {
            if liveness.update(Some(at(1000)), now) {
                asked.push(now);
            }
            now = liveness.next_timeout().expect("it is asking");
        }
        asked
    }

    #[test]
    fn a_pause_is_asked_about_once_if_answered_and_again_if_not() {
        let mut liveness = Liveness::default();
        assert!(liveness.next_timeout().is_none() && !liveness.update(None, at(5000)));
        liveness.note_data(at(0));
        liveness.note_sign();
        assert!(!liveness.update(None, at(499)));
        liveness.note_data(at(400));
        assert!(!liveness.update(None, at(500)) && liveness.next_timeout() == Some(at(900)));
        assert!(liveness.update(None, at(900)) && liveness.is_asking());
        assert!(!liveness.update(None, at(1339)) && liveness.update(None, at(1340)));
        assert!(!liveness.is_silent(false, at(1899)) && liveness.is_silent(false, at(1900)));
        liveness.note_sign();
        assert!(!liveness.update(None, at(2000)));
        assert!(liveness.next_timeout().is_none() && !liveness.is_asking());
    }

    #[test]
    fn a_minute_of_silence_is_fewer_than_a_hundred_questions() {
        let alone = questions(&mut Liveness::default(), 60);
        assert!((70..90).contains(&alone.len()), "{}", alone.len());
        let short = alone.windows(2).filter(|pair| pair[0] <= at(20_000));
        assert!(short.clone().count() > 40);
        assert!(short.into_iter().all(|pair| pair[1].since(pair[0]) <= GAP));
        let mut shared = Liveness::default();
        shared.note_peer_asks();
        let asked = questions(&mut shared, 60);
        assert!((5..=10).contains(&asked.len()), "{asked:?}");
    }

    #[test]
    fn urgent_questions_are_asked_more_often_and_not_for_long() {
        let mut liveness = Liveness::default();
        liveness.note_peer_asks();
        liveness.set_urgent(true);
        let asked = questions(&mut liveness, 60);
        let gaps: Vec<_> = asked
            .windows(2)
            .map(|pair| pair[1].since(pair[0]))
            .collect();
        assert!(gaps[..10].iter().all(|gap| *gap == URGENT_GAP), "{gaps:?}");
        assert!((15..=25).contains(&asked.len()), "{asked:?}");
    }

    #[test]
    fn an_answer_counts_once_and_a_sign_brings_a_question_forward() {
        let mut liveness = Liveness::default();
        liveness.note_peer_asks();
        let last = *questions(&mut liveness, 60).last().expect("questions");
        assert_eq!(liveness.take_answer(), Some(last));
        assert_eq!(liveness.take_answer(), None);
        assert!(liveness.hear(last + GAP) && !liveness.hear(last + GAP));
        assert_eq!(liveness.take_answer(), Some(last + GAP));
    }
}
