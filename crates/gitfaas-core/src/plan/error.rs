//! Why there is no plan, function by function.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::catalog::Function;
use crate::problem::Problem;
use crate::template::RenderCode;
use crate::topic::FunctionName;

/// Why a message cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError {
    /// At least one; those of functions in the order of the config file.
    pub failures: Vec<Failure>,
}

/// One thing that keeps a message from being planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The function that it concerns; `None` when it is the request or the topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<FunctionName>,
    /// What kind of failure.
    pub code: FailureCode,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// Where, and what to do, when it is about a file of the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

impl Failure {
    pub(super) fn of_request(code: FailureCode, message: String) -> Self {
        Self { function: None, code, message, problem: None }
    }

    pub(super) fn of_function(function: &Function, code: FailureCode, problem: Problem) -> Self {
        Self { function: Some(function.name().clone()), code, message: problem.message.clone(), problem: Some(problem) }
    }
}

/// A kind of failure, stable for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureCode {
    /// A template needs a parameter that was not given.
    MissingParameter,
    /// A parameter has a value that cannot stand where the template puts it.
    InvalidParameter,
    /// The message is not what the topic takes: no JSON, or JSON that does not fit its schema.
    InvalidMessage,
    /// What was rendered is no object that a cluster could take.
    InvalidManifest,
    /// The message is larger than the topic takes, where no function is named; or what a function renders is larger
    /// than a cluster or a process can take.
    TooLarge,
    /// The policy refuses what was rendered.
    NotAdmitted,
    /// A parameter has the name of one of gitfaas's own placeholders.
    ReservedParameter,
    /// Publishes led to publishes for too long.
    HopLimit,
    /// The topic never had a version that was right.
    TopicBroken,
}

impl FailureCode {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::MissingParameter,
        Self::InvalidParameter,
        Self::InvalidMessage,
        Self::InvalidManifest,
        Self::TooLarge,
        Self::NotAdmitted,
        Self::ReservedParameter,
        Self::HopLimit,
        Self::TopicBroken,
    ];

    /// The code as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingParameter => "missing-parameter",
            Self::InvalidParameter => "invalid-parameter",
            Self::InvalidMessage => "invalid-message",
            Self::InvalidManifest => "invalid-manifest",
            Self::TooLarge => "too-large",
            Self::NotAdmitted => "not-admitted",
            Self::ReservedParameter => "reserved-parameter",
            Self::HopLimit => "hop-limit",
            Self::TopicBroken => "topic-broken",
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for FailureCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl From<RenderCode> for FailureCode {
    fn from(code: RenderCode) -> Self {
        match code {
            RenderCode::MissingParameter => Self::MissingParameter,
            RenderCode::InvalidParameter => Self::InvalidParameter,
            RenderCode::InvalidManifest => Self::InvalidManifest,
            RenderCode::TooLarge => Self::TooLarge,
        }
    }
}

impl std::error::Error for PlanError {}

/// The failures, separated by `; `, each with its place where it has one.
impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, failure) in self.failures.iter().enumerate() {
            if place > 0 {
                f.write_str("; ")?;
            }
            match (&failure.function, &failure.problem) {
                (Some(_), Some(problem)) => problem.fmt(f)?,
                _ => f.write_str(&failure.message)?,
            }
        }
        Ok(())
    }
}
