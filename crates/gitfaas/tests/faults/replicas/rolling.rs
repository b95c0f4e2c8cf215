//! Each of three servers is replaced by a new one, as a cluster does it with a new version: whoever sends them callers asks
//! each whether it is ready, and leaves out the one that is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::ground::Ground;
use crate::support::{eventually, http};

/// How long a server serves on: far longer than it takes to be left out.
const LEAVE_WAIT: &str = "4s";
const CALLERS: usize = 8;
/// How many publishes there are at least with each server away.
const EACH: u64 = 50;
/// How often a server is asked.
const ASKING: Duration = Duration::from_millis(50);

/// Those that are sent callers.
#[derive(Clone)]
struct Balancer(watch::Receiver<Vec<String>>);

impl Balancer {
    /// Asks the servers on and on.
    async fn over(urls: Vec<String>) -> (Self, JoinSet<()>) {
        let (tell, mut ready) = watch::channel(Vec::new());
        let mut asking = JoinSet::new();
        asking.spawn(async move {
            let http = http();
            loop {
                let mut answers = Vec::new();
                for url in &urls {
                    let asked = http.get(format!("{url}/readyz")).timeout(Duration::from_secs(1)).send().await;
                    answers.extend(asked.is_ok_and(|answer| answer.status().is_success()).then(|| url.clone()));
                }
                tell.send_if_modified(|ready| std::mem::replace(ready, answers.clone()) != answers);
                tokio::time::sleep(ASKING).await;
            }
        });
        ready.wait_for(|ready| ready.len() == 3).await.expect("it asks");
        (Self(ready), asking)
    }

    async fn until(&self, serve: usize) {
        self.0.clone().wait_for(|ready| ready.len() == serve).await.expect("it asks");
    }
}

/// What callers were answered.
#[derive(Default)]
struct Answers {
    accepted: AtomicU64,
    over: AtomicBool,
}

/// Publishes on and on, and expects 202 each time.
async fn call(balancer: Balancer, answers: Arc<Answers>, number: usize) {
    let http = http();
    for turn in number.. {
        if answers.over.load(Ordering::Relaxed) {
            return;
        }
        let ready = balancer.0.borrow().clone();
        let url = &ready[turn % ready.len()];
        let answer = http.post(format!("{url}/publish/record")).body(turn.to_string()).send().await;
        let answer = answer.unwrap_or_else(|error| panic!("{url} of {ready:?}: {error:?}"));
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{url}: {:?}", answer.text().await);
        answers.accepted.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_publish_fails_while_each_server_is_replaced() {
    let Some(mut ground) = Ground::leaving("servers that are replaced", LEAVE_WAIT).await else { return };
    let (balancer, _asking) = Balancer::over(ground.urls()).await;
    let answers = Arc::new(Answers::default());
    let callers: Vec<_> =
        (0..CALLERS).map(|number| tokio::spawn(call(balancer.clone(), answers.clone(), number))).collect();
    let more = async |what: &str| {
        let wanted = answers.accepted.load(Ordering::Relaxed) + EACH;
        eventually(what, async || (answers.accepted.load(Ordering::Relaxed) >= wanted).then_some(())).await;
    };
    for number in 0..3 {
        more("publishes before").await;
        ground.end(number);
        balancer.until(2).await;
        ground.ended(number).await;
        more("publishes while it is away").await;
        ground.start_again(number);
        balancer.until(3).await;
    }
    more("publishes after all of it").await;
    answers.over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("each publish was accepted");
    }
    let accepted = answers.accepted.load(Ordering::Relaxed);
    assert_eq!(u64::try_from(ground.messages().len()), Ok(accepted));
    println!("{accepted} publishes while three servers were replaced");
}
