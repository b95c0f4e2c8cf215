//! A string of a template: text and what is filled into it.

use super::placeholder::RESERVED;
use crate::problem::Position;

/// What gitfaas fills itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reserved {
    Random,
    Message,
    RequestUuid,
    FunctionUid,
    RunId,
    RunToken,
    Topic,
    Revision,
    Namespace,
    GitfaasUrl,
    MessageUrl,
    Traceparent,
    /// The number of the try; it has no name of its own and only stands in labels.
    Try,
}

impl Reserved {
    /// What this name stands for, if it is reserved.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RANDOM" => Self::Random,
            "MESSAGE" | "PAYLOAD" => Self::Message,
            "REQUEST_UUID" => Self::RequestUuid,
            "FUNCTION_UID" => Self::FunctionUid,
            "RUN_ID" => Self::RunId,
            "RUN_TOKEN" => Self::RunToken,
            "TOPIC" => Self::Topic,
            "REVISION" => Self::Revision,
            "NAMESPACE" => Self::Namespace,
            "GITFAAS_URL" => Self::GitfaasUrl,
            "MESSAGE_URL" => Self::MessageUrl,
            "TRACEPARENT" => Self::Traceparent,
            _ => return None,
        })
    }

    /// How it is written.
    pub(super) fn name(self) -> &'static str {
        RESERVED.into_iter().find(|name| Self::named(name) == Some(self)).unwrap_or("TRY")
    }

    /// Whether a name that holds it belongs to one run alone.
    pub(super) const fn is_unique(self) -> bool {
        matches!(self, Self::Random | Self::RunId | Self::FunctionUid)
    }

    /// Whether it stays open in what is recorded.
    pub(super) const fn is_hole(self) -> bool {
        matches!(
            self,
            Self::Random
                | Self::Message
                | Self::FunctionUid
                | Self::RunToken
                | Self::Try
                | Self::GitfaasUrl
                | Self::MessageUrl
                | Self::RequestUuid
                | Self::RunId
        )
    }

    /// Whether it names the request or the run, and has always the same length.
    pub(super) const fn is_id(self) -> bool {
        matches!(self, Self::RequestUuid | Self::RunId)
    }

    /// How many characters it always has; `None` where that depends on the message or the server.
    pub(super) const fn length(self) -> Option<usize> {
        match self {
            Self::Random => Some(12),
            Self::RequestUuid => Some(36),
            Self::FunctionUid => Some(77),
            Self::RunId => Some(32),
            _ => None,
        }
    }
}

/// What is filled in at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Symbol {
    Reserved(Reserved),
    /// The parameter with this name, and its place among the template's parameters.
    Parameter(usize, String),
}

/// A part of a [`Text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Symbol(Symbol),
    /// A `generateName`, cut to so many characters once it is filled; an id that does not fit whole is cut away.
    Prefix(Text, usize),
}

/// A string with what is filled into it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text(pub(super) Vec<Piece>);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(vec![Piece::Text(text.to_owned())])
    }
}

impl From<Reserved> for Text {
    fn from(reserved: Reserved) -> Self {
        Self(vec![Piece::Symbol(Symbol::Reserved(reserved))])
    }
}

impl Text {
    /// The text, if nothing is filled in.
    pub(super) fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it is this text.
    pub(super) fn is(&self, text: &str) -> bool {
        self.fixed() == Some(text)
    }

    /// Everything that is filled in, in order.
    pub(super) fn symbols(&self) -> Vec<&Symbol> {
        let symbols = self.0.iter().flat_map(|piece| match piece {
            Piece::Text(_) => Vec::new(),
            Piece::Symbol(symbol) => vec![symbol],
            Piece::Prefix(text, _) => text.symbols(),
        });
        symbols.collect()
    }

    /// Whether it holds what `predicate` asks for.
    pub(super) fn has(&self, predicate: impl Fn(Reserved) -> bool) -> bool {
        self.symbols().into_iter().any(|symbol| matches!(symbol, Symbol::Reserved(reserved) if predicate(*reserved)))
    }

    /// Whether the caller has a say in it.
    pub(super) fn has_parameter(&self) -> bool {
        self.symbols().into_iter().any(|symbol| matches!(symbol, Symbol::Parameter(..)))
    }

    /// The text as its author writes it, with each fixed part as `edit` makes it.
    pub(super) fn written(&self, edit: impl Fn(&str) -> String + Copy) -> String {
        let parts = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => edit(text),
            Piece::Symbol(Symbol::Reserved(reserved)) => format!("{{{{{}}}}}", reserved.name()),
            Piece::Symbol(Symbol::Parameter(_, name)) => format!("{{{{{name}}}}}"),
            Piece::Prefix(text, _) => text.written(edit),
        });
        parts.collect()
    }

    /// The fixed parts.
    pub(super) fn fixed_parts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }
}

/// A text and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) position: Position,
    pub(super) text: Text,
}
