//! What an API server would say of the functions of a directory: each of their objects is sent for a dry run, made with
//! sample values.

use std::collections::BTreeSet;

use anyhow::Context as _;
use gitfaas_core::admission::{Admitted, Policy, admit};
use gitfaas_core::catalog::{Function, Topic, TopicVersion};
use gitfaas_core::id::{RunId, Try};
use gitfaas_core::key::LedgerKey;
use gitfaas_core::manifest::{Fillings, Manifest};
use gitfaas_core::message::Params;
use gitfaas_core::plan::UNSTORED;
use gitfaas_core::problem::{Position, Problem};
use gitfaas_core::template::Values;
use gitfaas_server::cluster::Cluster as _;
use gitfaas_server::cluster::kubernetes::{DryRun, Kubernetes};
use gitfaas_server::engine::Settings;
use serde_json::Value;

use super::super::functions::Functions;

/// The message that is tried.
const MESSAGE: &str = "{}";
/// The same in base64.
const PAYLOAD: &str = "e30=";
/// What a parameter is tried with of which nothing is declared, and what where that is refused.
const UNDECLARED: [&str; 2] = ["1", "a"];

/// What came of asking.
#[derive(Default)]
pub(super) struct Asked {
    /// What the server would refuse.
    pub(super) errors: BTreeSet<Problem>,
    /// What could not be tried.
    pub(super) warnings: BTreeSet<Problem>,
    /// How many objects it would take.
    pub(super) taken: usize,
    /// Who was asked.
    pub(super) whom: String,
}

/// Asks about every function of every topic; once, where several topics give it the same values.
///
/// # Errors
/// When the server does not answer, or has no dry run.
pub(super) async fn ask(cluster: &Kubernetes, functions: &Functions, policy: &Policy) -> anyhow::Result<Asked> {
    let server = cluster.dry_run().await.with_context(|| format!("{} cannot be asked", cluster.describe()))?;
    let mut asked = Asked { whom: cluster.describe(), ..Asked::default() };
    let mut seen = BTreeSet::new();
    for topic in functions.catalog.topics() {
        let Some(version) = &topic.version else { continue };
        for function in &version.functions {
            let trial = Trial { topic, version, function, policy, namespace: cluster.namespace() };
            match trial.objects() {
                Ok((params, objects)) => {
                    if seen.insert((function.name().clone(), params.clone())) {
                        trial.send(&server, &params, &objects, &mut asked).await?;
                    }
                }
                Err(untried) => asked.warnings.extend(untried),
            }
        }
    }
    Ok(asked)
}

/// A function of a topic that is tried.
struct Trial<'a> {
    topic: &'a Topic,
    version: &'a TopicVersion,
    function: &'a Function,
    policy: &'a Policy,
    namespace: &'a str,
}

impl Trial<'_> {
    /// The objects with the values that they are made with; or why there are none, which is nothing where the policy
    /// alone is why: that has been told.
    fn objects(&self) -> Result<(Params, Vec<Admitted<Manifest>>), Option<Problem>> {
        let [usual, other] = UNDECLARED;
        let first = match self.made(|_| usual) {
            Ok(made) => return Ok(made),
            Err(why) => why,
        };
        // What is part of a name may have to be a letter, and a number has to be one.
        let parameters = self.function.template().parameters().iter().map(|parameter| parameter.name.as_str());
        let one = parameters.map(|odd| self.made(|name| if name == odd { other } else { usual }));
        one.chain(std::iter::once_with(|| self.made(|_| other))).find_map(Result::ok).ok_or(first)
    }

    fn made<'v>(
        &self,
        undeclared: impl Fn(&str) -> &'v str,
    ) -> Result<(Params, Vec<Admitted<Manifest>>), Option<Problem>> {
        let params = self.params(undeclared).map_err(Some)?;
        let (key, url) = (LedgerKey::new([0; 32]), Settings::default().base_url);
        let fillings = Fillings::new(&key, RunId::derive(UNSTORED, self.function.name()), Try::FIRST, &url, PAYLOAD);
        let template = self.function.template();
        let values = Values {
            topic: &self.topic.name,
            revision: &self.version.revision,
            namespace: self.namespace,
            traceparent: None,
            params: &params,
            rules: &self.version.rules.params,
            fillings: &fillings,
        };
        let untried = |problem: Problem| {
            let message = format!("this was not tried on the API server: {}", problem.message);
            Problem { message, ..problem }.help(format!("its sample values were {}", shown(&params)))
        };
        let manifests = template.render(&values).map_err(|error| Some(untried(error.problem)))?;
        let admitted = manifests.iter().zip(template.headers()).map(|(manifest, header)| {
            admit(self.policy, manifest.fill(&fillings)).map_err(|refusal| {
                let known = !self.policy.problems(template).is_empty();
                (!known).then(|| untried(self.at(header.position, refusal.message)))
            })
        });
        let admitted = admitted.collect::<Result<_, _>>()?;
        Ok((params, admitted))
    }

    /// A value for each parameter of the template.
    fn params<'v>(&self, undeclared: impl Fn(&str) -> &'v str) -> Result<Params, Problem> {
        let parameters = self.function.template().parameters();
        let value = |parameter: &gitfaas_core::template::Parameter| {
            let name = parameter.name.clone();
            let Some(rule) = self.version.rules.params.get(&name) else {
                let value = undeclared(&name).to_owned();
                return Ok((name, value));
            };
            let Some(value) = rule.sample() else {
                let message = format!("this was not tried on the API server: no value is known that `{name}` may have");
                return Err(self.at(parameter.position, message).help("declare a `default` or an `enum` for it"));
            };
            Ok((name, value))
        };
        parameters.iter().map(value).collect()
    }

    /// Sends each object, and says at the place of each what the server says of it.
    async fn send(
        &self,
        server: &DryRun<'_>,
        params: &Params,
        objects: &[Admitted<Manifest>],
        asked: &mut Asked,
    ) -> anyhow::Result<()> {
        for (index, (object, header)) in objects.iter().zip(self.function.template().headers()).enumerate() {
            let Some(reason) = server.refusal(object).await? else {
                asked.taken += 1;
                continue;
            };
            if objects[..index].iter().any(|earlier| makes_way(earlier, object)) {
                let message = "this was not tried on the API server: an object before it has to be there first";
                asked.warnings.insert(self.at(header.position, message));
                continue;
            }
            // Our own words name the object.
            let message = if reason.message.starts_with("the ") {
                reason.message
            } else {
                format!("the API server would refuse the {}: {}", object.key, reason.message)
            };
            asked.errors.insert(self.at(header.position, message).help(format!("it was tried with {}", shown(params))));
        }
        Ok(())
    }

    fn at(&self, position: Position, message: impl Into<String>) -> Problem {
        Problem::at(self.function.name().as_str(), position, message)
    }
}

