//! Rendered Kubernetes objects: as recorded in the ledger, and as the cluster gets them.
//!
//! A [`RecordedManifest`] is what the ledger keeps of an accepted message: final in all but the [`Hole`]s, which are
//! secrets (they are not written down), differ from try to try, name the request and the run (so that another request of
//! the same message can be made of it), depend on where the server then is, or would only
//! repeat the payload. Filling the holes
//! makes a [`Manifest`], and only `admission` turns that into something a cluster accepts.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::id::{RunId, Try};
use crate::key::LedgerKey;
use crate::run::ObjectKey;
use crate::url::BaseUrl;

/// What is left open in a recorded manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hole {
    /// `{{RANDOM}}`: differs for each try.
    Random,
    /// `{{RUN_TOKEN}}`: a secret.
    RunToken,
    /// `{{FUNCTION_UID}}`: a secret.
    FunctionUid,
    /// `{{MESSAGE}}` and `{{PAYLOAD}}`: the payload in base64, which the ledger keeps once.
    Message,
    /// The number of the try, for labels.
    Try,
    /// `{{GITFAAS_URL}}`: where the server is reached, which may be elsewhere by the time the run is applied.
    GitfaasUrl,
    /// `{{MESSAGE_URL}}`, which begins with it.
    MessageUrl,
    /// `{{REQUEST_UUID}}`: another one when the request is replayed.
    RequestUuid,
    /// `{{RUN_ID}}`, which derives from it.
    RunId,
}

impl Hole {
    const ALL: [Self; 9] = [
        Self::Random,
        Self::RunToken,
        Self::FunctionUid,
        Self::Message,
        Self::Try,
        Self::GitfaasUrl,
        Self::MessageUrl,
        Self::RequestUuid,
        Self::RunId,
    ];

    const fn letter(self) -> char {
        match self {
            Self::Random => 'R',
            Self::RunToken => 'T',
            Self::FunctionUid => 'F',
            Self::Message => 'M',
            Self::Try => 'N',
            Self::GitfaasUrl => 'U',
            Self::MessageUrl => 'L',
            Self::RequestUuid => 'Q',
            Self::RunId => 'I',
        }
    }
}

/// Begins a hole. Text may contain it: [`Holed::push_text`] writes it as an empty hole.
const OPEN: char = '\u{e000}';
/// Ends a hole.
const CLOSE: char = '\u{e001}';

/// Text with holes.
///
/// Inside JSON the marks need no escape, and none of the fillings does, so a serialised object can be filled as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Holed(String);

impl Holed {
    /// Appends text as it is.
    pub fn push_text(&mut self, text: &str) {
        match text.find(OPEN) {
            None => self.0.push_str(text),
            Some(_) => text.chars().for_each(|character| self.push_char(character)),
        }
    }

    /// Appends one character as it is.
    pub fn push_char(&mut self, character: char) {
        self.0.push(character);
        if character == OPEN {
            self.0.push(CLOSE);
        }
    }

    /// Appends a hole.
    pub fn push_hole(&mut self, hole: Hole) {
        self.0.extend([OPEN, hole.letter(), CLOSE]);
    }

    /// The text with each hole filled.
    pub fn fill(&self, fillings: &Fillings) -> String {
        let mut filled = String::with_capacity(self.0.len() + 64);
        let mut rest = self.0.as_str();
        while let Some((text, after)) = rest.split_once(OPEN) {
            filled.push_str(text);
            let (hole, after) = after.split_once(CLOSE).unwrap_or((after, ""));
            match Hole::ALL.into_iter().find(|known| hole.chars().eq([known.letter()])) {
                Some(hole) => filled.push_str(&fillings.of(hole)),
                None => filled.push(OPEN),
            }
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

/// What goes into the holes of one try.
#[derive(Clone)]
pub struct Fillings<'a> {
    random: String,
    run_token: String,
    function_uid: String,
    message: Cow<'a, str>,
    base_url: BaseUrl,
    request: String,
    run: RunId,
    try_no: Try,
}

impl<'a> Fillings<'a> {
    /// The fillings of a try of `run`; `message` is the payload in base64.
    pub fn new(key: &LedgerKey, run: RunId, try_no: Try, base_url: &BaseUrl, message: impl Into<Cow<'a, str>>) -> Self {
        Self {
            random: key.random(run, try_no),
            run_token: key.run_token(run, try_no),
            function_uid: key.function_uid(run),
            message: message.into(),
            base_url: base_url.clone(),
            request: run.request().to_string(),
            run,
            try_no,
        }
    }

    /// The fillings for people: what is secret is named instead of shown.
    pub fn redacted(
        key: &LedgerKey,
        run: RunId,
        try_no: Try,
        base_url: &BaseUrl,
        message: impl Into<Cow<'a, str>>,
    ) -> Self {
        Self {
            run_token: "(run token)".to_owned(),
            function_uid: "(function uid)".to_owned(),
            ..Self::new(key, run, try_no, base_url, message)
        }
    }

    /// Text that others made of what they were sent, with what is secret named instead of shown.
    pub fn redact(&self, text: &str) -> String {
        text.replace(&self.run_token, "(run token)").replace(&self.function_uid, "(function uid)")
    }

    /// What goes into `hole`.
    pub fn of(&self, hole: Hole) -> Cow<'_, str> {
        match hole {
            Hole::Random => Cow::Borrowed(&self.random),
            Hole::RunToken => Cow::Borrowed(&self.run_token),
            Hole::FunctionUid => Cow::Borrowed(&self.function_uid),
            Hole::Message => Cow::Borrowed(&self.message),
            Hole::Try => Cow::Owned(self.try_no.to_string()),
            Hole::GitfaasUrl => Cow::Borrowed(self.base_url.as_str()),
            Hole::MessageUrl => Cow::Owned(format!("{}/api/v1/requests/{}/message", self.base_url, self.request)),
            Hole::RequestUuid => Cow::Borrowed(&self.request),
            Hole::RunId => Cow::Borrowed(self.run.as_str()),
        }
    }
}

/// One rendered object with its holes, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedManifest {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.namespace`, where the template gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Holed>,
    /// `metadata.name`.
    pub name: Holed,
    /// Whether the name belongs to this run alone, so that it is created; otherwise it is applied.
    pub unique: bool,
    /// The whole object as JSON.
    pub json: Holed,
}

