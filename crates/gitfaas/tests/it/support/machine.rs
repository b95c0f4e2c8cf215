//! What is on this machine: the program, the checkout, and other programs.

/// An HTTP client, without which nothing here could ask anything.
pub(crate) fn http() -> reqwest::Client {
    // It may be installed already, by another test of this process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Each request has a connection of its own: servers are killed and started again.
    reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client")
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

/// Says that a test is left out because something is missing; where nothing may be left out, that is a failure.
pub(crate) fn leave_out(what: &str, missing: &str) {
    let all = std::env::vars().any(|(name, value)| name == "GITFAAS_TEST_ALL" && value == "1");
    assert!(!all, "{what} cannot be tested without {missing}");
    println!("left out: {what}, for want of {missing}");
}
