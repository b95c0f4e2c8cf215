use crate::admission::{PodPolicy, Policy};
use crate::problem::Problem;
use crate::template::Template;

/// What the policy is certain to refuse of a file: line, column and control.
fn certain(pods: PodPolicy, source: &str) -> Vec<(u32, u32, String)> {
    let template = Template::compile(&"a.yaml".parse().expect("a path"), source.as_bytes()).expect("a template");
    let problems = Policy::default().with_pods(pods).problems(&template);
    let told = |problem: Problem| {
        let (position, rest) = (problem.position.expect("a place"), problem.message);
        let (_, rest) = rest.split_once('(').expect("a control");
        (position.line, position.column, rest.split_once(')').expect("a control").0.to_owned())
    };
    problems.into_iter().map(told).collect()
}

const JOB: &str = "\
apiVersion: batch/v1
kind: Job
metadata:
  name: a-{{RANDOM}}
spec:
  template:
    metadata:
      annotations:
        container.apparmor.security.beta.kubernetes.io/main: unconfined
    spec:
      hostPID: yes
      serviceAccountName: '{{account}}'
      containers:
      - name: main
        image: a
        securityContext:
          privileged: {{privileged}}
          allowPrivilegeEscalation: {{escalate}}
          runAsUser: {{user}}
          seccompProfile:
            type: '{{profile}}'
          capabilities:
            add: [CHOWN, SYS_TIME, '{{capability}}']
            drop: ['{{capability}}']
      - name: other
        image: a
        securityContext:
          '{{key}}': true
      volumes:
      - name: v
        hostPath: {path: /}
";

#[test]
fn what_is_certain_of_the_pods_is_told_with_its_place() {
    let expected =
        [(9, 9, "AppArmor"), (11, 7, "Host Namespaces"), (23, 26, "Capabilities"), (31, 9, "HostPath Volumes")];
    assert_eq!(
        certain(PodPolicy::Baseline, JOB),
        expected.map(|(line, column, control)| (line, column, control.to_owned()))
    );
    assert_eq!(certain(PodPolicy::Off, JOB), []);
}

#[test]
fn what_is_missing_is_told_where_it_would_have_to_be() {
    let told = certain(PodPolicy::Restricted, JOB);
    assert!(told.contains(&(16, 9, "Running as Non-root".to_owned())), "{told:?}");
    assert!(told.contains(&(23, 19, "Capabilities".to_owned())), "{told:?}");
    assert_eq!(told.len(), 6, "{told:?}");
}

#[test]
fn what_only_a_message_decides_is_not_told() {
    let of_kind = JOB.replace("kind: Job", "kind: '{{kind}}'");
    assert_eq!(certain(PodPolicy::Restricted, &of_kind), []);
    let of_system = JOB.replace("      hostPID: yes", "      os: {name: '{{os}}'}");
    let told = certain(PodPolicy::Restricted, &of_system);
    assert!(!told.contains(&(23, 19, "Capabilities".to_owned())), "{told:?}");
    assert!(told.contains(&(16, 9, "Running as Non-root".to_owned())), "{told:?}");
}