impl RecordedManifest {
    /// The manifest of a try.
    pub fn fill(&self, fillings: &Fillings) -> Manifest {
        Manifest {
            key: ObjectKey {
                api_version: self.api_version.clone(),
                kind: self.kind.clone(),
                namespace: self.namespace.as_ref().map(|namespace| namespace.fill(fillings)),
                name: self.name.fill(fillings),
            },
            unique: self.unique,
            json: self.json.fill(fillings),
        }
    }
}

/// One rendered object, complete, not yet admitted.
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What names it.
    pub key: ObjectKey,
    /// Whether the name belongs to this run alone.
    pub unique: bool,
    /// The whole object as JSON. It may hold the run's token: never log it.
    pub json: String,
}

impl std::fmt::Debug for Manifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Manifest(")?;
        std::fmt::Display::fmt(&self.key, f)?;
        f.write_char(')')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RequestId;

    fn fillings(try_no: u32) -> Fillings<'static> {
        let run = RunId::derive(RequestId::from_bytes([1; 16]), &"a".parse().expect("a function"));
        Fillings::new(&LedgerKey::new([2; 32]), run, Try(try_no), &BaseUrl::default(), "aGVsbG8=")
    }

    #[test]
    fn holes_are_filled_for_the_try() {
        let mut holed = Holed::default();
        holed.push_text("job-");
        holed.push_hole(Hole::Random);
        holed.push_text("-");
        holed.push_hole(Hole::Try);
        holed.push_hole(Hole::Message);
        let one = holed.fill(&fillings(1));
        assert_eq!(one, format!("job-{}-1aGVsbG8=", fillings(1).of(Hole::Random)));
        assert_ne!(one, holed.fill(&fillings(2)));
    }

    #[test]
    fn text_that_contains_the_marks_comes_out_as_it_went_in() {
        for text in ["\u{e000}R\u{e001}", "\u{e000}", "\u{e001}\u{e000}", "\u{e000}\u{e001}T\u{e001}", "a\u{e000}b"] {
            let mut holed = Holed::default();
            holed.push_text(text);
            assert_eq!(holed.fill(&fillings(1)), text);
            let mut holed = Holed::default();
            text.chars().for_each(|character| holed.push_char(character));
            assert_eq!(holed.fill(&fillings(1)), text);
        }
    }

    #[test]
    fn where_the_server_is_is_filled_in_for_each_try() {
        let mut holed = Holed::default();
        holed.push_hole(Hole::MessageUrl);
        holed.push_text(" of ");
        holed.push_hole(Hole::GitfaasUrl);
        let run = RunId::derive(RequestId::from_bytes([1; 16]), &"a".parse().expect("a function"));
        let url = "https://faas.example/team".parse().expect("a URL");
        let filled = holed.fill(&Fillings::new(&LedgerKey::new([2; 32]), run, Try(1), &url, ""));
        let message = format!("https://faas.example/team/api/v1/requests/{}/message", run.request());
        assert_eq!(filled, format!("{message} of https://faas.example/team"));
    }

    #[test]
    fn people_never_see_the_rights_of_a_run() {
        let run = RunId::derive(RequestId::from_bytes([1; 16]), &"a".parse().expect("a function"));
        let key = LedgerKey::new([2; 32]);
        let redacted = Fillings::redacted(&key, run, Try(1), &BaseUrl::default(), "");
        assert_eq!(redacted.of(Hole::RunToken), "(run token)");
        assert_eq!(redacted.of(Hole::FunctionUid), "(function uid)");
        assert_eq!(redacted.of(Hole::Random), key.random(run, Try(1)));
        let fillings = Fillings::new(&key, run, Try(1), &BaseUrl::default(), "");
        let said = format!("no: {} {}", fillings.of(Hole::RunToken), fillings.of(Hole::FunctionUid));
        assert_eq!(fillings.redact(&said), "no: (run token) (function uid)");
    }
}
