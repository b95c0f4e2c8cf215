//! What the rounds stand on; shared with the tests of the product and those on a cluster, which use more of it.

#[path = "../e2e/support/api.rs"]
mod api;
#[path = "../e2e/support/given.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod given;
#[path = "../it/support/machine.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod machine;
#[path = "../e2e/support/namespace.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod namespace;
#[path = "../it/support/repository.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod repository;
#[path = "../it/support/server.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod server;
mod size;
#[path = "../e2e/support/still.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod still;
#[path = "../it/support/wait.rs"]
mod wait;
#[path = "../e2e/support/witness.rs"]
mod witness;

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) use self::api::Api;
pub(crate) use self::given::{idle_job, variable};
pub(crate) use self::machine::{http, leave_out, program};
pub(crate) use self::namespace::Namespace;
pub(crate) use self::repository::{Repository, shell_job};
pub(crate) use self::server::Server;
pub(crate) use self::size::Size;
pub(crate) use self::still::{End, has_ended, name_of};
pub(crate) use self::wait::{eventually, within};
pub(crate) use self::witness::Witness;
use crate::load::Load;

/// What does not move for so long is stuck. Less than what a server waits between two looks at its ledger for what it
/// has missed: nothing may have to wait for that.
const STUCK: Duration = Duration::from_secs(25);

/// Sends a server a signal.
pub(crate) fn signal(server: &Server, signal: Signal) {
    let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw).expect("a process");
    kill_process(pid, signal).expect("a signal");
}

/// Waits until so many messages are acknowledged, however long that takes, as long as there are more and more.
pub(crate) async fn until_acknowledged(load: &Load, number: u64) {
    let mut seen = load.acknowledged();
    while seen < number {
        seen = eventually("more is acknowledged", async || Some(load.acknowledged()).filter(|now| *now > seen)).await;
    }
}

/// Waits until no run is in one of these phases, or until there have been no fewer of them for a while.
pub(crate) async fn no_fewer_left(server: &Server, phases: &[&str]) {
    let (mut least, mut since) = (u64::MAX, Instant::now());
    while least > 0 && since.elapsed() < STUCK {
        let left = runs_in(server, phases).await;
        if left < least {
            (least, since) = (left, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if least > 0 {
        println!("{least} runs are still {phases:?}, and have been for {:.0?}", since.elapsed());
    }
}

async fn runs_in(server: &Server, phases: &[&str]) -> u64 {
    let metrics = server.get("/metrics").await.text();
    let number = |phase: &&str| {
        let name = format!("gitfaas_runs{{phase=\"{phase}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(name.as_str()));
        line.and_then(|number| number.parse::<u64>().ok()).expect("a number")
    };
    phases.iter().map(number).sum()
}
