//! The environment of a container: what its manifest gives, with what it takes from elsewhere, as Kubernetes puts it
//! together.

use std::io;

use gitfaas_core::run::Reason;

use super::expand::expand;
use super::facts::{self, Facts};
use super::objects::{Data, Objects};
use super::spec::{Container, Names, ObjectName, Source};

/// Variables in their order, each name once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Env(Vec<(String, String)>);

impl Env {
    /// A container's variables: whole objects first, then those of its own; a value may refer to those before it.
    ///
    /// The inner error is why the container cannot be started yet.
    pub(super) fn of(container: &Container, objects: &Objects<'_>, facts: &Facts) -> io::Result<Result<Self, Reason>> {
        let mut env = Self::default();
        if let Some(index) = facts.index() {
            env.set("JOB_COMPLETION_INDEX".to_owned(), index.to_owned());
        }
        for names in &container.env_from {
            if let Err(reason) = env.add_all(names, objects)? {
                return Ok(Err(reason));
            }
        }
        for var in &container.env {
            let value = match &var.source {
                Source::Value(value) => Some(expand(value, |name| env.get(name))),
                Source::Field(field) => Some(facts.field(field)),
                Source::Resource(resource) => Some(facts::resource(resource)),
                Source::Key { object, key, optional } => match value_of(objects, object, key, *optional)? {
                    Ok(value) => value,
                    Err(reason) => return Ok(Err(reason)),
                },
            };
            if let Some(value) = value {
                env.set(var.name.clone(), value);
            }
        }
        Ok(Ok(env))
    }

    /// The value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The last of a name counts.
    fn set(&mut self, name: String, value: String) {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value));
    }

    pub(super) fn into_vars(self) -> Vec<(String, String)> {
        self.0
    }

    fn add_all(&mut self, names: &Names, objects: &Objects<'_>) -> io::Result<Result<(), Reason>> {
        let data = match objects.find(&names.object)? {
            Some(data) => data,
            None if names.optional => Data::new(),
            None => return Ok(Err(missing(objects, &names.object))),
        };
        for (key, value) in data {
            // What is not text cannot be a variable; Kubernetes leaves it out, too.
            if let Ok(value) = String::from_utf8(value) {
                self.set(format!("{}{key}", names.prefix), value);
            }
        }
        Ok(Ok(()))
    }
}

fn value_of(
    objects: &Objects<'_>,
    object: &ObjectName,
    key: &str,
    optional: bool,
) -> io::Result<Result<Option<String>, Reason>> {
    let Some(mut data) = objects.find(object)? else {
        return Ok(if optional { Ok(None) } else { Err(missing(objects, object)) });
    };
    match data.remove(key).map(String::from_utf8) {
        Some(Ok(value)) => Ok(Ok(Some(value))),
        Some(Err(_)) => Ok(Err(not_ready(format!("key {key} of {object} is not text, so it can be a file only")))),
        None if optional => Ok(Ok(None)),
        None => Ok(Err(missing_key(objects, object, key))),
    }
}

/// There is no such object.
pub(super) fn missing(objects: &Objects<'_>, object: &ObjectName) -> Reason {
    not_ready(format!("there is no {object}; looked {}", objects.looked_in(object)))
}

/// The object does not have this key.
pub(super) fn missing_key(objects: &Objects<'_>, object: &ObjectName, key: &str) -> Reason {
    not_ready(format!("{object} has no key {key}; looked {}", objects.looked_in(object)))
}

fn not_ready(message: String) -> Reason {
    Reason::new("CreateContainerConfigError", message)
}

#[cfg(test)]
mod tests {
    use gitfaas_core::run::ObjectKey;
    use serde_json::{Value, json};

    use super::super::folder::Folder;
    use super::super::names::FileName;
    use super::super::spec::Spec;
    use super::super::start::Start;
    use super::*;

    /// What comes of a container with these fields and of the objects in `folder`.
    fn resolved(folder: &std::path::Path, fields: &Value) -> Result<Vec<(String, String)>, Reason> {
        let mut container = json!({"name": "main", "command": ["true"], "resources": {"limits": {"cpu": "1500m"}}});
        for (field, value) in fields.as_object().expect("fields") {
            container[field] = value.clone();
        }
        let job = json!({"spec": {"template": {"metadata": {"labels": {"team": "blue"}}, "spec": {
            "restartPolicy": "Never", "containers": [container]}}}});
        let spec = Spec::read(&job.to_string()).expect("a spec");
        let data = tempfile::tempdir().expect("a folder");
        let applied = Folder::make(data.path()).expect("a folder");
        let objects = Objects { folder: Some(folder), applied: &applied, namespace: None, usual: "team" };
        let key =
            ObjectKey { api_version: "batch/v1".into(), kind: "Job".into(), namespace: None, name: "resize".into() };
        let start = Start { attempt: 2, pod: 1, index: 0, container: "main".to_owned() };
        let facts = Facts::new(&spec, &key, "team", &FileName::of(&key), &start);
        Env::of(&spec.containers[0], &objects, &facts).expect("a look").map(Env::into_vars)
    }

