//! What a refresh of the source changed, and what is wrong with it, for the person who has just saved a file.

use anstyle::{AnsiColor, Style};
use gitfaas_core::catalog::{Change, Difference};
use gitfaas_core::problem::Problem;
use gitfaas_server::engine::Refreshed;

use crate::output::{escape, style};

/// Remembers what has been said, so that a save that changes nothing says nothing.
#[derive(Debug, Default)]
pub(super) struct Reload {
    problems: Vec<Problem>,
    error: Option<String>,
}

/// What is to be said about a refresh.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Lines.
    pub(super) lines: Vec<String>,
    /// Problems to be drawn, if they are not those of the last time.
    pub(super) problems: Vec<Problem>,
}

impl Reload {
    /// What is new in this refresh.
    pub(super) fn say(&mut self, refreshed: Refreshed) -> Said {
        let refresh = match refreshed {
            Ok(refresh) => refresh,
            Err(error) => return self.unreadable(error.detail),
        };
        let mut said = Said { lines: refresh.changes.iter().map(line).collect(), problems: Vec::new() };
        let was_wrong = self.error.take().is_some() || !self.problems.is_empty();
        if refresh.problems.is_empty() {
            if was_wrong {
                said.lines.push(paint(AnsiColor::Green, "nothing is wrong any more"));
            }
        } else if refresh.problems != self.problems {
            said.problems.clone_from(&refresh.problems);
        }
        self.problems.clone_from(&refresh.problems);
        said
    }

    fn unreadable(&mut self, error: String) -> Said {
        if self.error.as_ref() == Some(&error) {
            return Said::default();
        }
        let text = format!("{}; what was served goes on being served", escape::line(&error));
        self.error = Some(error);
        Said { lines: vec![paint(AnsiColor::Red, &text)], problems: Vec::new() }
    }
}

fn line(change: &Change) -> String {
    let (color, what) = match change.difference {
        Difference::Added => (AnsiColor::Green, "added"),
        Difference::Changed => (AnsiColor::Cyan, "changed"),
        Difference::Mended => (AnsiColor::Green, "mended"),
        Difference::Removed => (AnsiColor::Yellow, "removed"),
        Difference::Broken => (AnsiColor::Red, "broken: the version before, if there is one, goes on being served"),
    };
    format!("topic {}  {}", style::paint(style::STRONG, &escape::line(change.topic.as_str())), paint(color, what))
}

fn paint(color: AnsiColor, text: &str) -> String {
    style::paint(Style::new().fg_color(Some(color.into())), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gitfaas_core::problem::Position;
    use gitfaas_server::engine::{EngineError, ErrorCode, Refresh};
    use std::sync::Arc;

    fn refresh(changes: &[(&str, Difference)], problems: &[Problem]) -> Arc<Refresh> {
        let change = |(topic, difference): &(&str, Difference)| Change {
            topic: topic.parse().expect("a topic"),
            difference: *difference,
        };
        Arc::new(Refresh {
            revision: Some("dir@sha256:1".to_owned()),
            changes: changes.iter().map(change).collect(),
            problems: problems.to_vec(),
        })
    }

    fn plain(said: &Said) -> String {
        anstream::adapter::strip_str(&said.lines.join("\n")).to_string()
    }

    #[test]
    fn a_save_is_told_topic_by_topic() {
        let mistake = Problem::at("b.yaml", Position { line: 2, column: 3 }, "bad indentation");
        let mut reload = Reload::default();
        let said = reload.say(Ok(refresh(
            &[("a", Difference::Added), ("b", Difference::Broken), ("c", Difference::Removed)],
            std::slice::from_ref(&mistake),
        )));
        assert_eq!(
            plain(&said),
            "topic a  added\ntopic b  broken: the version before, if there is one, goes on being served\ntopic c  removed"
        );
        assert_eq!(said.problems, [mistake]);
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        let mistake = Problem::of_file("config.json", "does not exist");
        let mut reload = Reload::default();
        assert_eq!(reload.say(Ok(refresh(&[], std::slice::from_ref(&mistake)))).problems.len(), 1);
        assert_eq!(reload.say(Ok(refresh(&[], std::slice::from_ref(&mistake)))), Said::default());
        assert_eq!(plain(&reload.say(Ok(refresh(&[], &[])))), "nothing is wrong any more");
        assert_eq!(reload.say(Ok(refresh(&[], &[]))), Said::default());
    }

    #[test]
    fn a_source_that_cannot_be_read_is_told_once_and_when_it_is_back() {
        let gone = || Err(EngineError::new(ErrorCode::SourceUnavailable, "cannot read the directory \x1b[2J"));
        let mut reload = Reload::default();
        assert_eq!(
            plain(&reload.say(gone())),
            "cannot read the directory \\x1b[2J; what was served goes on being served"
        );
        assert_eq!(reload.say(gone()), Said::default());
        assert_eq!(plain(&reload.say(Ok(refresh(&[], &[])))), "nothing is wrong any more");
    }
}
