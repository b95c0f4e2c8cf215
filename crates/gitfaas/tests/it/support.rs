//! What the tests stand on: a functions repository in a folder, the real server over it, and waiting on conditions.

pub(crate) mod reader;
mod repository;
mod server;

use std::time::{Duration, Instant};

pub(crate) use self::repository::{Repository, shell_job};
pub(crate) use self::server::{Reply, Server, processes_naming};

/// How long a condition may take to come true. Generous: it is only waited out when a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until `condition` gives something; fails with `what` when it never does.
pub(crate) async fn eventually<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(begun.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An HTTP client, without which nothing here could ask anything.
pub(crate) fn http() -> reqwest::Client {
    // It may be installed already, by another test of this process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// The program under test.
pub(crate) fn program() -> std::path::PathBuf {
    env!("CARGO_BIN_EXE_gitfaas").into()
}

/// A folder of the repository that the tests are in.
pub(crate) fn checkout(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Whether a program is on the PATH.
pub(crate) fn is_installed(program: &str) -> bool {
    let found = std::process::Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    found.is_ok_and(|output| output.status.success())
}

/// Says that a test is left out because a program is missing; where nothing may be left out, that is a failure.
pub(crate) fn leave_out(what: &str, program: &str) {
    let all = std::env::vars().any(|(name, value)| name == "GITFAAS_TEST_ALL" && value == "1");
    assert!(!all, "{what} cannot be tested without {program}");
    println!("left out: {what}, for want of {program}");
}
