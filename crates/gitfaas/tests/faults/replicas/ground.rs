//! The servers, everything they stand on, and what is done to them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use gitfaas_fixtures::{Options, Way};
use rustix::process::Signal;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::keeper::Keeper;
use crate::audit::{Evidence, Made, Makes};
use crate::chance::Chance;
use crate::ledger;
use crate::notes::Notes;
use crate::support::{
    End, Namespace, Repository, Server, Witness, eventually, has_ended, http, idle_job, name_of, no_fewer_left,
    program, signal, within,
};

const SERVERS: usize = 3;
/// A server's lease is 10 seconds.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(12);
const OBJECT: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 'o-{{RANDOM}}'}\ndata: {message: \"{{MESSAGE}}\"}\n";
/// Only waited out when a test fails, on a machine that may have other work.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often Jobs are ended that have not.
const ENDING: Duration = Duration::from_millis(500);
const AT_ONCE: usize = 8;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// SIGKILL for the server that leads.
    KillLeader,
    /// SIGKILL for another one.
    KillOther,
    /// SIGSTOP for the server that leads, until its lease has run out.
    PauseLeader,
    /// The same for another one.
    PauseOther,
    /// SIGTERM for the server that leads: it ends by itself.
    EndLeader,
    /// The way from the server that leads to Redis is closed until its lease has run out.
    CutLeaderOff,
    /// Every connection to Redis is cut once.
    CutAll,
    /// SIGKILL for Redis, which is started again at once.
    KillRedis,
    /// SIGSTOP for Redis, for less than a lease.
    PauseRedis,
}

/// What has to be mended.
pub(super) struct Wound {
    fault: Fault,
    server: usize,
    since: Instant,
    /// Whether what led does not any more.
    pub(super) led: bool,
    /// Where the servers are to which nothing happened.
    pub(super) left: Vec<String>,
}

/// A Job that nobody but the test ends: that its end is told shows that somebody leads.
pub(super) struct Probe {
    run: String,
    job: String,
}

struct Replica {
    server: Server,
    way: Way,
}

/// The servers, and everything they stand on.
pub(super) struct Ground {
    replicas: Vec<Replica>,
    pub(super) keeper: Keeper,
    ending: JoinHandle<()>,
    witness: Witness,
    namespace: Arc<Namespace>,
    repository: Repository,
    /// How long a server serves on when it is stopped.
    leave: &'static str,
    pub(super) folder: tempfile::TempDir,
}

impl Ground {
    /// Three servers that are ready, with topics whose Jobs start no pod and are ended by the test; where that is not
    /// possible, `what` is left out.
    pub(super) async fn new(what: &str, options: Options) -> Option<Self> {
        Self::over(what, || Keeper::one(what, options), "0s").await
    }

    /// The same over whatever keeps the ledger.
    pub(super) async fn on(what: &str, keeper: impl FnOnce() -> Option<Keeper>) -> Option<Self> {
        Self::over(what, keeper, "0s").await
    }

    /// The same with servers that serve on for so long when they are stopped.
    pub(super) async fn leaving(what: &str, leave: &'static str) -> Option<Self> {
        Self::over(what, || Keeper::one(what, Options::default()), leave).await
    }

    async fn over(what: &str, keeper: impl FnOnce() -> Option<Keeper>, leave: &'static str) -> Option<Self> {
        let namespace = Namespace::new(what).await?;
        let (keeper, folder) = (keeper()?, tempfile::tempdir().expect("a folder"));
        let (witness, namespace) = (Witness::of(&namespace).await, Arc::new(namespace));
        let repository = functions();
        let mut replicas = Vec::new();
        for number in 0..SERVERS {
            let (way, data) = (keeper.way(), folder.path().join(number.to_string()));
            let mut command = command(&namespace, &repository, &keeper.url(&way), (&data, 0));
            command.args(["--leave-wait", leave]);
            replicas.push(Replica { server: Server::launch(command, data).ready().await, way });
        }
        let ending = tokio::spawn(end_jobs(Arc::clone(&namespace)));
        Some(Self { replicas, keeper, ending, witness, namespace, repository, leave, folder })
    }

    /// Where all servers are.
    pub(super) fn urls(&self) -> Vec<String> {
        self.replicas.iter().map(|replica| replica.server.url.clone()).collect()
    }

    /// Kills the last of the servers for good.
    pub(super) fn kill_one_of_them(&mut self) {
        self.replicas[SERVERS - 1].server.kill();
    }

    /// Tells a server to end.
    pub(super) fn end(&self, number: usize) {
        signal(&self.replicas[number].server, Signal::TERM);
    }

