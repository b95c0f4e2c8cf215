//! The controls, by the names that the Pod Security Standards give them.

/// A control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    HostProcess,
    HostNamespaces,
    Privileged,
    Capabilities,
    HostPath,
    HostPorts,
    HostProbes,
    AppArmor,
    SeLinux,
    ProcMount,
    Seccomp,
    Sysctls,
    /// Ours: the standards say nothing about it.
    ServiceAccounts,
    VolumeTypes,
    PrivilegeEscalation,
    NonRoot,
    NonRootUser,
    /// None: something cannot be understood.
    Unclear,
}

impl Control {
    /// Its name; `None` where no control is broken.
    pub(super) const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::HostProcess => "HostProcess",
            Self::HostNamespaces => "Host Namespaces",
            Self::Privileged => "Privileged Containers",
            Self::Capabilities => "Capabilities",
            Self::HostPath => "HostPath Volumes",
            Self::HostPorts => "Host Ports",
            Self::HostProbes => "Host Probes / Lifecycle Hooks",
            Self::AppArmor => "AppArmor",
            Self::SeLinux => "SELinux",
            Self::ProcMount => "/proc Mount Type",
            Self::Seccomp => "Seccomp",
            Self::Sysctls => "Sysctls",
            Self::ServiceAccounts => "Service Accounts",
            Self::VolumeTypes => "Volume Types",
            Self::PrivilegeEscalation => "Privilege Escalation",
            Self::NonRoot => "Running as Non-root",
            Self::NonRootUser => "Running as Non-root user",
            Self::Unclear => return None,
        })
    }
}
