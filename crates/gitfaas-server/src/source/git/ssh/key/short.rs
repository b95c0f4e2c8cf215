//! ECDSA keys of 256 bits whose number begins with zeros, so that OpenSSH writes it in fewer than 32 bytes: one of 512. The
//! library takes them for damaged, so what is inside the file is read here; what it is encrypted with is the library's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::{EcdsaKeypair, KeypairData};
use russh::keys::ssh_key::sec1::EncodedPoint;

/// What OpenSSH's format begins with.
const MAGIC: &[u8] = b"openssh-key-v1\0";
/// Bytes of a number of the curve.
const NUMBER: usize = 32;

/// The key in these lines, if it is such a one; `None` for any other, and for another passphrase than its own.
pub(super) fn read(lines: &[&str], passphrase: Option<&str>) -> Option<PrivateKey> {
    let body = lines.iter().skip_while(|line| !line.starts_with("-----BEGIN ")).skip(1);
    let body: String = body.take_while(|line| !line.starts_with('-')).copied().collect();
    let bytes = STANDARD.decode(body).ok()?;
    // The library reads one that is encrypted as far as that.
    match PrivateKey::from_bytes(&bytes) {
        Ok(encrypted) => inside(&decrypted(&encrypted, passphrase?)?),
        Err(_) => inside(open(&bytes)?),
    }
}

fn decrypted(key: &PrivateKey, passphrase: &str) -> Option<Vec<u8>> {
    let mut bytes = key.key_data().encrypted()?.to_vec();
    let (secret, start) = key.kdf().derive_key_and_iv(key.cipher(), passphrase).ok()?;
    key.cipher().decrypt(&secret, &start, &mut bytes, None).ok()?;
    Some(bytes)
}

/// What is inside a file that is not encrypted: behind three texts and a public key.
fn open(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let [cipher, _kdf, _options] = [text(&mut rest)?, text(&mut rest)?, text(&mut rest)?];
    if cipher != b"none" || number(&mut rest)? != 1 {
        return None;
    }
    text(&mut rest)?;
    text(&mut rest)
}

fn inside(mut rest: &[u8]) -> Option<PrivateKey> {
    // The same number twice: by this it is known that it was decrypted rightly.
    if number(&mut rest)? != number(&mut rest)? {
        return None;
    }
    if (text(&mut rest)?, text(&mut rest)?) != (&b"ecdsa-sha2-nistp256"[..], &b"nistp256"[..]) {
        return None;
    }
    let (point, short) = (text(&mut rest)?, text(&mut rest)?);
    let mut private = [0; NUMBER];
    private[NUMBER.checked_sub(short.len())?..].copy_from_slice(short);
    let pair = EcdsaKeypair::NistP256 { public: EncodedPoint::from_bytes(point).ok()?, private: private.into() };
    PrivateKey::new(KeypairData::Ecdsa(pair), "").ok()
}

/// The next four bytes, as a number.
fn number(rest: &mut &[u8]) -> Option<u32> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_be_bytes(*number))
}

/// The next text, which its length stands before.
fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(rest)?).ok()?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(text)
}
