//! What `render` prints, and that `kubectl` reads it back the same.

use std::process::Command;

use super::*;
use gitfaas_core::admission::Policy;

const TEMPLATE: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: values-{{RUN_ID}}
data:
  value: "{{value}}"
  token: "{{RUN_TOKEN}}"
  uid: "{{FUNCTION_UID}}"
  message: "{{MESSAGE}}"
---
apiVersion: v1
kind: Service
metadata:
  name: fixed
spec:
  ports:
    - port: {{port}}
"#;

async fn rendered(value: &str) -> anyhow::Result<Vec<Value>> {
    rendered_with(&[("value", value), ("port", "8080")]).await
}

async fn rendered_with(params: &[(&str, &str)]) -> anyhow::Result<Vec<Value>> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("config.json"), r#"{"topics": [{"name": "values", "configs": ["v.yaml"]}]}"#)?;
    std::fs::write(dir.path().join("v.yaml"), TEMPLATE)?;
    let functions = Functions::read(&DirectorySource::new(dir.path(), "config.json")?).await?;
    let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let message = Publication { payload: "hello".into(), content_type: Some("text/plain".to_owned()), params };
    let topic = find(&functions, &"values".parse()?)?;
    objects(topic, message, &Policy::default(), "default", functions.catalog.revision())
}

#[tokio::test]
async fn secrets_are_named_and_everything_else_is_what_would_be_sent() {
    let objects = rendered("1:30").await.expect("it renders");
    let data = &objects[0]["data"];
    assert_eq!(data["token"], "(run token)");
    assert_eq!(data["uid"], "(function uid)");
    assert_eq!(data["message"], "aGVsbG8=");
    assert_eq!(data["value"], "1:30");
    assert_eq!(objects[1]["spec"]["ports"][0]["port"], 8080);
}

#[tokio::test]
async fn a_message_that_does_not_fit_is_told_at_the_place() {
    let error = rendered_with(&[("value", "a")]).await.expect_err("there is no port");
    let places: Vec<String> = places(&error).iter().map(ToString::to_string).collect();
    assert!(places.len() == 1 && places[0].starts_with("v.yaml:17:13: "), "{error:#} {places:?}");
    assert!(super::places(&anyhow::anyhow!("something else")).is_empty());
}

#[tokio::test]
async fn the_same_message_renders_the_same_at_every_call() {
    assert_eq!(rendered("a").await.expect("it renders"), rendered("a").await.expect("it renders"));
}

#[tokio::test]
async fn a_topic_that_does_not_exist_names_the_nearest() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("config.json"), r#"{"topics": [{"name": "collect", "configs": ["c.yaml"]}]}"#)
        .expect("a file");
    let source = DirectorySource::new(dir.path(), "config.json").expect("a source");
    let functions = Functions::read(&source).await.expect("it can be read");
    let error = find(&functions, &"colect".parse().expect("a topic")).expect_err("no such topic");
    assert_eq!(error.to_string(), "there is no topic `colect`; did you mean `collect`?");
    assert_eq!(wrong(&functions, &"collect".parse().expect("a topic")).len(), 1);
}

/// Strings that readers of YAML, of one version or another, take for something else.
const ODD: [&str; 46] = [
    "yes",
    "No",
    "on",
    "OFF",
    "y",
    "n",
    "true",
    "null",
    "~",
    "",
    " ",
    "0644",
    "0o17",
    "0x1F",
    "1:30",
    "190:20:30",
    "1_000",
    "1e3",
    "1.5",
    ".5",
    ".inf",
    ".NaN",
    "-",
    "- a",
    "? a",
    "a: b",
    "a #b",
    "#",
    "&a",
    "*a",
    "!t",
    "|",
    ">",
    "%",
    "@",
    "`",
    "'",
    "\"",
    "{",
    "[a",
    "2026-11-23",
    "---",
    "...",
    "=",
    "<<",
    "\u{feff}",
];

fn yaml_of(values: &[String]) -> String {
    let data: serde_json::Map<String, Value> =
        values.iter().enumerate().map(|(place, value)| (format!("k{place}"), Value::from(value.as_str()))).collect();
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "odd"}, "data": data});
    yaml(&[object]).expect("it can be written")
}

fn odd() -> Vec<String> {
    let mut values: Vec<String> = ODD.iter().map(ToString::to_string).collect();
    values.extend(
        ["a\nb", "a\n", "\n\na\n\n", "a\r\nb", "\ta", "a ", " a\n b", "\u{1}\u{7f}\u{85}\u{2028}", "😀", "{{x}}"]
            .map(str::to_owned),
    );
    values.push("long words that somebody could fold ".repeat(20));
    values
}

#[test]
fn every_string_is_read_back_as_it_is() {
    let values = odd();
    let template = gitfaas_core::template::Template::compile(
        &"odd.yaml".parse().expect("a path"),
        yaml_of(&values[..ODD.len()]).as_bytes(),
    );
    assert!(template.is_ok(), "{template:?}");
    let read: Value = serde_saphyr::from_str(&yaml_of(&values)).expect("it is YAML");
    for (place, value) in values.iter().enumerate() {
        assert_eq!(read["data"][format!("k{place}")], value.as_str(), "{value:?}");
    }
}

#[test]
fn kubectl_reads_back_what_would_be_sent() {
    if !has_kubectl() {
        return;
    }
    // kubectl refuses a file with control characters that are not escaped, and says so; these are.
    let values = odd();
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("odd.yaml");
    std::fs::write(&file, yaml_of(&values)).expect("a file");
    let output = Command::new("kubectl")
        .args(["annotate", "--local", "-o", "json", "checked=yes", "-f"])
        .arg(&file)
        .env("KUBECONFIG", dir.path().join("none"))
        .output()
        .expect("kubectl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    for (place, value) in values.iter().enumerate() {
        assert_eq!(read["data"][format!("k{place}")], value.as_str(), "{value:?}");
    }
}

/// Whether `kubectl` can be asked; without it the comparison is left out, which the test says.
fn has_kubectl() -> bool {
    let version = Command::new("kubectl").args(["version", "--client"]).output();
    if version.is_ok_and(|version| version.status.success()) {
        return true;
    }
    assert!(std::env::var_os("GITFAAS_TEST_ALL").is_none(), "GITFAAS_TEST_ALL is set, and there is no kubectl");
    eprintln!("left out: there is no kubectl to compare with");
    false
}
