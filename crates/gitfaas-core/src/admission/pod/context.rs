//! The `securityContext` of a pod or of a container.

use serde::de::MapAccess;

use super::control::Control;
use super::findings::Findings;
use super::place::At;
use super::read::{Given, Member, Reader};

/// What Docker gave every container, less what was seen to lead out of it.
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
const SELINUX_TYPES: [&str; 5] = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
/// What is the pod's own, and no other pod's on the node.
const SYSCTLS: [&str; 14] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];
const CONTAINER_PROFILE: &str = "must be `RuntimeDefault`, `Localhost` or left out";

/// What a context says that counts for others too, or only together with what others say.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Context {
    /// `runAsNonRoot`.
    non_root: Given,
    /// Whether there is a seccomp profile.
    seccomp: Given,
    /// `allowPrivilegeEscalation`.
    escalation: Given,
    /// Whether all capabilities are dropped.
    drops_all: Given,
}

impl Context {
    /// Complains of what is missing for `restricted` in a container at `at` that has this context in a pod that has
    /// that of `pod`.
    pub(super) fn harden(self, pod: Self, container: &At<'_>, findings: &mut Findings) {
        let at = At::key(container, "securityContext");
        if matches!(self.escalation, Given::Nothing | Given::Yes) {
            let at = At::key(&at, "allowPrivilegeEscalation");
            findings.hardening_on_linux(Control::PrivilegeEscalation, &at, "must be false");
        }
        if matches!(self.drops_all, Given::Nothing | Given::No) {
            let at = At::key(&at, "capabilities");
            findings.hardening_on_linux(Control::Capabilities, &At::key(&at, "drop"), "must have `ALL`");
        }
        if (self.non_root, pod.non_root) == (Given::Nothing, Given::Nothing) {
            let rule = "must be true here or in the pod's own securityContext";
            findings.hardening(Control::NonRoot, &At::key(&at, "runAsNonRoot"), rule);
        }
        if (self.seccomp, pod.seccomp) == (Given::Nothing, Given::Nothing) {
            let rule = "must be `RuntimeDefault` or `Localhost` here or in the pod's own securityContext";
            let at = At::key(&at, "seccompProfile");
            findings.hardening_on_linux(Control::Seccomp, &At::key(&at, "type"), rule);
        }
    }
}

impl<'de> Reader<'de> for Context {
    fn keys(&self) -> &'static [&'static str] {
        &[
            "privileged",
            "allowPrivilegeEscalation",
            "runAsNonRoot",
            "runAsUser",
            "capabilities",
            "procMount",
            "seccompProfile",
            "appArmorProfile",
            "seLinuxOptions",
            "windowsOptions",
            "sysctls",
        ]
    }

    fn member<A: MapAccess<'de>>(&mut self, key: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        match key {
            "privileged" => member.forbid_true(Control::Privileged),
            "allowPrivilegeEscalation" => {
                self.escalation = member.flag()?;
                Ok(())
            }
            "runAsNonRoot" => self.run_as_non_root(member),
            "runAsUser" => member.forbid_user_zero(),
            "capabilities" => {
                let mut capabilities = Capabilities::default();
                member.mapping(&mut capabilities)?;
                self.drops_all = capabilities.drops_all;
                Ok(())
            }
            "procMount" => {
                let rule = "must be `Default` or left out";
                member.forbid_text_but(Control::ProcMount, rule, |mount| mount == "Default").map(drop)
            }
            "seccompProfile" => {
                let mut profile = Profile { control: Control::Seccomp, given: Given::Nothing };
                member.mapping(&mut profile)?;
                self.seccomp = profile.given;
                Ok(())
            }
            "appArmorProfile" => member.mapping(&mut Profile { control: Control::AppArmor, given: Given::Nothing }),
            "seLinuxOptions" => member.mapping(&mut SeLinux),
            "windowsOptions" => member.mapping(&mut Windows),
            _ => member.mappings(|_, Sysctl| {}),
        }
    }

    fn unknown(&mut self) {
        let unknown = Given::Unknown;
        *self = Self { non_root: unknown, seccomp: unknown, escalation: unknown, drops_all: unknown };
    }
}