    /// Waits until a server that was told to has ended.
    pub(super) async fn ended(&mut self, number: usize) {
        self.replicas[number].server.ended().await;
    }

    /// Starts a server that has ended, at the same address.
    pub(super) fn start_again(&mut self, number: usize) {
        let Replica { server, way } = &mut self.replicas[number];
        let (data, port) = (server.data.clone(), server.port());
        let mut command = command(&self.namespace, &self.repository, &self.keeper.url(way), (&data, port));
        command.args(["--leave-wait", self.leave]);
        server.start_again(command);
    }

    /// What the messages of all requests in the ledger are.
    pub(super) fn messages(&self) -> Vec<String> {
        ledger::of_redis(self.keeper.primary()).into_iter().map(|request| request.message).collect()
    }

    /// Which server leads.
    async fn leader(&self) -> usize {
        eventually("a server leads", async || {
            for (number, replica) in self.replicas.iter().enumerate() {
                let metrics = replica.server.get("/metrics").await.text();
                if metrics.lines().any(|line| line == "gitfaas_leading 1") {
                    return Some(number);
                }
            }
            None
        })
        .await
    }

    /// The probe of a round, which stands.
    pub(super) async fn probe(&self, round: u64) -> Probe {
        let server = &self.replicas[0].server;
        let request = server.publish("probe", format!("probe-{round}")).await;
        let view = eventually("the probe stands", async || {
            let view = server.get(&format!("/api/v1/requests/{request}")).await.json();
            (view["runs"][0]["phase"] == "pending").then_some(view)
        })
        .await;
        let word = |value: &Value| value.as_str().expect("a word").to_owned();
        let run = &view["runs"][0];
        Probe { run: word(&run["id"]), job: word(&run["objects"][0]["name"]) }
    }

    /// Ends the Job of a probe, and waits until each server that can be asked tells of it.
    pub(super) async fn answers(&self, probe: &Probe) {
        let jobs = self.namespace.get("batch/v1", "jobs", &probe.job).await;
        if let Some(job) = jobs.filter(|job| !has_ended(job)) {
            self.namespace.end_job(&job, End::Complete).await;
        }
        let http = http();
        within(PATIENCE, "the end of the probe is told", async || {
            for url in self.urls() {
                let asked = http.get(format!("{url}/api/v1/runs/{}", probe.run)).timeout(Duration::from_secs(1));
                let Ok(answer) = asked.send().await else { continue };
                let run: Value = answer.json().await.unwrap_or_default();
                if run["phase"] == "succeeded" {
                    return Some(());
                }
            }
            None
        })
        .await;
    }

    /// Lets this happen.
    pub(super) async fn inflict(&mut self, fault: Fault, chance: &mut Chance) -> Wound {
        let leader = self.leader().await;
        let other = (leader + usize::try_from(chance.among(1..SERVERS as u64)).expect("a number")) % SERVERS;
        let victim = match fault {
            Fault::KillOther | Fault::PauseOther => Some(other),
            Fault::KillLeader | Fault::PauseLeader | Fault::EndLeader | Fault::CutLeaderOff => Some(leader),
            Fault::CutAll | Fault::KillRedis | Fault::PauseRedis => None,
        };
        let server = victim.unwrap_or(leader);
        let since = Instant::now();
        let replica = &mut self.replicas[server];
        match fault {
            Fault::KillLeader | Fault::KillOther => replica.server.kill(),
            Fault::PauseLeader | Fault::PauseOther => signal(&replica.server, Signal::STOP),
            Fault::EndLeader => {
                signal(&replica.server, Signal::TERM);
                replica.server.ended().await;
            }
            Fault::CutLeaderOff => replica.way.close(),
            Fault::CutAll => self.replicas.iter().for_each(|replica| replica.way.cut()),
            Fault::KillRedis => self.keeper.primary().kill(),
            Fault::PauseRedis => self.keeper.primary().pause(),
        }
        let mut left = self.urls();
        match victim {
            Some(victim) => drop(left.remove(victim)),
            None => left.clear(),
        }
        Wound { fault, server, since, led: victim == Some(leader), left }
    }

    /// Mends it, and returns when every server is ready.
    pub(super) async fn mend(&mut self, wound: Wound) {
        let Replica { server, way } = &self.replicas[wound.server];
        match wound.fault {
            Fault::KillLeader | Fault::KillOther | Fault::EndLeader => self.start_again(wound.server),
            Fault::PauseLeader | Fault::PauseOther => {
                // The fault is that nothing happens for so long.
                tokio::time::sleep(LONGER_THAN_A_LEASE.saturating_sub(wound.since.elapsed())).await;
                signal(server, Signal::CONT);
            }
            Fault::CutLeaderOff => way.go_on(),
            Fault::CutAll => {}
            Fault::KillRedis => self.keeper.primary().restart(),
            Fault::PauseRedis => {
                tokio::time::sleep(Duration::from_secs(2)).await;
                self.keeper.primary().go_on();
            }
        }
        self.until_ready().await;
    }

