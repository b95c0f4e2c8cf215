//! What the tests stand on: a functions repository in a folder, the real server over it, and waiting on conditions.

mod machine;
pub(crate) mod reader;
mod repository;
mod server;
mod signed;
mod wait;

pub(crate) use self::machine::{checkout, http, is_installed, leave_out, program};
pub(crate) use self::repository::{Repository, shell_job};
pub(crate) use self::server::{Reply, Server, processes_naming};
pub(crate) use self::signed::signed;
pub(crate) use self::wait::{DEADLINE, eventually};
