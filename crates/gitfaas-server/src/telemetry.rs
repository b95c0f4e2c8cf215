//! What the server counts, in Prometheus' text form.
//!
//! Labels come from closed sets only (phases, codes, routes, the topics of the catalog), never from what a caller sent.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use gitfaas_core::catalog::Catalog;
use gitfaas_core::run::Phase;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::store::Load;

type Labels = Vec<(&'static str, String)>;

/// The server's metrics; clones count into the same numbers.
#[derive(Clone)]
pub struct Metrics {
    publishes: Family<Labels, Counter>,
    publish_seconds: Histogram,
    runs_finished: Family<Labels, Counter>,
    runs: Family<Labels, Gauge>,
    responses: Counter,
    refreshes: Family<Labels, Counter>,
    topics: Gauge,
    topics_stale: Gauge,
    http: Family<Labels, Counter>,
    waiting: Gauge,
    ready: Gauge<u64, AtomicU64>,
    cluster_up: Gauge<u64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            publishes: Family::default(),
            // From a tenth of a millisecond to about thirteen seconds.
            publish_seconds: Histogram::new(exponential_buckets(0.0001, 2.0, 18)),
            runs_finished: Family::default(),
            runs: Family::default(),
            responses: Counter::default(),
            refreshes: Family::default(),
            topics: Gauge::default(),
            topics_stale: Gauge::default(),
            http: Family::default(),
            waiting: Gauge::default(),
            ready: Gauge::default(),
            cluster_up: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Counts a publish by its outcome: `accepted` or an error's code.
    pub fn published(&self, outcome: &'static str, took: Duration) {
        self.publishes.get_or_create(&label("outcome", outcome)).inc();
        self.publish_seconds.observe(took.as_secs_f64());
    }

    /// Counts a run that reached a final phase.
    pub fn run_finished(&self, phase: Phase) {
        self.runs_finished.get_or_create(&label("phase", phase.as_str())).inc();
    }

    /// Counts an answer that was stored.
    pub fn response_stored(&self) {
        self.responses.inc();
    }

    /// Counts a refresh, and whether all was well.
    pub fn refreshed(&self, well: bool) {
        self.refreshes.get_or_create(&label("outcome", if well { "success" } else { "failure" })).inc();
    }

    /// Notes what is served.
    pub fn serves(&self, catalog: &Catalog) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.topics.set(count(catalog.topics().len()));
        self.topics_stale.set(count(catalog.topics().filter(|topic| topic.stale.is_some()).count()));
    }

    /// Notes whether the cluster can be reached.
    pub fn reached(&self, up: bool) {
        self.cluster_up.set(u64::from(up));
    }

    /// Counts an HTTP answer by route and status.
    pub fn answered(&self, route: &str, status: u16) {
        let labels = vec![("route", route.to_owned()), ("status", status.to_string())];
        self.http.get_or_create(&labels).inc();
    }

    /// Everything as text, with the ledger's counts, and the number of clients that wait, as they are now.
    pub fn render(&self, ready: bool, waiting: usize, runs: &[(Phase, u64)], held: &[Load]) -> String {
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.ready.set(u64::from(ready));
        for phase in Phase::ALL {
            let number = runs.iter().find(|(counted, _)| *counted == phase).map_or(0, |(_, number)| *number);
            self.runs.get_or_create(&label("phase", phase.as_str())).set(i64::try_from(number).unwrap_or(i64::MAX));
        }
        // Made anew each time: a topic that is held no more has no number.
        let topic_runs = Family::<Labels, Gauge>::default();
        for load in held {
            for (state, number) in [("queued", load.queued), ("live", load.live)] {
                let labels = vec![("topic", load.topic.to_string()), ("state", state.to_owned())];
                topic_runs.get_or_create(&labels).set(i64::try_from(number).unwrap_or(i64::MAX));
            }
        }
        let mut registry = self.registry();
        registry.register("topic_runs", "Runs of topics with a concurrency, or paused, by state", topic_runs);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _: std::fmt::Result = encode(&mut text, &registry);
        text
    }

    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("gitfaas");
        registry.register("publishes", "Publishes by outcome", self.publishes.clone());
        registry.register_with_unit(
            "publish_duration",
            "Time from a publish's head to its answer",
            Unit::Seconds,
            self.publish_seconds.clone(),
        );
        registry.register("runs_finished", "Runs that reached a final phase", self.runs_finished.clone());
        registry.register("runs", "Runs in the ledger by phase", self.runs.clone());
        registry.register("responses", "Answers stored", self.responses.clone());
        registry.register("refreshes", "Refreshes of the source by outcome", self.refreshes.clone());
        registry.register("topics", "Topics served", self.topics.clone());
        registry.register("topics_stale", "Topics whose newest version failed", self.topics_stale.clone());
        registry.register("http_requests", "HTTP answers by route and status", self.http.clone());
        registry.register("waiting", "Long polls and event streams that wait for a change", self.waiting.clone());
        registry.register("cluster_up", "Whether the cluster can be reached", self.cluster_up.clone());
        registry.register("ready", "Whether the server can accept publishes", self.ready.clone());
        registry
    }
}

fn label(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::default();
        metrics.published("accepted", Duration::from_millis(3));
        metrics.answered("/publish/{topic}", 202);
        metrics.reached(true);
        let text = metrics.render(
            true,
            3,
            &[(Phase::Running, 7)],
            &[Load { topic: "slow".parse().expect("a topic"), queued: 9, live: 2 }],
        );
        assert!(text.contains("gitfaas_publishes_total{outcome=\"accepted\"} 1"), "{text}");
        assert!(text.contains("gitfaas_runs{phase=\"running\"} 7"), "{text}");
        assert!(text.contains("gitfaas_runs{phase=\"queued\"} 0"), "{text}");
        assert!(text.contains("gitfaas_http_requests_total{route=\"/publish/{topic}\",status=\"202\"} 1"), "{text}");
        assert!(text.contains("gitfaas_topic_runs{topic=\"slow\",state=\"queued\"} 9"), "{text}");
        assert!(text.contains("gitfaas_topic_runs{topic=\"slow\",state=\"live\"} 2"), "{text}");
        assert!(text.contains("gitfaas_waiting 3"), "{text}");
        assert!(text.contains("gitfaas_ready 1"), "{text}");
        assert!(text.contains("gitfaas_cluster_up 1"), "{text}");
    }
}
