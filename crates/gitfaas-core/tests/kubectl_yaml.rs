//! Templates are read as `kubectl` reads them: both read the same sources, and what they make of them is compared.

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
        request,
        run,
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

/// Values of `spec`, as the right side of `a:`.
const SCALARS: &[&str] = &[
    "0644",
    "0o17",
    "0O17",
    "0x1F",
    "0X1f",
    "-0x1F",
    "0b101",
    "0B101",
    "0b-1",
    "0b+1",
    "-0b11",
    "1_000",
    "_1",
    "1__0",
    "1_",
    "+5",
    "-5",
    "- 5",
    "08",
    "09.5",
    "00",
    "0",
    "-0",
    "-0.0",
    "0x",
    "0b",
    "0b2",
    "1e3",
    "1E+3",
    "1e-7",
    "1.5e-7",
    "1.",
    ".5",
    "-.5",
    "+.5",
    ".5_0",
    "._5",
    ".5_",
    ".5__0",
    "1.2.3",
    ".",
    "..",
    "-",
    "+",
    "1e400",
    "1e",
    "e3",
    "1:30",
    "190:20:30.15",
    "12345678901234567890123",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "0777777777777777777777777",
    "0xFFFFFFFFFFFFFFFF",
    "0xFFFFFFFFFFFFFFFFFF",
    "-0xFFFFFFFFFFFFFFFFFF",
    "1e21",
    "1e20",
    "123456789012345680000.0",
    "0.000001",
    "0.0000001",
    "y",
    "Y",
    "yes",
    "Yes",
    "YES",
    "yEs",
    "n",
    "N",
    "no",
    "No",
    "NO",
    "on",
    "On",
    "ON",
    "off",
    "Off",
    "OFF",
    "oN",
    "true",
    "True",
    "TRUE",
    "tRUE",
    "false",
    "False",
    "FALSE",
    "~",
    "null",
    "Null",
    "NULL",
    "nULL",
    "",
    "2001-01-01",
    "2001-1-1",
    "2001-12-14t21:59:43.10-05:00",
    "2001-12-14 21:59:43.10",
    "12:30",
    "!!str 5",
    "!!int \"5\"",
    "!!float 5",
    "!!bool yes",
    "!!null ''",
    "!!str",
    "! 12",
    "!foo 12",
    "!!binary aGVsbG8=",
    "!!timestamp 2001-01-01",
    "\"yes\"",
    "'0644'",
    "\"a\\tb\\u00e9\\x41\\n\"",
    "'it''s'",
    "a b  c",
    "a #b",
    "a#b",
    "a: b: c",
    "\"a\n    b\n\n    c\"",
    "a\n    b\n\n    c",
    "|\n    a\n     b\n\n    c\n",
    "|-\n    a\n",
    "|+\n    a\n\n",
    ">\n    a\n    b\n\n    c\n     d\n",
    ">-\n    a\n    b\n",
    "|2\n     a\n    b\n",
    "[1, 0644, yes, ~, 'x', [a]]",
    "{a: 1, b: {c: off}, 'd': 1.5}",
    "[a, b,]",
    "{a, b: 1}",
    "{a:1, b: 2}",
    "[a: 1, b: 2]",
    "{\"a\":1}",
    "[]",
    "{}",
    "*x",
    "http://a.b/c?d=e",
    "@a",
    "`a`",
    "%a",
    "a,b",
    "[a]b",
    "-a",
    "?a",
    ":a",
    "a:",
    "a: ",
    "!!set {a, b}",
    "'a",
    "[a",
    "{a: 1",
    "]",
    "&x 1",
    "&x.y 1",
    ".inf",
    "-.Inf",
    ".nan",
    ".NAN",
    ".InF",
    "!!int 5.5",
    "!!float x",
    "!!bool 1",
    "!!binary \"*\"",
    "\ta",
    "a\tb",
    "a \t#b",
    "\"\ta\"",
    "é",
    "\u{1f600}",
    "\"\\U0001F600\"",
    "\"\\uD800\"",
    "\"\\e\"",
    "\"\\q\"",
    "\"\\_\"",
    "\"\\N\"",
    "\"\\0\"",
];

