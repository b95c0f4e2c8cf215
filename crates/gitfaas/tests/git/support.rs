//! What the tests over Git stand on: repositories made by the real git, servers that hand them out, ways to them that can
//! be broken, and the real server of gitfaas.

mod authority;
mod daemon;
mod https;
mod port;
mod process;
mod product;
mod proxy;
mod repository;
mod ssh;
mod trouble;
mod way;

// Shared with the tests that need no Git server, which use more of it.
#[path = "../it/support/machine.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod machine;
#[path = "../it/support/server.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod server;
#[path = "../it/support/signed.rs"]
mod signed;
#[path = "../it/support/wait.rs"]
mod wait;

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) use self::authority::Identity;
pub(crate) use self::daemon::GitDaemon;
pub(crate) use self::https::{Answer, HttpsServer, Leaf, TOKEN, USER};
pub(crate) use self::machine::{http, program};
pub(crate) use self::product::{Product, refusal};
pub(crate) use self::proxy::Proxy;
pub(crate) use self::repository::{Format, Repository, config_map, isolated as git_client};
pub(crate) use self::signed::signed;
pub(crate) use self::ssh::{HostKey, SshServer};
pub(crate) use self::trouble::{Trouble, endures};
pub(crate) use self::wait::eventually;
pub(crate) use self::way::Way;

/// A key pair of ssh without a passphrase, in this folder; nothing where no program makes one.
pub(crate) fn ssh_key(folder: &Path, name: &str) -> Option<PathBuf> {
    let [keygen] = process::find_all("commits that are signed with keys of ssh", ["ssh-keygen"])?;
    let path = folder.join(name);
    process::output(Command::new(keygen).args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&path));
    Some(path)
}

/// An HTTP client that asks much, and so keeps its connections.
pub(crate) fn keeping_client() -> reqwest::Client {
    drop(http());
    reqwest::Client::builder().no_proxy().build().expect("a client")
}
