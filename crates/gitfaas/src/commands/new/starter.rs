//! The files of a new function: a Job, and a program that reads the message and answers.

use std::fmt::Write as _;

use crate::cli::{Language, NewFunction};

/// Where the program lies in the functions directory.
pub(super) fn program_path(arguments: &NewFunction) -> String {
    let ending = match arguments.lang {
        Language::Sh => "sh",
        Language::Python => "py",
        Language::Node => "mjs",
    };
    format!("functions/{}.{ending}", arguments.name)
}

/// The manifest: a Job that runs the program.
pub(super) fn manifest(arguments: &NewFunction, program: &str) -> String {
    let (command, image) = match arguments.lang {
        Language::Sh => ("sh", "debian:bookworm-slim"),
        Language::Python => ("python3", "python:3.13-slim"),
        Language::Node => ("node", "node:22-slim"),
    };
    let NewFunction { name, retries, ttl, .. } = arguments;
    let image = arguments.image.as_deref().unwrap_or(image);
    // The image is what somebody typed: quoted as JSON it is one scalar, whatever it holds.
    let image = serde_json::Value::from(image);
    let mut text = format!(
        r#"apiVersion: batch/v1
kind: Job
metadata:
  name: {name}-{{{{RANDOM}}}}
spec:
  backoffLimit: {retries}
  ttlSecondsAfterFinished: {ttl}
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: {name}
          image: {image}
          command: ["{command}", "{program}"]
          env:
            - name: MESSAGE
              value: "{{{{MESSAGE}}}}"
            - name: REQUEST_UUID
              value: "{{{{REQUEST_UUID}}}}"
            - name: GITFAAS_URL
              value: "{{{{GITFAAS_URL}}}}"
            - name: FUNCTION_UID
              value: "{{{{FUNCTION_UID}}}}"
"#
    );
    if let Some(size) = &arguments.volume {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            r#"          volumeMounts:
            - name: scratch
              mountPath: /scratch
      volumes:
        - name: scratch
          ephemeral:
            volumeClaimTemplate:
              spec:
                accessModes: ["ReadWriteOnce"]
                resources:
                  requests:
                    storage: {size}
"#
        );
    }
    text
}

/// The program: it prints the message, which is its log, and answers with its size.
pub(super) fn program(language: Language) -> String {
    match language {
        Language::Sh => SH,
        Language::Python => PYTHON,
        Language::Node => NODE,
    }
    .to_owned()
}

const SH: &str = r#"# What is printed is the log of the run; an exit code other than 0 is a failure.
set -eu

# The message, as it was published.
message=$(printf %s "$MESSAGE" | base64 -d)
printf 'message: %s\n' "$message"

# The answer, for whoever published; any content type.
curl --fail --silent --show-error --output /dev/null \
  --header 'Content-Type: text/plain' --data "read ${#message} characters" \
  "$GITFAAS_URL/response/$FUNCTION_UID"
"#;

const PYTHON: &str = r#"# What is printed is the log of the run; an exception is a failure.
import base64
import json
import os
import urllib.request

# The message, as it was published.
message = base64.b64decode(os.environ["MESSAGE"])
print("message:", message.decode(errors="replace"))

# The answer, for whoever published; any content type.
answer = {"bytes": len(message)}
urllib.request.urlopen(
    urllib.request.Request(
        f"{os.environ['GITFAAS_URL']}/response/{os.environ['FUNCTION_UID']}",
        data=json.dumps(answer).encode(),
        headers={"Content-Type": "application/json"},
    )
)
"#;

const NODE: &str = r"// What is printed is the log of the run; an exception is a failure.

// The message, as it was published.
const message = Buffer.from(process.env.MESSAGE, 'base64');
console.log('message:', message.toString());

// The answer, for whoever published; any content type.
const answer = { bytes: message.length };
const posted = await fetch(`${process.env.GITFAAS_URL}/response/${process.env.FUNCTION_UID}`, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(answer),
});
if (!posted.ok) throw new Error(await posted.text());
";
