//! What an answer that is no success means: whether it may pass, and the server's own words for people.

use std::time::Duration;

use gitfaas_core::run::{ObjectKey, Reason};
use http::StatusCode;
use kube::core::Status;

use super::calls::{Answer, CallError, LONGEST_WAIT};
use super::kinds::KindError;
use crate::cluster::{ApplyError, ClusterError};

/// How much of what a server says is kept, in characters.
const WORDS: usize = 1000;
/// How much of a value is shown that the server refuses, in characters. It shows whole pod templates.
const VALUE: usize = 100;

/// Why an object was not applied.
pub(super) fn refused(key: &ObjectKey, answer: &Answer) -> ApplyError {
    let status = status(answer);
    let reason = Reason::new(code(answer.status, &status), words(key, answer.status, &status));
    if may_pass(answer.status, &status) {
        let told = Duration::from_secs(status.details.as_ref().map_or(0, |details| details.retry_after_seconds).into());
        let retry_after = answer.retry_after.max((!told.is_zero()).then_some(told.min(LONGEST_WAIT)));
        ApplyError::Passing { reason, retry_after }
    } else {
        ApplyError::Final { reason }
    }
}

/// Why a question was not answered as it should be.
pub(super) fn unexpected(what: &str, answer: &Answer) -> ClusterError {
    let status = status(answer);
    ClusterError { message: format!("cannot {what}: {}", said(answer.status, &status)) }
}

impl From<CallError> for ClusterError {
    fn from(error: CallError) -> Self {
        Self { message: error.to_string() }
    }
}

impl From<CallError> for ApplyError {
    fn from(error: CallError) -> Self {
        let code = match error {
            CallError::Open(_) => "ClusterUnreachable",
            CallError::Unanswered(_) | CallError::TooLarge => ApplyError::NO_ANSWER,
        };
        Self::Passing { reason: Reason::new(code, error.to_string()), retry_after: None }
    }
}

/// Why the objects of a kind were not found.
pub(super) fn unknown(key: &ObjectKey, error: KindError) -> ApplyError {
    match error {
        KindError::Unknown { .. } => ApplyError::Final { reason: Reason::new("UnknownKind", error.to_string()) },
        KindError::Coming { .. } => {
            ApplyError::Passing { reason: Reason::new("KindNotServed", error.to_string()), retry_after: None }
        }
        KindError::Refused(answer) => refused(key, &answer),
        KindError::Call(error) => error.into(),
    }
}

/// The server's own account; where it gives none, what is left of one.
pub(super) fn status(answer: &Answer) -> Status {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| Status {
        status: None,
        code: answer.status.as_u16(),
        message: String::from_utf8_lossy(&answer.body).into_owned(),
        metadata: None,
        reason: String::new(),
        details: None,
    })
}

/// Whether an object of this name exists.
pub(super) fn is_taken(answer: &Answer) -> bool {
    answer.status == StatusCode::CONFLICT && status(answer).reason == "AlreadyExists"
}

/// Whether an object that was to be applied has fields that its kind does not have.
pub(super) fn is_undeclared(answer: &Answer) -> bool {
    !answer.status.is_success() && status(answer).message.contains("field not declared in schema")
}

/// Whether an object that was to be applied is not of its kind's form.
fn is_misshapen(status: &Status) -> bool {
    let signs = ["failed to create typed patch object", "unable to convert unstructured object"];
    signs.iter().any(|sign| status.message.contains(sign))
}

fn may_pass(code: StatusCode, status: &Status) -> bool {
    match code {
        // Credentials are renewed beneath us.
        StatusCode::UNAUTHORIZED | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => true,
        // A conflict of fields is somebody's to decide; others are lost races.
        StatusCode::CONFLICT => !is_conflict_of_fields(status),
        // What others use of a quota they give back.
        StatusCode::FORBIDDEN => status.message.contains("exceeded quota"),
        // No such object or path is one thing, no such kind (any more) another: that is looked up again.
        StatusCode::NOT_FOUND => status.details.as_ref().is_none_or(|details| details.name.is_empty()),
        // v1.20 says so of what it cannot take as a patch, however often it is sent.
        StatusCode::INTERNAL_SERVER_ERROR => !is_misshapen(status),
        code => !code.is_client_error(),
    }
}

fn is_conflict_of_fields(status: &Status) -> bool {
    causes(status).any(|cause| cause.reason == "FieldManagerConflict")
}

fn causes(status: &Status) -> impl Iterator<Item = &kube::core::response::StatusCause> {
    status.details.iter().flat_map(|details| &details.causes)
}

