//! The product on a real cluster: the real program, its API server, and pods.
//!
//! They run with `GITFAAS_E2E=1` and a `KUBECONFIG` of an administrator; without, each says that it was left out, or
//! nothing with `GITFAAS_E2E=later`. `scripts/test` brings a cluster up for them. Each test has a namespace of its own, and
//! waits for conditions only.

#![allow(clippy::panic, clippy::print_stdout, reason = "a test fails by panicking, and says what it left out")]

mod applied;
mod brought_up;
mod complete;
mod ends;
mod fate;
mod faults;
mod fixed;
mod foretold;
mod in_pod;
mod kill;
mod many;
mod outage;
mod pipeline;
mod rights;
mod support;
