//! The machinery of gitfaas: what the rules of `gitfaas-core` need to meet the world.
//!
//! `api, workers → engine → {Source, Store, Cluster, Clock} → core`. The engine knows the traits only; each adapter
//! knows its own trait and the core, nothing else.

pub mod api;
pub mod clock;
pub mod cluster;
pub mod engine;
pub mod secret;
pub mod server;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod workers;
