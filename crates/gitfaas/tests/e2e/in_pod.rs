//! gitfaas as a pod: it finds its cluster, its namespace and its rights by its service account.

use std::process::Command;

use crate::support::{
    Namespace, Repository, checkout, documented_role, eventually, leave_out, program, shell_image, variable,
};

const WHAT: &str = "gitfaas in a pod";
const IMAGE: &str = "localhost/gitfaas:e2e";

/// An image of the program under test, with these functions in `/functions`.
fn image(cluster: &str, functions: &Repository) {
    let functions = format!("/functions={}", functions.path().display());
    let mut command = Command::new(checkout("scripts/cluster"));
    command.args(["image", cluster, IMAGE, "--busybox", "--add", &functions, "--program"]).arg(program());
    let output = command.output().expect("bash");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn pod() -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: gitfaas}}
spec:
  serviceAccountName: gitfaas
  terminationGracePeriodSeconds: 0
  containers:
  - name: gitfaas
    image: {IMAGE}
    imagePullPolicy: Never
    command: ['{}', serve, --dir, /functions, --data, /data, --base-url, 'http://$(ADDRESS):5000']
    env: [{{name: ADDRESS, valueFrom: {{fieldRef: {{fieldPath: status.podIP}}}}}}]
    readinessProbe: {{httpGet: {{path: /readyz, port: 5000}}, periodSeconds: 1}}
    volumeMounts: [{{name: data, mountPath: /data}}]
  volumes: [{{name: data, emptyDir: {{}}}}]
",
        program().display()
    )
}

fn answering() -> String {
    format!(
        "apiVersion: batch/v1
kind: Job
metadata: {{name: 'answering-{{{{RANDOM}}}}'}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: '{}'
        command: [sh, -c, 'wget -qO- --post-data=\"from {{{{NAMESPACE}}}}\" {{{{GITFAAS_URL}}}}/response/{{{{FUNCTION_UID}}}}']
",
        shell_image()
    )
}

#[tokio::test]
async fn gitfaas_in_a_pod_needs_no_more_than_its_service_account() {
    let Some(namespace) = Namespace::new(WHAT).await else { return };
    let Some(cluster) = variable("GITFAAS_E2E_CLUSTER") else {
        return leave_out(WHAT, "a cluster of scripts/cluster (GITFAAS_E2E_CLUSTER)");
    };
    let repository = Repository::with(&[("answer", &[("answering.yaml", &answering())])]);
    image(&cluster, &repository);
    namespace.kubectl(&["create", "serviceaccount", "gitfaas"]);
    namespace.apply(&documented_role());
    namespace.bind("gitfaas", "gitfaas");
    namespace.apply(&pod());
    eventually("it is ready", async || {
        let pod = namespace.get("v1", "pods", "gitfaas").await?;
        (pod["status"]["containerStatuses"][0]["ready"] == true).then_some(())
    })
    .await;
    let program = program();
    let program = program.to_str().expect("text");
    let said = namespace.kubectl(&["exec", "gitfaas", "--", program, "publish", "answer", "-d", "harbour", "--wait"]);
    assert!(said.contains(&format!("from {}", namespace.name)), "{said}");
    eventually("its one Job has succeeded", async || {
        let jobs = namespace.list("batch/v1", "jobs").await;
        (jobs.len() == 1 && jobs[0]["status"]["succeeded"] == 1).then_some(())
    })
    .await;
}
