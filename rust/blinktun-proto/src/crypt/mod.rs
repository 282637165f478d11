//! The packet envelope: nonce, checksum and encryption, in place and in batches.
//!
//! | module | what it is |
//! | --- | --- |
//! | `key` | the configured key into key bytes |
//! | `batch` | datagrams that lie back to back, and what became of each |
//! | `envelope` | what stands around a payload: nothing (`null`), or nonce and checksum (the crc family) |
//! | `gcm` | nonce and tag of AES-GCM |
//! | `cfb` | the crc family over a block cipher |
//! | `block` | what our own block ciphers share: several blocks in step |
//! | `sm4`, `twofish`, `des`, `tea` | block ciphers of our own (the others are RustCrypto's) |
//! | `salsa` | the crc family over Salsa20 |
//! | `xor` | the crc family over a fixed pad |
//!
//! A batch is a run of datagrams laid out back to back, each `stride` bytes long, the last one maybe
//! shorter: what UDP segmentation offload takes and receive offload returns. Batches matter beyond
//! the call they save: where a cipher's mode is serial within one datagram, several go side by side.
//!
//! A new kind is a file with its `Cipher` or `Envelope`, and one line in `kinds!` below.

mod batch;
mod block;
mod cfb;
mod des;
mod envelope;
mod gcm;
mod key;
mod salsa;
mod sm4;
mod tea;
mod twofish;
mod xor;

use crate::random::Random;
use aes::cipher::KeyInit;
use batch::cut;
pub use batch::{MAX_DATAGRAM, Verdict};
use cfb::Cfb;
use core::fmt;
use des::TripleDes;
use envelope::{Bare, Checked, Envelope, Identity};
use gcm::Gcm;
pub use key::derive_key;
use salsa::Salsa;
use sm4::Sm4;
use tea::{Tea, Xtea};
use twofish::Twofish;
use xor::Xor;

/// Declares [`CryptKind`]: for each kind its name in configurations and how its envelope is made
/// from the 32 bytes of [`derive_key`].
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $name:literal, $build:expr;)*) => {
        /// The ways to protect a datagram, by kcptun's names (kcptun wire, 2.2).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CryptKind {
            $($(#[$doc])* $kind,)*
        }

        impl CryptKind {
            /// Every kind, in the order of their declaration.
            pub const ALL: &[CryptKind] = &[$(CryptKind::$kind),*];

            /// The kind of this exact, lower-case name. What an unknown name means is up to the caller.
            pub fn parse(name: &str) -> Option<CryptKind> {
                match name {
                    $($name => Some(CryptKind::$kind),)*
                    _ => None,
                }
            }

            /// The name in configurations.
            pub const fn name(self) -> &'static str {
                match self {
                    $(CryptKind::$kind => $name,)*
                }
            }

            fn envelope(self, pass: &[u8; 32]) -> Box<dyn Envelope> {
                let build: fn(&[u8; 32]) -> Box<dyn Envelope> = match self {
                    $(CryptKind::$kind => $build,)*
                };
                build(pass)
            }
        }
    };
}

kinds! {
    /// No envelope: neither nonce nor checksum.
    Null, "null", |_| Box::new(Bare);
    /// Nonce and checksum in clear.
    None, "none", |_| Box::new(Checked(Identity));
    /// A fixed pad of 1500 bytes: hides nothing from anyone who sees two datagrams.
    Xor, "xor", |pass| Box::new(Checked(Xor::new(pass)));
    /// AES-256 in cipher feedback mode, the default of kcptun.
    Aes, "aes", |pass| Box::new(Checked(Cfb::<aes::Aes256Enc>::new(pass)));
    /// AES-128 in cipher feedback mode.
    Aes128, "aes-128", |pass| Box::new(Checked(Cfb::<aes::Aes128Enc>::new(pass)));
    /// AES-192 in cipher feedback mode.
    Aes192, "aes-192", |pass| Box::new(Checked(Cfb::<aes::Aes192Enc>::new(pass)));
    /// AES-128 in Galois/counter mode, the only kind with integrity.
    Aes128Gcm, "aes-128-gcm", |pass| Box::new(Gcm::new(pass));
    /// SM4 in cipher feedback mode.
    Sm4, "sm4", |pass| Box::new(Checked(Cfb::over(Sm4::new(pass))));
    /// Twofish of 256 key bits in cipher feedback mode.
    Twofish, "twofish", |pass| Box::new(Checked(Cfb::over(Twofish::new(pass))));
    /// Blowfish of 256 key bits in cipher feedback mode.
    Blowfish, "blowfish", |pass| Box::new(Checked(Cfb::over(blowfish(pass))));
    /// CAST-128 in cipher feedback mode.
    Cast5, "cast5", |pass| Box::new(Checked(Cfb::<cast5::Cast5>::new(pass)));
    /// DES three times with three keys, in cipher feedback mode.
    TripleDes, "3des", |pass| Box::new(Checked(Cfb::over(TripleDes::new(pass))));
    /// TEA of 16 rounds, a quarter of the usual, in cipher feedback mode.
    Tea, "tea", |pass| Box::new(Checked(Cfb::over(Tea::new(pass))));
    /// XTEA of 64 rounds in cipher feedback mode.
    Xtea, "xtea", |pass| Box::new(Checked(Cfb::over(Xtea::new(pass))));
    /// Salsa20 with 20 rounds.
    Salsa20, "salsa20", |pass| Box::new(Checked(Salsa::new(pass)));
}

