use std::num::NonZeroU32;
use std::sync::Arc;

use rstest::rstest;

use super::*;
use crate::admission::Namespaces;
use crate::catalog::config::Config;
use crate::catalog::schema::MessageSchema;
use crate::catalog::{Catalog, Files};
use crate::id::RequestId;
use crate::manifest::Hole;
use crate::message::MessageMeta;
use crate::request::Lineage;
use crate::run::Phase;

#[path = "plan_tests/refused.rs"]
mod refused;

const JOB: &str = r#"apiVersion: batch/v1
kind: Job
metadata:
  name: some-pod-name-{{RANDOM}}
  namespace: functions
spec:
  template:
    spec:
      containers:
      - name: myfunction
        image: registry.example/myfunction:1
        command: ["python3", "handler.py"]
        env:
        - name: MESSAGE
          value: "{{MESSAGE}}"
        - name: REQUEST_UUID
          value: "{{REQUEST_UUID}}"
      restartPolicy: Never
"#;

/// A `ConfigMap` of this name.
fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n")
}

/// A message, and the topic it is published to.
struct Case {
    topic: Topic,
    request: Request,
    payload: Bytes,
    key: LedgerKey,
    policy: Policy,
    base_url: BaseUrl,
}

impl Case {
    /// A topic of functions with these sources, called `0.yaml`, `1.yaml`, …
    fn of(sources: &[&str]) -> Self {
        let paths: Vec<String> = (0..sources.len()).map(|number| format!("{number}.yaml")).collect();
        let config = serde_json::json!({"topics": [{"name": "collect", "configs": paths}]}).to_string();
        let config = Config::parse("config.json", config.as_bytes()).expect("a right config file");
        let files: Files = paths
            .iter()
            .zip(sources)
            .map(|(path, source)| (path.parse().expect("a path"), Ok(Bytes::copy_from_slice(source.as_bytes()))))
            .collect();
        let catalog = Catalog::compile("dir@sha256:77".to_owned(), "config.json", &config, &files, None);
        let topic = catalog.topics().next().expect("a topic").clone();
        let payload = Bytes::from_static(b"{\"hello\": \"world\"}");
        let request = Request {
            id: RequestId::from_bytes([5; 16]),
            topic: topic.name.clone(),
            revision: "dir@sha256:77".to_owned(),
            received_at: at(40),
            meta: MessageMeta::default(),
            size: payload.len() as u64,
            lineage: Lineage::default(),
            replay_of: None,
        };
        let base_url = "http://gitfaas.example:5000".parse().expect("a URL");
        Self { topic, request, payload, key: LedgerKey::new([6; 32]), policy: Policy::default(), base_url }
    }

    /// The same with this declared of its parameters.
    fn declares(mut self, params: serde_json::Value) -> Self {
        let rules = serde_json::from_value(params).expect("rules");
        self.topic.version.as_mut().expect("a version").rules.params = rules;
        self
    }

    fn param(mut self, name: &str, value: &str) -> Self {
        self.request.meta.params.insert(name.to_owned(), value.to_owned());
        self
    }

    fn plan(&self) -> Result<Plan, PlanError> {
        plan(&Input {
            topic: &self.topic,
            request: &self.request,
            payload: &self.payload,
            key: &self.key,
            policy: &self.policy,
            namespace: "functions",
            base_url: &self.base_url,
            now: at(41),
        })
    }

    /// Code and text of each failure.
    fn failures(&self) -> Vec<(&'static str, String)> {
        let failures = self.plan().expect_err("no plan").failures;
        let told = |failure: &Failure| failure.problem.as_ref().map_or(failure.message.clone(), ToString::to_string);
        failures.iter().map(|failure| (failure.code.as_str(), told(failure))).collect()
    }

