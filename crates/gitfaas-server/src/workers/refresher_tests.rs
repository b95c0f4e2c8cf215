use std::time::Duration;

use super::*;
use crate::engine::SourceStatus;
use crate::engine::tests::scripted::{Scripted, throttled, unauthorized};
use crate::engine::tests::{Bench, PATIENCE};
use crate::source::SourceError;

const POLL: Duration = Duration::from_mins(10);

/// A worker over a source, in a time that passes when everybody waits: also for the store, so pauses are told apart by
/// looks that fail, which never get that far.
struct Following {
    source: Arc<Scripted>,
    bench: Bench,
    _worker: tokio::task::JoinSet<()>,
}

impl Following {
    async fn start(found: Result<u32, SourceError>, poll: Option<Duration>) -> Self {
        let source = Scripted::with(found, poll);
        let bench = Bench::of_source(source.clone()).await;
        tokio::time::pause();
        let mut worker = tokio::task::JoinSet::new();
        worker.spawn(run(bench.engine.clone(), source.clone()));
        bench.engine.refreshes().wait_for(Option::is_some).await.expect("a first look");
        Self { source, bench, _worker: worker }
    }

    /// Waits until the source stands so.
    async fn until(&self, stands: impl Fn(&SourceStatus) -> bool) -> SourceStatus {
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            let status = self.bench.engine.source_status();
            if stands(&status) {
                return status;
            }
            assert!(std::time::Instant::now() < end, "it does not come to stand so: {status:?}");
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    }

    /// Seconds from each look to the next.
    async fn pauses(&self, number: usize) -> Vec<f64> {
        let looks = self.source.looks(number + 1).await;
        looks.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect()
    }
}

#[tokio::test]
async fn the_time_of_the_next_look_is_told() {
    let following = Following::start(Ok(1), Some(POLL)).await;
    let status = following.until(|status| status.next_try.is_some()).await;
    let wait = status.next_try.expect("a time").duration_since(status.last_success.expect("a time"));
    assert!((540..=660).contains(&wait.as_secs()), "{status:?}");
}

#[tokio::test]
async fn a_broken_source_is_asked_less_and_less_often_and_a_mended_one_as_usual() {
    let following = Following::start(Err(unauthorized()), Some(Duration::from_secs(15))).await;
    let pauses = following.pauses(10).await;
    let ceilings = [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0, 300.0];
    for (pause, ceiling) in pauses.iter().zip(ceilings) {
        assert!((ceiling / 2.0 - 0.1..ceiling + 1.0).contains(pause), "{pauses:?}");
    }
    following.source.push(Ok(1));
    let status = following.until(|status| status.failures == 0 && status.next_try.is_some()).await;
    let wait = status.next_try.expect("a time").duration_since(status.last_success.expect("a time"));
    assert!((13..=16).contains(&wait.as_secs()), "{status:?}");
}

#[tokio::test]
async fn a_source_that_asks_to_wait_is_left_alone_by_polls_and_webhooks() {
    let wait = Duration::from_secs(77);
    let following = Following::start(Err(throttled(Some(wait))), Some(POLL)).await;
    following.bench.engine.source_pushed();
    let pauses = following.pauses(1).await;
    assert!((76.0..79.0).contains(&pauses[0]), "{pauses:?}");
}

#[tokio::test]
async fn a_webhook_leads_to_a_look_in_spite_of_backoff_and_many_to_few() {
    let following = Following::start(Err(unauthorized()), Some(POLL)).await;
    // Five looks later it is asked a few times an hour.
    let before = following.source.looks(7).await.len();
    tokio::time::advance(Duration::from_mins(1)).await;
    let (pushed, looked) = (Instant::now(), following.source.looked());
    assert_eq!(before, looked, "nobody looks");
    for _ in 0..1000 {
        following.bench.engine.source_pushed();
        tokio::time::advance(Duration::from_millis(20)).await;
    }
    let looks = following.source.looks(looked + 2).await;
    assert!(looks[looked] - pushed < Duration::from_secs(1), "the first at once");
    let more = looks.iter().filter(|look| **look >= pushed).count();
    assert!(more <= 4, "{more} looks for a thousand webhooks in 20 s");
}

#[tokio::test]
async fn where_nothing_is_polled_a_webhook_leads_to_a_look_and_a_failure_to_more_until_it_is_over() {
    let following = Following::start(Ok(1), None).await;
    tokio::time::advance(Duration::from_hours(100)).await;
    assert_eq!(following.source.looked(), 1);
    assert_eq!(following.bench.engine.source_status().next_try, None);
    following.source.push(Err(unauthorized()));
    following.bench.engine.source_pushed();
    following.source.looks(4).await;
    following.source.push(Ok(2));
    let mut newest = following.bench.engine.refreshes();
    newest
        .wait_for(|newest| matches!(newest, Some(Ok(refresh)) if refresh.revision.as_deref() == Some("main@sha1:2")))
        .await
        .expect("read");
    let looked = following.source.looked();
    tokio::time::advance(Duration::from_hours(100)).await;
    assert_eq!(following.source.looked(), looked);
}

#[tokio::test]
async fn a_refresh_of_somebody_else_puts_the_next_look_off() {
    let following = Following::start(Err(unauthorized()), Some(POLL)).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    following.bench.engine.refresh().await.expect_err("it cannot be read");
    let pauses = following.pauses(2).await;
    assert!((1.0..1.1).contains(&pauses[0]) && (4.9..10.1).contains(&pauses[1]), "{pauses:?}");
}
