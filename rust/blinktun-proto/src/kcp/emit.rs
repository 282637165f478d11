//! From a conversation to its payloads: what shares a datagram, and in which order.

use super::pool::Pool;
use super::sender::Taken;
use super::{Emitted, EmittedProbe, Kcp};
use crate::path::Path;
use crate::stats::Stats;
use crate::time::Time;
use crate::wire::kcp::{ACK, HEADER, PUSH, Segment, WASK, WINS};
use crate::wire::{Millis, Sn};

/// What a payload has got of data.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    has_data: bool,
    is_paced: bool,
}

/// Room for a question and a report of the window.
const ASKS: usize = 2 * HEADER;

impl Kcp {
    /// Write the next payload that must leave to `out`, as far as it fits. Data waits for the pacer of the
    /// path; acknowledgements and probes do not. Acknowledgements may wait for their own time.
    pub fn emit(
        &mut self,
        out: &mut [u8],
        path: &mut Path,
        now: Time,
        stats: &mut Stats,
    ) -> Option<Emitted> {
        self.sender.prepare(path, now);
        let mut at = 0;
        let owed = self.control_len();
        let is_due = !self.answered || self.has_question() || self.ack_delay.is_over();
        let waiting = self.sender.peek(path);
        let next = waiting.filter(|_| path.may_send(now));
        // One that was numbered before the MTU fell is too long, and cannot be cut any more.
        let longest = self.block.max(next.map_or(0, |len| HEADER + len));
        let block = longest.min(out.len());
        let control = if is_due || next.is_some() { owed } else { 0 };
        // Acknowledgements share a datagram with data where both fit; else data goes first, so
        // that a bulk transfer leaves as one run of equal datagrams. But the very first comes
        // before all data: the peer may wait for it as the proof of our address.
        let fits = next.is_none_or(|len| control + HEADER + len <= block);
        if control > 0 && (fits || !self.answered) {
            self.answered |= self.receiver.owed_acks() > 0;
            let data = next.filter(|_| fits).map_or(0, |len| HEADER + len);
            at = self.write_control(&mut out[..block - data], path, now, stats);
        }
        let written = match next {
            Some(_) => self.write_data(&mut out[..block], &mut at, path, now, stats),
            None => Written::default(),
        };
        let Written { has_data, is_paced } = written;
        if has_data && let Some(least) = path.least_cut(at) {
            at = self.pad(out, (at, least), now, stats);
        }
        if at == 0 && control > 0 && is_due {
            // There is too little room for the next data: what a candidate gets is limited.
            at = self.write_control(&mut out[..block], path, now, stats);
        }
        if waiting.is_none() {
            self.sender.note_idle(path);
        }
        (at > 0).then_some(Emitted {
            len: at,
            has_data,
            is_paced,
        })
    }

    /// Write a probe of the MTU to `out`, if new data may leave now: a payload as long as `out`, or nearly so,
    /// of one segment with data and window tells, which say nothing new. `around` is how much longer its
    /// datagram is. If it `is_copied`, its data leaves once more, some milliseconds later.
    pub fn emit_probe(
        &mut self,
        out: &mut [u8],
        (around, is_copied): (usize, bool),
        path: &mut Path,
        now: Time,
        (pool, stats): (&mut Pool, &mut Stats),
    ) -> Option<EmittedProbe> {
        self.sender.prepare(path, now);
        let room = out.len().checked_sub(HEADER)?;
        if !path.may_send(now) {
            return None;
        }
        let len = self.sender.cut_for_probe(path, (room, is_copied), pool)?;
        let filled = out.len() - (room - len) % HEADER;
        if around + filled <= path.mtu() {
            return None;
        }
        let ts = self.clock(now);
        let template = self.template();
        let length = path.begin_probe(around + filled);
        let Taken { sn, data, .. } = self.sender.take(path, (ts, length), now, stats)?;
        let segment = Segment {
            cmd: PUSH,
            ts,
            sn,
            data,
            ..template
        };
        let own = segment.write(out);
        stats.out_segs += 1;
        if is_copied {
            self.sender.copy_probe(sn, path, now);
        }
        let len = self.pad(out, (own, filled), now, stats);
        Some(EmittedProbe { len, own })
    }

