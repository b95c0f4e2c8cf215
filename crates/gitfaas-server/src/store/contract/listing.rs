//! Lists of requests and runs.

use gitfaas_core::id::RequestId;
use gitfaas_core::request::Lineage;
use gitfaas_core::run::Phase;

use super::{Ground, accept, accepted, ids, request_ids, settled};
use crate::store::{RequestQuery, Store};

fn all() -> RequestQuery {
    RequestQuery { limit: 1_000, ..RequestQuery::default() }
}

fn of(topic: &str) -> RequestQuery {
    RequestQuery { topic: Some(topic.parse().expect("a topic")), ..all() }
}

async fn listed(store: &dyn Store, query: RequestQuery) -> Vec<RequestId> {
    request_ids(&store.requests(&query).await.expect("listed"))
}

pub(crate) async fn requests_come_newest_first(ground: &impl Ground) {
    let store = ground.open().await;
    let mut made = Vec::new();
    for moment in [30, 10, 20] {
        let accept = accept(moment, "collect", &["a.yaml"]);
        accepted(&*store, &accept).await;
        made.push(accept.request);
    }
    let listed = store.requests(&all()).await.expect("listed");
    assert_eq!(listed, [made[0].clone(), made[2].clone(), made[1].clone()]);
}

pub(crate) async fn pages_of_requests_join_without_gap_or_double(ground: &impl Ground) {
    let store = ground.open().await;
    let mut made = Vec::new();
    for n in 0..23 {
        // Several in one millisecond.
        let accept = accept(n / 4, if n % 3 == 0 { "audit" } else { "collect" }, &["a.yaml", "b.yaml"]);
        let runs = accepted(&*store, &accept).await;
        if n % 2 == 0 {
            settled(&*store, &runs[0], Phase::Failed, 500).await;
        }
        made.push(accept.request.id);
    }
    made.reverse();
    for query in [all(), of("collect"), RequestQuery { phase: Some(Phase::Failed), ..of("collect") }] {
        let whole = listed(&*store, query.clone()).await;
        assert!(whole.len() > 5);
        let mut pages: Vec<RequestId> = Vec::new();
        loop {
            let page = RequestQuery { before: pages.last().copied(), limit: 4, ..query.clone() };
            let page = listed(&*store, page).await;
            if page.is_empty() {
                break;
            }
            pages.extend(page);
        }
        assert_eq!(pages, whole);
    }
    assert_eq!(listed(&*store, all()).await, made);
    assert_eq!(listed(&*store, RequestQuery { limit: 0, ..all() }).await, []);
}

pub(crate) async fn requests_are_found_by_topic(ground: &impl Ground) {
    let store = ground.open().await;
    let mut audits = Vec::new();
    for (topic, moment) in ["collect", "audit", "collect", "audit", "aud", "audit2"].into_iter().zip(0..) {
        let accept = accept(moment, topic, &["a.yaml"]);
        accepted(&*store, &accept).await;
        if topic == "audit" {
            audits.insert(0, accept.request.id);
        }
    }
    assert_eq!(listed(&*store, of("audit")).await, audits);
    assert_eq!(listed(&*store, of("nothing")).await, []);
}

pub(crate) async fn requests_are_found_by_the_phase_of_a_run(ground: &impl Ground) {
    let store = ground.open().await;
    for phase in Phase::ALL {
        let one = accept(1, "collect", &["a.yaml", "b.yaml"]);
        let runs = accepted(&*store, &one).await;
        // Both move away from `queued`; one into the phase that is looked for.
        let rest = if phase == Phase::Pending { Phase::Running } else { Phase::Pending };
        settled(&*store, &runs[0], rest, 4).await;
        let there = settled(&*store, &runs[1], phase, 5).await;
        let query = RequestQuery { phase: Some(phase), ..all() };
        assert!(listed(&*store, query.clone()).await.contains(&one.request.id), "{phase}");
        let elsewhere = if phase == Phase::Running { Phase::Pending } else { Phase::Running };
        settled(&*store, &there, elsewhere, 6).await;
        settled(&*store, &super::moved(&runs[0], rest, 4), elsewhere, 6).await;
        assert!(!listed(&*store, query).await.contains(&one.request.id), "{phase}");
    }
}

