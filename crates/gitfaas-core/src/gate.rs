//! A topic's gate: what holds its queued runs back, and who may open it.
//!
//! The config says how many runs of a topic may be live at once and whether it is paused, an operator may pause it
//! beside. What the config said last is kept, so that a topic that it no longer has goes on as it was accepted.

use std::num::NonZeroU32;

use jiff::Timestamp;

/// What holds the queued runs of a topic back; nothing by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gate {
    /// How many of its runs may [be live](crate::run::Run::is_live) at once; `None` for any number.
    pub concurrency: Option<NonZeroU32>,
    /// Since when the config pauses it.
    pub paused_by_config: Option<Timestamp>,
    /// Since when an operator pauses it.
    pub paused_by_operator: Option<Timestamp>,
}

/// Who pauses a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pauser {
    /// `"paused": true` in the config file: only a change there ends it.
    Config,
    /// Somebody who asked the server.
    Operator,
}

impl Gate {
    /// The gate after the config said this at `now`; an operator's pause stays, and so does the time of a pause that
    /// the config had before.
    #[must_use]
    pub fn configured(self, concurrency: Option<NonZeroU32>, paused: bool, now: Timestamp) -> Self {
        let paused_by_config = paused.then(|| self.paused_by_config.unwrap_or(now));
        Self { concurrency, paused_by_config, ..self }
    }

    /// Whether a run of the topic may have to wait.
    pub fn holds(&self) -> bool {
        *self != Self::default()
    }

    /// Who pauses the topic, since when; the config before an operator, because its pause outlasts the other.
    pub fn paused(&self) -> Option<(Pauser, Timestamp)> {
        let by_config = self.paused_by_config.map(|since| (Pauser::Config, since));
        by_config.or(self.paused_by_operator.map(|since| (Pauser::Operator, since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).expect("a time of these years")
    }

    #[test]
    fn a_pause_of_the_config_keeps_its_time_and_ends_with_the_config() {
        let paused = Gate::default().configured(None, true, at(3));
        assert_eq!(paused.paused(), Some((Pauser::Config, at(3))));
        assert_eq!(paused.configured(NonZeroU32::new(2), true, at(5)).paused(), Some((Pauser::Config, at(3))));
        assert_eq!(paused.configured(None, false, at(5)), Gate::default());
    }

    #[test]
    fn an_operators_pause_outlasts_every_config() {
        let gate = Gate { paused_by_operator: Some(at(1)), ..Gate::default() };
        assert_eq!(gate.configured(NonZeroU32::new(7), false, at(2)).paused(), Some((Pauser::Operator, at(1))));
        let both = gate.configured(None, true, at(2));
        assert_eq!(both.paused(), Some((Pauser::Config, at(2))), "resuming would not be enough");
        assert_eq!(both.configured(None, false, at(3)), gate);
    }

    #[test]
    fn a_gate_holds_by_a_limit_or_a_pause() {
        assert!(!Gate::default().holds());
        assert!(Gate::default().configured(NonZeroU32::new(1), false, at(1)).holds());
        assert!(Gate { paused_by_operator: Some(at(1)), ..Gate::default() }.holds());
    }
}