fn code(code: StatusCode, status: &Status) -> String {
    let word = status.reason.trim();
    if is_conflict_of_fields(status) {
        "FieldConflict".to_owned()
    } else if !word.is_empty() && word.len() <= 64 && word.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        word.to_owned()
    } else {
        format!("Status{}", code.as_u16())
    }
}

fn words(key: &ObjectKey, code: StatusCode, status: &Status) -> String {
    if causes(status).any(|cause| cause.message.contains("field is immutable")) {
        return immutable(key, status);
    }
    let said = said(code, status);
    if is_conflict_of_fields(status) {
        return format!(
            "{said}; somebody else manages these fields of the {key}: leave them out of the template, or hand them over"
        );
    }
    match code {
        StatusCode::FORBIDDEN if status.message.contains(" cannot ") => {
            format!(
                "{said}; gitfaas has no right to that: give its service account one (`rbac.extraRules` of the chart)"
            )
        }
        _ => said,
    }
}

fn immutable(key: &ObjectKey, status: &Status) -> String {
    let fields: Vec<&str> = causes(status)
        .filter(|cause| cause.message.contains("field is immutable"))
        .map(|cause| cause.field.as_str())
        .collect();
    let fields = shortened(&fields.join(", "), WORDS);
    if key.is_job() {
        format!(
            "the {key} exists already and Kubernetes does not change a Job ({fields} is immutable): put {{{{RANDOM}}}} \
             into its name, so that each message gets a Job of its own"
        )
    } else {
        format!("the {key} exists already with another {fields}, which is immutable: delete it, or take another name")
    }
}

fn said(code: StatusCode, status: &Status) -> String {
    let lines: Vec<&str> = status.message.lines().map(without_source).collect();
    let message = without_values(&lines.join("\n"));
    let message = shortened(message.trim(), WORDS);
    if message.is_empty() { format!("the API server answers {code}") } else { message }
}

/// A line without what it shows of the object itself: that may be what a Secret holds.
fn without_source(line: &str) -> &str {
    // Of what was sent, and of what was wanted otherwise.
    let signs = [", error found in #", ", got &"];
    let end = signs.iter().filter_map(|sign| line.find(sign)).min();
    &line[..end.unwrap_or(line.len())]
}

/// A message whose long values are left out: they may hold the whole of a pod, with all that it is told in secret.
fn without_values(message: &str) -> String {
    const BEGIN: &str = "Invalid value: ";
    let mut kept = String::new();
    let mut rest = message;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        kept.push_str(before);
        kept.push_str(BEGIN);
        let next = after.find(BEGIN).unwrap_or(after.len());
        let (here, later) = after.split_at(next);
        // The value ends where the server's own words about it begin.
        match here.rfind("\": ").or_else(|| here.rfind("}: ")) {
            Some(end) if end <= VALUE => kept.push_str(here),
            Some(end) => {
                kept.push('…');
                kept.push_str(&here[end + 1..]);
            }
            None => kept.push_str(here),
        }
        rest = later;
    }
    kept.push_str(rest);
    kept
}

