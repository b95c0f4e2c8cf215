//! What the tests over Git stand on: repositories made by the real git, servers that hand them out, ways to them that can
//! be broken, and the real server of gitfaas.

mod authority;
mod daemon;
mod https;
mod port;
mod process;
mod proxy;
mod repository;
mod ssh;
mod way;

// Shared with the tests that need no Git server, which use more of it.
#[path = "../it/support/machine.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod machine;
#[path = "../it/support/wait.rs"]
mod wait;

pub(crate) use self::authority::Identity;
pub(crate) use self::daemon::GitDaemon;
pub(crate) use self::https::{Answer, HttpsServer, Leaf, TOKEN, USER};
pub(crate) use self::proxy::Proxy;
pub(crate) use self::repository::{Format, Repository, isolated as git_client};
pub(crate) use self::ssh::{HostKey, SshServer};
pub(crate) use self::wait::eventually;
pub(crate) use self::way::Way;
