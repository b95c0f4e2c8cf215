//! What whoever starts the tests gives them: variables of the environment, and images that the cluster has.

/// A variable of the environment, where it says something.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::vars().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value)
}

/// An image with a shell and the usual programs, which the cluster has or can get.
pub(crate) fn shell_image() -> String {
    variable("GITFAAS_E2E_SHELL_IMAGE").unwrap_or_else(|| "localhost/busybox:1".to_owned())
}

/// The same with Python.
pub(crate) fn python_image() -> String {
    variable("GITFAAS_E2E_PYTHON_IMAGE").unwrap_or_else(|| "localhost/python:1".to_owned())
}

/// A Job that starts no pod.
pub(crate) fn idle_job(name: &str) -> String {
    format!(
        "apiVersion: batch/v1
kind: Job
metadata: {{name: '{name}'}}
spec:
  parallelism: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: main, image: '{}'}}]
",
        shell_image()
    )
}
