//! One server and many clients, ours or Go's, each with a path of its own.
//!
//! [`Crowd::run`] carries all flows to their ends and measures the longest time in which nobody got
//! anything. It fails as [`crate::World::run`] does, and if any conversation ends.

use std::net::SocketAddr;

use blinktun_proto::smux::StreamId;
use blinktun_proto::time::{Duration, Time, earliest};

use crate::end::{Datagram, End};
use crate::flow::{Flow, Side};
use blinktun_link::Link;

/// So many events may share one moment.
const MAX_AT_ONCE: u32 = 1000;

/// A client, its path and its streams.
pub struct Client {
    /// The client.
    pub end: Box<dyn End>,
    /// Where it is.
    pub address: SocketAddr,
    /// From client to server.
    pub up: Link,
    /// From server to client.
    pub down: Link,
    /// The streams.
    pub flows: Vec<Flow>,
}

impl Client {
    fn progress(&self) -> u64 {
        let half = |half: &crate::Half| half.read + u64::from(half.ended);
        let flows = self.flows.iter();
        flows.map(|flow| half(&flow.up) + half(&flow.down)).sum()
    }

    fn apply(&mut self, server: &mut dyn End, now: Time) {
        let flows = self.flows.iter_mut();
        for flow in flows.filter(|flow| flow.opens <= now && !flow.is_done()) {
            if let Some(mut streams) = self.end.streams(crate::SERVER) {
                flow.apply(Side::Client, &mut *streams, (now, now));
            }
            if let Some(mut streams) = server.streams(self.address) {
                flow.apply(Side::Server, &mut *streams, (now, now));
            }
        }
    }

    fn note_end(&mut self, side: Side, stream: StreamId) {
        let flow = self.flows.iter_mut().find(|f| f.stream == Some(stream));
        if let Some(flow) = flow {
            flow.read_by(side).note_end();
        }
    }

    fn next_event(&self, now: Time) -> Option<Time> {
        let flows = self.flows.iter().filter(|flow| !flow.is_done());
        let looks = flows.filter_map(|flow| flow.next_look(now)).min();
        let links = earliest(self.up.next_arrival(), self.down.next_arrival());
        earliest(earliest(links, self.end.next_timeout()), looks)
    }
}

/// One server and its clients.
pub struct Crowd {
    /// The server.
    pub server: Box<dyn End>,
    /// The clients.
    pub clients: Vec<Client>,
    /// The present.
    pub now: Time,
    /// Whether datagrams that are too long are cut into fragments, if they may be.
    pub cuts: bool,
    /// Events that are closer together than this happen at one moment: with many clients, looking at all of them
    /// for each event would take too long.
    pub grain: Duration,
    at_once: u32,
    /// Of each client: when it has something to do, and whether it may have something to do now.
    due: Vec<Option<Time>>,
    is_touched: Vec<bool>,
}

impl Crowd {
    /// A server without clients.
    pub fn new(server: Box<dyn End>, now: Time) -> Crowd {
        Crowd {
            server,
            clients: Vec::new(),
            now,
            cuts: false,
            grain: Duration::ZERO,
            at_once: 0,
            due: Vec::new(),
            is_touched: Vec::new(),
        }
    }

    /// Carry all flows to their ends. Returns the longest time in which a client that is not done
    /// neither got nor gave anything.
    ///
    /// # Panics
    /// If that time exceeds `patience`, or anything else goes wrong.
    pub fn run(&mut self, patience: Duration) -> Duration {
        self.run_until(patience, Flow::is_done)
    }

    /// The same until every flow `is_done`.
    ///
    /// # Panics
    /// As [`Crowd::run`].
    pub fn run_until(&mut self, patience: Duration, is_done: impl Fn(&Flow) -> bool) -> Duration {
        let mut seen: Vec<_> = self.clients.iter().map(|_| (0, self.now)).collect();
        let mut longest = Duration::ZERO;
        self.touch_all();
        loop {
            self.settle();
            for (client, (progress, at)) in self.clients.iter().zip(&mut seen) {
                if client.progress() > *progress {
                    longest = longest.max(self.now.since(*at));
                    (*progress, *at) = (client.progress(), self.now);
                }
            }
            let waiting = self.clients.iter().zip(&seen);
            let waiting = waiting.filter(|(client, _)| !client.flows.iter().all(&is_done));
            let Some((client, (_, since))) = waiting.min_by_key(|(_, (_, at))| *at) else {
                return longest;
            };
            let waits = describe(client);
            let (since, end) = (*since, *since + patience);
            assert!(self.step(end), "a client waits since {since:?}: {waits}");
        }
    }

