//! What derives from the ledger's key: unguessable names and rights.
//!
//! The key is 32 random bytes that the store makes once and keeps. Everything here is an HMAC-SHA-256 under it, each
//! purpose with a prefix of its own, so nothing secret has to be stored per run and a restart changes nothing.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::id::{InvalidId, RequestId, RunId, Try};

/// The secret of one ledger. Never printed.
#[derive(Clone)]
pub struct LedgerKey {
    bytes: [u8; 32],
    // Keyed once: half of the work of an HMAC over something short is taking in the key.
    keyed: Hmac<Sha256>,
}

impl PartialEq for LedgerKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes.ct_eq(&other.bytes).into()
    }
}

impl Eq for LedgerKey {}

impl fmt::Debug for LedgerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LedgerKey(…)")
    }
}

impl LedgerKey {
    /// Wraps 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        // HMAC fills a short key with zeros up to its block; doing it here makes the length part of the type.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&bytes);
        Self { bytes, keyed: <Hmac<Sha256> as KeyInit>::new(&block.into()) }
    }

    /// The bytes, for the store that keeps them.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }

    fn derive(&self, purpose: &str, run: RunId, number: u32) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(run.as_str().as_bytes());
        mac.update(&number.to_be_bytes());
        mac.finalize().into_bytes().into()
    }

    /// `{{RANDOM}}` of a try: 12 characters of `[a-z0-9]`, the first a letter; the same for each document and each
    /// repeated apply of one try, another for every other try and run.
    pub fn random(&self, run: RunId, try_no: Try) -> String {
        let bytes = self.derive("random", run, try_no.0);
        let mut number = u128::from_be_bytes(bytes[..16].try_into().unwrap_or_default());
        let mut take = |alphabet: &[u8]| {
            let size = alphabet.len() as u128;
            let character = char::from(alphabet[usize::try_from(number % size).unwrap_or(0)]);
            number /= size;
            character
        };
        let mut random = String::with_capacity(12);
        random.push(take(b"abcdefghijklmnopqrstuvwxyz"));
        for _ in 1..12 {
            random.push(take(b"abcdefghijklmnopqrstuvwxyz0123456789"));
        }
        random
    }

    /// `{{FUNCTION_UID}}` of a run: `f-<uuid>-r-<request uuid>`, 77 characters, the right to answer for the run.
    pub fn function_uid(&self, run: RunId) -> String {
        let bytes = self.derive("function-uid", run, 0);
        let uuid = uuid::Builder::from_custom_bytes(bytes[..16].try_into().unwrap_or_default()).into_uuid();
        format!("f-{uuid}-r-{}", run.request())
    }

    /// Whether `uid` is the function uid of `run`; takes the same time for every wrong one.
    pub fn is_function_uid(&self, uid: &FunctionUid, run: RunId) -> bool {
        self.function_uid(run).as_bytes().ct_eq(uid.0.as_bytes()).into()
    }

    /// `{{RUN_TOKEN}}` of a try: what a function holds to answer, to read its message and to publish.
    pub fn run_token(&self, run: RunId, try_no: Try) -> String {
        let mac = URL_SAFE_NO_PAD.encode(self.derive("run-token", run, try_no.0));
        format!("{TOKEN_PREFIX}{run}_{try_no}_{mac}")
    }

    /// The run and try that `token` speaks for; `None` when it was not made with this key.
    ///
    /// That the run still exists is for the caller to check: a token ends with the retention of its request.
    pub fn verify_run_token(&self, token: &str) -> Option<(RunId, Try)> {
        let (run, rest) = token.strip_prefix(TOKEN_PREFIX)?.split_once('_')?;
        let (number, _) = rest.split_once('_')?;
        let run: RunId = run.parse().ok()?;
        let try_no = Try(number.parse().ok()?);
        let genuine: bool = self.run_token(run, try_no).as_bytes().ct_eq(token.as_bytes()).into();
        genuine.then_some((run, try_no))
    }
}

