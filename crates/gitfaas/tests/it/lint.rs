//! `gitfaas lint` on a repository in which nearly everything is wrong.

use std::process::{Command, Output};

use crate::support::{Repository, program};

const CONFIG: &str = r#"{
  "topics": [
    {"name": "collect", "configs": ["broken.yaml", "twice.yaml"], "concurency": 2},
    {"name": "collect", "configs": ["gone.yaml"]},
    {"name": "convert", "configs": ["/etc/passwd", "kindless.yaml", "name.yaml"], "concurrency": 0},
    {"name": "scale", "configs": ["gone.yaml", "key.yaml"], "params": {
      "replicas": {"type": "integer", "maximum": 7, "default": 8},
      "size": {"type": "int"},
      "TOPIC": {"type": "string"}
    }},
    {"name": "audit", "configs": ["twins.yaml"], "message": {"schema": "remote.json", "maxBytes": "1k"}},
    {"name": "store", "configs": ["fixed.yaml"], "message": {"schema": "types.json"}},
    {"name": "guard", "configs": ["role.yaml", "root.yaml", "fixed.yaml"]}
  ]
}
"#;

const FILES: [(&str, &str); 11] = [
    ("broken.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: broken-{{RANDOM}}\n   data: {}\n"),
    ("twice.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: twice-{{RANDOM}}\nkind: Secret\n"),
    ("kindless.yaml", "apiVersion: v1\nmetadata:\n  name: kindless-{{RANDOM}}\n"),
    ("name.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: Some_Name-{{RANDOM}}\n"),
    ("key.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: key-{{RANDOM}}\ndata:\n  {{size: 1\n"),
    ("role.yaml", "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: role-{{RANDOM}}\n"),
    (
        "root.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: root-{{RANDOM}}\nspec:\n  containers:\n  - name: main\n    image: busybox\n    securityContext:\n      privileged: true\n",
    ),
    (
        "twins.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: twin\n---\napiVersion: v1\nkind: 7\nmetadata:\n  name: twin\n",
    ),
    ("remote.json", "{\"items\": {\"$ref\": \"https://schemas.example/item.json\"}}\n"),
    ("types.json", "{\n  \"properties\": {\"a\": {\"type\": \"strin\"}}\n}\n"),
    (
        "fixed.yaml",
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: fixed\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers: [{name: main, image: busybox}]\n",
    ),
];

const WARNED: &str = r#"{"topics": [{
  "name": "collect",
  "configs": ["job.yaml"],
  "params": {"replicas": {"type": "integer", "default": 1}},
  "publishes": ["colect", "audit-*"]
}]}
"#;

/// A Job that can exist once only, and a parameter that nobody declares.
const FIXED: &str = "apiVersion: batch/v1
kind: Job
metadata:
  name: fixed
spec:
  parallelism: {{replcas}}
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: busybox}]
";

fn lint(repository: &Repository, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.arg("lint").arg(repository.path()).args(arguments).env("NO_COLOR", "1");
    command.output().expect("run")
}

fn repository(config: &str) -> Repository {
    let repository = Repository::empty();
    for (path, text) in FILES {
        repository.write(path, text);
    }
    repository.write("config.json", config);
    repository
}

#[test]
fn every_mistake_of_a_repository_is_told_at_once_and_drawn_in_its_file() {
    let repository = repository(CONFIG);
    let output = lint(&repository, &[]);
    let drawn = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{drawn}");
    insta::assert_snapshot!(drawn);
    // The same for programs.
    let json = lint(&repository, &["-o", "json"]);
    assert_eq!(json.status.code(), Some(1));
    let found: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let errors: Vec<_> = found.as_array().expect("a list").iter().filter(|one| one["severity"] == "error").collect();
    assert!(errors.len() >= 15 && errors.iter().all(|error| error["position"]["line"].is_u64()), "{errors:#?}");
}

#[test]
fn what_is_allowed_and_probably_not_meant_is_a_warning_and_no_failure() {
    let repository = Repository::empty();
    repository.write("config.json", WARNED);
    repository.write("job.yaml", FIXED);
    let output = lint(&repository, &[]);
    let drawn = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{drawn}");
    insta::assert_snapshot!(drawn, @r#"
    warning: no template of `collect` uses the parameter `replicas`
     --> config.json:4:14
      |
    4 |   "params": {"replicas": {"type": "integer", "default": 1}},
      |              ^^^^^^^^^^
      |
      = help: write `{{replicas}}` where it is wanted, or take it out

    warning: `colect` matches no topic of this file
     --> config.json:5:17
      |
    5 |   "publishes": ["colect", "audit-*"]
      |                 ^^^^^^^^
      |
      = help: did you mean `collect`?

    warning: `audit-*` matches no topic of this file
     --> config.json:5:27
      |
    5 |   "publishes": ["colect", "audit-*"]
      |                           ^^^^^^^^^
      |
      = help: see how the topic is spelt, or take it out

    warning: the Job `fixed` has no name of its own for each run, so it runs once only
     --> job.yaml:4:9
      |
    4 |   name: fixed
      |         ^^^^^
      |
      = help: write `fixed-{{RANDOM}}`; as it is, Kubernetes gets it as from `kubectl apply`: what differs in the pods of a Job that exists is refused, and one that is over does not run again

    warning: the topic `collect` does not declare the parameter `replcas`
     --> job.yaml:6:16
      |
    6 |   parallelism: {{replcas}}
      |                ^^^^^^^^^^^
      |
      = help: did you mean `replicas`?

    0 errors, 5 warnings in 1 topic
    "#);
}
