//! A functions repository in a temporary folder.

use std::path::{Path, PathBuf};

use serde_json::json;

/// A functions repository.
pub(crate) struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    /// One with nothing in it.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    /// One with these topics, each with its templates.
    pub(crate) fn with(topics: &[(&str, &[(&str, &str)])]) -> Self {
        let repository = Self::empty();
        let config: Vec<_> = topics
            .iter()
            .map(|(topic, templates)| {
                let paths: Vec<&str> = templates.iter().map(|(path, _)| *path).collect();
                json!({ "name": topic, "configs": paths })
            })
            .collect();
        for (path, text) in topics.iter().flat_map(|(_, templates)| *templates) {
            repository.write(path, text);
        }
        repository.write("config.json", &json!({ "topics": config }).to_string());
        repository
    }

    /// One with a single topic whose function is a shell script.
    pub(crate) fn shell(topic: &str, script: &str) -> Self {
        Self::with(&[(topic, &[("job.yaml", &shell_job(script))])])
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file as an editor does: whole, under another name, then renamed.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let target = self.file(path);
        std::fs::create_dir_all(target.parent().expect("a parent")).expect("created");
        let draft = target.with_extension("draft");
        std::fs::write(&draft, text).expect("written");
        std::fs::rename(&draft, &target).expect("renamed");
    }

    /// The lines that functions have written to a file of the repository so far.
    pub(crate) fn lines(&self, path: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.file(path)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// A Job that runs a shell script with what a function usually needs in its environment.
pub(crate) fn shell_job(script: &str) -> String {
    let script = serde_json::to_string(script).expect("text");
    format!(
        r#"apiVersion: batch/v1
kind: Job
metadata:
  name: job-{{{{RANDOM}}}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: debian:bookworm-slim
        command: ["sh", "-c", {script}]
        env:
        - {{name: MESSAGE, value: "{{{{MESSAGE}}}}"}}
        - {{name: REQUEST_UUID, value: "{{{{REQUEST_UUID}}}}"}}
        - {{name: RUN_ID, value: "{{{{RUN_ID}}}}"}}
        - {{name: RUN_TOKEN, value: "{{{{RUN_TOKEN}}}}"}}
        - {{name: FUNCTION_UID, value: "{{{{FUNCTION_UID}}}}"}}
        - {{name: MESSAGE_URL, value: "{{{{MESSAGE_URL}}}}"}}
        - {{name: GITFAAS_URL, value: "{{{{GITFAAS_URL}}}}"}}
"#
    )
}