/// Whether `earlier` is the namespace of an object, or the definition of its kind.
fn makes_way(earlier: &Manifest, object: &Manifest) -> bool {
    match earlier.key.kind.as_str() {
        "Namespace" => object.key.namespace.as_ref() == Some(&earlier.key.name),
        "CustomResourceDefinition" => serde_json::from_str::<Value>(&earlier.json).is_ok_and(|definition| {
            let group = object.key.api_version.split_once('/').map_or("", |(group, _)| group);
            definition["spec"]["group"] == group && definition["spec"]["names"]["kind"] == object.key.kind
        }),
        _ => false,
    }
}

/// The values that a template was tried with.
fn shown(params: &Params) -> String {
    let values = params.iter().map(|(name, value)| format!("{name}={}", value.chars().take(60).collect::<String>()));
    values.chain([format!("the message `{MESSAGE}`")]).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use gitfaas_core::catalog::Catalog;
    use gitfaas_server::source::directory::DirectorySource;

    use super::*;

    /// The functions of a folder with a topic `t`, whose one template is this.
    async fn functions(params: &str, template: &str) -> (tempfile::TempDir, Functions) {
        let folder = tempfile::tempdir().expect("a folder");
        let config = format!(r#"{{"topics": [{{"name": "t", "configs": ["a.yaml"], "params": {params}}}]}}"#);
        std::fs::write(folder.path().join("config.json"), config).expect("written");
        std::fs::write(folder.path().join("a.yaml"), template).expect("written");
        let source = DirectorySource::new(folder.path(), "config.json").expect("a source");
        let functions = Functions::read(&source).await.expect("functions");
        (folder, functions)
    }

    fn tried(catalog: &Catalog) -> Result<(Params, Vec<Admitted<Manifest>>), Option<Problem>> {
        let topic = catalog.topics().next().expect("a topic");
        let version = topic.version.as_ref().expect("a version");
        let policy = Policy::default();
        Trial { topic, version, function: &version.functions[0], policy: &policy, namespace: "own" }.objects()
    }

    #[tokio::test]
    async fn a_parameter_that_has_to_begin_a_name_is_a_letter_and_the_others_are_numbers() {
        let service = "{apiVersion: v1, kind: Service, metadata: {name: '{{who}}'}, spec: {ports: [{port: {{port}}}]}}";
        let (_folder, functions) = functions("{}", service).await;
        let (params, objects) = tried(&functions.catalog).expect("objects");
        assert_eq!(shown(&params), "port=1, who=a, the message `{}`");
        assert!(objects[0].json.contains(r#""port":1"#), "{}", objects[0].json);
    }

    #[tokio::test]
    async fn what_no_value_is_known_for_is_not_tried_and_says_so() {
        let rule = r#"{"day": {"type": "string", "pattern": "^[0-9]{2}/[0-9]{2}$"}}"#;
        let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {day: '{{day}}'}}";
        let (_folder, functions) = functions(rule, map).await;
        let why = tried(&functions.catalog).expect_err("no value").expect("a problem");
        assert!(why.message.ends_with("no value is known that `day` may have"), "{why}");
    }

    #[tokio::test]
    async fn what_comes_before_an_object_in_its_file_may_be_what_it_needs() {
        let definition = "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: carts.shop}, \
                          spec: {group: shop, names: {kind: Cart}}}";
        let file = format!(
            "{definition}\n---\n{{apiVersion: shop/v1, kind: Cart, metadata: {{name: a}}}}\n---\n\
             {{apiVersion: other/v1, kind: Cart, metadata: {{name: a}}}}\n---\n\
             {{apiVersion: v1, kind: Namespace, metadata: {{name: own}}}}\n---\n\
             {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, namespace: own}}}}\n"
        );
        let (_folder, functions) = functions("{}", &file).await;
        let (_, objects) = tried(&functions.catalog).expect("objects");
        let way = |earlier: usize, later: usize| makes_way(&objects[earlier], &objects[later]);
        assert!(way(0, 1) && way(3, 4));
        assert!(!way(0, 2) && !way(0, 4) && !way(3, 1) && !way(1, 4));
    }
}
