//! The scripts, each by its own name. A script is one atomic step: nothing else happens in Redis meanwhile.
//!
//! Their first line says what Redis checks before it begins one: what writes is refused as a whole where memory is used
//! up, on a replica, and while the log cannot be written. What takes less room than it gives back may go on.

use std::sync::LazyLock;

use sha1::{Digest as _, Sha1};

/// A script of ours.
pub(super) struct Script {
    /// What it is called in messages.
    pub(super) name: &'static str,
    /// Its text.
    pub(super) text: &'static str,
    /// By which Redis knows it once it has been loaded: SHA-1 of the text, in hex.
    pub(super) hash: LazyLock<String>,
}

macro_rules! script {
    ($constant:ident, $file:literal, $flags:literal) => {
        pub(super) static $constant: Script = Script {
            name: $file,
            text: concat!(
                "#!lua",
                $flags,
                "\n",
                include_str!("scripts/keys.lua"),
                include_str!(concat!("scripts/", $file, ".lua"))
            ),
            hash: LazyLock::new(|| hash($constant.text)),
        };
    };
}

script!(ACCEPT, "accept", "");
script!(AGAIN, "again", " flags=allow-oom");
script!(ALL, "all", " flags=no-writes");
script!(ASIDE, "aside", " flags=allow-oom");
script!(CONFIGURE, "configure", "");
script!(COUNT, "count", " flags=no-writes");
script!(DUE, "due", " flags=no-writes");
script!(FIELDS, "fields", " flags=no-writes");
script!(FORGET, "forget", " flags=allow-oom");
script!(FREE, "free", " flags=allow-oom");
script!(GATES, "gates", " flags=no-writes");
script!(HEAD, "head", "");
script!(KEY, "key", " flags=no-writes");
script!(LEAVE, "leave", " flags=allow-oom");
script!(LINE, "line", " flags=no-writes");
script!(LIST, "list", " flags=no-writes");
script!(LIVING, "living", " flags=no-writes");
script!(LOADS, "loads", " flags=no-writes");
script!(LOGS, "logs", "");
script!(OPEN, "open", " flags=allow-oom");
script!(OVER, "over", " flags=no-writes");
script!(PAUSE, "pause", "");
script!(QUEUES, "queues", " flags=no-writes");
script!(READY, "ready", "");
script!(RECORDS, "records", " flags=no-writes");
script!(RENEW, "renew", " flags=allow-oom");
script!(RESPOND, "respond", "");
script!(RESPONSES, "responses", " flags=no-writes");
script!(RUNS, "runs", " flags=no-writes");
script!(SERVE, "serve", "");
script!(SERVED, "served", " flags=no-writes");
script!(SETTLE, "settle", " flags=allow-oom");

fn hash(text: &str) -> String {
    super::record::hex(&Sha1::digest(text))
}
