//! The catalog: which functions listen to which topic.

pub mod config;
