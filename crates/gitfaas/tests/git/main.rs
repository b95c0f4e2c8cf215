//! The product over real Git servers: git's own CGI behind nginx, OpenSSH's sshd, and proxies between them.
//!
//! Everything listens on the loopback address and ends with its test. What is not installed is named, and what needs it
//! left out; `scripts/test` installs it.

#![allow(clippy::panic, clippy::print_stdout, reason = "a test fails by panicking, and says what it left out")]

mod faults;
mod follow;
mod hostile;
mod refused;
mod restarts;
mod secrets;
mod servers;
mod signed;
mod ssh;
mod support;
mod webhooks;
