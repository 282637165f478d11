//! The same download with settings by hand, between programs of either kind: ours, or Go's.

use std::net::SocketAddr;

use blinktun_link::{Description, Link};
use blinktun_proto::congestion::Algorithm;
use blinktun_proto::session::{Config, Role};
use blinktun_proto::time::Duration;

use crate::crowd::{Client, Crowd};
use crate::download::{Download, Measured, Progress, carry_packets, requests, requests_for, wire};
use crate::end::{End, Ours};
use crate::flow::Flow;
use crate::go::GoPeer;
use crate::go::kcp::Habits;
use crate::setup::{SERVER, Setup};

/// Where the client is.
const CLIENT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1000);

/// Whose program stands at an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// This one.
    Ours,
    /// One of Go's.
    Go,
}

/// A download, and who carries it.
#[derive(Clone, Debug)]
pub struct ByHand {
    /// What is downloaded, over which link.
    pub download: Download,
    /// Who sends most.
    pub server: Program,
    /// Who receives most.
    pub client: Program,
    /// The settings of both.
    pub settings: Settings,
}

/// Settings by hand, as files of kcptun have them.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// `sndwnd` of the server and `rcvwnd` of the client, in segments.
    pub window: u32,
    /// `sndwnd` of the client and `rcvwnd` of the server, in segments.
    pub back: u32,
    /// `datashard` and `parityshard`.
    pub shards: Option<(usize, usize)>,
    /// `nodelay`, `interval` in ms, `resend`.
    pub timing: (bool, u32, u32),
}

impl Settings {
    /// The defaults of kcptun, in both directions of a download.
    pub const PICTURE: Settings = Settings {
        window: 512,
        back: 128,
        shards: Some((10, 3)),
        timing: (false, 30, 2),
    };

    /// As somebody chooses them who knows the link: mode `fast2`, and windows of what is on the way and a third
    /// more.
    ///
    /// # Panics
    /// If the link has no rate.
    pub fn tuned(link: &Description) -> Settings {
        let down = &link.down.first;
        let rate = down.rate.expect("a link with a rate") as f64;
        let jitter = down.jitter.as_secs_f64() / 2.0;
        let round_trip = (link.up.first.delay + down.delay).as_secs_f64() + jitter + 0.02;
        let window = ((rate * round_trip / 1350.0 * 1.35) as u32).max(64);
        Settings {
            window,
            back: window.max(512),
            shards: Some((10, 3)),
            timing: (true, 20, 2),
        }
    }
}

impl ByHand {
    /// Measure it.
    ///
    /// # Panics
    /// As [`Download::measure`].
    pub fn measure(&self) -> Measured {
        let phases = self.download.phases();
        let mut crowd = self.crowd();
        crowd.pass(Duration::from_secs(1));
        let begin = crowd.now;
        let sent = crowd.clients[0].down.counts.bytes;
        let end = phases.last().expect("a phase").end;
        let mut flows = vec![Flow::new(0, 1 << 40)];
        flows[0].opens = begin;
        flows.extend(requests_for(end, begin));
        for (place, flow) in flows.iter_mut().enumerate() {
            flow.set_seed(place as u64);
        }
        crowd.clients[0].flows = flows;
        let mut progress = Progress::default();
        while crowd.now < begin + end {
            crowd.pass(Progress::EVERY);
            let read = crowd.clients[0].flows[0].down.read;
            progress.note(crowd.now.since(begin), read);
        }
        let client = &crowd.clients[0];
        let wire = wire(client.down.counts.bytes - sent, &client.flows);
        let requests = requests(&client.flows, Some(0), crowd.now);
        self.download.judge(&phases, &progress, wire, requests)
    }

    fn crowd(&self) -> Crowd {
        let Download { link, seed, .. } = &self.download;
        let Settings {
            window,
            back,
            shards,
            timing,
        } = self.settings;
        let mut setup = Setup::new(*seed).both(|config| {
            config.smux.receive_buffer = 4 << 20;
            config.smux.stream_buffer = 2 << 20;
            config.compress = false;
            config.shards = shards;
            (config.nodelay, config.interval_ms, config.resend) = timing;
            config.ack_delay = Duration::from_millis(timing.1.into());
            config.congestion = Algorithm::Adaptive;
            config.max_overhead = self.download.max_overhead;
        });
        let windows = |config: &mut Config, send, receive| {
            (config.send_window, config.receive_window) = (send, receive);
        };
        windows(&mut setup.server, window, back);
        windows(&mut setup.client, back, window);
        let now = setup.start;
        let habits = Habits {
            acks_at_once: false,
            flushes_on_loss: false,
        };
        let is_go = self.client == self.server;
        let go = |role, conv, config: &Config| {
            let luck = (setup.crypt(), *seed);
            let go = GoPeer::new(config, role, conv, habits, luck, now);
            Box::new(if is_go { go.towards_go() } else { go })
        };
        let (client, conv): (Box<dyn End>, u32) = match self.client {
            Program::Go => (go(Role::Client, 7, &setup.client), 7),
            Program::Ours => {
                let mut ours = Ours::new(setup.endpoint(Role::Client, 0, now));
                let conv = ours.dial(SERVER, now);
                (Box::new(ours), conv)
            }
        };
        let server: Box<dyn End> = match self.server {
            Program::Go => go(Role::Server, conv, &setup.server),
            Program::Ours => Box::new(Ours::new(setup.endpoint(Role::Server, 0, now))),
        };
        let lay = |weather: &blinktun_link::Schedule, luck| {
            let mut laid = Link::new(weather.first.clone(), luck);
            carry_packets(&mut laid, weather);
            laid
        };
        let mut greeting = Flow::new(1000, 1000);
        greeting.opens = now;
        let mut crowd = Crowd::new(server, now);
        crowd.clients.push(Client {
            end: client,
            address: CLIENT,
            up: lay(&link.up, *seed),
            down: lay(&link.down, !*seed),
            flows: vec![greeting],
        });
        crowd
    }
}
