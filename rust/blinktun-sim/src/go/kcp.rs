//! KCP as Go's library runs it (kcptun wire, 3.3 to 3.9).

use std::collections::{BTreeMap, VecDeque};

use blinktun_proto::recovery::rtt::Rtt;
use blinktun_proto::session::Config;
use blinktun_proto::time::{Duration, Time};
use blinktun_proto::wire::kcp::{ACK, HEADER, PUSH, Segment, Segments, WASK, WINS};
use blinktun_proto::wire::{Millis, Sn};

/// Segments before anything was heard.
const INITIAL_REMOTE_WINDOW: usize = 32;
/// First and longest wait while the remote window is zero.
const PROBE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(120));

/// What Go's programs of different years do differently.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Acknowledgements leave with each payload (`acknodelay`), not with the clock.
    pub acks_at_once: bool,
    /// A payload that makes a segment look lost lets all that is due leave.
    pub flushes_on_loss: bool,
}

#[derive(Debug)]
struct Outgoing {
    data: Vec<u8>,
    sent: Option<Time>,
    ts: Millis,
    due: Time,
    rto: Duration,
    passed: u32,
    acked: bool,
}

/// One conversation. Give it payloads with [`Kcp::input`], bytes with [`Kcp::write`] while
/// [`Kcp::may_write`]; it leaves its payloads in [`Kcp::out`].
#[derive(Debug)]
pub struct Kcp {
    conv: u32,
    block: usize,
    config: Config,
    habits: Habits,
    rtt: Rtt,
    remote_window: usize,
    queue: VecDeque<Vec<u8>>,
    buffer: VecDeque<Outgoing>,
    una: Sn,
    ahead: BTreeMap<u32, Vec<u8>>,
    arrived: VecDeque<Vec<u8>>,
    next: Sn,
    acks: Vec<(Sn, Millis)>,
    probe: Option<(Time, Duration)>,
    asks: bool,
    tells: bool,
    next_flush: Time,
    /// Payloads that have left, oldest first.
    pub out: VecDeque<Vec<u8>>,
}

impl Kcp {
    /// Conversation `conv` with payloads of up to `block` bytes, beginning now.
    pub fn new(conv: u32, block: usize, config: &Config, habits: Habits, now: Time) -> Kcp {
        Kcp {
            conv,
            block,
            habits,
            rtt: Rtt::new(config.nodelay, config.interval_ms),
            config: config.clone(),
            remote_window: INITIAL_REMOTE_WINDOW,
            queue: VecDeque::new(),
            buffer: VecDeque::new(),
            una: Sn(0),
            ahead: BTreeMap::new(),
            arrived: VecDeque::new(),
            next: Sn(0),
            acks: Vec::new(),
            probe: None,
            asks: false,
            tells: false,
            next_flush: now,
            out: VecDeque::new(),
        }
    }

    // --- from and to above ----------------------------------------------------------------

    /// Whether a write would not block.
    pub fn may_write(&self) -> bool {
        let window = (self.config.send_window as usize).min(self.remote_window);
        self.waiting() < window
    }

    /// Segments not acknowledged.
    pub fn waiting(&self) -> usize {
        self.buffer.len() + self.queue.len()
    }

    /// Append bytes to the stream. They leave at once as far as the windows allow.
    pub fn write(&mut self, mut data: &[u8], now: Time) {
        let mss = self.block - HEADER;
        if let Some(last) = self.queue.back_mut() {
            let (head, rest) = data.split_at(data.len().min(mss - last.len()));
            last.extend_from_slice(head);
            data = rest;
        }
        self.queue.extend(data.chunks(mss).map(<[u8]>::to_vec));
        self.flush(now);
    }

    /// The next bytes in order.
    pub fn read(&mut self) -> Option<Vec<u8>> {
        let was_full = self.window() == 0;
        let data = self.arrived.pop_front()?;
        self.advance();
        self.tells |= was_full && self.window() > 0;
        Some(data)
    }

