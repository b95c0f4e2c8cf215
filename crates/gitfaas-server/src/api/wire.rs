//! What goes over the wire as JSON, for the server that writes it and the command line that reads it.
//!
//! Keys are camel case, times RFC 3339 in UTC. Fields may be added; none is renamed or removed within `/api/v1`, and
//! a reader ignores what it does not know.
//!
//! Each type derives [`ToSchema`], by which it stands in the contract that `/openapi.json` serves. Types of the core
//! have their description in [`schema`], so that the core need not know of contracts: a field of such a type says
//! `#[schema(value_type = schema::…)]`.

mod dead_letter;
mod old;
mod problem;
mod publish;
mod request;
mod response;
mod rules;
mod run;
pub mod schema;
mod source;
mod topic;
mod webhook;
mod worker;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::dead_letter::{BulkView, NotDoneView};
pub use self::old::{Alive, OldResponses, Refreshed};
pub use self::problem::{FailureView, ProblemView};
pub use self::publish::{ApplyReport, Receipt};
pub use self::request::{CancelledView, RequestView, TreeView};
pub use self::response::{Answered, Body, ResponseView};
pub use self::rules::{MessageRulesView, ParamView};
pub use self::run::{ExplanationView, LogLine, LogView, RunView};
pub use self::source::{CommitView, Ready, SourceErrorView, SourceReady, SourceView};
pub use self::topic::{ForbiddenView, FunctionView, PauseView, PausedBy, RenderedFunction, RenderedView, TopicView};
pub use self::webhook::WebhookView;
pub use self::worker::WorkerView;

/// A list: `GET /api/v1/topics`, `GET /api/v1/requests`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct List<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Pass it as `?before=` for the entries that follow; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
