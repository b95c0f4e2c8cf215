//! The local cluster with real processes: its supervisors are this very program, called again.

#[expect(clippy::panic, reason = "support of tests, which fail so")]
mod support;

mod ending;
mod jobs;
mod objects;
mod pods;
mod power;
mod restarts;
mod stopping;
mod volumes;

/// Not a test of its own: what the cluster under test calls as `gitfaas supervise`.
#[test]
#[expect(clippy::exit, reason = "a supervisor's exit code is what it returns")]
fn supervise() {
    if let Some(dir) = support::called_for("attempt-") {
        std::process::exit(i32::from(gitfaas_server::cluster::local::supervisor::run(&dir)));
    }
}

/// Not a test of its own either: a server in a process that can be killed.
#[test]
fn serve() {
    if let Some(folder) = support::called_for("server-") {
        power::serve(&folder);
    }
}