    /// Waits until every server is ready.
    pub(super) async fn until_ready(&self) {
        for replica in &self.replicas {
            replica.server.until_ready().await;
        }
    }

    /// Waits until each run is over, for as long as fewer and fewer are left; what is left then is stuck.
    pub(super) async fn until_over(&self) {
        no_fewer_left(&self.replicas[0].server, &["queued", "applying", "pending", "running"]).await;
    }

    /// Everything there is to know.
    pub(super) async fn evidence(&self, notes: &Notes) -> Evidence {
        let mut made: BTreeSet<Made> = BTreeSet::new();
        for (run, uids) in self.witness.jobs() {
            made.extend(uids.into_iter().map(|uid| Made { run: run.clone(), uid }));
        }
        for (version, plural) in [("batch/v1", "jobs"), ("v1", "configmaps")] {
            made.extend(self.namespace.list(version, plural).await.iter().filter_map(of_run));
        }
        let functions = |names: &[&str]| names.iter().map(|name| (format!("{name}.yaml"), Makes::Still)).collect();
        let topics = [
            ("record", functions(&["object"])),
            ("still", functions(&["job"])),
            ("both", functions(&["job", "object"])),
            ("line", functions(&["job"])),
            ("brief", functions(&["brief"])),
            ("probe", functions(&["probe"])),
        ];
        Evidence {
            topics: topics.into_iter().map(|(topic, functions)| (topic.to_owned(), functions)).collect(),
            acknowledged: notes.read().0,
            kept: ledger::of_redis(self.keeper.primary()),
            served: ledger::of_server(&self.replicas[0].server).await,
            made,
            starts: Vec::new(),
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.ending.abort();
    }
}

fn functions() -> Repository {
    let repository = Repository::empty();
    repository.write("object.yaml", OBJECT);
    repository.write("job.yaml", &idle_job("job-{{RANDOM}}"));
    let standing = "  parallelism: 0\n";
    let brief = idle_job("brief-{{RANDOM}}").replace(standing, &format!("{standing}  ttlSecondsAfterFinished: 0\n"));
    repository.write("brief.yaml", &brief);
    repository.write("probe.yaml", &idle_job("probe-{{RANDOM}}"));
    repository.write(
        "config.json",
        r#"{"topics": [
            {"name": "record", "configs": ["object.yaml"]},
            {"name": "still", "configs": ["job.yaml"]},
            {"name": "both", "configs": ["job.yaml", "object.yaml"]},
            {"name": "line", "configs": ["job.yaml"], "concurrency": 5},
            {"name": "brief", "configs": ["brief.yaml"]},
            {"name": "probe", "configs": ["probe.yaml"]}
        ]}"#,
    );
    repository
}

fn command(namespace: &Namespace, repository: &Repository, store: &str, (data, port): (&Path, u16)) -> Command {
    let mut command = Command::new(program());
    command.arg("serve").arg("--dir").arg(repository.path()).arg("--data").arg(data);
    command.args(["--listen", &format!("127.0.0.1:{port}"), "--log", "warn"]);
    command.args(["--cluster", "kubernetes", "--namespace", &namespace.name]);
    command.arg("--kubeconfig").arg(&namespace.api.kubeconfig);
    command.args(["--store", store]);
    command
}

/// Ends Jobs on and on, as the cluster would, but for those of probes.
async fn end_jobs(namespace: Arc<Namespace>) {
    let path = format!("/apis/batch/v1/namespaces/{}/jobs?labelSelector=%21gitfaas.io%2Freleased", namespace.name);
    loop {
        let list = namespace.api.get(&path).await.unwrap_or_default();
        let jobs = list["items"].as_array().cloned().unwrap_or_default();
        let left = jobs.iter().filter(|job| !has_ended(job) && !name_of(job).starts_with("probe-"));
        let ending = futures_util::stream::iter(left);
        ending.for_each_concurrent(AT_ONCE, |job| namespace.end_job(job, End::Complete)).await;
        tokio::time::sleep(ENDING).await;
    }
}

/// An object that is of a run.
fn of_run(object: &Value) -> Option<Made> {
    let metadata = &object["metadata"];
    let run = metadata["labels"]["gitfaas.io/run"].as_str()?.to_owned();
    Some(Made { run, uid: metadata["uid"].as_str().expect("a uid").to_owned() })
}
