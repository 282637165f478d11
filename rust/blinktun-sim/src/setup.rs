//! What a world begins with: settings, weather, a seed.

use std::net::SocketAddr;

use blinktun_proto::congestion::Algorithm;
use blinktun_proto::crypt::{CryptKind, PacketCrypt};
use blinktun_proto::endpoint::{Endpoint, Limits};
use blinktun_proto::memory::{Budget, DEFAULT_BOUND};
use blinktun_proto::session::{Config, Role};
use blinktun_proto::time::{Duration, Time};

use crate::traces;
use blinktun_link::Weather;

/// Where the client is.
pub const CLIENT: SocketAddr = address(1, 1000);
/// Where the server is.
pub const SERVER: SocketAddr = address(2, 2000);

const fn address(host: u8, port: u16) -> SocketAddr {
    let ip = std::net::Ipv4Addr::new(10, 0, 0, host);
    SocketAddr::new(std::net::IpAddr::V4(ip), port)
}

/// The key of all worlds.
const PASS: [u8; 32] = [0x5a; 32];
/// What a world begins with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// The crypt layer of both ends.
    pub kind: CryptKind,
    /// The client's settings.
    pub client: Config,
    /// The server's settings.
    pub server: Config,
    /// Both endpoints' limits.
    pub limits: Limits,
    /// What each endpoint may hold for its peers, in bytes.
    pub memory: usize,
    /// From client to server.
    pub up: Weather,
    /// From server to client.
    pub down: Weather,
    /// When it begins.
    pub start: Time,
}

impl Setup {
    /// Default settings behind checksums without encryption, ten perfect milliseconds apart.
    pub fn new(seed: u64) -> Setup {
        let config = Config {
            congestion: Algorithm::Adaptive,
            ack_delay: Duration::from_millis(30),
            ..Config::new(&PacketCrypt::new(CryptKind::None, &PASS))
        };
        let weather = Weather::perfect(Duration::from_millis(10));
        Setup {
            seed,
            kind: CryptKind::None,
            client: config.clone(),
            server: config,
            limits: Limits::default(),
            memory: DEFAULT_BOUND,
            up: weather.clone(),
            down: weather,
            start: Time::ZERO,
        }
    }

    /// Change the settings of both ends.
    pub fn both(mut self, change: impl Fn(&mut Config)) -> Setup {
        change(&mut self.client);
        change(&mut self.server);
        self
    }

    /// Change the weather of both directions.
    pub fn weather(mut self, weather: Weather) -> Setup {
        self.up = weather.clone();
        self.down = weather;
        self
    }

    /// Change the crypt layer.
    pub fn kind(mut self, kind: CryptKind) -> Setup {
        let crypt = PacketCrypt::new(kind, &PASS);
        self.kind = kind;
        self.both(|config| (config.head, config.tail) = (crypt.head(), crypt.tail()))
    }

    /// The crypt layer, for those who have the key.
    pub fn crypt(&self) -> PacketCrypt {
        PacketCrypt::new(self.kind, &PASS)
    }

    /// A fresh endpoint of this world, which knows of nothing; `life` tells several apart.
    ///
    /// # Panics
    /// If the settings cannot work.
    pub fn endpoint(&self, role: Role, life: u8, now: Time) -> Endpoint {
        let config = match role {
            Role::Client => &self.client,
            Role::Server => &self.server,
        };
        if let Err(error) = config.check() {
            panic!("{error}");
        }
        let mut seed = [life; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8] = role as u8;
        let mut endpoint =
            Endpoint::new(config.clone(), self.limits, role, self.crypt(), seed, now);
        endpoint.share_memory(Budget::new(self.memory));
        if traces::are_wanted() {
            endpoint.begin_traces();
        }
        endpoint
    }
}
