//! Templates are read as `kubectl` reads them: both read the same sources, and what they make of them is compared.

mod layouts;
mod scalars;
mod whole;

use std::env;
use std::fs;
use std::process::{Command, Output};

use gitfaas_core::catalog::params::ParamRules;
use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::key::LedgerKey;
use gitfaas_core::manifest::Fillings;
use gitfaas_core::message::Params;
use gitfaas_core::template::{Template, Values};
use gitfaas_core::url::BaseUrl;
use serde_json::Value;

use layouts::{FILES, READ_HERE, REFUSED_HERE, SPECS};
use scalars::SCALARS;

/// Whether `kubectl` can be asked; without it these tests are left out, which they say.
fn has_kubectl() -> bool {
    let version = Command::new("kubectl").args(["version", "--client"]).output();
    if version.is_ok_and(|version| version.status.success()) {
        return true;
    }
    assert!(env::var_os("GITFAAS_TEST_ALL").is_none(), "GITFAAS_TEST_ALL is set, and there is no kubectl");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), b"left out: there is no kubectl to compare with\n");
    false
}

/// What `kubectl` makes of a file without asking a cluster.
fn kubectl(source: &[u8]) -> Result<Vec<Value>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("manifest.yaml");
    fs::write(&file, source).expect("a file");
    let output: Output = Command::new("kubectl")
        .args(["annotate", "--local", "-o", "json", "checked=yes", "-f"])
        .arg(&file)
        .env("KUBECONFIG", folder.path().join("none"))
        .output()
        .expect("kubectl runs");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    // One object is printed after the other.
    let objects = serde_json::Deserializer::from_slice(&output.stdout).into_iter().collect::<Result<_, _>>();
    objects.map_err(|error| error.to_string())
}

/// What a template of the same file makes of it.
fn gitfaas(source: &[u8]) -> Result<Vec<Value>, String> {
    let function = "a.yaml".parse().expect("a path");
    let template = Template::compile(&function, source).map_err(|problems| format!("{problems:?}"))?;
    let request = RequestId::from_bytes([9; 16]);
    let run = RunId::derive(request, &function);
    let fillings = Fillings::new(&LedgerKey::new([1; 32]), run, Try::FIRST, &BaseUrl::default(), "");
    let values = Values {
        topic: &"t".parse().expect("a topic"),
        revision: "r",
        namespace: "n",
        traceparent: None,
        params: &Params::new(),
        rules: &ParamRules::default(),
        fillings: &fillings,
    };
    let manifests = template.render(&values).map_err(|error| error.to_string())?;
    let parse = |json: String| serde_json::from_str(&json).map_err(|error| error.to_string());
    manifests.iter().map(|manifest| parse(manifest.fill(&fillings).json)).collect()
}

/// What both write into an object is taken away, and numbers are compared as Kubernetes does: as 64-bit floats where
/// they are no 64-bit integers.
fn comparable(mut value: Value) -> Value {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("annotations");
        metadata.remove("labels");
    }
    numbers(value)
}

fn numbers(value: Value) -> Value {
    match value {
        Value::Number(number) if !number.is_i64() => Value::String(format!("{:?}", number.as_f64())),
        Value::Array(items) => items.into_iter().map(numbers).collect(),
        Value::Object(entries) => entries.into_iter().map(|(key, value)| (key, numbers(value))).collect(),
        other => other,
    }
}

fn manifest(spec: &str) -> String {
    format!("apiVersion: v1\nkind: Example\nmetadata:\n  name: x\nspec:\n{spec}\n")
}

fn compare(source: &str) -> Option<String> {
    let (theirs, ours) = (kubectl(source.as_bytes()), gitfaas(source.as_bytes()));
    let same = match (&theirs, &ours) {
        (Ok(theirs), Ok(ours)) => theirs.iter().cloned().map(comparable).eq(ours.iter().cloned().map(comparable)),
        (Err(_), Err(_)) => true,
        _ => false,
    };
    (!same).then(|| format!("{source}\nkubectl: {theirs:?}\ngitfaas: {ours:?}\n"))
}

/// What is read here is given to `kubectl` as documents of one file, since most of its time is its start; where that
/// shows a difference, and for what is refused here, each source is compared on its own.
fn compare_all(sources: &[String]) {
    if !has_kubectl() {
        return;
    }
    let (read, refused): (Vec<&String>, Vec<&String>) =
        sources.iter().partition(|source| gitfaas(source.as_bytes()).is_ok());
    let ours: Vec<Value> =
        read.iter().flat_map(|source| gitfaas(source.as_bytes()).expect("read")).map(comparable).collect();
    let documents: Vec<&str> = read.iter().map(|source| source.as_str()).collect();
    let theirs = kubectl(documents.join("---\n").as_bytes()).unwrap_or_default();
    let same = theirs.into_iter().map(comparable).eq(ours);
    let on_their_own = refused.into_iter().chain(read.into_iter().filter(|_| !same));
    let differences: Vec<String> = on_their_own.filter_map(|source| compare(source)).collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    assert!(same, "as documents of one file they differ, and on their own they do not");
}

#[test]
fn scalars_mean_what_kubectl_takes_them_for() {
    compare_all(&SCALARS.iter().map(|scalar| manifest(&format!("  a: {scalar}"))).collect::<Vec<_>>());
}

#[test]
fn keys_merges_and_layout_mean_what_kubectl_takes_them_for() {
    compare_all(&SPECS.iter().map(|spec| manifest(spec)).collect::<Vec<_>>());
}

#[test]
fn files_hold_the_documents_that_kubectl_finds() {
    if !has_kubectl() {
        return;
    }
    let differences: Vec<String> = FILES.iter().filter_map(|file| compare(file)).collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn the_differences_to_kubectl_are_those_that_are_meant() {
    if !has_kubectl() {
        return;
    }
    for (source, meaning) in READ_HERE {
        assert!(kubectl(source.as_bytes()).is_err(), "kubectl reads it by now:\n{source}");
        assert_eq!(gitfaas(source.as_bytes()).expect("a template")[0]["spec"], *meaning, "{source}");
    }
    for source in REFUSED_HERE {
        assert!(kubectl(source.as_bytes()).is_ok(), "kubectl refuses it by now:\n{source}");
        assert!(gitfaas(source.as_bytes()).is_err(), "{source}");
    }
}