    // --- from the wire --------------------------------------------------------------------

    /// Take the segments of one payload; `regular` is false if FEC rebuilt it.
    pub fn input(&mut self, segments: Segments<'_>, regular: bool, now: Time) {
        let (una, mut latest, mut fast) = (self.una, None, false);
        assert_eq!(segments.conv(), self.conv);
        for segment in segments {
            if regular {
                self.remote_window = segment.wnd.into();
            }
            self.slide(segment.una);
            match segment.cmd {
                ACK => {
                    fast |= self.take_ack(segment.sn, segment.ts);
                    latest = Some(segment.ts);
                }
                PUSH => self.take_data(&segment),
                WASK => self.tells = true,
                _ => {}
            }
        }
        let sample = latest.map(|ts| clock(now).diff(ts)).filter(|_| regular);
        if let Some(sample) = sample.and_then(|ms| u32::try_from(ms).ok()) {
            self.rtt.sample(sample, None, now);
        }
        if self.una != una || (fast && self.habits.flushes_on_loss) {
            self.flush(now);
        } else if self.habits.acks_at_once || self.acks.len() >= self.block / HEADER {
            self.flush_acks();
        }
    }

    fn slide(&mut self, una: Sn) {
        while self.una.before(una)
            && let Some(segment) = self.buffer.pop_front()
        {
            assert!(segment.sent.is_some(), "acknowledged before it was sent");
            self.una = self.una.plus(1);
        }
    }

    fn take_ack(&mut self, sn: Sn, ts: Millis) -> bool {
        let index = usize::try_from(sn.diff(self.una)).ok();
        let Some(index) = index.filter(|index| *index < self.buffer.len()) else {
            return false;
        };
        self.buffer[index].acked = true;
        let before = self.buffer.range_mut(..index);
        for segment in before.filter(|s| s.sent.is_some() && !ts.before(s.ts)) {
            segment.passed = segment.passed.saturating_add(1);
        }
        let resend = self.config.resend;
        self.buffer.iter().any(|s| !s.acked && s.passed >= resend)
    }

    fn take_data(&mut self, segment: &Segment<'_>) {
        assert!(
            !segment.data.is_empty(),
            "an empty segment stops a Go reader"
        );
        let offset = segment.sn.diff(self.next);
        if offset >= self.config.receive_window as i32 {
            return;
        }
        self.acks.push((segment.sn, segment.ts));
        if offset >= 0 {
            let slot = self.ahead.entry(segment.sn.0);
            slot.or_insert_with(|| segment.data.to_vec());
        }
        self.advance();
    }

    fn advance(&mut self) {
        while self.window() > 0
            && let Some(data) = self.ahead.remove(&self.next.0)
        {
            self.arrived.push_back(data);
            self.next = self.next.plus(1);
        }
    }

    fn window(&self) -> usize {
        (self.config.receive_window as usize).saturating_sub(self.arrived.len())
    }

    // --- to the wire ----------------------------------------------------------------------

