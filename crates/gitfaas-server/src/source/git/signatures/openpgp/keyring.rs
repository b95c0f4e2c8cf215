//! Files that name OpenPGP keys: what `gpg --export` writes, armoured or not.

use pgp::composed::SignedPublicKeyParser;
use pgp::errors::Error;
use pgp::packet::{Packet, PacketParser};

use super::Certificate;
use crate::source::git::signatures::armor;
use crate::source::git::signatures::refusal::shown;

const LABEL: &str = "PGP PUBLIC KEY BLOCK";

/// Whether it is for [`read`] and not a file of SSH keys.
pub(in crate::source::git::signatures) fn is_keyring(content: &[u8]) -> bool {
    is_binary(content) || content.trim_ascii_start().starts_with(b"-----BEGIN PGP ")
}

/// Packets begin with a byte whose highest bit is set, which no text does.
fn is_binary(content: &[u8]) -> bool {
    content.first().is_some_and(|byte| byte & 0x80 != 0) && std::str::from_utf8(content).is_err()
}

/// Reads public keys: armoured in any number of blocks, or binary.
///
/// # Errors
/// What cannot be used, and what to do.
pub(in crate::source::git::signatures) fn read(content: &[u8]) -> Result<Vec<Certificate>, String> {
    if is_binary(content) {
        return keys(content);
    }
    let text = std::str::from_utf8(content).map_err(|_| "its armour is no text".to_owned())?;
    let mut certificates = Vec::new();
    for (line, block) in blocks(text) {
        let at = |why: &str| format!("the block at line {line}: {why}");
        if block.starts_with("-----BEGIN PGP PRIVATE KEY BLOCK-----") {
            return Err(at("it is a private key; export the public one by `gpg --export --armor`"));
        }
        let bytes = armor::decode(block.as_bytes(), LABEL).map_err(at)?;
        certificates.extend(keys(&bytes).map_err(|why| at(&why))?);
    }
    Ok(certificates)
}

/// The armoured blocks, with the number of the line at which each begins.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("-----BEGIN ") || blocks.is_empty() && !line.trim().is_empty() {
            blocks.push((number, String::new()));
        }
        if let Some((_, block)) = blocks.last_mut() {
            block.push_str(line);
            block.push('\n');
        }
    }
    blocks
}

fn keys(bytes: &[u8]) -> Result<Vec<Certificate>, String> {
    let mut packets = Vec::new();
    for packet in PacketParser::new(bytes) {
        match packet {
            Ok(Packet::SecretKey(_) | Packet::SecretSubkey(_)) => {
                return Err("it holds a private key; export the public one by `gpg --export`".to_owned());
            }
            // Of no meaning for others than the program that wrote them.
            Ok(Packet::Marker(_) | Packet::Padding(_) | Packet::Trust(_)) => (),
            Ok(packet) => packets.push(Ok(packet)),
            Err(error) if is_unsupported(&error) => (),
            // Not skipped: it could be what revokes a key.
            Err(error) => return Err(format!("it is damaged: {}", shown(&error.to_string()))),
        }
    }
    let certificates: Result<Vec<_>, _> = SignedPublicKeyParser::from_packets(packets.into_iter().peekable())
        .map(|key| key.map(Certificate::new))
        .collect();
    let certificates = certificates.map_err(|error| format!("it is damaged: {}", shown(&error.to_string())))?;
    match certificates.iter().find(|certificate| !certificate.is_supported()) {
        Some(old) => Err(format!("the key {} is of version 3 or older, or of one that is not known", old.fingerprint())),
        None if certificates.is_empty() => Err(
            "there is no public key in it; a revocation has to be imported into its key first, and both be exported by `gpg --export`"
                .to_owned(),
        ),
        None => Ok(certificates),
    }
}

fn is_unsupported(error: &Error) -> bool {
    match error {
        Error::Unsupported { .. } => true,
        Error::InvalidPacketContent { source } => is_unsupported(source),
        _ => false,
    }
}