    fn pairs(vars: &[(String, String)]) -> Vec<(&str, &str)> {
        vars.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, content) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, content).expect("a file");
        }
        folder
    }

    #[test]
    fn a_later_variable_sees_the_earlier_ones_and_replaces_its_namesake() {
        let env = json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(C)"}, {"name": "A"}, {"name": "C", "value": "$(A)3"}]});
        let vars = resolved(folder(&[]).path(), &env).expect("variables");
        assert_eq!(pairs(&vars), [("B", "1$(C)"), ("A", ""), ("C", "3")]);
    }

    #[test]
    fn whole_objects_come_first_and_own_variables_win() {
        let folder = folder(&[
            ("configmaps/c/MODE", b"slow"),
            ("configmaps/c/raw", b"\xff"),
            ("secrets/s/MODE", b"fast"),
            ("secrets/s/KEY", b"k$(MODE)"),
        ]);
        let fields = json!({
            "envFrom": [{"configMapRef": {"name": "c"}}, {"prefix": "S_", "secretRef": {"name": "s"}}, {"secretRef": {"name": "none", "optional": true}}],
            "env": [{"name": "S_MODE", "value": "$(MODE)er"}, {"name": "TAKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "KEY"}}}],
        });
        let vars = resolved(folder.path(), &fields).expect("variables");
        // What an object holds is not looked through for references.
        assert_eq!(
            pairs(&vars),
            [("MODE", "slow"), ("S_KEY", "k$(MODE)"), ("S_MODE", "slower"), ("TAKEN", "k$(MODE)")]
        );
    }

    #[test]
    fn a_pod_is_told_of_itself_and_of_what_it_may_use() {
        let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
        let resource = |name: &str, what: Value| json!({"name": name, "valueFrom": {"resourceFieldRef": what}});
        let fields = json!({"env": [
            field("NAME", "metadata.name"), field("NAMESPACE", "metadata.namespace"), field("TEAM", "metadata.labels['team']"),
            field("JOB", "metadata.labels['job-name']"), field("NONE", "metadata.annotations['none']"), field("IP", "status.podIP"),
            resource("CPU", json!({"resource": "limits.cpu"})), resource("MILLI", json!({"resource": "requests.cpu", "divisor": "1m"})),
            resource("MEMORY", json!({"resource": "limits.memory", "divisor": "1Mi"})),
        ]});
        let vars = resolved(folder(&[]).path(), &fields).expect("variables");
        let wanted = [
            ("NAMESPACE", "team"),
            ("TEAM", "blue"),
            ("JOB", "resize"),
            ("NONE", ""),
            ("IP", "127.0.0.1"),
            ("CPU", "2"),
            ("MILLI", "1500"),
        ];
        assert!(vars[0].1.starts_with("resize-"), "{vars:?}");
        assert_eq!(pairs(&vars)[1..8], wanted);
        // Without a limit it is the machine's.
        assert!(vars[8].1.parse::<u64>().is_ok_and(|mebibytes| mebibytes > 16), "{vars:?}");
    }

    #[test]
    fn what_is_missing_is_told_with_where_it_was_looked_for_unless_it_is_optional() {
        let folder = folder(&[("secrets/db/user", b"ada"), ("secrets/db/raw", b"\xff")]);
        let key = |key: &str, optional: bool| json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": key, "optional": optional}}}]});
        let reason = resolved(folder.path(), &key("password", false)).expect_err("a missing key");
        assert_eq!(reason.code, "CreateContainerConfigError");
        assert!(reason.message.starts_with("Secret db has no key password; looked in "), "{}", reason.message);
        assert!(
            reason.message.contains(folder.path().join("secrets/db").to_str().expect("text")),
            "{}",
            reason.message
        );
        assert_eq!(resolved(folder.path(), &key("password", true)), Ok(vec![]));
        assert!(
            resolved(folder.path(), &key("raw", false)).is_err_and(|reason| reason.message.contains("is not text"))
        );
        let all = resolved(folder.path(), &json!({"envFrom": [{"configMapRef": {"name": "none"}}]}));
        assert!(all.is_err_and(|reason| reason.message.starts_with("there is no ConfigMap none; looked in ")));
    }
}
