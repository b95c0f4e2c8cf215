//! Which names Kubernetes takes for which kind.

use super::text::{Piece, Reserved, Symbol, Text};

/// What the name of a kind has to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    form: Form,
    /// Most characters.
    pub(super) max: usize,
    /// Why there are not more, where that surprises.
    because: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Lower-case letters, digits, `-` and `.`.
    Subdomain,
    /// The same without `.`.
    Label,
    /// A label that begins with a letter.
    LetterLabel,
    /// Whatever a URL path can hold.
    PathSegment,
    /// The value of a label: letters, digits, `-`, `_` and `.`, or nothing.
    LabelValue,
}

/// The rule for namespaces, as names and as the place of others.
pub(super) const NAMESPACE: Rule = Rule { form: Form::Label, max: 63, because: "" };
/// The rule for what labels hold.
pub(super) const LABEL_VALUE: Rule = Rule { form: Form::LabelValue, max: 63, because: "" };

impl Rule {
    /// The rule for the names of `kind`.
    pub(super) fn of(api_version: &str, kind: &str) -> Self {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let (form, max, because) = match (group, kind) {
            ("batch", "Job") => (Form::Subdomain, 63, ", because it becomes a label of the Job's pods"),
            ("batch", "CronJob") => (Form::Subdomain, 52, ", because the names of its Jobs are made of it"),
            ("", "Service") => (Form::LetterLabel, 63, ""),
            ("", "Namespace") => return NAMESPACE,
            ("rbac.authorization.k8s.io", _) => (Form::PathSegment, 253, ""),
            _ => (Form::Subdomain, 253, ""),
        };
        Self { form, max, because }
    }

    /// What is wrong with `name`; it says nothing when all is well.
    pub(super) fn check(self, name: &str) -> Result<(), String> {
        if name.is_empty() {
            return if self.form == Form::LabelValue { Ok(()) } else { Err("it is empty".to_owned()) };
        }
        self.check_length(name.chars().count())?;
        self.check_characters(name)
    }

    fn check_length(self, length: usize) -> Result<(), String> {
        if length <= self.max {
            return Ok(());
        }
        Err(format!("it has {length} characters; at most {} are allowed{}", self.max, self.because))
    }

    fn allows(self, character: char) -> bool {
        match self.form {
            Form::PathSegment => !matches!(character, '/' | '%') && !character.is_control(),
            Form::LabelValue => character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.'),
            Form::Subdomain if character == '.' => true,
            _ => character == '-' || character.is_ascii_lowercase() || character.is_ascii_digit(),
        }
    }

    fn check_characters(self, name: &str) -> Result<(), String> {
        if let Some(character) = name.chars().find(|character| !self.allows(*character)) {
            return Err(format!("{character:?} is not allowed ({})", self.allowed()));
        }
        match self.form {
            Form::PathSegment if matches!(name, "." | "..") => return Err(format!("it cannot be `{name}`")),
            Form::PathSegment => return Ok(()),
            _ => {}
        }
        let end = |end: Option<char>| end.is_some_and(|end| end.is_ascii_alphanumeric());
        let mut parts = name.split(|character| character == '.' && self.form != Form::LabelValue);
        if let Some(part) = parts.find(|part| !end(part.chars().next()) || !end(part.chars().next_back())) {
            return Err(format!("`{part}` does not begin and end with a letter or digit"));
        }
        if self.form == Form::LetterLabel && name.starts_with(|first: char| first.is_ascii_digit()) {
            return Err("it begins with a digit".to_owned());
        }
        Ok(())
    }

