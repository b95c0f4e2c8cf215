//! Why nothing of a Job runs yet, in the cluster's words.

use gitfaas_core::run::Reason;

use super::super::objects::{Container, Job, Pod, Warning};

/// What a waiting container says when nothing is wrong.
const USUAL: [&str; 4] = ["", "ContainerCreating", "PodInitializing", "CrashLoopBackOff"];

/// Why nothing of the pod is started, or nothing of it any more.
pub(super) fn waits_for(pod: &Pod) -> Option<Reason> {
    if pod.is_over() {
        return None;
    }
    let condition = pod.unscheduled().map(|condition| {
        let said = sentence(condition.message.as_str());
        if said.to_lowercase().contains("persistentvolumeclaim") {
            Reason::new("VolumeUnbound", format!("a volume claim is missing or not bound: {said}"))
        } else {
            Reason::new(word(condition.reason.as_str(), "Unschedulable"), format!("no node can take its pod: {said}"))
        }
    });
    condition.or_else(|| pod.containers().find_map(|container| container_waits_for(pod, container)))
}

fn container_waits_for(pod: &Pod, container: &Container) -> Option<Reason> {
    let waiting = container.state.waiting.as_ref()?;
    let code = waiting.reason.as_str();
    if USUAL.contains(&code) {
        return None;
    }
    let what = match code {
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" | "PostStartHookError" => {
            "the container cannot be started"
        }
        "InvalidImageName" => "the image has no valid name",
        code if code.contains("Image") || code.contains("Registry") => "the image cannot be pulled",
        _ => "the container waits",
    };
    let said = sentence(waiting.message.as_str());
    let text = if said.is_empty() { what.to_owned() } else { format!("{what}: {said}") };
    // Where there is only one, its name helps nobody.
    let text = if pod.containers().count() > 1 { format!("container {}: {text}", container.name) } else { text };
    Some(Reason::new(word(code, "Waiting"), text))
}

/// Why no pod is made.
pub(super) fn suspended(job: &Job) -> Option<Reason> {
    let suspended = job.spec.suspend.unwrap_or(false);
    let text = "it is suspended: nothing of it runs until somebody sets its spec.suspend to false";
    suspended.then(|| Reason::new("Suspended", text))
}

/// What a warning about a pod says of why nothing of it is started.
pub(in super::super) fn pod_warning(warning: &Warning) -> Option<Reason> {
    let code = warning.reason.as_str();
    let what = match code {
        "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" => "a volume cannot be mounted",
        "FailedCreatePodSandBox" | "FailedCreatePodContainer" | "NetworkNotReady" | "FailedPodSandBoxStatus" => {
            "its pod cannot be set up"
        }
        _ => return None,
    };
    Some(Reason::new(code, format!("{what}: {}", sentence(warning.message.as_str()))))
}

/// Whether it is one of [`pod_warning`]: those do not stand in a pod's own status.
pub(super) fn is_warning(reason: &Reason) -> bool {
    reason.code.starts_with("Failed") || reason.code == "NetworkNotReady"
}

/// What a warning about a Job says of why no pod is made.
pub(in super::super) fn job_warning(warning: &Warning) -> Option<Reason> {
    let said = sentence(warning.message.as_str());
    (warning.reason.as_str() == "FailedCreate")
        .then(|| Reason::new("FailedCreate", format!("Kubernetes cannot make its pod: {said}")))
}

/// A word for machines, where it is one.
pub(super) fn word(text: &str, otherwise: &str) -> String {
    let is_word = !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_word { text.to_owned() } else { otherwise.to_owned() }
}

/// Without what ends a sentence.
pub(super) fn sentence(text: &str) -> &str {
    text.trim().trim_end_matches('.')
}
