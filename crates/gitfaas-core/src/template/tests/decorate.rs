//! What gitfaas writes on objects.

use serde_json::{Value, json};

use super::{compile, problems, render, run};

fn one(source: &str, params: &[(&str, &str)]) -> Value {
    render(&compile(source), params).expect("an object").remove(0)
}

fn annotations() -> Value {
    json!({
        "gitfaas.io/request": "0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e",
        "gitfaas.io/topic": "météo",
        "gitfaas.io/function": "audit/log.yaml",
        "gitfaas.io/revision": "main@sha1:132f4e7",
    })
}

fn run_labels() -> Value {
    json!({"app.kubernetes.io/managed-by": "gitfaas", "gitfaas.io/run": run(), "gitfaas.io/try": "1"})
}

#[test]
fn a_job_of_one_run_and_its_pods_say_which_run() {
    let source = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: 'a-{{RANDOM}}'}\nspec: {template: {spec: {}}}\n";
    let job = one(source, &[]);
    assert_eq!(job["metadata"]["labels"], run_labels());
    assert_eq!(job["metadata"]["annotations"], annotations());
    assert_eq!(job["spec"]["template"]["metadata"], json!({"labels": run_labels()}));
}

#[test]
fn a_fixed_name_says_which_run_applied_it_last_and_its_template_stays_as_it_is() {
    let source =
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {template: {metadata: {labels: {b: c}}}}\n";
    let job = one(source, &[]);
    assert_eq!(job["metadata"]["labels"], json!({"app.kubernetes.io/managed-by": "gitfaas"}));
    let mut told = annotations();
    told["gitfaas.io/run"] = run().to_string().into();
    told["gitfaas.io/try"] = "1".into();
    assert_eq!(job["metadata"]["annotations"], told);
    assert_eq!(job["spec"], json!({"template": {"metadata": {"labels": {"b": "c"}}}}));
}

#[test]
fn only_the_pods_of_jobs_are_labelled() {
    let source = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: 'a-{{RANDOM}}'}\nspec: {template: {a: 1}}\n";
    let deployment = one(source, &[]);
    assert_eq!(deployment["metadata"]["labels"], run_labels());
    assert_eq!(deployment["spec"], json!({"template": {"a": 1}}));
}

#[test]
fn a_parameter_may_make_it_a_job() {
    let source = "apiVersion: '{{a}}'\nkind: '{{k}}'\nmetadata: {name: 'a-{{RANDOM}}'}\nspec: {template: {}}\n";
    let pods =
        |api_version: &str, kind: &str| one(source, &[("a", api_version), ("k", kind)])["spec"]["template"].take();
    assert_eq!(pods("batch/v1", "Job"), json!({"metadata": {"labels": run_labels()}}));
    assert_eq!(pods("apps/v1", "Deployment"), json!({}));
    assert_eq!(compile(source).headers()[0].kind, None);
    assert_eq!(compile(source).headers()[0].api_version, None);
}

#[test]
fn labels_and_annotations_of_the_author_stay() {
    let source = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: 'a-{{RANDOM}}'\n  labels: {team: data, \
                  app.kubernetes.io/managed-by: somebody}\n  annotations:\n";
    let pod = one(source, &[]);
    assert_eq!(pod["metadata"]["labels"]["team"], "data");
    assert_eq!(pod["metadata"]["labels"]["app.kubernetes.io/managed-by"], "gitfaas");
    assert_eq!(pod["metadata"]["annotations"], annotations());
}

#[test]
fn keys_of_gitfaas_cannot_be_given() {
    let source = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: a\n  labels: {gitfaas.io/run: x}\n  annotations:\n    \
                  gitfaas.io/new: x\nspec: {template: {metadata: {labels: {'gitfaas.io/try': 1}}}}\n";
    let problems = problems(source);
    let place = |key: &str| problems.iter().find(|problem| problem.contains(key)).map(|problem| &problem[..4]);
    assert_eq!(place("gitfaas.io/run"), Some("5:12"));
    assert_eq!(place("gitfaas.io/new"), Some("7:5:"));
    assert!(place("gitfaas.io/try").is_some());
}

#[test]
fn keys_of_gitfaas_cannot_be_filled_in() {
    let template =
        compile("apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {'{{k}}/run': b, '{{k}}': c}}\n");
    assert!(render(&template, &[("k", "gitfaas.io")]).is_err());
    assert_eq!(render(&template, &[("k", "example.dev")]).expect("a pod").len(), 1);
}

#[test]
fn labels_that_are_no_mapping_are_told() {
    for (metadata, place) in [("labels: x", "4:11"), ("labels: [a]", "4:11"), ("annotations: {{x}}", "4:16")] {
        let problems = problems(&format!("apiVersion: v1\nkind: Pod\nmetadata:\n  {metadata}\n  name: a\n"));
        assert!(problems[0].starts_with(place) && problems[0].contains("is a mapping, and this is"), "{problems:?}");
    }
    let pods =
        problems("apiVersion: batch/v1\nkind: Job\nmetadata: {name: '{{RANDOM}}'}\nspec: {template: {metadata: 5}}\n");
    assert_eq!(pods, ["4:29: `metadata` is a mapping, and this is a number (write keys and values under `metadata:`)"]);
}