    /// Let this much time pass.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.touch_all();
        self.settle();
        while self.step(end) {
            self.settle();
        }
    }

    /// Go to the next event, or to `end` if none comes before. Returns whether one came.
    fn step(&mut self, end: Time) -> bool {
        let next = self.due.iter().flatten().min().copied();
        let next = earliest(next, self.server.next_timeout());
        let Some(next) = next.filter(|at| *at <= end) else {
            self.now = self.now.max(end);
            return false;
        };
        let next = next.max(self.now + self.grain).min(end);
        self.at_once = if next > self.now { 0 } else { self.at_once + 1 };
        assert!(
            self.at_once < MAX_AT_ONCE,
            "time stands still at {:?}",
            self.now
        );
        self.now = self.now.max(next);
        self.deliver();
        self.wake();
        true
    }

    /// Whoever stands outside may have changed any client.
    fn touch_all(&mut self) {
        self.due = vec![None; self.clients.len()];
        self.is_touched = vec![true; self.clients.len()];
    }

    fn deliver(&mut self) {
        let clients = self.clients.iter_mut().zip(&self.due);
        for ((client, due), is_touched) in clients.zip(&mut self.is_touched) {
            if due.is_none_or(|due| due > self.now) {
                continue;
            }
            *is_touched = true;
            while let Some(mut datagram) = client.up.receive(self.now) {
                let from = client.address;
                self.server.handle_datagram(from, &mut datagram, self.now);
            }
            while let Some(mut datagram) = client.down.receive(self.now) {
                let from = crate::SERVER;
                client.end.handle_datagram(from, &mut datagram, self.now);
            }
            client.end.finish_input(self.now);
        }
        self.server.finish_input(self.now);
    }

    fn wake(&mut self) {
        let now = self.now;
        let is_due = |end: &dyn End| end.next_timeout().is_some_and(|at| at <= now);
        for (client, is_touched) in self.clients.iter_mut().zip(&self.is_touched) {
            if *is_touched && is_due(&*client.end) {
                client.end.handle_timeout(now);
            }
        }
        if is_due(&*self.server) {
            self.server.handle_timeout(now);
        }
    }

    /// Let all ends and the applications act until they have nothing to do at this moment.
    fn settle(&mut self) {
        let now = self.now;
        loop {
            let mut any = false;
            let clients = self.clients.iter_mut().zip(&self.is_touched);
            for (client, _) in clients.filter(|(_, is_touched)| **is_touched) {
                client.apply(&mut *self.server, now);
                while let Some(datagram) = client.end.poll_transmit(now) {
                    send(&mut client.up, &datagram, self.cuts, now);
                    any = true;
                }
                while let Some((_, stream)) = client.end.next_finished() {
                    client.note_end(Side::Client, stream);
                    any = true;
                }
            }
            any |= self.settle_server();
            if !any {
                break;
            }
        }
        let clients = self.clients.iter().zip(&mut self.due);
        for ((client, due), is_touched) in clients.zip(&mut self.is_touched) {
            if core::mem::take(is_touched) {
                *due = client.next_event(now);
            }
        }
    }

    fn settle_server(&mut self) -> bool {
        let mut any = false;
        while let Some(datagram) = self.server.poll_transmit(self.now) {
            if let Some(place) = self.place(datagram.to) {
                let down = &mut self.clients[place].down;
                send(down, &datagram, self.cuts, self.now);
                self.is_touched[place] = true;
            }
            any = true;
        }
        while let Some((from, stream)) = self.server.next_finished() {
            if let Some(place) = self.place(from) {
                self.clients[place].note_end(Side::Server, stream);
                self.is_touched[place] = true;
            }
            any = true;
        }
        any
    }

    fn place(&self, address: Option<SocketAddr>) -> Option<usize> {
        let is_it = |client: &Client| address.is_none_or(|at| at == client.address);
        self.clients.iter().position(is_it)
    }
}

fn send(link: &mut Link, datagram: &Datagram, cuts: bool, now: Time) {
    match cuts && !datagram.is_whole {
        true => link.send_in_fragments(&datagram.bytes, now),
        false => link.send(&datagram.bytes, now),
    };
}

fn describe(client: &Client) -> String {
    let half = |half: &crate::Half| {
        let (read, written, total) = (half.read, half.written, half.total);
        format!(
            "{read}/{written}/{total}{}",
            if half.ended { " ended" } else { "" }
        )
    };
    let flows = client.flows.iter().filter(|flow| !flow.is_done());
    let flows: Vec<_> = flows
        .map(|flow| (flow.stream, half(&flow.up), half(&flow.down)))
        .collect();
    format!(
        "{flows:?}, up {:?}, down {:?}",
        client.up.counts, client.down.counts
    )
}
