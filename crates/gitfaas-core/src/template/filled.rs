//! The values of one message, ready to be put into texts.

use std::cell::OnceCell;

use super::Values;
use super::text::{Piece, Reserved, Symbol, Text};
use crate::catalog::params::ParamType;
use crate::manifest::{Hole, Holed};

/// What stands for a symbol.
#[derive(Clone, Copy)]
pub(super) enum Filling<'a> {
    Text(&'a str),
    Hole(Hole),
}

/// The value of a parameter, and its type where the topic declares one.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) text: &'a str,
    pub(super) kind: Option<ParamType>,
}

impl Given<'_> {
    /// Whether it stands in JSON as it is; anything else is a string.
    ///
    /// Of the type that is declared only what has it; undeclared, only canonical integers and booleans.
    pub(super) fn is_bare(self) -> bool {
        match self.kind {
            Some(ParamType::String) => false,
            Some(kind) => kind.has(self.text),
            None => ParamType::Boolean.has(self.text) || ParamType::Integer.has(self.text),
        }
    }
}

/// The values by symbol. What has to be spelled is spelled once, when it is first needed.
pub(super) struct Filled<'a> {
    values: &'a Values<'a>,
    /// By the place of the template's parameters.
    parameters: Vec<Given<'a>>,
    request: OnceCell<String>,
}

impl<'a> Filled<'a> {
    /// `parameters` are the values of the template's parameters, in their order.
    pub(super) fn new(values: &'a Values<'a>, parameters: Vec<Given<'a>>) -> Self {
        Self { values, parameters, request: OnceCell::new() }
    }

    /// The value of the parameter at `index`.
    pub(super) fn parameter(&self, index: usize) -> Given<'a> {
        self.parameters.get(index).copied().unwrap_or(Given { text: "", kind: None })
    }

    /// What stands for `symbol`.
    pub(super) fn of(&self, symbol: &Symbol) -> Filling<'_> {
        let values = self.values;
        let reserved = match symbol {
            Symbol::Parameter(index, _) => return Filling::Text(self.parameter(*index).text),
            Symbol::Reserved(reserved) => *reserved,
        };
        Filling::Text(match reserved {
            Reserved::Random => return Filling::Hole(Hole::Random),
            Reserved::Message => return Filling::Hole(Hole::Message),
            Reserved::FunctionUid => return Filling::Hole(Hole::FunctionUid),
            Reserved::RunToken => return Filling::Hole(Hole::RunToken),
            Reserved::Try => return Filling::Hole(Hole::Try),
            Reserved::GitfaasUrl => return Filling::Hole(Hole::GitfaasUrl),
            Reserved::MessageUrl => return Filling::Hole(Hole::MessageUrl),
            Reserved::RequestUuid => self.request.get_or_init(|| values.request.to_string()),
            Reserved::RunId => values.run.as_str(),
            Reserved::Topic => values.topic.as_str(),
            Reserved::Revision => values.revision,
            Reserved::Namespace => values.namespace,
            Reserved::Traceparent => values.traceparent.unwrap_or_default(),
        })
    }

    /// How long the filling of a hole is, in bytes.
    pub(super) fn hole_length(&self, hole: Hole) -> usize {
        self.values.fillings.of(hole).len()
    }

    /// How long `text` is when it is filled, in bytes.
    pub(super) fn length(&self, text: &Text) -> usize {
        let lengths = text.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Symbol(symbol) => match self.of(symbol) {
                Filling::Text(text) => text.len(),
                Filling::Hole(hole) => self.hole_length(hole),
            },
            Piece::Prefix(text, max) => self.prefix(text, *max).len(),
        });
        lengths.sum()
    }

    /// The beginning of `text`, at most `max` characters; no hole can be in it.
    pub(super) fn prefix(&self, text: &Text, max: usize) -> String {
        self.text(text).chars().take(max).collect()
    }

    /// `text` as the cluster gets it.
    pub(super) fn text(&self, text: &Text) -> String {
        self.spell(text, |hole| self.values.fillings.of(hole).into_owned())
    }

    /// `text` for people: rights are named, not shown, and what is long is cut.
    pub(super) fn shown(&self, text: &Text) -> String {
        let named = |hole| match hole {
            Hole::Random => "{{RANDOM}}",
            Hole::RunToken => "{{RUN_TOKEN}}",
            Hole::FunctionUid => "{{FUNCTION_UID}}",
            Hole::Message => "{{MESSAGE}}",
            Hole::Try => "{{TRY}}",
            Hole::GitfaasUrl => "{{GITFAAS_URL}}",
            Hole::MessageUrl => "{{MESSAGE_URL}}",
        };
        let shown = self.spell(text, |hole| named(hole).to_owned());
        match shown.char_indices().nth(100) {
            Some((end, _)) => format!("{}…", &shown[..end]),
            None => shown,
        }
    }

    fn spell(&self, text: &Text, hole: impl Fn(Hole) -> String) -> String {
        let pieces = text.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Symbol(symbol) => match self.of(symbol) {
                Filling::Text(text) => text.to_owned(),
                Filling::Hole(open) => hole(open),
            },
            Piece::Prefix(text, max) => self.prefix(text, *max),
        });
        pieces.collect()
    }

    /// `text` with its holes open.
    pub(super) fn holed(&self, text: &Text) -> Holed {
        let mut holed = Holed::default();
        for piece in &text.0 {
            match piece {
                Piece::Text(text) => holed.push_text(text),
                Piece::Symbol(symbol) => match self.of(symbol) {
                    Filling::Text(text) => holed.push_text(text),
                    Filling::Hole(hole) => holed.push_hole(hole),
                },
                Piece::Prefix(text, max) => holed.push_text(&self.prefix(text, *max)),
            }
        }
        holed
    }
}