pub(crate) async fn requests_are_found_by_topic_and_phase(ground: &impl Ground) {
    let store = ground.open().await;
    for phase in [Phase::Failed, Phase::Running] {
        let mut expected = Vec::new();
        for n in 0..12 {
            let accept = accept(n, if n % 2 == 0 { "collect" } else { "audit" }, &["a.yaml"]);
            let run = accepted(&*store, &accept).await.remove(0);
            if n % 3 == 0 {
                settled(&*store, &run, phase, 50).await;
            }
            if n % 6 == 0 {
                expected.insert(0, accept.request.id);
            }
        }
        let query = RequestQuery { phase: Some(phase), ..of("collect") };
        assert_eq!(listed(&*store, query).await, expected, "{phase}");
    }
}

pub(crate) async fn requests_are_found_by_when_they_were_accepted(ground: &impl Ground) {
    let store = ground.open().await;
    let mut made = Vec::new();
    for moment in 0..6 {
        let accept = accept(moment, "collect", &["a.yaml"]);
        let run = accepted(&*store, &accept).await.remove(0);
        settled(&*store, &run, Phase::Failed, 50).await;
        made.push(accept.request.id);
    }
    let expected = [made[3], made[2]];
    for query in [all(), of("collect"), RequestQuery { phase: Some(Phase::Failed), ..of("collect") }] {
        let between = RequestQuery { from: Some(made[2]), before: Some(made[4]), ..query };
        assert_eq!(listed(&*store, between.clone()).await, expected);
        let any_topic = RequestQuery { topic: None, ..between.clone() };
        assert_eq!(listed(&*store, any_topic).await, expected);
        let nothing = RequestQuery { before: Some(made[2]), ..between };
        assert_eq!(listed(&*store, nothing).await, []);
    }
}

pub(crate) async fn a_request_with_two_runs_in_a_phase_is_listed_once(ground: &impl Ground) {
    let store = ground.open().await;
    let two = accept(1, "collect", &["a.yaml", "b.yaml", "c.yaml"]);
    let one = accept(2, "collect", &["a.yaml"]);
    accepted(&*store, &two).await;
    accepted(&*store, &one).await;
    let query = RequestQuery { phase: Some(Phase::Queued), limit: 2, ..RequestQuery::default() };
    assert_eq!(listed(&*store, query).await, [one.request.id, two.request.id]);
}

pub(crate) async fn children_come_oldest_first_and_limited(ground: &impl Ground) {
    let store = ground.open().await;
    let parent = accept(1, "collect", &["a.yaml"]);
    let run = accepted(&*store, &parent).await.remove(0);
    let mut made = Vec::new();
    for moment in [40, 20, 30] {
        let mut child = accept(moment, "next", &["b.yaml"]);
        child.request.lineage = Lineage { parent: Some(run.id), hops: 1 };
        accepted(&*store, &child).await;
        made.push(child.request);
    }
    let children = store.children(parent.request.id, 10).await;
    assert_eq!(children, Ok(vec![made[1].clone(), made[2].clone(), made[0].clone()]));
    let two = store.children(parent.request.id, 2).await.expect("read");
    assert_eq!(request_ids(&two), [made[1].id, made[2].id]);
}

pub(crate) async fn children_are_of_any_run_of_the_parent_only(ground: &impl Ground) {
    let store = ground.open().await;
    let (parent, other) = (accept(1, "collect", &["a.yaml", "b.yaml"]), accept(1, "collect", &["a.yaml", "b.yaml"]));
    let mut of_parent = Vec::new();
    for (moment, one) in [(10, &parent), (20, &other)] {
        for run in accepted(&*store, one).await {
            let mut child = accept(moment, "next", &["c.yaml"]);
            child.request.lineage = Lineage { parent: Some(run.id), hops: 1 };
            accepted(&*store, &child).await;
            if one.request.id == parent.request.id {
                of_parent.push(child.request.id);
            }
        }
    }
    let children = store.children(parent.request.id, 10).await.expect("read");
    assert_eq!(request_ids(&children), of_parent);
    assert_eq!(store.children(of_parent[0], 10).await, Ok(Vec::new()));
}

pub(crate) async fn runs_come_in_the_config_s_order(ground: &impl Ground) {
    let store = ground.open().await;
    let functions: Vec<String> = (0..12).map(|n| format!("{}.yaml", (n * 7) % 12)).collect();
    let functions: Vec<&str> = functions.iter().map(String::as_str).collect();
    let accept = accept(1, "collect", &functions);
    let made = accepted(&*store, &accept).await;
    assert_eq!(ids(&store.runs(accept.request.id).await.expect("read")), ids(&made));
}