impl Context {
    fn run_as_non_root<'de, A: MapAccess<'de>>(&mut self, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        self.non_root = member.flag()?;
        if self.non_root == Given::No {
            member.findings.hardening(Control::NonRoot, &member.at, "must be true");
        }
        Ok(())
    }
}

impl<'de, A: MapAccess<'de>> Member<'_, A> {
    /// For a field that must not be true.
    pub(super) fn forbid_true(&mut self, control: Control) -> Result<(), A::Error> {
        if self.flag()? == Given::Yes {
            self.findings.baseline(control, &self.at, "must be false or left out");
        }
        Ok(())
    }

    /// For a field whose text must be `allowed`.
    pub(super) fn forbid_text_but(
        &mut self,
        control: Control,
        rule: &'static str,
        allowed: impl Fn(&str) -> bool,
    ) -> Result<Given, A::Error> {
        let other = self.text_but(allowed)?;
        if other == Given::Yes {
            self.findings.baseline(control, &self.at, rule);
        }
        Ok(other)
    }

    fn forbid_user_zero(&mut self) -> Result<(), A::Error> {
        if self.number()? == Given::No {
            self.findings.hardening(Control::NonRootUser, &self.at, "must not be 0");
        }
        Ok(())
    }
}

#[derive(Default)]
struct Capabilities {
    drops_all: Given,
}

impl<'de> Reader<'de> for Capabilities {
    fn keys(&self) -> &'static [&'static str] {
        &["add", "drop"]
    }

    fn member<A: MapAccess<'de>>(&mut self, key: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        if key == "drop" {
            return member.strings(|_, capability, _| match capability {
                Some("ALL") => self.drops_all = Given::Yes,
                None if self.drops_all != Given::Yes => self.drops_all = Given::Unknown,
                _ => {}
            });
        }
        member.strings(|at, capability, findings| match capability {
            Some(capability) if !CAPABILITIES.contains(&capability) => {
                findings.baseline(Control::Capabilities, at, "is forbidden");
            }
            Some("NET_BIND_SERVICE") | None => {}
            Some(_) => findings.hardening_on_linux(Control::Capabilities, at, "is forbidden"),
        })
    }

    fn unknown(&mut self) {
        self.drops_all = Given::Unknown;
    }
}

/// A seccomp or `AppArmor` profile.
struct Profile {
    control: Control,
    given: Given,
}

impl<'de> Reader<'de> for Profile {
    fn keys(&self) -> &'static [&'static str] {
        &["type"]
    }

    fn member<A: MapAccess<'de>>(&mut self, _: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        let allowed = |profile: &str| matches!(profile, "RuntimeDefault" | "Localhost");
        self.given = member.forbid_text_but(self.control, CONTAINER_PROFILE, allowed)?;
        Ok(())
    }

    fn unknown(&mut self) {
        self.given = Given::Unknown;
    }
}

struct SeLinux;

impl<'de> Reader<'de> for SeLinux {
    fn keys(&self) -> &'static [&'static str] {
        &["type", "user", "role"]
    }

    fn member<A: MapAccess<'de>>(&mut self, key: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        let (rule, allowed) = match key {
            "type" => ("must be a type for containers or left out", &SELINUX_TYPES[..]),
            _ => ("must be left out", &SELINUX_TYPES[..1]),
        };
        member.forbid_text_but(Control::SeLinux, rule, |text| allowed.contains(&text)).map(drop)
    }
}

struct Windows;

impl<'de> Reader<'de> for Windows {
    fn keys(&self) -> &'static [&'static str] {
        &["hostProcess"]
    }

    fn member<A: MapAccess<'de>>(&mut self, _: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        member.forbid_true(Control::HostProcess)
    }
}

#[derive(Default)]
struct Sysctl;

impl<'de> Reader<'de> for Sysctl {
    fn keys(&self) -> &'static [&'static str] {
        &["name"]
    }

    fn member<A: MapAccess<'de>>(&mut self, _: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        let rule = "must be one that is safe";
        member.forbid_text_but(Control::Sysctls, rule, |name| SYSCTLS.contains(&name)).map(drop)
    }
}