/// Whole values of `spec`.
const SPECS: &[&str] = &[
    "  1: a\n  1.5: b\n  1e6: c\n  .inf: d\n  0x10: e\n  yes: f\n  n: g\n  2001-01-01: h\n  -0.25: i\n  123456.0: j",
    "  ~: a",
    "  : a",
    "  9223372036854775808: a",
    "  1234567.5: a\n  1e-5: b\n  0.0001: c",
    "  [a]: b",
    "  {a: b}: c",
    "  ? a\n  : b\n  ? c",
    "  x: &x {a: 1, b: 2}\n  y:\n    <<: *x\n    a: 3",
    "  x: &x {a: 1, b: 2}\n  y:\n    a: 3\n    <<: *x",
    "  x: &x {a: 1}\n  y: &y {a: 2, b: 3}\n  z:\n    <<: [*x, *y]",
    "  x: &x {a: 1}\n  z:\n    \"<<\": *x",
    "  x: &x {a: 1}\n  z:\n    !!merge <<: *x",
    "  z:\n    <<: {a: {b: 1}}\n    c: 1",
    "  z:\n    <<: 5",
    "  z:\n    <<: [{a: 1}, 5]",
    "  x: &x [1, {a: *x}]",
    "  x: &x 1\n  y: *x\n  z: &x 2\n  w: *x",
    "  x: &x yes\n  *x : 1",
    "  x: *missing",
    "  - a\n  - - b\n    - c\n  - d: 1\n    e: 2",
    "- a\n- b",
    "  a:\n  - 1\n  b: # comment\n    # comment\n    c: 1",
    "  a: |\n   x\n  # comment\n  b: 1",
    "    a: 1\n  b: 2",
    "  a: 1\n   b: 2",
    "\ta: 1",
    "  a:\n\t- 1",
    "  a:\tb",
    "  a: 1 # \u{1f600}\n  b: 'x # y'",
    "  a: \"x\\\n     y\"",
    "  a: !!map {b: 1}\n  c: !!seq [1]\n  d: !x {e: 1}",
    "  a: {x: 1,\n  y: 2}",
    "  a: [\n  1,\n  2\n  ]",
    "  a: >\n    x\n    y\n\n\n    z\n  b: |\n\n    x",
    "  a: ''\n  b: \"\"",
];

/// Whole files.
const FILES: &[&str] = &[
    "\u{feff}apiVersion: v1\nkind: Example\nmetadata: {name: x}\n",
    "apiVersion: v1\r\nkind: Example\r\nmetadata:\r\n  name: x\r\nspec:\r\n  a: |\r\n    b\r\n    c\r\n  d: 'e\r\n    f'\r\n",
    "---\n---\n# nothing\n---\napiVersion: v1\nkind: Example\nmetadata: {name: x}\n---\n\n---\napiVersion: v1\nkind: Other\nmetadata: {name: z}\n",
    "--- # first\napiVersion: v1\nkind: Example\nmetadata: {name: x}\n...\n",
    "{\"apiVersion\": \"v1\", \"kind\": \"Example\", \"metadata\": {\"name\": \"x\"}, \"spec\": {\"a\": [1, 1.5, 1e3, null, true, \"\\u00e9\\n\"]}}",
    "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Example\",\n\t\"metadata\": {\"name\": \"x\"}\n}\n",
    "apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec:\n  a: |\n    b",
    "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Example\n  metadata: {name: x}\n- apiVersion: v1\n  kind: Other\n  metadata: {name: z}\n",
    "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: x}\n",
    "apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: {a: \"b\nc\"}\n",
    "- a\n",
    "a\n",
    "apiVersion: v1\nkind: Example\nmetadata: {name: x}\n--\n",
];

/// What `kubectl` refuses, and what it means here: YAML of today, and what JSON allows in strings.
const READ_HERE: &[(&str, &str)] = &[
    ("%YAML 1.1\n---\napiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: x\n", "x"),
    ("apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: \"\\/\"\n", "/"),
    ("apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: \"\\ud83d\\ude00\"\n", "\u{1f600}"),
    ("apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: |\n  \tx\n", "\tx\n"),
];

/// What `kubectl` reads, and what is refused here on purpose: two meanings of one file.
const REFUSED_HERE: &[&str] = &[
    "apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: {a: 1, a: 2}\n",
    "apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: {1: 1, 0x1: 2}\n",
    "apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: |\n  a\u{2028}  b\n",
];

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
