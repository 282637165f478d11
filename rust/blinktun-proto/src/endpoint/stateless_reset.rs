//! Stateless resets: answers to conversations that this endpoint does not have.
//!
//! After a restart a peer must learn at once that its conversation is lost, not by keepalive. It gets
//! one window report (WINS) with `una` 0 that echoes the clock of what it sent. Our client takes that
//! for a proof; a Go client ignores it. The answer is never longer than the question.

use crate::bucket::Bucket;
use crate::time::Time;
use crate::wire::Sn;
use crate::wire::kcp::{HEADER, PUSH, Segment, Segments, WASK, WINS};

/// Answers a second, over all sources.
const RATE: u64 = 1000;

/// Makes stateless resets, limited in rate.
pub struct StatelessReset {
    answers: Bucket,
}

impl StatelessReset {
    /// At first, answers of a whole second may leave at once.
    pub fn new(now: Time) -> StatelessReset {
        StatelessReset {
            answers: Bucket::new(RATE, RATE, now),
        }
    }

    /// The payload that answers segments of an unknown conversation, if they deserve one.
    pub fn answer(&mut self, segments: Segments<'_>, now: Time) -> Option<[u8; HEADER]> {
        // Acknowledgements and window reports get no answer: two ends without the conversation would
        // never stop. A peer that has heard nothing from us has not lost us.
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
        let is_there = self.answers.available(now).is_some_and(|count| count > 0);
        if is_there {
            self.answers.take(1);
        }
        is_there
    }
}
