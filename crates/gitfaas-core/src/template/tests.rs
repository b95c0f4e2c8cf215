mod decorate;
mod jobs;
mod limits;
mod lists;
mod names;
mod placeholders;
mod pods;
mod types;

use crate::url::BaseUrl;
use serde_json::json;

use super::*;
use crate::catalog::params::ParamRules;
use crate::id::{RequestId, RunId, Try};
use crate::key::LedgerKey;

const FUNCTION: &str = "audit/log.yaml";

fn compile(source: &str) -> Template {
    Template::compile(&FUNCTION.parse().expect("a path"), source.as_bytes()).expect("a valid template")
}

/// `line:column: message (help)` of every problem.
fn problems(source: &str) -> Vec<String> {
    let problems = Template::compile(&FUNCTION.parse().expect("a path"), source.as_bytes()).expect_err("an error");
    problems.iter().map(|problem| problem.to_string().replacen("audit/log.yaml:", "", 1)).collect()
}

fn request() -> RequestId {
    "0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e".parse().expect("a uuid")
}

fn run() -> RunId {
    RunId::derive(request(), &FUNCTION.parse().expect("a path"))
}

fn url() -> BaseUrl {
    "https://gitfaas.example:5001/".parse().expect("a URL")
}

fn fillings(try_no: u32) -> Fillings<'static> {
    Fillings::new(&LedgerKey::new([3; 32]), run(), Try(try_no), &url(), "aGVsbG8=")
}

fn with<T>(params: &[(&str, &str)], work: impl FnOnce(&Values<'_>) -> T) -> T {
    let params: Params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let topic = "météo".parse().expect("a topic");
    work(&Values {
        topic: &topic,
        revision: "main@sha1:132f4e7",
        namespace: "functions",
        traceparent: None,
        params: &params,
        rules: &ParamRules::default(),
        fillings: &fillings(1),
    })
}

fn render(template: &Template, params: &[(&str, &str)]) -> Result<Vec<serde_json::Value>, RenderError> {
    let manifests = with(params, |values| template.render(values))?;
    let json = |manifest: &RecordedManifest| serde_json::from_str(&manifest.fill(&fillings(1)).json).expect("JSON");
    Ok(manifests.iter().map(json).collect())
}

#[test]
fn the_seed_s_job_is_rendered() {
    let source = include_str!("tests/seed.yaml");
    let job = render(&compile(source), &[]).expect("a job").remove(0);
    assert_eq!(
        job["spec"]["template"]["spec"]["containers"][0]["env"][0],
        json!({"name": "MESSAGE", "value": "aGVsbG8="})
    );
}

#[test]
fn the_seed_s_mistakes_are_explained_where_they_are() {
    let seed = include_str!("tests/seed.yaml");
    let name = seed.replace("some-pod-name", "some_pod-name");
    assert_eq!(
        problems(&name),
        ["4:9: `some_pod-name-{{RANDOM}}` cannot be the name of a Job: '_' is not allowed \
             (lower-case letters, digits, `-` and `.` are) (write `some-pod-name-{{RANDOM}}`)"]
    );
    let words =
        seed.replace("functions", "<REPLACE_NAMESPACE>").replace("registry.example/python:3.13", "<REPLACE_IMAGE>");
    assert_eq!(
        problems(&words),
        [
            "5:14: `<REPLACE_NAMESPACE>` is still to be filled in \
             (replace `<REPLACE_NAMESPACE>` by the name of a namespace, or by `{{NAMESPACE}}`)",
            "12:16: `<REPLACE_IMAGE>` is still to be filled in (replace `<REPLACE_IMAGE>` by the name of an image)",
        ]
    );
    let indented = seed.replace("  ttlSecondsAfterFinished: 60 ", "    backoffLimit: 1 ");
    assert_eq!(
        problems(&indented),
        ["8:3: this line is indented by 2 spaces, but its block begins in line 7 with 4 \
             (write line 7 as `  backoffLimit: 1`, with 2 spaces)"]
    );
}
