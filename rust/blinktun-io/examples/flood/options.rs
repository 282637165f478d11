//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use blinktun_proto::crypt::{CryptKind, PacketCrypt, derive_key};
use blinktun_proto::session::Config;

/// What the datagrams are; see the table at the top of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Spoof,
    Random,
    Mutate,
    Replay,
    Storm,
}

/// All that can be said on the command line, as `--name value`.
pub struct Options {
    pub to: SocketAddr,
    pub mode: Mode,
    pub count: u64,
    /// Datagrams a second; 0 is as fast as possible.
    pub rate: u64,
    pub seed: u64,
    pub crypt: CryptKind,
    pub key: String,
    pub shards: Option<(usize, usize)>,
    pub compress: bool,
    /// Source addresses, each with a socket of its own.
    pub sources: usize,
    /// How long to wait for answers after the last datagram.
    pub listen: Duration,
    /// What each spoofed opening already asks the target.
    pub request: String,
}

impl Options {
    /// Read the command line.
    ///
    /// # Errors
    /// The text says what is wrong.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options::default();
        while let Some(name) = words.next() {
            let value = words.next().ok_or(format!("{name} wants a value"))?;
            options
                .set(&name, &value)
                .ok_or(format!("cannot use {name} {value:?}"))?;
        }
        if !options.to.ip().is_loopback() || options.to.port() == 0 {
            return Err("--to must be a port of a loopback address".into());
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "--to" => self.to = value.parse().ok()?,
            "--mode" => self.mode = mode(value)?,
            "--count" => self.count = value.parse().ok()?,
            "--rate" => self.rate = value.parse().ok()?,
            "--seed" => self.seed = value.parse().ok()?,
            "--crypt" => self.crypt = CryptKind::parse(value)?,
            "--key" => self.key = value.into(),
            "--fec" => self.shards = shards(value)?,
            "--compress" => self.compress = value.parse().ok()?,
            "--sources" => self.sources = value.parse().ok().filter(|count| *count > 0)?,
            "--listen" => self.listen = Duration::try_from_secs_f64(value.parse().ok()?).ok()?,
            "--request" => self.request = value.replace("\\n", "\n"),
            _ => return None,
        }
        Some(())
    }

    /// The packet envelope.
    pub fn crypt(&self) -> PacketCrypt {
        PacketCrypt::new(self.crypt, &derive_key(self.key.as_bytes()))
    }

    /// The settings of genuine sessions.
    pub fn config(&self) -> Config {
        let mut config = Config::new(&self.crypt());
        config.shards = self.shards;
        config.compress = self.compress;
        config
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            to: SocketAddr::from(([127, 0, 0, 1], 0)),
            mode: Mode::Storm,
            count: 20_000,
            rate: 0,
            seed: 1,
            crypt: CryptKind::None,
            key: "it's a secrect".into(),
            shards: Some((10, 3)),
            compress: true,
            sources: 64,
            listen: Duration::from_secs(1),
            request: String::new(),
        }
    }
}

fn mode(name: &str) -> Option<Mode> {
    Some(match name {
        "spoof" => Mode::Spoof,
        "random" => Mode::Random,
        "mutate" => Mode::Mutate,
        "replay" => Mode::Replay,
        "storm" => Mode::Storm,
        _ => return None,
    })
}

fn shards(text: &str) -> Option<Option<(usize, usize)>> {
    let (data, parity) = text.split_once('+')?;
    let (data, parity) = (data.parse().ok()?, parity.parse().ok()?);
    Some((data > 0 && parity > 0).then_some((data, parity)))
}
