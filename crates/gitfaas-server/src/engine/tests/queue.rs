//! Queues that are long, full, or behind a cluster that does not answer: what they cost others, and their order.

use gitfaas_core::id::RunId;

use super::cluster::Scripted;
use super::*;
use crate::store::Room;

/// Set to check fairness with a flood of so many messages.
const FLOOD: &str = "GITFAAS_TEST_FLOOD";
/// How many topics `b` and `c` have to wait for beside a flood of `a`.
const OTHERS: usize = 20;

/// Three topics.
const TOPICS: &str = r#"{"topics": [{"name": "a", "configs": ["said.yaml"]}, {"name": "b", "configs": ["said.yaml"]},
    {"name": "c", "configs": ["said.yaml"]}]}"#;

/// How many messages a flood has.
fn flooding() -> usize {
    std::env::var_os(FLOOD).map_or(150, |number| number.to_string_lossy().parse().expect("a number"))
}

impl Bench {
    /// Publishes and waits for nothing but the acceptance.
    async fn accepted(&self, topic: &str) -> Run {
        self.publish(topic, Duration::ZERO).await.expect("accepted")
    }

    /// Publishes a message that could be waited for very long, and must not be.
    async fn at_once(&self, topic: &str) -> Run {
        let published = tokio::time::timeout(PATIENCE / 2, self.publish(topic, PATIENCE));
        published.await.expect("it waits for what it need not wait for").expect("accepted")
    }

    /// Publishes so many messages, 64 at once.
    async fn flood(self: &Arc<Self>, topic: &'static str, number: usize) {
        let publishing = futures_util::stream::iter(0..number).map(|_| {
            let bench = self.clone();
            async move { bench.accepted(topic).await }
        });
        assert_eq!(publishing.buffer_unordered(64).count().await, number);
    }
}

#[tokio::test]
async fn calls_that_hang_make_no_later_publish_wait() {
    let cluster = Arc::new(Scripted::hanging());
    let bench = Bench::led(&cluster, |settings| settings.dispatches = 64).await;
    bench.dispatching();
    for _ in 0..64 {
        bench.accepted("t").await;
    }
    assert_eq!(cluster.asked(64).await.len(), 64, "each has a slot");
    let mut late = Vec::new();
    for _ in 0..5 {
        late.push(bench.at_once("t").await);
    }
    assert!(late.iter().all(|run| run.phase == Phase::Queued), "{late:?}");
    assert_eq!(cluster.times(), 64);
    cluster.let_go(69);
    for run in late {
        bench.until(run.id, |run| run.phase == Phase::Pending).await;
    }
}

