//! The product as its users have it: the real program, over HTTP and on the command line.

#![allow(clippy::panic, clippy::print_stdout, reason = "a test fails by panicking, and says what it measured")]

mod answers;
mod backup;
mod browser;
mod cancel;
mod cloud_events;
mod commands;
mod dead_letters;
mod disk;
mod docs;
mod dry_run;
mod errors;
mod events;
mod examples;
mod faults;
mod hostile;
mod last_good;
mod line;
mod lineage;
mod lint;
mod pods;
mod readme;
mod redis;
mod repeats;
mod replay;
mod rights;
mod rules;
mod runs;
mod seed;
mod slow;
mod source;
mod stop;
mod support;
mod values;
mod webhooks;
