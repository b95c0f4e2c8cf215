//! A run whose record is damaged, or what was recorded for it: nothing can be done about it, and it is in nobody's way.

use gitfaas_core::run::JobState;

use super::cluster::Scripted;
use super::*;

const ONE_AT_A_TIME: &str = r#"{"topics": [{"name": "t", "concurrency": 1, "configs": ["said.yaml"]}]}"#;

impl Bench {
    /// Damages what is in this column of a run's row, or of its manifests' row.
    fn damage(&self, run: &Run, table: &str) {
        let of_run = format!("substr(id, 1, 16) = x'{}'", run.request().to_string().replace('-', ""));
        self.tamper(&match table {
            "run" => format!("UPDATE run SET record = '{{' WHERE {of_run}"),
            _ => format!("UPDATE manifests SET record = '[{{' WHERE seq = (SELECT manifests FROM run WHERE {of_run})"),
        });
    }

    async fn stands(&self, run: &Run) -> Result<Phase, ErrorCode> {
        self.engine.run(run.id).await.map(|run| run.phase).map_err(|error| error.code)
    }
}

/// Three queued runs, and a cluster that can be reached again.
async fn three_queued(cluster: &Arc<Scripted>, config: &str) -> (Bench, [Run; 3]) {
    let bench = Bench::led(cluster, |settings| settings.dispatches = 1).await;
    bench.reconfigure(config).await;
    cluster.reached(false);
    let runs = [bench.applied().await, bench.applied().await, bench.applied().await];
    cluster.reached(true);
    (bench, runs)
}

#[tokio::test]
async fn a_damaged_run_at_the_head_of_a_line_lets_the_others_go() {
    for limited in [false, true] {
        let cluster = Arc::new(Scripted::willing());
        let usual = config("");
        let (bench, [bad, good, last]) = three_queued(&cluster, if limited { ONE_AT_A_TIME } else { &usual }).await;
        bench.damage(&bad, "run");
        bench.engine.dispatch_due().await.expect("a look");
        bench.until(good.id, |run| run.phase == Phase::Pending).await;
        if limited {
            let job = bench.engine.run(good.id).await.expect("a run").objects[0].key.clone();
            let end = Observation { try_no: good.try_no, job, state: JobState::Succeeded, attempts: 1 };
            bench.engine.observe(good.id, end).await.expect("observed");
            bench.engine.dispatch_due().await.expect("a look");
        }
        bench.until(last.id, |run| run.phase == Phase::Pending).await;
        assert_eq!(bench.stands(&bad).await, Err(ErrorCode::RecordDamaged));
        assert_eq!(cluster.asked(2).await, [good.id, last.id]);
        if !limited {
            assert_eq!(bench.applied().await.phase, Phase::Pending, "nobody goes behind what is damaged");
        }
    }
}

#[tokio::test]
async fn damaged_manifests_fail_their_run_and_no_other() {
    let cluster = Arc::new(Scripted::willing());
    let (bench, [bad, good, last]) = three_queued(&cluster, &config("")).await;
    bench.damage(&bad, "manifests");
    bench.dispatching();
    let failed = bench.until(bad.id, |run| run.phase.is_final()).await;
    assert_eq!(
        (failed.phase, failed.reason.map(|reason| reason.code).as_deref()),
        (Phase::Failed, Some("RecordDamaged"))
    );
    for run in [&good, &last] {
        bench.until(run.id, |run| run.phase == Phase::Pending).await;
    }
}

#[tokio::test]
async fn a_damaged_run_that_was_left_marked_keeps_no_other_from_being_recovered() {
    let cluster = Arc::new(Scripted::willing());
    let (bench, [bad, good, _]) = three_queued(&cluster, &config("")).await;
    for run in [&bad, &good] {
        bench.left_marked(run).await;
    }
    bench.damage(&bad, "run");
    assert_eq!(bench.engine.recover().await.expect("recovered"), Recovered { runs: 1 });
    bench.until(good.id, |run| run.phase == Phase::Pending).await;
}

#[tokio::test]
async fn a_damaged_live_run_gives_its_slot_back() {
    for phase in [Phase::Applying, Phase::Pending] {
        let cluster = Arc::new(Scripted::willing());
        let (bench, [bad, good, last]) = three_queued(&cluster, ONE_AT_A_TIME).await;
        if phase == Phase::Applying {
            bench.left_marked(&bad).await;
        } else {
            bench.engine.dispatch_due().await.expect("a look");
        }
        bench.until(bad.id, |run| run.phase == phase).await;
        bench.engine.dispatch_due().await.expect("a look");
        assert_eq!(bench.stands(&good).await, Ok(Phase::Queued), "the test does not fill the slot");
        bench.damage(&bad, "run");
        bench.engine.recover().await.expect("recovered");
        bench.engine.dispatch_due().await.expect("a look");
        bench.until(good.id, |run| run.phase == Phase::Pending).await;
        assert_eq!(bench.stands(&last).await, Ok(Phase::Queued), "there is one slot");
    }
}

#[tokio::test]
async fn what_is_compared_and_forgotten_passes_a_damaged_run_by() {
    let cluster = Arc::new(Scripted::willing());
    let bench = Bench::led(&cluster, |settings| {
        settings.dispatches = 1;
        settings.retention = Duration::ZERO;
        settings.dead_letter_retention = Duration::ZERO;
    })
    .await;
    let [bad, good, over] = [bench.applied().await, bench.applied().await, bench.applied().await];
    bench.damage(&bad, "run");
    let live = bench.engine.live_jobs(true).await.expect("listed");
    assert_eq!(live.iter().map(|(run, _)| *run).collect::<Vec<_>>(), [good.id, over.id]);
    bench.engine.catch_up().await.expect("caught up");
    bench.engine.cancel(over.request(), false, Caller::Anyone).await.expect("cancelled");
    bench.engine.miss(over.id, over.objects[0].key.clone()).await.expect("told");
    bench.until(over.id, |run| run.logs_captured).await;
    let ended = bench.until(over.id, |run| run.finished_at.is_some_and(|at| at < bench.engine.now())).await;
    assert_eq!(ended.phase, Phase::Cancelled);
    assert_eq!(bench.engine.expire().await.expect("forgotten"), 1);
    assert_eq!(bench.stands(&over).await, Err(ErrorCode::NotFound));
    assert_eq!(bench.stands(&bad).await, Err(ErrorCode::RecordDamaged), "its request is held");
    assert_eq!(bench.stands(&good).await, Ok(Phase::Pending));
}
