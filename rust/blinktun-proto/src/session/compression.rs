//! Both directions of the snappy layer of one session.

use crate::snappy;

/// One encoder and one decoder.
pub struct Compression {
    encoder: snappy::Encoder,
    decoder: snappy::Decoder,
}

impl Compression {
    /// Both at their beginning.
    pub fn new() -> Compression {
        Compression {
            encoder: snappy::Encoder::new(),
            decoder: snappy::Decoder::new(),
        }
    }

    /// Append the identifier of the stream to `out`, unless it has left already.
    pub fn identify(&mut self, out: &mut Vec<u8>) {
        self.encoder.identify(out);
    }

    /// By so many bytes up to [`snappy::MAX_PLAIN`] bytes get longer at most.
    pub fn growth(&self) -> usize {
        self.encoder.growth()
    }

    /// Append the wire form of `plain` to `out`.
    pub fn encode(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.encoder.encode(plain, out);
    }

    /// Append what `wire` completes to `out`.
    pub fn decode(&mut self, mut wire: &[u8], out: &mut Vec<u8>) -> Result<(), snappy::Error> {
        self.decoder.decode(&mut wire, out)
    }
}
