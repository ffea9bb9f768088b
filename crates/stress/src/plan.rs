//! How much of everything a campaign does.

use crate::arguments::{Arguments, Level};

/// Says how much of everything a campaign does.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Messages in the scenarios without kills, all together.
    pub messages: u64,
    /// Exchanges at the edge of sleep in each scenario.
    pub edges: u64,
    /// SIGKILLs at random moments: half of them at work, half during attach, takeover, close, removal.
    pub kills: u64,
    /// SIGKILLs without a successor.
    pub survivors: u64,
    /// SIGSTOPs in each scenario.
    pub stops: u64,
    /// Signals in each scenario.
    pub signals: u64,
    /// Removals in each scenario.
    pub removals: u64,
    /// Forked children in each scenario.
    pub orphans: u64,
    /// Timed SIGKILLs of small processes in each direction.
    pub returns: u64,
    /// Timed SIGKILLs of large processes in each direction.
    pub large_returns: u64,
    /// Rounds of kills at every named point, in every shape.
    pub points: u64,
    pub steps: Level,
}

impl Plan {
    const QUICK: Self = Self {
        messages: 1_000_000,
        edges: 10_000,
        kills: 2_400,
        survivors: 160,
        stops: 600,
        signals: 20_000,
        removals: 8,
        orphans: 20,
        returns: 200,
        large_returns: 8,
        points: 1,
        steps: Level::Quick,
    };

    const FULL: Self = Self {
        messages: 10_000_000,
        edges: 400_000,
        kills: 60_000,
        survivors: 4_000,
        stops: 10_000,
        signals: 200_000,
        removals: 160,
        orphans: 400,
        returns: 1_000,
        large_returns: 500,
        points: 2,
        steps: Level::Full,
    };

    /// Chooses by the arguments.
    pub fn of(arguments: &Arguments) -> Self {
        let plan = if arguments.full {
            Self::FULL
        } else {
            Self::QUICK
        };
        Self {
            messages: arguments.messages.unwrap_or(plan.messages),
            kills: arguments.kills.unwrap_or(plan.kills),
            steps: arguments.steps.unwrap_or(plan.steps),
            ..plan
        }
    }
}