/// Blowfish takes keys of any length up to 56 bytes.
fn blowfish(pass: &[u8; 32]) -> blowfish::Blowfish {
    #[allow(clippy::expect_used)] // 32 is such a length
    KeyInit::new_from_slice(pass).expect("a key of 32 bytes")
}

/// One keyed envelope for all datagrams of a socket. It never changes: share it freely.
pub struct PacketCrypt {
    kind: CryptKind,
    envelope: Box<dyn Envelope>,
}

impl PacketCrypt {
    /// The envelope of `kind` under the key material `pass`, from [`derive_key`].
    pub fn new(kind: CryptKind, pass: &[u8; 32]) -> PacketCrypt {
        PacketCrypt {
            kind,
            envelope: kind.envelope(pass),
        }
    }

    /// The kind this was made for.
    pub fn kind(&self) -> CryptKind {
        self.kind
    }

    /// Whether only owners of the key can make datagrams that open.
    pub(crate) fn is_keyed(&self) -> bool {
        !matches!(self.kind, CryptKind::Null | CryptKind::None)
    }

    /// Bytes of the envelope in front of the payload.
    pub fn head(&self) -> usize {
        self.envelope.head()
    }

    /// Bytes of the envelope behind the payload.
    pub fn tail(&self) -> usize {
        self.envelope.tail()
    }

    /// Seal every datagram of a batch in place: fresh nonces from `random`, checksums, encryption.
    ///
    /// The payload of each stands at `head()..len - tail()` already.
    ///
    /// # Panics
    /// If a datagram is shorter than `head() + tail()` or longer than [`MAX_DATAGRAM`].
    pub fn seal(&self, datagrams: &mut [u8], stride: usize, random: &mut Random) {
        self.seal_with_nonces(datagrams, stride, &mut |nonce| random.fill(nonce));
    }

    /// [`seal`](Self::seal) with datagrams whose [`nonce`](Self::nonce) is the number that `next`
    /// gives; the other bytes of the nonce are random.
    pub fn seal_numbered(
        &self,
        datagrams: &mut [u8],
        stride: usize,
        random: &mut Random,
        next: &mut dyn FnMut() -> u64,
    ) {
        let at = self.envelope.nonce_at();
        self.seal_with_nonces(datagrams, stride, &mut |nonce| {
            random.fill(nonce);
            let drawn = self.envelope.nonce(nonce).unwrap_or_default();
            let difference = (drawn ^ next()).to_le_bytes();
            let number = nonce[at..].iter_mut().zip(difference);
            number.for_each(|(byte, change)| *byte ^= change);
        });
    }

    /// [`seal`](Self::seal) with nonces that `fill` writes, for known-answer tests: a repeated nonce
    /// gives the datagrams away.
    #[doc(hidden)]
    pub fn seal_with_nonces(
        &self,
        datagrams: &mut [u8],
        stride: usize,
        fill: &mut dyn FnMut(&mut [u8]),
    ) {
        let least = self.head() + self.tail();
        for datagram in cut(datagrams, stride) {
            let len = datagram.len();
            assert!(
                (least..=MAX_DATAGRAM).contains(&len),
                "cannot seal a datagram of {len} bytes"
            );
        }
        self.envelope.seal(datagrams, stride, fill);
    }

    /// Decrypt and check every datagram of a received batch in place, and append the verdict on
    /// each to `verdicts`, in order. Any bytes will do; an empty batch has no verdicts.
    pub fn open(&self, datagrams: &mut [u8], stride: usize, verdicts: &mut Vec<Verdict>) {
        self.envelope.open(datagrams, stride, verdicts);
    }

    /// The number by which an opened datagram is known when it comes again; `None` when the kind
    /// has no nonce or the datagram is too short to hold it.
    ///
    /// Nobody without the key can change it and leave the checksum right, as far as the kind has
    /// something like that (`null`, `none` and `xor` have not).
    pub fn nonce(&self, opened: &[u8]) -> Option<u64> {
        self.envelope.nonce(opened)
    }
}

impl fmt::Debug for PacketCrypt {
    /// The kind only: keys stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketCrypt")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