    fn fillings(&self, run: RunId) -> Fillings<'_> {
        Fillings::new(&self.key, run, Try::FIRST, &self.base_url, STANDARD.encode(&self.payload))
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

#[test]
fn each_function_gets_a_run_in_the_order_of_the_config_file() {
    let case = Case::of(&[JOB, &config_map("a-{{RANDOM}}")]);
    let runs = case.plan().expect("a plan").runs;
    for (place, planned) in runs.iter().enumerate() {
        let function = format!("{place}.yaml").parse().expect("a path");
        let id = RunId::derive(case.request.id, &function);
        let ordinal = u32::try_from(place).expect("small");
        assert_eq!(planned.run, Run::planned(id, case.topic.name.clone(), function, ordinal, at(41)));
        assert_eq!((planned.run.phase, planned.manifests.len()), (Phase::Queued, 1));
    }
    assert_eq!(runs.len(), 2);
}

#[test]
fn what_is_recorded_is_the_object_with_holes_for_the_secrets_and_the_payload() {
    let case = Case::of(&[JOB]);
    let runs = case.plan().expect("a plan").runs;
    let recorded = serde_json::to_string(&runs[0].manifests).expect("JSON");
    let fillings = case.fillings(runs[0].run.id);
    assert!(
        !recorded.contains(&STANDARD.encode(&case.payload)) && !recorded.contains(fillings.of(Hole::Random).as_ref())
    );
    let manifest = runs[0].manifests[0].fill(&fillings);
    let object: serde_json::Value = serde_json::from_str(&manifest.json).expect("JSON");
    let env = &object["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(env[0]["value"], "eyJoZWxsbyI6ICJ3b3JsZCJ9");
    assert_eq!(env[1]["value"], case.request.id.to_string());
    assert_eq!(object["metadata"]["name"], format!("some-pod-name-{}", fillings.of(Hole::Random)).as_str());
    assert!(manifest.unique);
}

#[test]
fn parameters_nobody_uses_do_no_harm() {
    assert!(Case::of(&[JOB]).param("colour", "red").plan().is_ok());
}

#[test]
fn all_missing_parameters_of_all_functions_are_told_with_the_nearest_given_one() {
    let map = |data: &str| format!("{}data:\n{data}", config_map("a-{{RANDOM}}"));
    let first = map("  a: \"{{replicas}}\"\n  b: \"{{colour}} {{replicas}}\"\n");
    let case = Case::of(&[&first, JOB, &map("  a: \"{{size}}\"\n")]).param("replica", "2").param("colour", "red");
    assert_eq!(
        case.failures(),
        [
            (
                "missing-parameter",
                "0.yaml:6:7: the parameter `replicas` is missing (did you mean `replica`?)".to_owned()
            ),
            ("missing-parameter", "2.yaml:6:7: the parameter `size` is missing (publish with `?size=…`)".to_owned()),
        ]
    );
    let functions = case.plan().expect_err("no plan").failures.into_iter().map(|failure| failure.function);
    assert_eq!(functions.flatten().map(|name| name.to_string()).collect::<Vec<_>>(), ["0.yaml", "2.yaml"]);
    assert!(case.param("replicas", "3").param("size", "4").plan().is_ok());
}

#[test]
fn one_function_that_cannot_be_planned_means_no_run_at_all() {
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: reader\n";
    let failures = Case::of(&[JOB, role]).failures();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].0, "not-admitted");
    assert!(failures[0].1.starts_with("1.yaml:"), "{failures:?}");
    assert!(failures[0].1.contains("the kind `Role` is banned on this server (take it out"), "{failures:?}");
}

#[test]
fn reserved_names_cannot_be_given() {
    let case = Case::of(&[JOB]).param("RANDOM", "x").param("MESSAGE", "y").param("random", "z");
    let reserved = |name| {
        ("reserved-parameter", format!("the parameter `{name}` is reserved for gitfaas itself: give it another name"))
    };
    assert_eq!(case.failures(), [reserved("MESSAGE"), reserved("RANDOM")]);
}

