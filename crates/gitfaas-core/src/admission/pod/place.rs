//! Places in an object, and keys that only look like the one that is meant.

use std::fmt;

/// A step on the way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// To the value of a key.
    Key(&'static str),
    /// To an item of a list, from 0.
    Item(usize),
}

/// The way from the top of an object, on the stack of who walks it.
#[derive(Clone, Copy)]
pub(in crate::admission) struct At<'a> {
    before: Option<&'a At<'a>>,
    step: Option<Step>,
}

impl At<'static> {
    /// The object itself.
    pub(in crate::admission) const TOP: Self = Self { before: None, step: None };
}

impl<'a> At<'a> {
    pub(in crate::admission) const fn key(before: &'a Self, key: &'static str) -> Self {
        Self { before: Some(before), step: Some(Step::Key(key)) }
    }

    pub(super) const fn item(before: &'a Self, index: usize) -> Self {
        Self { before: Some(before), step: Some(Step::Item(index)) }
    }

    /// The steps in order.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = std::iter::successors(Some(self), |at| at.before).filter_map(|at| at.step).collect();
        steps.reverse();
        steps
    }
}

/// The steps as people write a place: `spec.containers[0].image`.
pub(super) struct Path<'a>(pub(super) &'a [Step]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if place == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Item(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Which of `known` a reader that does not mind case would take `key` for. Go's reader is one, and it takes U+017F for
/// an s and U+212A for a k.
pub(in crate::admission) fn lookalike(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let folded = |character| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    let same = |known: &&'static str| match key.len().cmp(&known.len()) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => key.eq_ignore_ascii_case(known),
        // Both characters take more bytes than the letter they are taken for.
        std::cmp::Ordering::Greater => {
            !key.is_ascii() && key.chars().map(folded).eq(known.chars().map(|known| known.to_ascii_lowercase()))
        }
    };
    known.iter().copied().find(same)
}
