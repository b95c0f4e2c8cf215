//! What is no Job: applied as `kubectl apply` would, and with another message updated instead of made again.

use serde_json::{Value, json};

use crate::support::{Namespace, Repository, Server, ended, eventually, shell_image};

const SETTINGS: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: '{{colour}}'}
";

const DOOR: &str = "apiVersion: v1
kind: Service
metadata: {name: door}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: {{port}}}]
";

const TWO_DOCUMENTS: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: first}
data: {colour: '{{colour}}'}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: second}
data: {colour: '{{colour}}'}
";

const LIST: &str = "apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: third}
  data: {colour: '{{colour}}'}
- apiVersion: v1
  kind: Secret
  metadata: {name: fourth}
  stringData: {colour: '{{colour}}'}
";

fn web() -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {{{{replicas}}}}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{{name: web, image: '{}', command: [sleep, '10000']}}]
",
        shell_image()
    )
}

/// A kind and an object of it in one file. The group is the test's own, since definitions are the whole cluster's.
fn defined(group: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: stations.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{kind: Station, plural: stations, singular: station}}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {{spec: {{type: object, properties: {{colour: {{type: string}}}}}}}}
---
apiVersion: {group}/v1
kind: Station
metadata: {{name: harbour}}
spec: {{colour: '{{{{colour}}}}'}}
"
    )
}

/// A definition, which goes with the test: it is the whole cluster's.
struct Definition<'a> {
    namespace: &'a Namespace,
    name: String,
}

impl Drop for Definition<'_> {
    fn drop(&mut self) {
        let delete = ["delete", "customresourcedefinition", &self.name, "--wait=false", "--ignore-not-found"];
        self.namespace.kubectl(&delete);
    }
}

/// Publishes, and gives the request once all of it is applied.
async fn applied(server: &Server, topic_and_params: &str) -> Value {
    let request = server.publish(topic_and_params, "").await;
    let view = ended(server, &request).await;
    assert_eq!(view["phase"], "succeeded", "{view:#}");
    view
}

/// The only objects of a kind that gitfaas manages, by name.
async fn ours(namespace: &Namespace, version: &str, plural: &str) -> Vec<Value> {
    let mut found = namespace.list(version, plural).await;
    found.retain(|object| object["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "gitfaas");
    found.sort_by_key(|object| object["metadata"]["name"].as_str().map(str::to_owned));
    found
}

fn uids(objects: &[Value]) -> Vec<&Value> {
    objects.iter().map(|object| &object["metadata"]["uid"]).collect()
}

#[tokio::test]
async fn a_changed_parameter_updates_a_deployment_and_makes_no_other() {
    let Some(namespace) = Namespace::new("a Deployment").await else { return };
    let repository = Repository::with(&[("web", &[("web.yaml", &web())])]);
    let server = namespace.serve(repository.path()).await;
    applied(&server, "web?replicas=2").await;
    let before = ours(&namespace, "apps/v1", "deployments").await;
    eventually("both pods run", async || {
        let web = namespace.get("apps/v1", "deployments", "web").await?;
        (web["status"]["readyReplicas"] == 2).then_some(())
    })
    .await;
    applied(&server, "web?replicas=3").await;
    let after = ours(&namespace, "apps/v1", "deployments").await;
    assert_eq!(after[0]["spec"]["replicas"], 3);
    assert_eq!((after.len(), uids(&after)), (1, uids(&before)));
}

#[tokio::test]
async fn a_changed_parameter_updates_config_maps_services_documents_and_lists() {
    let Some(namespace) = Namespace::new("several kinds").await else { return };
    let repository = Repository::with(&[(
        "all",
        &[("settings.yaml", SETTINGS), ("door.yaml", DOOR), ("two.yaml", TWO_DOCUMENTS), ("list.yaml", LIST)],
    )]);
    let server = namespace.serve(repository.path()).await;
    let mut known: Option<Vec<Value>> = None;
    for (colour, port) in [("green", 8080), ("blue", 9090)] {
        let view = applied(&server, &format!("all?colour={colour}&port={port}")).await;
        let objects: Vec<usize> =
            (0..4).map(|run| view["runs"][run]["objects"].as_array().map_or(0, Vec::len)).collect();
        assert_eq!(objects, [1, 1, 2, 2], "{view:#}");

        let maps = ours(&namespace, "v1", "configmaps").await;
        let services = ours(&namespace, "v1", "services").await;
        let secrets = ours(&namespace, "v1", "secrets").await;
        let names: Vec<_> = maps.iter().map(|map| map["metadata"]["name"].clone()).collect();
        assert_eq!(names, ["first", "second", "settings", "third"]);
        assert!(maps.iter().all(|map| map["data"]["colour"] == colour), "{maps:#?}");
        assert_eq!((services.len(), &services[0]["spec"]["ports"][0]["targetPort"]), (1, &json!(port)));
        assert_eq!((secrets.len(), &secrets[0]["metadata"]["name"]), (1, &json!("fourth")));

        let now = [maps, services, secrets].concat();
        if let Some(known) = &known {
            assert_eq!(uids(&now), uids(known), "the same objects as before");
        }
        known = Some(now);
    }
}

#[tokio::test]
async fn a_field_that_somebody_else_took_is_reported_and_stays_theirs() {
    let Some(namespace) = Namespace::new("a conflict of fields").await else { return };
    let repository = Repository::with(&[("paint", &[("settings.yaml", SETTINGS)])]);
    let server = namespace.serve(repository.path()).await;
    applied(&server, "paint?colour=green").await;
    let take =
        ["--namespace", &namespace.name, "apply", "--server-side", "--force-conflicts", "--field-manager=painter"];
    namespace.api.kubectl_with(&[&take[..], &["-f", "-"]].concat(), &SETTINGS.replace("{{colour}}", "red"));
    let request = server.publish("paint?colour=blue", "").await;
    let run = ended(&server, &request).await["runs"][0].clone();
    assert_eq!((&run["phase"], &run["reason"]["code"]), (&json!("failed"), &json!("FieldConflict")), "{run:#}");
    let said = run["reason"]["message"].as_str().unwrap_or_default();
    assert!(said.contains("painter") && said.contains(".data.colour"), "{said}");
    let settings = namespace.get("v1", "configmaps", "settings").await.expect("it is there");
    assert_eq!(settings["data"]["colour"], "red");
}

#[tokio::test]
async fn a_custom_resource_is_applied_right_after_its_definition() {
    let Some(namespace) = Namespace::new("a custom resource").await else { return };
    let group = format!("{}.example.com", namespace.name);
    let version = format!("{group}/v1");
    let _definition = Definition { namespace: &namespace, name: format!("stations.{group}") };
    let repository = Repository::with(&[("define", &[("station.yaml", &defined(&group))])]);
    let server = namespace.serve(repository.path()).await;
    applied(&server, "define?colour=green").await;
    let before = ours(&namespace, &version, "stations").await;
    applied(&server, "define?colour=blue").await;
    let after = ours(&namespace, &version, "stations").await;
    assert_eq!((after.len(), uids(&after)), (1, uids(&before)));
    assert_eq!((&before[0]["spec"]["colour"], &after[0]["spec"]["colour"]), (&json!("green"), &json!("blue")));
}
