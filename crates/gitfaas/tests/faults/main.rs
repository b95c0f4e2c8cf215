//! The promise, by force: rounds of kills and pauses under load, and an audit of everything afterwards.
//!
//! Short by default. `scripts/faults --long` makes the long form, of which `docs/reliability.md` has the figures:
//! `GITFAAS_FAULTS_ROUNDS`, `GITFAAS_FAULTS_ACKNOWLEDGED` and `GITFAAS_FAULTS_SEED` say how much, and which faults.

#![allow(clippy::panic, clippy::print_stdout, reason = "a test fails by panicking, and says what it measured")]

mod audit;
mod chance;
mod embedded;
mod ledger;
mod load;
mod local;
mod notes;
mod replicas;
mod support;