    fn allowed(self) -> &'static str {
        match self.form {
            Form::PathSegment => "everything but `/` and `%` is",
            Form::Subdomain => "lower-case letters, digits, `-` and `.` are",
            Form::LabelValue => "letters, digits, `-`, `_` and `.` are",
            Form::Label | Form::LetterLabel => "lower-case letters, digits and `-` are",
        }
    }

    /// What is wrong with `text` whatever will be filled into it.
    pub(super) fn check_text(self, text: &Text) -> Result<(), String> {
        let secret = |reserved| matches!(reserved, Reserved::RunToken | Reserved::Message);
        if text.has(secret) {
            return Err("it cannot hold the message or the run's token, since everybody sees it".to_owned());
        }
        if let Some(name) = text.fixed() {
            self.check(name)
        } else {
            self.check_length(least_length(text))?;
            self.check_characters(&sample(text))
        }
    }

    /// How the author could write `text` instead; `None` where no other letters help.
    pub(super) fn suggestion(self, text: &Text, is_prefix: bool) -> Option<String> {
        let allowed = |character: char| match character.to_ascii_lowercase() {
            lower if self.allows(lower) => lower,
            _ => '-',
        };
        let ends = ['-', '.'];
        let mut pieces = text.0.clone();
        for piece in &mut pieces {
            if let Piece::Text(text) = piece {
                *text = text.chars().map(allowed).collect();
            }
        }
        if let Some(Piece::Text(first)) = pieces.first_mut() {
            *first = first.trim_start_matches(ends).to_owned();
        }
        if let Some(Piece::Text(last)) = pieces.last_mut().filter(|_| !is_prefix) {
            *last = last.trim_end_matches(ends).to_owned();
        }
        let suggested = Text(pieces);
        let whole = if is_prefix { Text([suggested.0.clone(), Text::from("a").0].concat()) } else { suggested.clone() };
        (self.check_text(&whole).is_ok() && suggested != *text).then(|| suggested.written(str::to_owned))
    }
}

/// The text with a letter for whatever is filled in.
fn sample(text: &Text) -> String {
    let pieces = text.0.iter().map(|piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Symbol(_) => "a".to_owned(),
        Piece::Prefix(text, max) => sample(text).chars().take(*max).collect(),
    });
    pieces.collect()
}

fn least_length(text: &Text) -> usize {
    let lengths = text.0.iter().map(|piece| match piece {
        Piece::Text(text) => text.chars().count(),
        Piece::Symbol(Symbol::Reserved(reserved)) => reserved.length().unwrap_or(0),
        Piece::Symbol(Symbol::Parameter(..)) => 0,
        Piece::Prefix(text, max) => least_length(text).min(*max),
    });
    lengths.sum()
}

/// A word in angle brackets, as instructions have them for their readers to replace: `<REPLACE_NAMESPACE>`.
pub(super) fn unfilled(text: &Text) -> Option<&str> {
    text.fixed_parts().find_map(|part| {
        let begin = part.find('<')?;
        let length = part[begin..].find('>')?;
        let word = &part[begin + 1..begin + length];
        let is_word = word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        (is_word && !word.is_empty()).then(|| &part[begin..=begin + length])
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("batch/v1", "Job", "a.b-1", true)]
    #[case("batch/v1", "Job", "a_b", false)]
    #[case("batch/v1", "Job", "A", false)]
    #[case("batch/v1", "Job", "-a", false)]
    #[case("batch/v1", "Job", "a.", false)]
    #[case("batch/v1", "Job", "a..b", false)]
    #[case("v1", "ConfigMap", "1.2", true)]
    #[case("v1", "Service", "1a", false)]
    #[case("v1", "Service", "a.b", false)]
    #[case("v1", "Service", "a1", true)]
    #[case("serving.knative.dev/v1", "Service", "1a", true)]
    #[case("v1", "Namespace", "a.b", false)]
    #[case("rbac.authorization.k8s.io/v1", "Role", "system:A_b", true)]
    #[case("rbac.authorization.k8s.io/v1", "Role", "a/b", false)]
    #[case("rbac.authorization.k8s.io/v1", "Role", "..", false)]
    #[case("v1", "Pod", "", false)]
    #[case("v1", "Pod", "é", false)]
    fn names_follow_the_rule_of_their_kind(
        #[case] api_version: &str,
        #[case] kind: &str,
        #[case] name: &str,
        #[case] valid: bool,
    ) {
        assert_eq!(Rule::of(api_version, kind).check(name).is_ok(), valid);
    }

    #[test]
    fn lengths_end_where_the_kind_s_end() {
        for (api_version, kind, max) in [("batch/v1", "Job", 63), ("batch/v1", "CronJob", 52), ("v1", "Pod", 253)] {
            let rule = Rule::of(api_version, kind);
            assert_eq!(rule.check(&"a".repeat(max)), Ok(()));
            assert!(rule.check(&"a".repeat(max + 1)).is_err(), "{kind}");
        }
    }

    #[test]
    fn words_left_over_from_instructions_are_found() {
        assert_eq!(unfilled(&"x-<REPLACE_IMAGE>:1".into()), Some("<REPLACE_IMAGE>"));
        for text in ["a < b > c", "<>", "<html>", "<A", "A>"] {
            assert_eq!(unfilled(&text.into()), None, "{text}");
        }
    }
}
