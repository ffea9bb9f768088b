//! What `stress` can be told.

use std::time::Duration;

use clap::{Parser, ValueEnum};
use semring_cli::{count, duration};

use crate::injections::Extent;

/// Streams messages between two processes, kills them, stops them, disturbs them, removes their
/// objects, starts successors, and verifies every byte.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Arguments {
    /// Everything in about a minute: what happens without an option
    #[arg(long, conflicts_with_all = ["full", "soak"])]
    pub quick: bool,

    /// At least 100,000 SIGKILLs, and one after every instruction
    #[arg(long, conflicts_with = "soak")]
    pub full: bool,

    /// Repeat the quick campaign with new seeds until this time is over: 10min, 1h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub soak: Option<Duration>,

    /// Messages in the scenarios without kills, all together
    #[arg(long, value_name = "N", value_parser = count)]
    pub messages: Option<u64>,

    /// SIGKILLs in the scenarios with kills at random, all together
    #[arg(long, value_name = "N", value_parser = count)]
    pub kills: Option<u64>,

    /// Insist on the kills at every named point of the library, which need the feature `crash-points`;
    /// built with it, they are part of every campaign
    #[arg(long)]
    pub crash_points: bool,

    /// Instead, have every system call of the programs fail once
    #[arg(long, value_enum, value_name = "EXTENT")]
    pub injections: Option<Extent>,

    /// Of the injections, only those whose program and call hold this: `reader -o, first: semop`
    #[arg(long, value_name = "TEXT", default_value = "", requires = "injections")]
    pub call: String,

    /// Kill after every instruction, and do nothing else: `quick` takes samples of attach and close
    #[arg(long, value_name = "LEVEL")]
    pub steps: Option<Level>,

    /// Run only these kinds of scenarios, separated by commas
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub only: Vec<Kind>,

    /// Where the random choices start from, to repeat a run [default: the time]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// Says how thorough the kills after every instruction are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Every instruction of send, recv and release in three shapes, samples of attach and close.
    Quick,
    /// Every instruction of every operation in every shape.
    Full,
}

/// Names a kind of scenario: a file of `scenarios/`, or `steps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Nobody is disturbed.
    Steady,
    /// Nobody is disturbed, and an adaptive side is always about to fall asleep.
    Edges,
    /// Kills at random.
    Kills,
    /// Kills during attach, takeover, close and removal.
    Phases,
    /// Kills without a successor.
    Survivors,
    /// SIGSTOP and SIGCONT.
    Stops,
    /// Signals that are handled.
    Signals,
    /// `ipcrm`.
    Removals,
    /// Forked children that outlive their parent.
    Orphans,
    /// The time from a SIGKILL to the blocked peer's return.
    Returns,
    /// Kills at every named point of the library.
    Points,
    /// Kills after every instruction.
    Steps,
}