    /// When [`Kcp::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        let busy = self.waiting() > 0 || !self.acks.is_empty() || self.asks || self.tells;
        (busy || self.probe.is_some()).then_some(self.next_flush)
    }

    /// The clock ticks: each interval, whether there is anything to do or not.
    pub fn handle_timeout(&mut self, now: Time) {
        if now >= self.next_flush {
            self.flush(now);
            let interval = Duration::from_millis(self.config.interval_ms.into());
            let due = self.buffer.iter().filter(|s| !s.acked).map(|s| s.due);
            let due = due.filter(|due| *due > now).min();
            let tick = now + interval;
            self.next_flush = due.map_or(tick, |due| due.min(tick));
        }
    }

    fn flush(&mut self, now: Time) {
        let mut payload = self.control(now);
        let window = (self.config.send_window as usize).min(self.remote_window);
        let mut new = 0;
        while self.buffer.len() < window
            && let Some(data) = self.queue.pop_front()
        {
            self.buffer.push_back(Outgoing::new(data, now));
            new += 1;
        }
        let (ts, template) = (clock(now), self.template());
        let base = self.una;
        for (index, segment) in self.buffer.iter_mut().enumerate() {
            if !segment.leaves(&self.config, new == 0, &self.rtt, now) {
                continue;
            }
            (segment.sent, segment.ts, segment.due) = (Some(now), ts, now + segment.rto);
            let push = Segment {
                cmd: PUSH,
                ts,
                sn: base.plus(index as u32),
                data: &segment.data,
                ..template
            };
            append(&mut self.out, &mut payload, self.block, &push);
        }
        self.out.extend(Some(payload).filter(|p| !p.is_empty()));
    }

    fn flush_acks(&mut self) {
        let mut payload = Vec::new();
        self.write_acks(&mut payload);
        self.out.extend(Some(payload).filter(|p| !p.is_empty()));
    }

    fn write_acks(&mut self, payload: &mut Vec<u8>) {
        let (acks, template) = (core::mem::take(&mut self.acks), self.template());
        for (index, (sn, ts)) in acks.iter().copied().enumerate() {
            if !sn.before(self.next) || index + 1 == acks.len() {
                let ack = Segment {
                    cmd: ACK,
                    sn,
                    ts,
                    ..template
                };
                append(&mut self.out, payload, self.block, &ack);
            }
        }
    }

    /// Acknowledgements, questions and answers, before all data.
    fn control(&mut self, now: Time) -> Vec<u8> {
        let mut payload = Vec::new();
        self.write_acks(&mut payload);
        self.probe = match self.probe {
            _ if self.remote_window > 0 => None,
            None => Some((now + PROBE.0, PROBE.0)),
            Some((at, wait)) if at <= now => {
                self.asks = true;
                let wait = (wait + wait / 2).min(PROBE.1);
                Some((now + wait, wait))
            }
            waiting => waiting,
        };
        let template = self.template();
        for (due, cmd) in [(&mut self.asks, WASK), (&mut self.tells, WINS)] {
            if core::mem::take(due) {
                let segment = Segment { cmd, ..template };
                append(&mut self.out, &mut payload, self.block, &segment);
            }
        }
        payload
    }

    fn template(&self) -> Segment<'static> {
        Segment {
            conv: self.conv,
            cmd: WINS,
            wnd: self.window() as u16,
            ts: Millis(0),
            sn: Sn(0),
            una: self.next,
            data: &[],
        }
    }
}

impl Outgoing {
    fn new(data: Vec<u8>, now: Time) -> Outgoing {
        Outgoing {
            data,
            sent: None,
            ts: Millis(0),
            due: now,
            rto: Duration::ZERO,
            passed: 0,
            acked: false,
        }
    }

    /// Whether the segment leaves now, for the first time or again.
    fn leaves(&mut self, config: &Config, nothing_new: bool, rtt: &Rtt, now: Time) -> bool {
        if self.acked {
            return false;
        }
        let fast = config.resend > 0 && self.passed >= config.resend;
        let early = self.passed > 0 && nothing_new;
        if self.sent.is_none() || fast || early {
            self.rto = rtt.rto();
        } else if now >= self.due {
            self.rto += if config.nodelay {
                rtt.rto() / 2
            } else {
                rtt.rto()
            };
        } else {
            return false;
        }
        self.passed = 0;
        true
    }
}

fn clock(now: Time) -> Millis {
    Millis(now.as_millis() as u32)
}

/// Put a segment behind the others of `payload`, or into the next one.
fn append(out: &mut VecDeque<Vec<u8>>, payload: &mut Vec<u8>, block: usize, segment: &Segment<'_>) {
    let len = HEADER + segment.data.len();
    if payload.len() + len > block {
        out.push_back(core::mem::take(payload));
    }
    let start = payload.len();
    payload.resize(start + len, 0);
    segment.write(&mut payload[start..]);
}
