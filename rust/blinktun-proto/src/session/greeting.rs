//! The first bytes that a server sends, in a segment of their own: always the same, whether they leave
//! with a session or before there is one.

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
    /// What answers a client whose stream begins with `data`; `None` if that is nothing we understand.
    pub fn answering(config: &Config, data: &[u8]) -> Option<Greeting> {
        if config.compress {
            let identifier = &snappy::STREAM_IDENTIFIER;
            let len = data.len().min(identifier.len());
            return (data[..len] == identifier[..len]).then_some(Greeting::Identifier);
        }
        let version = Version::from_byte(*data.first()?).ok()?;
        let is_spoken = config.smux.version.is_none_or(|own| own == version);
        is_spoken.then_some(Greeting::Hello(version))
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
