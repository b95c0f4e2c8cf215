//! What the server counts, in Prometheus' text form.
//!
//! Labels come from closed sets only (phases, codes, routes, the topics of the catalog), never from what a caller sent.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use gitfaas_core::catalog::Catalog;
use gitfaas_core::run::Phase;
use jiff::Timestamp;
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
    source_success: Gauge<f64, AtomicU64>,
    source_failures: Gauge,
    source_next: Gauge<f64, AtomicU64>,
    topics: Gauge,
    topics_stale: Gauge,
    http: Family<Labels, Counter>,
    waiting: Gauge,
    ready: Gauge<u64, AtomicU64>,
    loss: Gauge<u64, AtomicU64>,
    cluster_up: Gauge<u64, AtomicU64>,
    leading: Gauge<u64, AtomicU64>,
    replicas: Gauge<u64, AtomicU64>,
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
            source_success: Gauge::default(),
            source_failures: Gauge::default(),
            source_next: Gauge::default(),
            topics: Gauge::default(),
            topics_stale: Gauge::default(),
            http: Family::default(),
            waiting: Gauge::default(),
            ready: Gauge::default(),
            loss: Gauge::default(),
            cluster_up: Gauge::default(),
            leading: Gauge::default(),
            replicas: Gauge::default(),
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

    /// Counts a refresh by its outcome: `ok`, `config` when the config file is wrong, or the word of a fault.
    pub fn refreshed(&self, outcome: &'static str) {
        self.refreshes.get_or_create(&label("outcome", outcome)).inc();
    }

    /// Notes that the source was read.
    pub fn source_read(&self, at: Timestamp) {
        self.source_success.set(seconds(at));
        self.source_failures.set(0);
    }

    /// Notes that it was not, so many times in a row.
    pub fn source_failed(&self, failures: u32) {
        self.source_failures.set(failures.into());
    }

    /// Notes when it is looked at next; `None` when no time is set for that.
    pub fn source_next(&self, at: Option<Timestamp>) {
        self.source_next.set(at.map_or(0.0, seconds));
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

    /// Notes whether this server leads those that share its ledger, and how many these are.
    pub fn stands(&self, leads: bool, replicas: usize) {
        self.leading.set(u64::from(leads));
        self.replicas.set(replicas as u64);
    }

    /// Notes whether something that was acknowledged has been lost.
    pub fn lost(&self, found: bool) {
        self.loss.set(u64::from(found));
    }

    /// Counts an HTTP answer by route and status.
    pub fn answered(&self, route: &str, status: u16) {
        let labels = vec![("route", route.to_owned()), ("status", status.to_string())];
        self.http.get_or_create(&labels).inc();
    }

    /// Everything as text, with the ledger's counts, and the number of clients that wait, as they are now.
    pub fn render(&self, ready: bool, waiting: usize, runs: &[(Phase, u64)], loads: &[Load]) -> String {
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.ready.set(u64::from(ready));
        for phase in Phase::ALL {
            let number = runs.iter().find(|(counted, _)| *counted == phase).map_or(0, |(_, number)| *number);
            self.runs.get_or_create(&label("phase", phase.as_str())).set(i64::try_from(number).unwrap_or(i64::MAX));
        }
        // Made anew each time: a topic that has nothing to do any more has no number.
        let topic_runs = Family::<Labels, Gauge>::default();
        for load in loads {
            for (state, number) in [("queued", load.queued), ("live", load.live)] {
                let labels = vec![("topic", load.topic.to_string()), ("state", state.to_owned())];
                topic_runs.get_or_create(&labels).set(i64::try_from(number).unwrap_or(i64::MAX));
            }
        }
        let mut registry = self.registry();
        registry.register("topic_runs", "Runs of topics by state", topic_runs);
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
        registry.register("source_failures", "Failures to read the source in a row", self.source_failures.clone());
        // A time that is not known is no time: 1970 would set off every alert on an age.
        for (name, help, time) in [
            ("source_last_success_timestamp", "When the source was last read", &self.source_success),
            ("source_next_try_timestamp", "When the source is looked at next", &self.source_next),
        ] {
            if time.get() > 0.0 {
                registry.register_with_unit(name, help, Unit::Seconds, time.clone());
            }
        }
        registry.register("topics", "Topics served", self.topics.clone());
        registry.register("topics_stale", "Topics whose newest version failed", self.topics_stale.clone());
        registry.register("http_requests", "HTTP answers by route and status", self.http.clone());
        registry.register("waiting", "Long polls and event streams that wait for a change", self.waiting.clone());
        registry.register("cluster_up", "Whether the cluster can be reached", self.cluster_up.clone());
        registry.register("leading", "Whether this server leads those that share its ledger", self.leading.clone());
        registry.register("replicas", "Servers that share the ledger and live", self.replicas.clone());
        registry.register(
            "store_loss",
            "Whether acknowledged messages were lost, until that is known",
            self.loss.clone(),
        );
        registry.register("ready", "Whether the server can accept publishes", self.ready.clone());
        registry
    }
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

fn label(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What is served when something of each kind has happened.
    fn counted() -> String {
        let metrics = Metrics::default();
        metrics.published("accepted", Duration::from_millis(3));
        metrics.answered("/publish/{topic}", 202);
        metrics.reached(true);
        metrics.stands(true, 3);
        metrics.lost(true);
        metrics.refreshed("host-key-changed");
        metrics.run_finished(Phase::Failed);
        metrics.source_read("2026-11-25T04:05:06Z".parse().expect("a time"));
        metrics.source_failed(4);
        metrics.source_next("2026-11-25T04:05:06.5Z".parse().ok());
        metrics.render(
            true,
            3,
            &[(Phase::Running, 7)],
            &[Load { topic: "slow".parse().expect("a topic"), queued: 9, live: 2 }],
        )
    }

    #[test]
    fn the_table_of_metrics_has_each_that_is_served_and_no_other() {
        let text = counted();
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let served: BTreeSet<String> =
            types.map(|(name, kind)| format!("{name}{}", if kind == "counter" { "_total" } else { "" })).collect();
        let page = include_str!("../../../docs/operations.md");
        let (_, table) = page.split_once("\n## Metrics\n").expect("a section");
        let rows = table.split("\n```").next().into_iter().flat_map(str::lines);
        let names = rows.filter_map(|row| row.strip_prefix("| `")?.split(" |").next()).flat_map(|cell| cell.split('`'));
        let told = names.filter(|name| name.starts_with("gitfaas_")).filter_map(|name| name.split('{').next());
        assert_eq!(told.map(str::to_owned).collect::<BTreeSet<_>>(), served);
    }

    #[test]
    fn what_was_counted_is_in_the_text() {
        let text = counted();
        assert!(text.contains("gitfaas_publishes_total{outcome=\"accepted\"} 1"), "{text}");
        assert!(text.contains("gitfaas_runs{phase=\"running\"} 7"), "{text}");
        assert!(text.contains("gitfaas_runs{phase=\"queued\"} 0"), "{text}");
        assert!(text.contains("gitfaas_http_requests_total{route=\"/publish/{topic}\",status=\"202\"} 1"), "{text}");
        assert!(text.contains("gitfaas_topic_runs{topic=\"slow\",state=\"queued\"} 9"), "{text}");
        assert!(text.contains("gitfaas_topic_runs{topic=\"slow\",state=\"live\"} 2"), "{text}");
        assert!(text.contains("gitfaas_refreshes_total{outcome=\"host-key-changed\"} 1"), "{text}");
        assert!(text.contains("gitfaas_source_failures 4"), "{text}");
        assert!(text.contains("gitfaas_source_next_try_timestamp_seconds 1795579506.5"), "{text}");
        let text_of_none = Metrics::default().render(true, 0, &[], &[]);
        assert!(!text_of_none.contains("last_success"), "it was never read: {text_of_none}");
        assert!(text.contains("gitfaas_waiting 3"), "{text}");
        assert!(text.contains("gitfaas_ready 1"), "{text}");
        assert!(text.contains("gitfaas_store_loss 1"), "{text}");
        assert!(text.contains("gitfaas_cluster_up 1"), "{text}");
        assert!(text.contains("gitfaas_leading 1") && text.contains("gitfaas_replicas 3"), "{text}");
    }
}
