//! When two publishes are the same one: the keys by which senders say so, and what is kept of them.
//!
//! A key is only ever kept as a hash, together with who used it and for which topic; so it is no secret in the ledger,
//! and no sender's key can meet another's.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::id::RunId;
use crate::message::Message;

/// The longest key, in characters.
pub const MAX_KEY: usize = 255;

/// A key by which a sender says that a publish is the same one as before.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    kind: KeyKind,
    parts: Vec<String>,
}

/// Where a key comes from. The same text from two places is two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// The header `Idempotency-Key`.
    Header,
    /// `webhook-id` of Standard Webhooks.
    Webhook,
    /// `X-GitHub-Delivery`.
    GitHub,
    /// Source and id of a `CloudEvent`.
    CloudEvent,
}

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it has to have 1 to {MAX_KEY} characters of visible ASCII")]
pub struct InvalidKey;

/// A key says nothing about itself in a log: some senders make theirs of things that are nobody's business.
impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyKey").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl IdempotencyKey {
    /// A key from a header's value, which may be in double quotes, as RFC 9651 writes strings: `"a\"b"` is `a"b`.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`].
    pub fn from_header(kind: KeyKind, value: &str) -> Result<Self, InvalidKey> {
        let text = match value.strip_prefix('"') {
            Some(rest) => unquote(rest).ok_or(InvalidKey)?,
            None => value.to_owned(),
        };
        // A blank can stand in a quoted string only.
        let allowed = |byte: u8| byte.is_ascii_graphic() || (byte == b' ' && value.starts_with('"'));
        if text.is_empty() || text.len() > MAX_KEY || !text.bytes().all(allowed) {
            return Err(InvalidKey);
        }
        Ok(Self { kind, parts: vec![text] })
    }

    /// The key of an event: who made it and how they call it.
    pub fn of_event(source: &str, id: &str) -> Self {
        Self { kind: KeyKind::CloudEvent, parts: vec![source.to_owned(), id.to_owned()] }
    }
}

/// The inside of a quoted string that ends with its last character.
fn unquote(rest: &str) -> Option<String> {
    let mut text = String::with_capacity(rest.len());
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(text),
            '\\' => text.push(characters.next().filter(|next| matches!(next, '"' | '\\'))?),
            character => text.push(character),
        }
    }
}

/// Who uses a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Somebody from outside.
    Anyone,
    /// A function, by its token: the same for every try and attempt of its run.
    Run(RunId),
    /// Somebody who only says that a run is the reason.
    Because(RunId),
}

/// What the ledger keeps of a key, and of the message that came with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idempotency {
    /// Which key of which sender for which topic.
    pub key: [u8; 32],
    /// Payload, params and content type: what has to be the same for the publish to be the same.
    pub fingerprint: [u8; 32],
}

impl Idempotency {
    /// What is kept of this key and message.
    pub fn of(key: &IdempotencyKey, sender: Sender, topic: &str, message: &Message) -> Self {
        let kind = match key.kind {
            KeyKind::Header => "header",
            KeyKind::Webhook => "webhook",
            KeyKind::GitHub => "github",
            KeyKind::CloudEvent => "cloudevent",
        };
        let (who, run) = match &sender {
            Sender::Anyone => ("anyone", ""),
            Sender::Run(run) => ("run", run.as_str()),
            Sender::Because(run) => ("because", run.as_str()),
        };
        let mut parts = vec![kind, who, run, topic];
        parts.extend(key.parts.iter().map(String::as_str));
        let meta = &message.meta;
        let mut told: Vec<&[u8]> = vec![&message.payload];
        // A content type that is empty is not the same as none.
        told.push(if meta.content_type.is_some() { b"typed" } else { b"untyped" });
        told.push(meta.content_type.as_deref().unwrap_or_default().as_bytes());
        told.extend(meta.params.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]));
        Self { key: framed(parts.into_iter().map(str::as_bytes)), fingerprint: framed(told.into_iter()) }
    }
}

/// A hash of texts of which no other list of texts has the same: each is preceded by its length.
fn framed<'a>(parts: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::id::RequestId;
    use crate::message::MessageMeta;

    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey::from_header(KeyKind::Header, text).expect("a key")
    }

    fn message(payload: &'static str, content_type: Option<&str>, params: &[(&str, &str)]) -> Message {
        let params = params.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let meta = MessageMeta { content_type: content_type.map(str::to_owned), params, ..MessageMeta::default() };
        Message { payload: Bytes::from_static(payload.as_bytes()), meta }
    }

    #[test]
    fn a_key_is_a_word_or_a_quoted_string() {
        assert_eq!(key("abc-1"), key("\"abc-1\""));
        assert_eq!(key("\"a\\\"b c\"").parts, ["a\"b c"]);
        assert!(IdempotencyKey::from_header(KeyKind::Header, &"k".repeat(255)).is_ok());
        for wrong in ["", "\"\"", "a b", "é", "\"a", "\"a\"b", "\"a\\n\"", "a\tb", &"k".repeat(256)] {
            assert_eq!(IdempotencyKey::from_header(KeyKind::Header, wrong), Err(InvalidKey), "{wrong:?}");
        }
    }

    #[test]
    fn keys_of_different_senders_topics_and_places_never_meet() {
        let message = message("x", None, &[]);
        let run = RunId::derive(RequestId::from_bytes([1; 16]), &"a.yaml".parse().expect("a path"));
        let webhook = IdempotencyKey::from_header(KeyKind::Webhook, "k").expect("a key");
        let all = [
            Idempotency::of(&key("k"), Sender::Anyone, "t", &message),
            Idempotency::of(&key("k"), Sender::Anyone, "u", &message),
            Idempotency::of(&key("k"), Sender::Run(run), "t", &message),
            Idempotency::of(&key("k"), Sender::Because(run), "t", &message),
            Idempotency::of(&webhook, Sender::Anyone, "t", &message),
            Idempotency::of(&IdempotencyKey::of_event("k", ""), Sender::Anyone, "t", &message),
            Idempotency::of(&IdempotencyKey::of_event("a", "bc"), Sender::Anyone, "t", &message),
            Idempotency::of(&IdempotencyKey::of_event("ab", "c"), Sender::Anyone, "t", &message),
        ];
        let mut keys: Vec<_> = all.iter().map(|kept| kept.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all.len());
        assert!(all.iter().all(|kept| kept.fingerprint == all[0].fingerprint));
    }

    #[test]
    fn payload_params_and_content_type_make_the_fingerprint() {
        let messages = [
            message("x", None, &[]),
            message("y", None, &[]),
            message("x", Some(""), &[]),
            message("x", Some("text/plain"), &[]),
            message("x", None, &[("a", "bc")]),
            message("x", None, &[("ab", "c")]),
        ];
        let fingerprint = |message| Idempotency::of(&key("k"), Sender::Anyone, "t", message).fingerprint;
        let mut fingerprints: Vec<_> = messages.iter().map(fingerprint).collect();
        fingerprints.sort_unstable();
        fingerprints.dedup();
        assert_eq!(fingerprints.len(), messages.len());
    }

    #[test]
    fn a_key_is_not_told() {
        assert!(!format!("{:?}", key("secret-word")).contains("secret"));
    }
}