    /// Make a payload of `at` bytes at least `least` bytes long, if there is room, by window tells. Returns its
    /// length.
    fn pad(
        &mut self,
        out: &mut [u8],
        (at, least): (usize, usize),
        now: Time,
        stats: &mut Stats,
    ) -> usize {
        let count = least.saturating_sub(at).div_ceil(HEADER);
        let Some(padding) = out.get_mut(at..at + count * HEADER) else {
            return at;
        };
        let tell = Segment {
            ts: self.clock(now),
            ..self.template()
        };
        for place in padding.chunks_exact_mut(HEADER) {
            tell.write(place);
        }
        stats.out_segs += count as u64;
        at + count * HEADER
    }

    /// Whether a question or its answer must leave.
    fn has_question(&self) -> bool {
        self.probe.is_due() || self.window_report.is_some()
    }

    fn control_len(&self) -> usize {
        let asks = usize::from(self.probe.is_due()) + usize::from(self.window_report.is_some());
        (self.receiver.owed_acks() + asks) * HEADER
    }

    fn write_control(
        &mut self,
        out: &mut [u8],
        path: &mut Path,
        now: Time,
        stats: &mut Stats,
    ) -> usize {
        let clock = self.clock(now);
        let template = self.template();
        let mut at = 0;
        self.receiver.begin_acks();
        while at + HEADER <= out.len() {
            let may_repeat = at + HEADER + ASKS <= out.len();
            let ack = self.receiver.next_ack();
            let ack = match ack {
                None if may_repeat => self.receiver.next_repeat(),
                ack => ack,
            };
            let Some(ack) = ack else { break };
            at += Segment {
                cmd: ACK,
                ts: ack.ts,
                sn: ack.sn,
                ..template
            }
            .write(&mut out[at..]);
        }
        if at + ASKS <= out.len() {
            if self.probe.take() {
                path.validation.note_asked(clock);
                at += Segment {
                    cmd: WASK,
                    ts: clock,
                    sn: self.token_number(),
                    ..template
                }
                .write(&mut out[at..]);
            }
            if let Some(ts) = self.window_report.take() {
                at += Segment {
                    cmd: WINS,
                    ts,
                    sn: self.token_number(),
                    ..template
                }
                .write(&mut out[at..]);
            }
        }
        if self.receiver.owed_acks() == 0 {
            self.ack_delay.note_left();
        }
        stats.out_segs += (at / HEADER) as u64;
        at
    }

    fn write_data(
        &mut self,
        out: &mut [u8],
        at: &mut usize,
        path: &mut Path,
        now: Time,
        stats: &mut Stats,
    ) -> Written {
        let ts = self.clock(now);
        let template = Segment {
            cmd: PUSH,
            ts,
            ..self.template()
        };
        let mut written = Written::default();
        while let Some(len) = self.sender.peek(path)
            && *at + HEADER + len <= out.len()
            && let length = path.length(*at + HEADER, len)
            && let Some(Taken { sn, data, is_free }) =
                self.sender.take(path, (ts, length), now, stats)
        {
            *at += Segment {
                sn,
                data,
                ..template
            }
            .write(&mut out[*at..]);
            stats.out_segs += 1;
            written.has_data = true;
            written.is_paced |= !is_free;
        }
        written
    }

    pub(super) fn template(&mut self) -> Segment<'static> {
        Segment {
            conv: self.conv,
            cmd: WINS,
            wnd: self.receiver.tell_window(self.sender.next()),
            ts: Millis(0),
            sn: Sn(0),
            una: self.receiver.next(),
            data: &[],
        }
    }
}
