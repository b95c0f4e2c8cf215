//! What the tests of several crates need of the world: real servers on addresses of their own, and ways to them that can
//! be broken. Nothing of it is in the product.
//!
//! Everything is started with threads and processes only, so that it can be shared by tests with runtimes of their own,
//! and ends when it is dropped. What does not come up fails the test, with what it said.

pub mod address;
pub mod authority;
mod power;
pub mod program;
pub mod redis;
pub mod sentinel;
pub mod way;

pub use authority::{Authority, Identity};
pub use redis::{Fsync, Options, RedisServer};
pub use sentinel::SentinelSet;
pub use way::Way;
