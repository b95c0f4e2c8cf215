//! Containers of any sort: their ports, probes and lifecycle hooks.

use serde::de::MapAccess;

use super::context::Context;
use super::control::Control;
use super::read::{Given, Member, Reader};

/// A container.
#[derive(Default)]
pub(super) struct Container {
    pub(super) context: Context,
}

impl<'de> Reader<'de> for Container {
    fn keys(&self) -> &'static [&'static str] {
        &["securityContext", "ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"]
    }

    fn member<A: MapAccess<'de>>(&mut self, key: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        match key {
            "securityContext" => member.mapping(&mut self.context),
            "ports" => member.mappings(|_, Port| {}),
            "lifecycle" => member.mapping(&mut Lifecycle),
            _ => member.mapping(&mut Handler),
        }
    }

    fn unknown(&mut self) {
        Reader::unknown(&mut self.context);
    }
}

#[derive(Default)]
struct Port;

impl<'de> Reader<'de> for Port {
    fn keys(&self) -> &'static [&'static str] {
        &["hostPort"]
    }

    fn member<A: MapAccess<'de>>(&mut self, _: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        if member.number()? == Given::Yes {
            member.findings.baseline(Control::HostPorts, &member.at, "must be 0 or left out");
        }
        Ok(())
    }
}

struct Lifecycle;

impl<'de> Reader<'de> for Lifecycle {
    fn keys(&self) -> &'static [&'static str] {
        &["postStart", "preStop"]
    }

    fn member<A: MapAccess<'de>>(&mut self, _: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        member.mapping(&mut Handler)
    }
}

/// A probe or a lifecycle hook.
struct Handler;

impl<'de> Reader<'de> for Handler {
    fn keys(&self) -> &'static [&'static str] {
        &["httpGet", "tcpSocket"]
    }

    fn member<A: MapAccess<'de>>(&mut self, _: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        member.mapping(&mut Target)
    }
}

/// What a probe or hook speaks to.
struct Target;

impl<'de> Reader<'de> for Target {
    fn keys(&self) -> &'static [&'static str] {
        &["host"]
    }

    fn member<A: MapAccess<'de>>(&mut self, _: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        member.forbid_text_but(Control::HostProbes, "must be left out", str::is_empty).map(drop)
    }
}
