//! What a provider of webhooks signs with: HMAC-SHA-256, as RFC 2104 has it.

use sha2::{Digest as _, Sha256};

/// The signature of `body` in hex; `secret` has at most 64 bytes.
pub(crate) fn signed(secret: &str, body: &[u8]) -> String {
    let mut key = [0; 64];
    key[..secret.len()].copy_from_slice(secret.as_bytes());
    let inner = Sha256::digest([&key.map(|byte| byte ^ 0x36)[..], body].concat());
    let outer = Sha256::digest([&key.map(|byte| byte ^ 0x5c)[..], &inner[..]].concat());
    outer.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
