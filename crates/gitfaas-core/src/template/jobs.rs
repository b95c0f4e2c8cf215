//! What Kubernetes is certain to refuse of a Job, or to understand otherwise than its author, before any message.
//!
//! Most is warned of only: a cluster may have webhooks that put right what it gets.

use super::report::Report;
use super::text::Placed;
use super::tree::{Tree, Value};

/// What was probably meant with a Job whose name is the same for several runs.
pub(super) fn warn_of_fixed_name(name: &Placed, report: &mut Report) {
    let written = name.text.written(str::to_owned);
    let message = format!("the Job `{written}` has no name of its own for each run, so it runs once only");
    let help = format!(
        "write `{written}-{{{{RANDOM}}}}`; as it is, Kubernetes gets it as from `kubectl apply`: what differs in the pods \
         of a Job that exists is refused, and one that is over does not run again"
    );
    report.warning(name.position, message, help);
}

/// Warns of pods that no Job can have; what a placeholder decides is left to the cluster.
pub(super) fn warn_of_pods(job: &Tree, report: &mut Report) {
    let Some(pod) = job.get("spec").and_then(|spec| spec.get("template")?.get("spec")) else { return };
    let Value::Mapping(entries) = &pod.value else { return };
    if entries.iter().any(|entry| entry.key.fixed().is_none()) {
        return;
    }
    restart_policy(pod, report);
    containers(pod, report);
}

fn restart_policy(pod: &Tree, report: &mut Report) {
    const HELP: &str = "write `restartPolicy: Never` for a new pod with each attempt, or `OnFailure` to start the \
                        container again in the same one";
    let given = pod.get("restartPolicy").filter(|given| !given.is_null());
    match given.map(|given| (given, given.text())) {
        None => report.warning(pod.position, "a Job without a `restartPolicy` is refused by Kubernetes", HELP),
        Some((given, Some(text))) => {
            if let Some(word) = text.fixed().filter(|word| !matches!(*word, "Never" | "OnFailure")) {
                let shown: String = word.chars().take(60).collect();
                report.warning(given.position, format!("Kubernetes refuses a Job with `restartPolicy: {shown}`"), HELP);
            }
        }
        // What is no string has been reported with all other strings.
        Some((_, None)) => {}
    }
}

fn containers(pod: &Tree, report: &mut Report) {
    let given = |key| pod.get(key).filter(|given: &&Tree| !given.is_null());
    let none = match given("containers") {
        None => Some(pod.position),
        Some(Tree { position, value: Value::Sequence(items) }) if items.is_empty() => Some(*position),
        Some(_) => None,
    };
    if let Some(position) = none {
        report.warning(position, "a Job without `containers` is refused by Kubernetes", "write at least one");
    }
    for containers in ["initContainers", "containers"].into_iter().filter_map(given) {
        let Value::Sequence(items) = &containers.value else { continue };
        for container in items.iter().filter(|container| lacks_image(container)) {
            report.warning(
                container.position,
                "a container without an `image` is refused by Kubernetes",
                "write `image:` and the name of one",
            );
        }
    }
}

fn lacks_image(container: &Tree) -> bool {
    let Value::Mapping(entries) = &container.value else { return false };
    let open = entries.iter().any(|entry| entry.key.fixed().is_none());
    !open && container.get("image").is_none_or(|image| image.is_null() || image.text().is_some_and(|text| text.is("")))
}
