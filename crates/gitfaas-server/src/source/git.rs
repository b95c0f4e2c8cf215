//! A Git repository as a source.

pub mod signatures;
