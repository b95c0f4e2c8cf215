//! Colours. They repeat what the words say, so that nothing is lost without them.

use anstyle::{AnsiColor, Style};
use gitfaas_core::run::Phase;

/// For names of things that stand out.
pub(crate) const STRONG: Style = Style::new().bold();
/// For what is rarely looked at.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// The colour of a phase.
pub(crate) const fn color(phase: Phase) -> AnsiColor {
    match phase {
        Phase::Queued | Phase::Applying | Phase::Pending => AnsiColor::Yellow,
        Phase::Running => AnsiColor::Cyan,
        Phase::Succeeded => AnsiColor::Green,
        Phase::Failed => AnsiColor::Red,
        Phase::Cancelled | Phase::Interrupted | Phase::Unknown | Phase::Expired => AnsiColor::Magenta,
    }
}

/// `text` in `style`.
pub(crate) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// `text` in the colour of `phase`.
pub(crate) fn paint_phase(phase: Phase, text: &str) -> String {
    paint(Style::new().fg_color(Some(color(phase).into())), text)
}
