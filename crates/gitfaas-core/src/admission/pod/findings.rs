//! What is found to be forbidden.

use super::PodPolicy;
use super::control::Control;
use super::place::{At, Path, Step};
use crate::admission::Refusal;

/// Most violations that are told of one object; more are only counted.
const MAX_TOLD: usize = 20;

/// One rule that one place breaks. It names no value: that may be a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    level: PodPolicy,
    control: Control,
    /// The place; the last steps need not exist, where something is missing.
    pub(crate) path: Vec<Step>,
    rule: &'static str,
}

impl Violation {
    /// Whether `policy` minds.
    pub(crate) fn breaks(&self, policy: PodPolicy) -> bool {
        policy != PodPolicy::Off && self.level <= policy
    }

    /// What people are told of it.
    pub(crate) fn refusal(&self, policy: PodPolicy) -> Refusal {
        let (path, rule) = (Path(&self.path), self.rule);
        let Some(control) = self.control.name() else {
            let message = format!("`{path}` {rule}, so the pod policy cannot tell what it means");
            return Refusal::new(message, "write it as the Kubernetes API has it");
        };
        let message = format!("by the pod policy `{policy}` ({control}), `{path}` {rule}");
        let enough = if self.level == PodPolicy::Restricted { "baseline" } else { "off" };
        let help = format!("change the template, or run the server with `--pod-policy {enough}`");
        Refusal::new(message, help)
    }
}

/// Collects violations.
pub(crate) struct Findings {
    policy: PodPolicy,
    pub(crate) violations: Vec<Violation>,
    /// What is forbidden unless the pod turns out to be one for Windows.
    on_linux: Vec<Violation>,
    untold: usize,
    untold_on_linux: usize,
}

impl Findings {
    pub(in crate::admission) const fn of(policy: PodPolicy) -> Self {
        Self { policy, violations: Vec::new(), on_linux: Vec::new(), untold: 0, untold_on_linux: 0 }
    }

    /// Whether pods have to be hardened.
    pub(super) fn restricted(&self) -> bool {
        self.policy == PodPolicy::Restricted
    }

    /// A control of `baseline` is broken at `at`.
    pub(super) fn baseline(&mut self, control: Control, at: &At<'_>, rule: &'static str) {
        self.push(PodPolicy::Baseline, control, at, rule);
    }

    /// A control of `restricted` is broken at `at`.
    pub(super) fn hardening(&mut self, control: Control, at: &At<'_>, rule: &'static str) {
        if self.restricted() {
            self.push(PodPolicy::Restricted, control, at, rule);
        }
    }

    /// The same, for a control that Windows pods are exempt from.
    pub(super) fn hardening_on_linux(&mut self, control: Control, at: &At<'_>, rule: &'static str) {
        if self.restricted() && self.on_linux.len() < MAX_TOLD {
            self.on_linux.push(Violation { level: PodPolicy::Restricted, control, path: at.steps(), rule });
        } else if self.restricted() {
            self.untold_on_linux += 1;
        }
    }

    /// What is at `at` cannot be understood.
    pub(super) fn unclear(&mut self, at: &At<'_>, what: &'static str) {
        self.push(PodPolicy::Baseline, Control::Unclear, at, what);
    }

    /// Ends a pod; `linux` is whether it certainly is one for Linux.
    pub(super) fn end_of_pod(&mut self, linux: bool) {
        let (mut found, untold) = (std::mem::take(&mut self.on_linux), std::mem::take(&mut self.untold_on_linux));
        if linux {
            self.violations.append(&mut found);
            self.untold += untold;
        }
    }

    fn push(&mut self, level: PodPolicy, control: Control, at: &At<'_>, rule: &'static str) {
        if self.violations.len() < MAX_TOLD {
            self.violations.push(Violation { level, control, path: at.steps(), rule });
        } else {
            self.untold += 1;
        }
    }

    /// The first violation, and how many there are beside it.
    pub(in crate::admission) fn into_refusal(self) -> Option<Refusal> {
        let refusal = self.violations.first()?.refusal(self.policy);
        let more = self.violations.len() - 1 + self.untold;
        if more > 0 {
            let message = format!("{}; {more} more places break its rules", refusal.message);
            return Some(Refusal { message, ..refusal });
        }
        Some(refusal)
    }
}
