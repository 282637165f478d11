//! The first bytes that a server sends, in a segment of their own: always the same, as they leave
//! before there is a session.

use super::Config;
use crate::smux::{self, Version};
use crate::snappy;

/// What a server's stream begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// With compression: the identifier of its format.
    Identifier,
    /// Without: the hello of smux, in the version that the client speaks.
    Hello(Version),
}

impl Greeting {
    /// What answers a client whose stream begins with `data`. A client whose settings are not ours learns
    /// it from this, and we learn it from its data.
    pub fn answering(config: &Config, data: &[u8]) -> Greeting {
        let spoken = data.first().and_then(|byte| Version::from_byte(*byte).ok());
        let version = config.smux.version.or(spoken);
        Greeting::of(config, version.unwrap_or(Version::V1))
    }

    /// What a client was greeted with that speaks `version`, if nothing is compressed.
    pub fn of(config: &Config, version: Version) -> Greeting {
        match config.compress {
            true => Greeting::Identifier,
            false => Greeting::Hello(version),
        }
    }

    /// Its bytes.
    pub fn bytes(self) -> Vec<u8> {
        match self {
            Greeting::Identifier => snappy::STREAM_IDENTIFIER.to_vec(),
            Greeting::Hello(version) => {
                let mut bytes = Vec::new();
                let mut frames = smux::frame::Writer::new(version, &mut bytes, smux::frame::HEADER);
                frames.nop(smux::HELLO);
                bytes
            }
        }
    }
}
