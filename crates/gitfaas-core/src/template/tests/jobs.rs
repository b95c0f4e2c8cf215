//! What can be known of a Job before Kubernetes has seen it.

use rstest::rstest;

use super::{compile, problems};

/// The warnings about a Job whose pods are these.
fn warned(pod: &str) -> Vec<String> {
    let source = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: 'a-{{{{RANDOM}}}}'}}\nspec:\n  template:\n    spec: {pod}\n"
    );
    compile(&source).warnings().iter().map(ToString::to_string).collect()
}

#[rstest]
#[case("{restartPolicy: Never, containers: [{name: a, image: b}]}")]
#[case("{restartPolicy: OnFailure, initContainers: [{image: '{{image}}'}], containers: [{image: b}]}")]
#[case("{restartPolicy: '{{policy}}', containers: '{{containers}}'}")]
#[case("{'{{key}}': Never}")]
#[case("{restartPolicy: Never, containers: [{name: a, '{{key}}': b}]}")]
fn a_job_that_kubernetes_may_take_is_not_warned_of(#[case] pod: &str) {
    assert_eq!(warned(pod), Vec::<String>::new());
}

#[rstest]
#[case(
    "{restartPolicy: Always, containers: [{image: b}]}",
    "6:27: Kubernetes refuses a Job with `restartPolicy: Always`"
)]
#[case(
    "{restartPolicy: never, containers: [{image: b}]}",
    "6:27: Kubernetes refuses a Job with `restartPolicy: never`"
)]
#[case("{containers: [{image: b}]}", "6:11: a Job without a `restartPolicy` is refused by Kubernetes")]
#[case("{restartPolicy: Never}", "6:11: a Job without `containers` is refused by Kubernetes")]
#[case("{restartPolicy: Never, containers: []}", "6:46: a Job without `containers` is refused by Kubernetes")]
#[case(
    "{restartPolicy: Never, containers: [{name: a}]}",
    "6:47: a container without an `image` is refused by Kubernetes"
)]
#[case(
    "{restartPolicy: Never, containers: [{image: b}], initContainers: [{image: ''}]}",
    "6:77: a container without an `image` is refused by Kubernetes"
)]
fn what_kubernetes_is_certain_to_refuse_of_a_job_is_warned_of(#[case] pod: &str, #[case] warning: &str) {
    let warned = warned(pod);
    assert!(warned.len() == 1 && warned[0].contains(warning), "{warned:?}");
}

#[rstest]
#[case("batch/v1", "job", "2:7: `batch/v1` has no kind `job` (write `Job`)")]
#[case("v1", "CONFIGMAP", "2:7: `v1` has no kind `CONFIGMAP` (write `ConfigMap`)")]
#[case("v1", "Job", "2:7: `v1` has no kind `Job` (write `apiVersion: batch/v1`)")]
#[case(
    "batch/v1",
    "deployment",
    "2:7: `batch/v1` has no kind `deployment` (write `Deployment` and `apiVersion: apps/v1`)"
)]
fn a_kind_of_kubernetes_itself_is_written_as_it_is_there(#[case] group: &str, #[case] kind: &str, #[case] told: &str) {
    let source = format!("apiVersion: {group}\nkind: {kind}\nmetadata: {{name: 'a-{{{{RANDOM}}}}'}}\n");
    assert_eq!(problems(&source), [told]);
}

#[test]
fn what_is_a_kind_elsewhere_or_may_become_one_is_left_alone() {
    for (group, kind) in [("batch.example/v1", "job"), ("v1", "Jobs"), ("v1", "{{kind}}"), ("batch/v1beta1", "CronJob")]
    {
        compile(&format!("apiVersion: {group}\nkind: '{kind}'\nmetadata: {{name: 'a-{{{{RANDOM}}}}'}}\n"));
    }
}
