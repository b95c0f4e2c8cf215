//! Verbs on one thing: `POST /api/v1/topics/{topic}:pause`.
//!
//! The router cannot tell paths apart by how a segment ends, so a POST on the thing comes to one handler, and that looks
//! here for the verb behind the last colon (a topic's name may have colons too). Knows no verb.

use crate::engine::{EngineError, ErrorCode};

/// The name of the thing, and which of `verbs` the segment asks for.
///
/// # Errors
/// [`ErrorCode::NotFound`] with the verbs there are.
pub(super) fn parse<'a, V: Copy>(segment: &'a str, verbs: &[(&str, V)]) -> Result<(&'a str, V), EngineError> {
    let asked = segment.rsplit_once(':');
    let known = asked.and_then(|(name, asked)| {
        let (_, verb) = verbs.iter().find(|(verb, _)| *verb == asked)?;
        Some((name, *verb))
    });
    known.ok_or_else(|| {
        let shown: String = segment.chars().take(100).flat_map(char::escape_debug).collect();
        let verbs: Vec<String> = verbs.iter().map(|(verb, _)| format!("`:{verb}`")).collect();
        let detail = format!(
            "there is nothing to POST to at `{shown}`; what can be done stands behind the name: {}",
            verbs.join(", ")
        );
        EngineError::new(ErrorCode::NotFound, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERBS: &[(&str, u8)] = &[("pause", 3), ("resume", 5)];

    #[test]
    fn the_verb_stands_behind_the_last_colon() {
        assert_eq!(parse("collect:pause", VERBS).expect("a verb"), ("collect", 3));
        assert_eq!(parse("audit:log:resume", VERBS).expect("a verb"), ("audit:log", 5));
        assert_eq!(parse(":pause", VERBS).expect("a verb"), ("", 3), "what has no name is refused by its owner");
    }

    #[test]
    fn an_unknown_verb_is_answered_with_those_there_are() {
        for segment in ["collect", "collect:", "collect:Pause", "collect:pause:", "collect:pause\u{1b}[2J"] {
            let error = parse(segment, VERBS).expect_err(segment);
            assert_eq!(error.code, ErrorCode::NotFound);
            assert!(error.detail.ends_with("behind the name: `:pause`, `:resume`"), "{}", error.detail);
            assert!(!error.detail.contains('\u{1b}'), "{}", error.detail);
        }
    }
}
