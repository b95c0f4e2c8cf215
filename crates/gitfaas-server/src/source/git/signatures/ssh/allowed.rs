//! Files that name SSH keys: `allowed_signers` of OpenSSH, and public keys one a line.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use russh::keys::ssh_key::public::KeyData;

use super::{NAMESPACE, is_supported, public_key};
use crate::source::git::signatures::refusal::{Refusal, shown};

/// A key that may sign, and when.
pub(in crate::source::git::signatures) struct Signer {
    pub(super) key: KeyData,
    restrictions: Restrictions,
}

/// What the options of a line limit its key to.
#[derive(Default)]
struct Restrictions {
    /// Patterns of what it may sign for; `None` for everything.
    namespaces: Option<String>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
}

impl Signer {
    /// Whether it may have signed at that time, for Git.
    pub(super) fn allows(&self, made: Timestamp, who: &str) -> Result<(), Refusal> {
        let who = || who.to_owned();
        let Restrictions { namespaces, valid_after, valid_before } = &self.restrictions;
        if namespaces.as_deref().is_some_and(|patterns| !matches_any(patterns, NAMESPACE)) {
            return Err(Refusal::NotForGit { who: who() });
        }
        if let Some(from) = valid_after.filter(|from| made < *from) {
            return Err(Refusal::TooEarly { who: who(), made, from });
        }
        match valid_before.filter(|at| made > *at) {
            Some(at) => Err(Refusal::Expired { who: who(), made, at }),
            None => Ok(()),
        }
    }
}

/// Reads a file of keys.
///
/// # Errors
/// Which line cannot be used, and why; also when there is no key at all.
pub(in crate::source::git::signatures) fn read(text: &str) -> Result<Vec<Signer>, String> {
    let mut signers = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with("-----BEGIN") {
            return Err(format!(
                "line {number} begins a key of another kind; list the lines of `.pub` files, or export OpenPGP keys by `gpg --export`"
            ));
        }
        signers.push(signer(line).map_err(|why| format!("line {number}: {why}"))?);
    }
    if signers.is_empty() {
        return Err("it names nobody; list SSH public keys one a line, or OpenPGP public keys".to_owned());
    }
    Ok(signers)
}

fn signer(line: &str) -> Result<Signer, String> {
    let (key, restrictions) = match public_key(line) {
        Some(key) => (key?, Restrictions::default()),
        None => allowed(line)?,
    };
    if !is_supported(key.key_data()) {
        let algorithm = shown(key.algorithm().as_str());
        return Err(format!(
            "keys of {algorithm} are not supported; use ed25519, ECDSA or RSA, in software or a security key"
        ));
    }
    Ok(Signer { key: key.key_data().clone(), restrictions })
}

/// A line of an `allowed_signers` file: `principals [options] type key [comment]`. Whom the principals are is for people:
/// Git does not compare them with the committer either.
fn allowed(line: &str) -> Result<(russh::keys::PublicKey, Restrictions), String> {
    let expected = || "it is neither `type key` nor `principals [options] type key`".to_owned();
    let (_principals, rest) = word(line).ok_or_else(expected)?;
    if let Some(key) = public_key(rest) {
        return Ok((key?, Restrictions::default()));
    }
    let (options, rest) = word(rest).ok_or_else(expected)?;
    let key = public_key(rest).ok_or_else(expected)??;
    Ok((key, restrictions(options)?))
}

/// The first word of a line, and what follows. Blanks between quotation marks do not end it.
fn word(line: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let end = line.find(|character: char| {
        quoted ^= character == '"';
        !quoted && character.is_ascii_whitespace()
    })?;
    Some((&line[..end], line[end..].trim_start()))
}

fn restrictions(options: &str) -> Result<Restrictions, String> {
    let mut restrictions = Restrictions::default();
    for option in split_options(options) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        // OpenSSH does not take them without the quotation marks either.
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "namespaces" | "valid-after" | "valid-before" if value.is_empty() => {
                return Err(format!("the option {name} has no value between quotation marks"));
            }
            "namespaces" => restrictions.namespaces = Some(value.to_owned()),
            "valid-after" => restrictions.valid_after = Some(time(value)?),
            "valid-before" => restrictions.valid_before = Some(time(value)?),
            "cert-authority" => {
                return Err("certificate authorities are not supported; list the keys that they certify".to_owned());
            }
            _ => {
                return Err(format!(
                    "the option {} is not known; there are namespaces, valid-after and valid-before",
                    shown(option)
                ));
            }
        }
    }
    Ok(restrictions)
}

/// Options are parted by commas, which may also be between quotation marks.
fn split_options(options: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    options.split(move |character| {
        quoted ^= character == '"';
        !quoted && character == ','
    })
}

/// A time as OpenSSH writes it: `YYYYMMDD` or `YYYYMMDDHHMM[SS]`, with or without `Z`. It is always UTC here: the time
/// zone of the machine that serves is not that of whoever wrote the file.
fn time(text: &str) -> Result<Timestamp, String> {
    let digits = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let format = match digits.len() {
        8 => "%Y%m%d",
        12 => "%Y%m%d%H%M",
        14 => "%Y%m%d%H%M%S",
        _ => "",
    };
    let time = if digits.len() == 8 {
        jiff::civil::Date::strptime(format, digits).map(DateTime::from)
    } else {
        DateTime::strptime(format, digits)
    };
    time.ok()
        .filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|time| TimeZone::UTC.to_timestamp(time).ok())
        .ok_or_else(|| format!("{} is no time; write YYYYMMDD or YYYYMMDDHHMMSS, in UTC", shown(text)))
}

/// Whether one of the patterns, which are parted by commas, matches, and none of those with a `!` does.
fn matches_any(patterns: &str, text: &str) -> bool {
    let mut matched = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(not) if matches(not.as_bytes(), text.as_bytes()) => return false,
            Some(_) => (),
            None => matched |= matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
    matched
}

/// Whether the pattern, with `*` and `?`, matches all of the text.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', pattern)), None) => matches(pattern, text),
        (Some((b'*', after)), Some((_, rest))) => matches(after, text) || matches(pattern, rest),
        (Some((b'?', pattern)), Some((_, text))) => matches(pattern, text),
        (Some((wanted, pattern)), Some((found, text))) => wanted == found && matches(pattern, text),
        _ => false,
    }
}