/// Text of at most so many characters, in one line.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let mut short: String =
        text.chars().take(most).map(|character| if character.is_control() { ' ' } else { character }).collect();
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(api_version: &str, kind: &str) -> ObjectKey {
        let (api_version, kind, name) = (api_version.to_owned(), kind.to_owned(), "web".to_owned());
        ObjectKey { api_version, kind, namespace: None, name }
    }

    fn answer(code: u16, body: &str) -> Answer {
        let status = StatusCode::from_u16(code).expect("a status");
        Answer { status, retry_after: None, body: body.to_owned().into() }
    }

    fn verdict(code: u16, body: &str) -> (bool, Reason) {
        match refused(&key("batch/v1", "Job"), &answer(code, body)) {
            ApplyError::Passing { reason, .. } => (true, reason),
            ApplyError::Final { reason } => (false, reason),
        }
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_cannot_is_final() {
        let said = |reason: &str, message: &str| {
            serde_json::json!({"kind": "Status", "reason": reason, "message": message}).to_string()
        };
        for (code, body, passes) in [
            (429, "Too many requests, please try again later.".to_owned(), true),
            (500, said("InternalError", "failed calling webhook"), true),
            (500, said("", "failed to create typed patch object: .spec.ports: element 0"), false),
            (503, String::new(), true),
            (401, said("Unauthorized", "Unauthorized"), true),
            (409, said("Conflict", "Operation cannot be fulfilled on resourcequotas"), true),
            (403, said("Forbidden", "jobs.batch \"a\" is forbidden: exceeded quota: q"), true),
            (403, said("Forbidden", "jobs.batch is forbidden: User \"a\" cannot create"), false),
            (400, said("BadRequest", "no"), false),
            (422, said("Invalid", "no"), false),
            (413, "Request entity too large".to_owned(), false),
            (500, said("", "failed to create typed patch object: .spec.a: field not declared in schema"), false),
            (
                500,
                said("", "failed to convert new object to proper version: unable to convert unstructured object"),
                false,
            ),
            (500, said("", "failed to convert new object to proper version: conversion webhook failed"), true),
        ] {
            assert_eq!(verdict(code, &body).0, passes, "{code} {body}");
        }
    }

    #[test]
    fn a_missing_namespace_is_final_and_a_missing_kind_is_looked_up_again() {
        let namespace = r#"{"reason": "NotFound", "message": "namespaces \"x\" not found", "details": {"name": "x", "kind": "namespaces"}}"#;
        assert!(!verdict(404, namespace).0);
        assert!(verdict(404, "404 page not found").0);
    }

    #[test]
    fn a_retry_after_in_the_body_counts_as_one_in_the_head() {
        for (told, heard) in [(7, Duration::from_secs(7)), (u32::MAX, LONGEST_WAIT)] {
            let body = format!(r#"{{"reason": "TooManyRequests", "details": {{"retryAfterSeconds": {told}}}}}"#);
            let error = refused(&key("v1", "ConfigMap"), &answer(429, &body));
            assert!(matches!(error, ApplyError::Passing { retry_after: Some(wait), .. } if wait == heard), "{error:?}");
        }
    }

    #[test]
    fn the_pod_template_that_a_server_shows_is_not_kept() {
        let secret = "f-5e6c".repeat(40);
        let message = format!(
            "Job.batch \"web\" is invalid: spec.template: Invalid value: core.Pod{{Env:\"{secret}\"}}: too long"
        );
        let body = serde_json::json!({"reason": "Invalid", "message": message}).to_string();
        let (_, reason) = verdict(422, &body);
        assert!(!reason.message.contains("f-5e6c"), "{}", reason.message);
        assert!(reason.message.ends_with(": too long"), "{}", reason.message);
    }

    #[test]
    fn what_a_server_shows_of_the_object_is_not_kept() {
        let read = "Secret in version \"v1\" cannot be handled as a Secret: v1.Secret.Data: decode base64: illegal base64 \
                    data at input byte 6, error found in #10 byte of ...|:\"s3cret!\"}}|..., bigger context ...|s3cret!|...";
        let typed = "failed to create typed patch object: errors:\n  .stringData.a: expected string, got \
                     &value.valueUnstructured{Value:map[string]interface {}{\"x\":\"s3cret\"}}\n  .stringData.b: expected \
                     string, got &value.valueUnstructured{Value:\"s3cret\"}";
        for (code, message, kept) in [
            (400, read, "v1.Secret.Data: decode base64: illegal base64 data at input byte 6"),
            (500, typed, "errors:   .stringData.a: expected string   .stringData.b: expected string"),
        ] {
            let (_, reason) = verdict(code, &serde_json::json!({"message": message}).to_string());
            assert!(reason.message.ends_with(kept) && !reason.message.contains("s3cret"), "{}", reason.message);
        }
    }

    #[test]
    fn a_field_that_cannot_change_is_advice() {
        let body = serde_json::json!({
            "reason": "Invalid",
            "message": "Job.batch \"web\" is invalid: spec.template: Invalid value: core.Pod{}: field is immutable",
            "details": {"causes": [{"reason": "FieldValueInvalid", "field": "spec.template", "message": "Invalid value: core.Pod{}: field is immutable"}]},
        });
        let (passes, reason) = verdict(422, &body.to_string());
        assert!(!passes);
        assert!(reason.message.contains("put {{RANDOM}} into its name"), "{}", reason.message);
        assert!(reason.message.contains("spec.template"), "{}", reason.message);
    }

    #[test]
    fn a_conflict_of_fields_is_reported_and_not_forced() {
        let body = serde_json::json!({
            "reason": "Conflict",
            "message": "Apply failed with 1 conflict: conflict with \"kubectl\": .spec.replicas",
            "details": {"causes": [{"reason": "FieldManagerConflict", "field": ".spec.replicas", "message": "conflict with \"kubectl\""}]},
        });
        let (passes, reason) = verdict(409, &body.to_string());
        assert!(!passes && reason.code == "FieldConflict");
        assert!(reason.message.contains("leave them out of the template"), "{}", reason.message);
    }
}