#[tokio::test]
async fn nobody_waits_for_a_cluster_that_cannot_be_reached() {
    let cluster = Arc::new(Scripted::hanging());
    let bench = Bench::led(&cluster, |_| {}).await;
    bench.reconfigure(r#"{"topics": [{"name": "t", "concurrency": 2, "configs": ["said.yaml"]}]}"#).await;
    bench.dispatching();
    cluster.reached(false);
    for _ in 0..5 {
        assert_eq!(bench.at_once("t").await.phase, Phase::Queued);
    }
    assert_eq!(cluster.times(), 0);
}

#[tokio::test]
async fn a_full_queue_refuses_what_would_wait_and_nothing_else() {
    let cluster = Arc::new(Scripted::willing());
    let bench = Bench::led(&cluster, |settings| settings.room = Room { per_topic: 3, in_all: 5 }).await;
    bench.reconfigure(TOPICS).await;
    cluster.reached(false);
    for topic in ["a", "a", "a", "b", "b"] {
        bench.accepted(topic).await;
    }
    for (topic, told) in [("a", "3 runs of the topic `a` wait"), ("c", "5 runs of all topics together wait")] {
        let refused = bench.publish(topic, PATIENCE).await.expect_err("full");
        assert_eq!(refused.code, ErrorCode::QueueFull);
        assert!(refused.detail.contains(told), "{}", refused.detail);
    }
    cluster.reached(true);
    assert_eq!(bench.at_once("c").await.phase, Phase::Pending, "it need not wait");
    assert_eq!(bench.publish("a", PATIENCE).await.expect_err("others are before it").code, ErrorCode::QueueFull);
    bench.engine.dispatch_due().await.expect("a look");
    cluster.asked(6).await;
    assert_eq!(bench.at_once("a").await.phase, Phase::Pending);
}

#[tokio::test]
async fn a_message_with_more_runs_than_may_ever_wait_is_not_told_to_come_again() {
    let cluster = Arc::new(Scripted::willing());
    let bench = Bench::led(&cluster, |settings| settings.room = Room { per_topic: 1, in_all: 5 }).await;
    let functions = bench.folder.path().join("functions");
    std::fs::copy(functions.join("said.yaml"), functions.join("also.yaml")).expect("a second one");
    bench.reconfigure(r#"{"topics": [{"name": "t", "configs": ["said.yaml", "also.yaml"]}]}"#).await;
    cluster.reached(false);
    let refused = bench.publish("t", PATIENCE).await.expect_err("it has no room");
    assert_eq!(refused.code, ErrorCode::Unplannable);
    assert!(refused.detail.contains("`t` has 2 functions, and no more than 1 runs"), "{}", refused.detail);
}

#[tokio::test]
async fn who_comes_while_others_are_due_goes_behind_them() {
    let cluster = Arc::new(Scripted::willing());
    let bench = Bench::led(&cluster, |settings| settings.dispatches = 1).await;
    bench.reconfigure(TOPICS).await;
    cluster.reached(false);
    let mut expected = vec![bench.accepted("a").await.id, bench.accepted("a").await.id];
    cluster.reached(true);
    // A slot is free, and nobody has looked at the queue yet.
    let late = bench.at_once("a").await;
    assert_eq!((late.phase, late.mark.clone()), (Phase::Queued, None));
    assert_eq!(bench.engine.run(late.id).await.expect("a run"), late, "what is answered is what is written");
    assert_eq!(bench.at_once("b").await.phase, Phase::Pending, "another topic's line is not its own");
    expected.push(late.id);
    bench.dispatching();
    assert_eq!(cluster.asked(4).await[1..], expected);
}

#[tokio::test]
async fn messages_of_a_topic_keep_their_order_through_a_backlog_that_comes_and_goes() {
    let cluster = Arc::new(Scripted::willing());
    let bench = Bench::led(&cluster, |settings| settings.dispatches = 1).await;
    bench.dispatching();
    let mut published: Vec<RunId> = Vec::new();
    for round in 0..6 {
        cluster.reached(false);
        for _ in 0..round {
            published.push(bench.accepted("t").await.id);
        }
        cluster.reached(true);
        bench.engine.queued.notify_one();
        for _ in 0..25 {
            published.push(bench.accepted("t").await.id);
        }
    }
    assert_eq!(cluster.asked(published.len()).await, published);
}

#[tokio::test]
async fn a_flood_of_one_topic_lets_the_others_have_their_turn() {
    let number = flooding();
    let cluster = Arc::new(Scripted::willing());
    let bench = Arc::new(Bench::led(&cluster, |settings| settings.dispatches = 1).await);
    bench.reconfigure(TOPICS).await;
    cluster.reached(false);
    let begun = Instant::now();
    bench.flood("a", number).await;
    let flooded = begun.elapsed();
    let begun = Instant::now();
    let mut others = Vec::new();
    for topic in ["b", "c"] {
        for _ in 0..OTHERS {
            others.push(bench.accepted(topic).await.id);
        }
    }
    cluster.reached(true);
    bench.dispatching();
    let asked = cluster.asked(number + others.len()).await;
    let took = begun.elapsed();
    eprintln!("{number} messages were accepted in {flooded:?}, and dispatched in {took:?}");
    // One of each topic in turn, while there is something of it.
    let of_others: Vec<usize> = (0..asked.len()).filter(|place| others.contains(&asked[*place])).collect();
    let expected: Vec<usize> = (0..OTHERS).flat_map(|turn| [turn * 3 + 1, turn * 3 + 2]).collect();
    assert_eq!(of_others, expected);
}

#[tokio::test]
async fn who_comes_during_a_flood_waits_for_no_more_than_one_look_at_it() {
    let number = flooding();
    let (dispatches, look) = (8, 64);
    let cluster = Arc::new(Scripted::willing());
    let bench = Arc::new(Bench::led(&cluster, |settings| settings.dispatches = dispatches).await);
    bench.reconfigure(TOPICS).await;
    cluster.reached(false);
    bench.flood("a", number).await;
    cluster.reached(true);
    bench.dispatching();
    let mut most = 0;
    while cluster.times() < number {
        let late = bench.accepted("b").await;
        let before = cluster.times();
        let late = bench.until(late.id, |run| !matches!(run.phase, Phase::Queued | Phase::Applying)).await;
        let asked = cluster.asked(1).await;
        let place = asked.iter().position(|run| *run == late.id).expect("it was dispatched");
        most = most.max(place.saturating_sub(before));
    }
    eprintln!("at most {most} of the flood went before one that came later");
    // What is left of the look that is being taken, the other topic's first turn, and what is applied side by side with
    // the first and the last of these.
    assert!(most <= look + 2 + 2 * dispatches, "{most}");
}
