//! The command line, and the settings that follow from it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::transports::Kind;

/// Longest message that is accepted: 64 slots of it still fit into most machines.
const MAX_MESSAGE_BYTES: u64 = 64 << 20;

const EXAMPLES: &str = "\
Examples:
  compare                          every transport, about a minute
  compare --quick                  the same in less than 30 seconds, less exact
  compare --size 4KiB              with longer messages
  compare --json results.json      with every sample, for later

Near and far: a virtual machine's CPUs may be cores that share a cache or cores that do not, and
that may change while it runs. So the round trip of one cache line is measured before and after each
pass; a pass counts when both are below 300 ns, and is repeated when not.";

/// Compare ways of getting messages from one process to another: the flag, asleep and spinning, and
/// the semaphores.
///
/// Each measurement is the same work by two processes, each on a CPU of its own: every byte of every
/// message is written by the producer and checked by the consumer.
#[derive(Debug, Parser)]
#[command(name = "compare", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true, args_override_self = true)]
pub struct Arguments {
    /// Less than 30 seconds: 3 short passes of each kind (sets --seconds 0.1 --repetitions 3
    /// --retries 1)
    #[arg(long)]
    quick: bool,

    /// Bytes in a message, with or without a suffix: 64, 4KiB
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = message_bytes)]
    size: u64,

    /// How long a pass should last [default: 0.5]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, conflicts_with = "quick")]
    seconds: Option<Duration>,

    /// How many passes of each kind: one after the other, in changing order [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), conflicts_with = "quick")]
    repetitions: Option<u32>,

    /// How often a pass between far CPUs is repeated [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=100), conflicts_with = "quick")]
    retries: Option<u32>,

    /// How long the idle reader waits for its message
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    idle: Duration,

    /// Compare only these
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', default_values_t = Kind::all().iter().copied())]
    transports: Vec<Kind>,

    /// Let the kernel choose the CPUs
    #[arg(long)]
    unpinned: bool,

    /// Write settings, machine, results and every sample to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Commit that is measured, to be printed and written with the results
    #[arg(long, value_name = "TEXT")]
    pub commit: Option<String>,

    /// Name of the run, of which the names of its channels are made
    #[arg(long, value_name = "NAME", hide = true)]
    pub run: Option<String>,

    /// Damage one byte of one message in each pass, which must be noticed
    #[arg(long, hide = true)]
    corrupt: bool,

    /// What a copy of the program is to do, which started itself
    #[command(subcommand)]
    pub task: Option<Task>,
}

/// What a copy of the program does.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Be the producer or consumer of one pass
    #[command(hide = true)]
    Side {
        /// What to do, as JSON
        plan: String,
    },
}

/// What is measured, and how thoroughly.
#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    pub size_bytes: usize,
    pub pass_ns: u64,
    pub repetitions: u32,
    /// How many of the repetitions measure the idle reader too, which takes `idle_ns` each time.
    pub idle_repetitions: u32,
    pub idle_ns: u64,
    pub retries: u32,
    pub transports: Vec<Kind>,
    pub unpinned: bool,
    pub corrupt: bool,
}

impl Arguments {
    /// Returns the settings: what was asked for, else the defaults.
    pub fn settings(&self) -> Settings {
        let (seconds, repetitions, idle_repetitions, retries) = if self.quick {
            (Duration::from_millis(100), 3, 1, 1)
        } else {
            (Duration::from_millis(500), 5, 3, 3)
        };
        let repetitions = self.repetitions.unwrap_or(repetitions);
        let mut transports = self.transports.clone();
        transports.sort_unstable();
        transports.dedup();
        Settings {
            size_bytes: usize::try_from(self.size).unwrap_or(usize::MAX),
            pass_ns: nanoseconds(self.seconds.unwrap_or(seconds)),
            repetitions,
            idle_repetitions: idle_repetitions.min(repetitions),
            idle_ns: nanoseconds(self.idle),
            retries: self.retries.unwrap_or(retries),
            transports,
            unpinned: self.unpinned,
            corrupt: self.corrupt,
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn message_bytes(text: &str) -> Result<u64, String> {
    match semring_cli::size(text)? {
        bytes @ 1..=MAX_MESSAGE_BYTES => Ok(bytes),
        _ => Err("give 1 byte to 64MiB".into()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.001..=60.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("give a number of seconds from 0.001 to 60".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn quick_is_shorter_and_what_was_asked_for_wins() {
        let settings = |line: &[&str]| Arguments::parse_from(line).settings();
        let (full, quick) = (settings(&["compare"]), settings(&["compare", "--quick"]));
        assert!(quick.pass_ns < full.pass_ns && quick.repetitions < full.repetitions);
        let asked = settings(&["compare", "--repetitions", "1", "--seconds", "0.25"]);
        assert_eq!((asked.repetitions, asked.idle_repetitions), (1, 1));
        assert_eq!(asked.pass_ns, 250_000_000);
    }

    #[test]
    fn transports_come_in_the_order_of_the_table_and_once() {
        let line = ["compare", "--transports", "semaphores,flag-spin,semaphores"];
        let settings = Arguments::parse_from(line).settings();
        assert_eq!(settings.transports, [Kind::FlagSpin, Kind::Semaphores]);
    }

    #[test]
    fn sizes_and_seconds_have_bounds() {
        assert_eq!(message_bytes("4KiB"), Ok(4096));
        assert!(message_bytes("0").is_err() && message_bytes("65MiB").is_err());
        assert!(seconds("0").is_err() && seconds("nan").is_err() && seconds("0.5").is_ok());
    }
}
