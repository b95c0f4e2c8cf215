//! The rules of gitfaas: what a topic, a template, a plan and a run are, and what may follow what.
//!
//! Nothing here reads a file, a socket or a clock, and nothing is asynchronous: every function takes values and
//! returns values, so that each rule can be tested without a machine around it. `gitfaas-server` brings the machine.

pub mod admission;
pub mod catalog;
pub mod commit;
pub mod event;
pub mod gate;
pub mod id;
pub mod idempotency;
pub mod key;
pub mod manifest;
pub mod message;
pub mod nearest;
pub mod plan;
pub mod problem;
pub mod request;
pub mod response;
pub mod retry;
pub mod run;
pub mod template;
pub mod topic;
pub mod url;
pub mod webhook;
pub mod yaml;
