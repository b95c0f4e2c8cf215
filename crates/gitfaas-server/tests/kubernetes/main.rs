//! The Kubernetes cluster on a real one: with `GITFAAS_E2E=1` on that of `KUBECONFIG`, in namespaces of the tests' own.

#[expect(clippy::panic, clippy::print_stdout, reason = "support of tests, which fail so, and say what was left out")]
mod support;

mod ending;
mod logs;
mod waiting;
