//! Key derivation (kcptun wire, 2.1).

use pbkdf2::pbkdf2_hmac_array;
use sha1::Sha1;

/// The 32 bytes of key material that all kinds draw on, from the UTF-8 bytes of the configured key.
///
/// PBKDF2-HMAC-SHA1 with the salt `kcp-go` and 4096 iterations: takes milliseconds, so do it once.
pub fn derive_key(key: &[u8]) -> [u8; 32] {
    pbkdf2_hmac_array::<Sha1, 32>(key, b"kcp-go", 4096)
}
