//! Answers to conversations that we do not know.
//!
//! A peer whose conversation we have lost (we restarted) must learn it at once, not by keepalive.
//! It gets one stateless window tell with `una` 0 that echoes the clock of what it sent: to our
//! client a proof, to a Go client nothing. The answer is never longer than the question.

use crate::time::{Duration, Time};
use crate::wire::Sn;
use crate::wire::kcp::{HEADER, PUSH, Segment, Segments, WASK, WINS};

/// Answers a second, over all sources.
const RATE: f64 = 1000.0;

/// Answers strays within a rate.
pub struct Strays {
    tokens: f64,
    last: Time,
}

impl Strays {
    /// Begins with a full bucket.
    pub fn new(now: Time) -> Strays {
        Strays {
            tokens: RATE,
            last: now,
        }
    }

    /// The payload that answers segments of an unknown conversation, if they deserve one.
    pub fn answer(&mut self, segments: Segments<'_>, now: Time) -> Option<[u8; HEADER]> {
        // Acknowledgements and tells are not answered: two forgetful ends would never stop.
        // Who has heard nothing of us yet has not lost us either.
        let is_asking =
            |segment: &Segment<'_>| matches!(segment.cmd, PUSH | WASK) && segment.una.0 != 0;
        let asking = segments.into_iter().find(is_asking)?;
        if !self.take_token(now) {
            return None;
        }
        let mut out = [0; HEADER];
        let (cmd, ts) = (WINS, asking.ts);
        Segment {
            conv: segments.conv(),
            cmd,
            wnd: 32,
            ts,
            sn: Sn(0),
            una: Sn(0),
            data: &[],
        }
        .write(&mut out);
        Some(out)
    }

    fn take_token(&mut self, now: Time) -> bool {
        let passed: Duration = now.since(self.last);
        self.last = now;
        self.tokens = (self.tokens + passed.as_secs_f64() * RATE).min(RATE);
        let available = self.tokens >= 1.0;
        if available {
            self.tokens -= 1.0;
        }
        available
    }
}
