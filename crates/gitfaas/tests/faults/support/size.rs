//! How much there is to be of everything: little, unless somebody asks for more.

use crate::chance::Chance;
use crate::load::Load;

/// From so many rounds on it is the long form.
const LONG: u64 = 50;

/// How much there is to be of everything.
pub(crate) struct Size {
    pub(crate) rounds: u64,
    /// How many messages are acknowledged in all, at least.
    pub(crate) acknowledged: u64,
    pub(crate) seed: u64,
    long: bool,
}

impl Size {
    /// So much, or what the environment asks for. Says by which seed it can be had again.
    pub(crate) fn asked(rounds: u64, acknowledged: u64) -> Self {
        Self::part(1, rounds, acknowledged)
    }

    /// So much, or a part of what the environment asks for.
    pub(crate) fn part(of: u64, rounds: u64, acknowledged: u64) -> Self {
        let asked = setting("GITFAAS_FAULTS_ROUNDS");
        let size = Self {
            rounds: asked.map_or(rounds, |rounds| rounds.div_ceil(of)),
            acknowledged: setting("GITFAAS_FAULTS_ACKNOWLEDGED").map_or(acknowledged, |all| all.div_ceil(of)),
            long: asked.unwrap_or(rounds) >= LONG,
            seed: setting("GITFAAS_FAULTS_SEED").unwrap_or_else(Chance::any_seed),
        };
        println!("GITFAAS_FAULTS_SEED={} chooses the same faults again", size.seed);
        size
    }

    pub(crate) fn is_long(&self) -> bool {
        self.long
    }

    /// How many messages are to be acknowledged before the fault of the next round: from a half to one and a half of a
    /// round's share more than now.
    pub(crate) fn next(&self, load: &Load, chance: &mut Chance) -> u64 {
        let share = self.acknowledged / self.rounds;
        load.acknowledged() + chance.among(share / 2..share + share / 2 + 1)
    }
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::vars().find(|(known, value)| known == name && !value.is_empty())?.1;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
