//! Why a message cannot be rendered.

use crate::problem::{Position, Problem};

use super::text::Text;

/// What kind of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenderCode {
    /// The message gives no value for a parameter that the template uses.
    MissingParameter,
    /// The value of a parameter cannot stand where the template puts it.
    InvalidParameter,
    /// The rendered object is wrong whatever the caller gives.
    InvalidManifest,
    /// Something is larger than Kubernetes or Linux takes.
    TooLarge,
}

impl RenderCode {
    /// The code as it is on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingParameter => "missing-parameter",
            Self::InvalidParameter => "invalid-parameter",
            Self::InvalidManifest => "invalid-manifest",
            Self::TooLarge => "too-large",
        }
    }
}

/// Why a message cannot be rendered, and where in the template that shows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct RenderError {
    /// What kind of mistake it is.
    pub code: RenderCode,
    /// What is wrong, where, and what to do.
    pub problem: Problem,
}

/// A [`RenderError`] that does not know its file yet.
#[derive(Debug)]
pub(super) struct Refusal {
    code: RenderCode,
    position: Position,
    message: String,
    help: String,
}

impl Refusal {
    pub(super) fn new(code: RenderCode, position: Position, message: impl Into<String>) -> Self {
        Self { code, position, message: message.into(), help: String::new() }
    }

    /// About `text`: the caller's mistake if the caller has a say in it, else the template's.
    pub(super) fn of(text: &Text, position: Position, message: impl Into<String>) -> Self {
        let code = if text.has_parameter() { RenderCode::InvalidParameter } else { RenderCode::InvalidManifest };
        Self::new(code, position, message)
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    pub(super) fn into_error(self, file: &str) -> RenderError {
        let problem = Problem::at(file, self.position, self.message);
        let problem = if self.help.is_empty() { problem } else { problem.help(self.help) };
        RenderError { code: self.code, problem }
    }
}
