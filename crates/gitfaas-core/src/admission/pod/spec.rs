//! The `spec` of a pod, and the annotations that stood for fields before there were any.

use serde::de::MapAccess;

use super::container::Container;
use super::context::Context;
use super::control::Control;
use super::findings::Findings;
use super::place::At;
use super::read::{Given, Member, Reader};

/// The `spec` of a pod.
#[derive(Default)]
pub(in crate::admission) struct PodSpec {
    context: Context,
    /// The list, the place in it and the context of each container; only where they have to be hardened.
    containers: Vec<(&'static str, usize, Context)>,
    os: Os,
}

impl<'de> Reader<'de> for PodSpec {
    fn keys(&self) -> &'static [&'static str] {
        &[
            "containers",
            "initContainers",
            "ephemeralContainers",
            "volumes",
            "securityContext",
            "hostNetwork",
            "hostPID",
            "hostIPC",
            "serviceAccountName",
            "serviceAccount",
            "os",
        ]
    }

    fn member<A: MapAccess<'de>>(&mut self, key: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        match key {
            "containers" | "initContainers" | "ephemeralContainers" => {
                let restricted = member.findings.restricted();
                member.mappings(|index, container: Container| {
                    if restricted {
                        self.containers.push((key, index, container.context));
                    }
                })
            }
            "volumes" => member.mappings(|_, Volume| {}),
            "securityContext" => member.mapping(&mut self.context),
            "hostNetwork" | "hostPID" | "hostIPC" => member.forbid_true(Control::HostNamespaces),
            "os" => member.mapping(&mut self.os),
            _ => {
                let rule = "must be `default` or left out";
                member.forbid_text_but(Control::ServiceAccounts, rule, |name| matches!(name, "" | "default")).map(drop)
            }
        }
    }

    fn end(&mut self, at: &At<'_>, findings: &mut Findings) {
        for (list, index, context) in self.containers.drain(..) {
            context.harden(self.context, &At::item(&At::key(at, list), index), findings);
        }
        findings.end_of_pod(matches!(self.os.windows, Given::Nothing | Given::No));
    }
}

/// The `os` of a pod.
#[derive(Default)]
struct Os {
    windows: Given,
}

impl<'de> Reader<'de> for Os {
    fn keys(&self) -> &'static [&'static str] {
        &["name"]
    }

    fn member<A: MapAccess<'de>>(&mut self, _: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        self.windows = member.text_but(|name| name != "windows")?;
        Ok(())
    }

    fn unknown(&mut self) {
        self.windows = Given::Unknown;
    }
}

#[derive(Default)]
struct Volume;

impl<'de> Reader<'de> for Volume {
    /// The name, what is forbidden in any case, and what `restricted` allows.
    fn keys(&self) -> &'static [&'static str] {
        &[
            "name",
            "hostPath",
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "image",
            "persistentVolumeClaim",
            "projected",
            "secret",
        ]
    }

    fn member<A: MapAccess<'de>>(&mut self, key: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        if key != "hostPath" {
            return member.skip();
        }
        if member.is_given()? {
            member.findings.baseline(Control::HostPath, &member.at, "is forbidden");
        }
        Ok(())
    }

    fn other<A: MapAccess<'de>>(&mut self, _: &str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        if member.is_given()? {
            let rule = "must be of a type for functions: configMap, csi, downwardAPI, emptyDir, ephemeral, image, \
                        persistentVolumeClaim, projected or secret; no other is allowed";
            member.findings.hardening(Control::VolumeTypes, &member.at, rule);
        }
        Ok(())
    }
}

/// The annotations of a pod.
pub(in crate::admission) struct Annotations;

impl<'de> Reader<'de> for Annotations {
    fn keys(&self) -> &'static [&'static str] {
        &[]
    }

    fn member<A: MapAccess<'de>>(&mut self, _: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        member.skip()
    }

    fn other<A: MapAccess<'de>>(&mut self, key: &str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        let (control, shown, docker) = if key.starts_with("container.apparmor.security.beta.kubernetes.io/") {
            (Control::AppArmor, "container.apparmor.security.beta.kubernetes.io/*", "")
        } else if key == "seccomp.security.alpha.kubernetes.io/pod" {
            (Control::Seccomp, "seccomp.security.alpha.kubernetes.io/pod", "docker/default")
        } else if key.starts_with("container.seccomp.security.alpha.kubernetes.io/") {
            (Control::Seccomp, "container.seccomp.security.alpha.kubernetes.io/*", "docker/default")
        } else {
            return member.skip();
        };
        let rule = "must be `runtime/default`, `localhost/…` or left out";
        let allowed =
            |profile: &str| profile == "runtime/default" || profile == docker || profile.starts_with("localhost/");
        let at = At::key(&member.at, shown);
        Member { map: member.map, at, findings: member.findings }.forbid_text_but(control, rule, allowed).map(drop)
    }
}
