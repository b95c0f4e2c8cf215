//! The contract that `/openapi.json` serves: made from the routes themselves, so that it cannot tell anything else.
//!
//! A handler says by `#[utoipa::path]` what it takes and what it answers when it does what it is asked to; what it can
//! be refused with stands in [`refusals`], by operation. Knows no route.

mod refusals;

use bytes::Bytes;
use gitfaas_core::plan::FailureCode;
use utoipa::OpenApi;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ArrayItems, Schema};
use utoipa::openapi::{HeaderBuilder, ObjectBuilder, Ref, RefOr, Type};

use self::refusals::refusals;
use super::error::status;
use super::wire::{ProblemView, schema};
use crate::engine::ErrorCode;

/// All of the contract that is no route.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "gitfaas",
        description = "Functions and long-running Jobs on Kubernetes, kept in Git and started by a message.\n\n\
            POST a message, get a receipt that is never lost, and find its runs, its answers, its logs and its lineage \
            for as long as retention says. Every failure is a problem document (RFC 9457) with a stable `code`, and each \
            code has a page in the documentation. Fields may be added to what is answered here; none is renamed or \
            removed, and a reader ignores what it does not know.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(name = "gitfaas", url = "https://github.com/rememberSoftwares/gitfaas"),
    ),
    servers((url = "/", description = "the server that this document is read from")),
    tags(
        (name = "publish", description = "Messages in, answers in."),
        (name = "topics", description = "What can be published to, and who listens."),
        (name = "requests", description = "What was published, and what came of it."),
        (name = "runs", description = "One function executed for one request."),
        (name = "dead letters", description = "Runs that gave up: to be tried once more, or given up for good."),
        (name = "source", description = "Where functions come from."),
        (name = "server", description = "Probes, metrics and this document."),
    ),
    security(()),
    // What only a parameter of a verb names comes in by no route.
    components(schemas(ProblemView, schema::At)),
)]
struct Head;

/// The contract before any route is in it.
pub(super) fn head() -> utoipa::openapi::OpenApi {
    Head::openapi()
}

/// The contract as it is served, with all that its operations can be refused with.
pub(super) fn written(contract: utoipa::openapi::OpenApi) -> Bytes {
    // Its keys are text, so it can always be written.
    complete(contract).to_json().unwrap_or_default().into()
}

fn complete(mut contract: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for operation in contract.paths.paths.values_mut().flat_map(operations) {
        let name = operation.operation_id.as_deref().unwrap_or_default();
        let codes = refusals(name).unwrap_or_default();
        let mut refused: Vec<ErrorCode> = refusals::EVERYWHERE.iter().chain(codes).copied().collect();
        refused.sort_by_key(|code| status(*code));
        for same in refused.chunk_by(|one, other| status(*one) == status(*other)) {
            operation.responses.responses.insert(status(same[0]).as_str().to_owned(), RefOr::T(refusal(same)));
        }
    }
    refer(&mut contract);
    contract
}

/// Has each list refer to the schema of its entries, which stands in it once more otherwise.
fn refer(contract: &mut utoipa::openapi::OpenApi) {
    let schemas = contract.components.iter_mut().flat_map(|components| &mut components.schemas);
    for (name, schema) in schemas {
        let (Some(entry), RefOr::T(Schema::Object(list))) = (name.strip_prefix("List_"), schema) else { continue };
        if let Some(RefOr::T(Schema::Array(items))) = list.properties.get_mut("items") {
            items.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(entry).into()));
        }
    }
}

/// The operations of one path.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

/// The answer for codes of the same status.
fn refusal(codes: &[ErrorCode]) -> Response {
    let words = |codes: &[&str]| codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ");
    let refused = words(&codes.iter().map(|code| code.as_str()).collect::<Vec<_>>());
    let description = if codes.contains(&ErrorCode::Unplannable) {
        let causes = words(&FailureCode::ALL.map(FailureCode::as_str));
        format!("Refused: {refused}. In place of `unplannable` stands the first cause: {causes}.")
    } else {
        format!("Refused: {refused}.")
    };
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemView"))).build();
    let mut response = ResponseBuilder::new().description(description).content("application/problem+json", problem);
    if codes.iter().any(|code| matches!(status(*code).as_u16(), 429 | 503)) {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).build();
        let header = HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds after which to ask again."));
        response = response.header("Retry-After", header.build());
    }
    response.build()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn document() -> Value {
        let (_, contract) = super::super::routes().split_for_parts();
        serde_json::from_slice(&written(contract)).expect("JSON")
    }

    fn each_operation(document: &Value) -> impl Iterator<Item = &Value> {
        let paths = document["paths"].as_object().expect("paths");
        paths.values().flat_map(|item| item.as_object().expect("an item").values())
    }

    #[test]
    fn every_operation_says_what_it_can_be_refused_with_and_nothing_else_does() {
        let document = document();
        let documented: Vec<&str> = each_operation(&document).filter_map(|one| one["operationId"].as_str()).collect();
        let known: BTreeSet<&str> = refusals::BY_OPERATION.iter().map(|(name, _)| *name).collect();
        assert_eq!(documented.iter().copied().collect::<BTreeSet<_>>(), known, "see contract/refusals.rs");
        assert_eq!(documented.len(), known.len(), "an operation's name is given once: {documented:?}");
    }

    #[test]
    fn everything_that_is_referred_to_is_there() {
        fn references<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
            match value {
                Value::Object(members) => {
                    found.extend(members.get("$ref").and_then(Value::as_str));
                    members.values().for_each(|value| references(value, found));
                }
                Value::Array(items) => items.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let place = reference.strip_prefix('#').expect("a place in the document");
            assert!(document.pointer(place).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_operation_is_described() {
        for operation in each_operation(&document()) {
            for key in ["summary", "description", "operationId"] {
                assert!(operation[key].is_string(), "{key} is missing: {operation}");
            }
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{operation}");
        }
    }

    #[test]
    fn every_code_stands_in_the_contract_with_its_status() {
        let document = document();
        let told = |status: &str, code: &str| {
            each_operation(&document).any(|operation| {
                let description = &operation["responses"][status]["description"];
                description.as_str().is_some_and(|text| text.contains(&format!("`{code}`")))
            })
        };
        for code in ErrorCode::ALL {
            assert!(told(status(code).as_str(), code.as_str()), "{code:?} is told by no operation");
        }
        for code in FailureCode::ALL {
            assert!(told(status(ErrorCode::Unplannable).as_str(), code.as_str()), "{code} is told by no operation");
        }
    }
}
