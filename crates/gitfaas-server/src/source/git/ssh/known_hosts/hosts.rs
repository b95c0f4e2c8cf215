//! The hosts that a line of `known_hosts` is about: names with wildcards, or one that is hashed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// The first field of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hosts {
    /// At least one matches, and no negated one does.
    Patterns(Vec<Pattern>),
    /// The HMAC-SHA1 of one name under the salt.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

/// A name, in which `*` stands for any characters and `?` for one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    negated: bool,
    // Bytes: names of hosts are ASCII.
    glob: Vec<u8>,
}

impl Hosts {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(hashed) = text.strip_prefix("|1|") {
            let broken = "its hashed host cannot be read";
            let (salt, hash) = hashed.split_once('|').ok_or(broken)?;
            let decode = |part: &str| STANDARD.decode(part).map_err(|_| broken);
            let (salt, hash) = (decode(salt)?, decode(hash)?);
            return if hash.len() == 20 { Ok(Self::Hashed { salt, hash }) } else { Err(broken) };
        }
        if text.starts_with('|') {
            return Err("its host is hashed in a way that is not known");
        }
        let patterns: Vec<Pattern> = text.split(',').filter(|part| !part.is_empty()).map(Pattern::parse).collect();
        if patterns.is_empty() { Err("it names no host") } else { Ok(Self::Patterns(patterns)) }
    }

    /// Whether the line is about this host, as [`name`](super::name) writes it.
    pub(super) fn match_name(&self, name: &str) -> bool {
        match self {
            Self::Patterns(patterns) => {
                let mut matching = patterns.iter().filter(|pattern| pattern.matches(name)).peekable();
                matching.peek().is_some() && matching.all(|pattern| !pattern.negated)
            }
            Self::Hashed { salt, hash } => {
                Hmac::<Sha1>::new_from_slice(salt).is_ok_and(|mac| mac.chain_update(name).verify_slice(hash).is_ok())
            }
        }
    }
}

impl Pattern {
    fn parse(text: &str) -> Self {
        let (negated, name) = text.strip_prefix('!').map_or((false, text), |name| (true, name));
        Self { negated, glob: name.to_ascii_lowercase().into_bytes() }
    }

    fn matches(&self, name: &str) -> bool {
        glob(&self.glob, name.as_bytes())
    }
}

/// Whether the pattern is all of the text, in a time that is at most the product of their lengths.
pub(in super::super) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    // Where to go on when what follows the last `*` does not fit: there, with one more byte of the text behind it.
    let mut resume: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(at_text) {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                resume = Some((at_pattern + 1, at_text));
                at_pattern += 1;
            }
            Some(&expected) if expected == b'?' || expected == byte => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => {
                let Some((after, skipped)) = &mut resume else { return false };
                *skipped += 1;
                (at_pattern, at_text) = (*after, *skipped);
            }
        }
    }
    pattern.get(at_pattern..).unwrap_or_default().iter().all(|&byte| byte == b'*')
}
