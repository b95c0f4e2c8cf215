//! The variables of a container, as the manifest asks for them: given, or taken from elsewhere when it starts.

use super::super::manifest::{self, EnvVar, PodSpec};
use super::super::references::{KeyRef, ValueFrom};
use super::field::{Field, Resource};
use super::volume::{self, Kind, ObjectName};
use super::{Checked, malformed, unsupported};

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster::local) struct Var {
    pub(in crate::cluster::local) name: String,
    pub(in crate::cluster::local) source: Source,
}

/// Where its value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster::local) enum Source {
    /// It is given, with references to earlier variables.
    Value(String),
    /// A key of an object; without it there is no variable if it is `optional`.
    Key { object: ObjectName, key: String, optional: bool },
    /// What the pod is told of itself.
    Field(Field),
    /// What the container may use.
    Resource(Resource),
}

/// All keys of an object as variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster::local) struct Names {
    pub(in crate::cluster::local) object: ObjectName,
    /// Stands before each of them.
    pub(in crate::cluster::local) prefix: String,
    pub(in crate::cluster::local) optional: bool,
}

pub(super) fn names(at: &str, container: &manifest::Container) -> Checked<Vec<Names>> {
    let sources = container.env_from.iter().flatten().enumerate();
    let read = sources.map(|(index, source)| {
        let at = format!("{at}.envFrom[{index}]");
        let (kind, field, object) = match (&source.config_map_ref, &source.secret_ref) {
            (Some(object), None) => (Kind::ConfigMap, "configMapRef", object),
            (None, Some(object)) => (Kind::Secret, "secretRef", object),
            _ => return Err(malformed(&at, "needs either `configMapRef` or `secretRef`")),
        };
        let at = format!("{at}.{field}.name");
        Ok(Names {
            object: ObjectName::read(&at, kind, object.name.as_deref())?,
            prefix: source.prefix.clone().unwrap_or_default(),
            optional: object.optional == Some(true),
        })
    });
    read.collect()
}

pub(super) fn vars(at: &str, pod: &PodSpec, container: &manifest::Container) -> Checked<Vec<Var>> {
    let vars = container.env.iter().flatten().enumerate();
    vars.map(|(index, var)| {
        let source = source(&format!("{at}.env[{index}]"), pod, &container.name, var)?;
        Ok(Var { name: var.name.clone(), source })
    })
    .collect()
}

fn source(at: &str, pod: &PodSpec, container: &str, var: &EnvVar) -> Checked<Source> {
    let value = var.value.clone().unwrap_or_default();
    let Some(from) = &var.value_from else { return Ok(Source::Value(value)) };
    let at = format!("{at}.valueFrom");
    if !value.is_empty() {
        return Err(malformed(&at, "there is a `value` already"));
    }
    match from {
        ValueFrom { config_map_key_ref: Some(key), .. } => {
            source_of_key(&format!("{at}.configMapKeyRef"), Kind::ConfigMap, key)
        }
        ValueFrom { secret_key_ref: Some(key), .. } => source_of_key(&format!("{at}.secretKeyRef"), Kind::Secret, key),
        ValueFrom { field_ref: Some(field), .. } => {
            Field::read(&format!("{at}.fieldRef.fieldPath"), &field.field_path).map(Source::Field)
        }
        ValueFrom { resource_field_ref: Some(resource), .. } => {
            let own = resource.container_name.as_deref().unwrap_or(container);
            Resource::read(&format!("{at}.resourceFieldRef"), pod, own, resource).map(Source::Resource)
        }
        // Refused by `check`, unless it says nothing at all.
        _ => Ok(Source::Value(value)),
    }
}

fn source_of_key(at: &str, kind: Kind, key: &KeyRef) -> Checked<Source> {
    Ok(Source::Key {
        object: ObjectName::read(&format!("{at}.name"), kind, key.name.as_deref())?,
        key: volume::key(&format!("{at}.key"), &key.key)?,
        optional: key.optional == Some(true),
    })
}

/// Refuses variables from where nothing is to be had here.
pub(super) fn check(at: &str, container: &manifest::Container) -> Checked<()> {
    for (index, var) in container.env.iter().flatten().enumerate() {
        let mut others = var.value_from.iter().flat_map(|from| &from.others);
        if let Some((source, _)) = others.find(|(_, value)| !value.is_null()) {
            let what = format!("`{}` comes from where the local cluster has nothing; give a value", var.name);
            return Err(unsupported(&format!("{at}.env[{index}].valueFrom.{source}"), &what));
        }
    }
    Ok(())
}