/// What every run token begins with, so that scanners for leaked secrets can know it.
pub const TOKEN_PREFIX: &str = "gfr_";

/// A well-formed function uid as somebody presented it; whether it is genuine is for
/// [`LedgerKey::is_function_uid`] to say.
#[derive(Clone, PartialEq, Eq)]
pub struct FunctionUid(String);

impl fmt::Debug for FunctionUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FunctionUid(…)")
    }
}

impl FunctionUid {
    /// The request that the uid names.
    pub fn request(&self) -> Option<RequestId> {
        self.0.rsplit_once("-r-")?.1.parse().ok()
    }
}

impl std::str::FromStr for FunctionUid {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let well_formed = || {
            let (function, request) = text.strip_prefix("f-")?.split_once("-r-")?;
            let function = (function.len() == 36).then(|| Uuid::try_parse(function).ok())?;
            let request: RequestId = (request.len() == 36).then(|| request.parse().ok())??;
            Some(format!("f-{}-r-{request}", function?))
        };
        well_formed().map(Self).ok_or_else(|| InvalidId::new(text, "a function uid (f-<uuid>-r-<uuid>)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> LedgerKey {
        LedgerKey::new([7; 32])
    }

    fn run(function: &str) -> RunId {
        RunId::derive(RequestId::from_bytes([1; 16]), &function.parse().expect("a function"))
    }

    #[test]
    fn random_names_a_try_and_only_that() {
        let random = key().random(run("a"), Try(1));
        assert_eq!(random.len(), 12);
        assert!(random.starts_with(|c: char| c.is_ascii_lowercase()));
        assert!(random.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        assert_eq!(random, key().random(run("a"), Try(1)));
        assert_ne!(random, key().random(run("a"), Try(2)));
        assert_ne!(random, key().random(run("b"), Try(1)));
    }

    #[test]
    fn a_function_uid_is_known_again_and_no_other_run_s_is_taken() {
        let uid = key().function_uid(run("a"));
        assert_eq!(uid.len(), 77);
        let parsed: FunctionUid = uid.parse().expect("well-formed");
        assert_eq!(parsed.request(), Some(run("a").request()));
        assert!(key().is_function_uid(&parsed, run("a")));
        assert!(!key().is_function_uid(&parsed, run("b")));
        assert!(!LedgerKey::new([8; 32]).is_function_uid(&parsed, run("a")));
    }

    #[test]
    fn what_only_looks_like_a_function_uid_is_refused() {
        let uid = key().function_uid(run("a"));
        for near in [&uid[1..], &uid[..76], &uid.replace("-r-", "-s-"), "", "f--r-", &format!("{uid}x")] {
            assert!(near.parse::<FunctionUid>().is_err(), "{near}");
        }
    }

    #[test]
    fn a_token_speaks_for_one_try_of_one_run_of_one_ledger() {
        let token = key().run_token(run("a"), Try(3));
        assert_eq!(key().verify_run_token(&token), Some((run("a"), Try(3))));
        assert_eq!(LedgerKey::new([8; 32]).verify_run_token(&token), None);
    }

    #[test]
    fn near_misses_of_a_token_are_nobody_s() {
        let token = key().run_token(run("a"), Try(1));
        let misses = [
            token[..token.len() - 1].to_owned(),
            format!("{token}A"),
            token.replacen("_1_", "_2_", 1),
            token.replacen("_1_", "_01_", 1),
            token.replacen("_1_", "_+1_", 1),
            token.replacen(run("a").as_str(), run("b").as_str(), 1),
            token.to_uppercase(),
            String::new(),
            "gfr_".to_owned(),
        ];
        for miss in misses {
            assert_eq!(key().verify_run_token(&miss), None, "{miss}");
        }
    }

    #[test]
    fn secrets_do_not_show_in_debug() {
        assert_eq!(format!("{:?}", key()), "LedgerKey(…)");
        let uid: FunctionUid = key().function_uid(run("a")).parse().expect("well-formed");
        assert_eq!(format!("{uid:?}"), "FunctionUid(…)");
    }
}
