//! The product as its users have it: the real program, over HTTP and on the command line.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod errors;
mod examples;
mod kill;
mod last_good;
mod lineage;
mod runs;
mod seed;
mod stop;
mod support;
mod values;
