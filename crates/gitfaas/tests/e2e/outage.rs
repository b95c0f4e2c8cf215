//! The API server is away for a while, in the middle of publishes: stopped, or paused so that it takes connections and
//! answers none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};

use crate::support::{
    End, Namespace, OwnCluster, Publishing, Server, Way, all_applied, all_over, eventually, phases, reaches_cluster,
    run_of, runs_in, still,
};

/// How many messages are published, from before the outage to its end.
const PUBLISHES: usize = 500;
/// How long it may take until gitfaas knows that the API server is back.
const BACK: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_is_stopped_for_a_minute_loses_nothing_and_doubles_nothing() {
    let Some(cluster) = OwnCluster::up("an API server that is stopped", &[]) else { return };
    let outage = Outage::prepare(&cluster).await;
    outage.lasts(Duration::from_mins(1), || cluster.stop("apiserver"), || cluster.start("apiserver")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_is_paused_for_half_a_minute_loses_nothing_and_doubles_nothing() {
    let Some(cluster) = OwnCluster::up("an API server that is paused", &[]) else { return };
    let outage = Outage::prepare(&cluster).await;
    let pid = cluster.pid("apiserver");
    let signal = |signal| kill_process(pid, signal).expect("a signal");
    outage.lasts(Duration::from_secs(30), || signal(Signal::STOP), || signal(Signal::CONT)).await;
}

struct Outage {
    namespace: Namespace,
    way: Way,
    server: Server,
    // The server reads from it.
    _repository: crate::support::Repository,
}

impl Outage {
    async fn prepare(cluster: &OwnCluster) -> Self {
        let repository = still("");
        let way = Way::to(&cluster.api().await).await;
        let namespace = Namespace::on(cluster.api().await).through(&way.kubeconfig);
        let mut command = namespace.command(repository.path(), 0);
        command.args(["--cluster-timeout", "4s"]);
        let server = Server::launch(command, namespace.data()).ready().await;
        Self { namespace, way, server, _repository: repository }
    }

    /// Publishes for as long as the outage lasts, which begins when the first of them have their Jobs.
    async fn lasts(self, time: Duration, away: impl Fn(), back: impl Fn()) {
        let Self { namespace, way, server, .. } = &self;
        let publishing = Publishing::begin(server, PUBLISHES, time / u32::try_from(PUBLISHES).expect("a number"));
        eventually("the first Jobs exist", async || (namespace.jobs().await.len() > 10).then_some(())).await;
        away();
        let begun = Instant::now();
        eventually("the outage is noticed", async || (!reaches_cluster(server).await).then_some(())).await;
        let (noticed, tries) = (Instant::now(), way.tries());
        let requests = publishing.acknowledged().await;
        assert_eq!(requests.len(), PUBLISHES);
        let (tries, seconds) = (way.tries() - tries, noticed.elapsed().as_secs());
        assert!(tries as u64 <= seconds + 1, "{tries} tries in {seconds} s");
        let waited = runs_in(server, &["queued", "applying"]).await;
        assert!(waited > 100, "only {waited} runs had to wait");

        back();
        let returned = Instant::now();
        eventually("gitfaas knows that the API server is back", async || reaches_cluster(server).await.then_some(()))
            .await;
        let known = returned.elapsed();
        assert!(known <= BACK, "{known:?}");
        all_applied(server).await;
        println!(
            "noticed after {:?}; {tries} tries in {seconds} s; back after {known:?}; {waited} Jobs made up for within {:?}",
            noticed - begun,
            returned.elapsed()
        );
        self.each_run_has_one_job(&requests).await;
    }

    /// And its end is seen.
    async fn each_run_has_one_job(&self, requests: &[String]) {
        let Self { namespace, server, .. } = self;
        let mut jobs: BTreeMap<String, usize> = BTreeMap::new();
        for job in namespace.jobs().await {
            *jobs.entry(run_of(&job).to_owned()).or_default() += 1;
        }
        let doubled: Vec<_> = jobs.iter().filter(|(_, number)| **number != 1).collect();
        assert!(doubled.is_empty(), "{doubled:?}");
        let runs = phases(server, requests).await;
        assert_eq!(runs.keys().collect::<BTreeSet<_>>(), jobs.keys().collect::<BTreeSet<_>>());
        namespace.end_jobs(End::Complete).await;
        all_over(server).await;
        let unlike = phases(server, requests).await.into_iter().filter(|(_, phase)| phase != "succeeded");
        assert_eq!(unlike.collect::<Vec<_>>(), []);
    }
}
