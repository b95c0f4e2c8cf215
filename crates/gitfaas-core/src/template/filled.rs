//! The values of one message, ready to be put into texts.

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

/// The values by symbol.
pub(super) struct Filled<'a> {
    values: &'a Values<'a>,
    /// By the place of the template's parameters.
    parameters: Vec<Given<'a>>,
}

impl<'a> Filled<'a> {
    /// `parameters` are the values of the template's parameters, in their order.
    pub(super) fn new(values: &'a Values<'a>, parameters: Vec<Given<'a>>) -> Self {
        Self { values, parameters }
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
            Reserved::RequestUuid => return Filling::Hole(Hole::RequestUuid),
            Reserved::RunId => return Filling::Hole(Hole::RunId),
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
            Piece::Prefix(text, max) => {
                let mut length = 0;
                self.prefix(text, *max, |part| length += self.bytes(part));
                length
            }
        });
        lengths.sum()
    }

    fn bytes(&self, filling: Filling<'_>) -> usize {
        match filling {
            Filling::Text(text) => text.len(),
            Filling::Hole(hole) => self.hole_length(hole),
        }
    }

    /// Hands on the beginning of `text`, at most `max` characters. Text is cut; a hole that does not fit is left out, with
    /// all that follows.
    pub(super) fn prefix(&self, text: &Text, max: usize, mut push: impl FnMut(Filling<'_>)) {
        let mut left = max;
        for piece in &text.0 {
            let filling = match piece {
                Piece::Text(text) => Filling::Text(text),
                Piece::Symbol(symbol) => self.of(symbol),
                // None is inside another.
                Piece::Prefix(..) => return,
            };
            match filling {
                Filling::Text(text) => {
                    let end = text.char_indices().nth(left).map(|(end, _)| end);
                    push(Filling::Text(&text[..end.unwrap_or(text.len())]));
                    if end.is_some() {
                        return;
                    }
                    left -= text.chars().count();
                }
                Filling::Hole(hole) => {
                    let Some(rest) = left.checked_sub(self.hole_length(hole)) else { return };
                    push(filling);
                    left = rest;
                }
            }
        }
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
            Hole::RequestUuid => "{{REQUEST_UUID}}",
            Hole::RunId => "{{RUN_ID}}",
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
            Piece::Prefix(text, max) => {
                let mut spelled = String::new();
                self.prefix(text, *max, |part| match part {
                    Filling::Text(text) => spelled.push_str(text),
                    Filling::Hole(open) => spelled.push_str(&hole(open)),
                });
                spelled
            }
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
                Piece::Prefix(text, max) => self.prefix(text, *max, |part| match part {
                    Filling::Text(text) => holed.push_text(text),
                    Filling::Hole(hole) => holed.push_hole(hole),
                }),
            }
        }
        holed
    }
}