#[test]
fn a_chain_of_publishes_ends_at_the_limit() {
    let mut case = Case::of(&[JOB]);
    case.request.lineage.hops = 32;
    assert!(case.plan().is_ok());
    case.request.lineage.hops = 33;
    let failures = case.failures();
    assert_eq!(failures[0].0, "hop-limit");
    assert!(failures[0].1.starts_with("33 publishes led here, one after the other; more than 32"), "{failures:?}");
}

#[test]
fn a_topic_that_was_never_right_says_what_is_wrong_with_it() {
    let case = Case::of(&[JOB, "broken: ["]);
    let error = case.plan().expect_err("no plan");
    let stale = case.topic.stale.as_ref().expect("stale");
    let problems: Vec<Problem> = error.failures.iter().filter_map(|failure| failure.problem.clone()).collect();
    assert_eq!(problems, stale.problems);
    assert!(error.failures.iter().all(|failure| failure.code == FailureCode::TopicBroken));
    let beginning = "the topic `collect` never had a version that was right: ";
    assert!(error.to_string().starts_with(beginning), "{error}");
}

#[test]
fn a_topic_without_functions_is_never_accepted_for() {
    let mut case = Case::of(&[JOB]);
    case.topic.version = None;
    assert_eq!(case.failures(), [("topic-broken", "the topic `collect` has no functions".to_owned())]);
}

#[test]
fn a_stale_topic_runs_its_last_good_version() {
    let mut case = Case::of(&[JOB]);
    case.topic.stale = Case::of(&["broken: ["]).topic.stale;
    assert_eq!(case.plan().expect("a plan").runs.len(), 1);
}

#[rstest]
#[case::same_name("a", "a", false)]
#[case::another_name("a", "b", true)]
#[case::own_namespace_spelled_out("a", "a\n  namespace: functions", false)]
#[case::another_namespace("a", "a\n  namespace: other", true)]
#[case::random("a-{{RANDOM}}", "a-{{RANDOM}}", true)]
#[case::by_parameter("{{one}}", "{{two}}", false)]
fn two_functions_cannot_make_the_same_object(#[case] one: &str, #[case] other: &str, #[case] fine: bool) {
    let case = Case::of(&[&config_map(one), &config_map(other)]).param("one", "same").param("two", "same");
    if fine {
        assert!(case.plan().is_ok());
        return;
    }
    let failures = case.failures();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(failures[0].0, "invalid-manifest");
    assert!(failures[0].1.starts_with("1.yaml:") && failures[0].1.contains("`0.yaml` makes the same object"));
}

#[rstest]
#[case::seen_before_any_message("a-{{RANDOM}}", "a-{{RANDOM}}", "topic-broken")]
#[case::by_parameter("a-{{one}}", "a-{{two}}", "invalid-parameter")]
fn one_function_cannot_make_an_object_twice(#[case] one: &str, #[case] other: &str, #[case] code: &str) {
    let twice = format!("{}---\n{}", config_map(one), config_map(other));
    let failures = Case::of(&[&twice]).param("one", "same").param("two", "same").failures();
    assert_eq!(failures[0].0, code, "{failures:?}");
    assert!(failures[0].1.contains("is in this file twice"), "{failures:?}");
}

#[test]
fn objects_of_one_name_in_different_groups_are_different() {
    let service = |version| format!("apiVersion: {version}\nkind: Service\nmetadata:\n  name: a\n");
    assert!(Case::of(&[&service("v1"), &service("serving.knative.dev/v1")]).plan().is_ok());
    let failures = Case::of(&[&service("serving.knative.dev/v1"), &service("serving.knative.dev/v1alpha1")]).failures();
    assert_eq!(failures[0].0, "invalid-manifest");
}

#[test]
fn the_namespaces_of_the_policy_hold() {
    let mut case = Case::of(&[JOB]);
    case.policy = Policy::new("", Namespaces::Only(["elsewhere".to_owned()].into())).expect("a policy");
    let failures = case.failures();
    assert_eq!(failures[0].0, "not-admitted");
    assert!(failures[0].1.contains("the namespace `functions` is not allowed"), "{failures:?}");
}
