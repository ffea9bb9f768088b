//! The command line, and the settings that follow from it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::machine::Placement;
use crate::transports::Kind;

/// Longest message that is accepted: 64 slots of it still fit into most machines.
const MAX_MESSAGE_BYTES: u64 = 64 << 20;

const EXAMPLES: &str = "\
Examples:
  compare                          every transport with messages of 64 bytes, some minutes
  compare --quick                  64 bytes and 64 KiB in less than a minute, less exact
  compare --full                   8 bytes to 4 MiB, ten minutes or more
  compare --size 64,4KiB           other messages
  compare --json results.json --markdown results.md --plots plots

Near and far: a virtual machine's CPUs may be cores that share a cache or cores that do not, and
that may change while it runs. So the round trip of one cache line is measured before and after each
pass; a pass counts when both are below 300 ns, and is repeated when not.";

/// Compare ways of getting messages from one process to another: the flag, the semaphores, and what
/// else one would use.
///
/// Each measurement is the same work by two processes, each on a CPU of its own: every byte of every
/// message is written by the producer and checked by the consumer.
#[derive(Debug, Parser)]
#[command(name = "compare", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true, args_override_self = true)]
pub struct Arguments {
    /// Less than a minute: messages of 64 bytes and 64 KiB, 2 short passes of each kind (sets --size
    /// 64,64KiB --seconds 0.04 --repetitions 2 --retries 1 --idle 0.2)
    #[arg(long)]
    quick: bool,

    /// Ten minutes or more: messages of 8 bytes to 4 MiB (sets --size 8,64,1KiB,64KiB,1MiB,4MiB)
    #[arg(long, conflicts_with = "quick")]
    full: bool,

    /// Bytes in a message, with or without a suffix: 64, 4KiB; several: 64,4KiB [default: 64]
    #[arg(long, value_name = "BYTES,...", value_delimiter = ',', value_parser = message_bytes)]
    size: Vec<u64>,

    /// How long a pass should last [default: 0.3]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, conflicts_with = "quick")]
    seconds: Option<Duration>,

    /// How many passes of each kind: one after the other, in changing order [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), conflicts_with = "quick")]
    repetitions: Option<u32>,

    /// How often a pass between far CPUs is repeated [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=100), conflicts_with = "quick")]
    retries: Option<u32>,

    /// How long the idle reader waits for its message [default: 1]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle: Option<Duration>,

    /// How long a reader has waited when it is woken [default: 0.0001,0.001,0.02; quick: 0.001]
    #[arg(long, value_name = "SECONDS,...", value_delimiter = ',', value_parser = seconds)]
    pause: Vec<Duration>,

    /// Compare only these [default: all, those that need --peers with --peers only]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    transports: Vec<Kind>,

    /// Compare other people's engines, too, which this program has (scripts/compare.sh builds it)
    #[arg(long, value_name = "PROGRAM")]
    pub peers: Option<PathBuf>,

    /// Let the kernel choose the CPUs
    #[arg(long)]
    unpinned: bool,

    /// Put both processes on one CPU, where nobody can spin for the other
    #[arg(long, conflicts_with = "unpinned")]
    same_cpu: bool,

    /// Write settings, machine, results and every sample to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write the table to this file, as Markdown
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,

    /// Draw the results into this folder: throughput.svg, round-trip.svg, cpu.svg
    #[arg(long, value_name = "FOLDER")]
    pub plots: Option<PathBuf>,

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
    pub sizes_bytes: Vec<usize>,
    pub pass_ns: u64,
    pub repetitions: u32,
    /// How many of the repetitions measure the idle reader too, which takes `idle_ns` each time.
    pub idle_repetitions: u32,
    pub idle_ns: u64,
    /// How long readers have waited that are woken.
    pub pauses_ns: Vec<u64>,
    pub retries: u32,
    pub transports: Vec<Kind>,
    pub placement: Placement,
    pub corrupt: bool,
}

/// What is not asked for.
struct Defaults {
    sizes: &'static [u64],
    seconds: Duration,
    repetitions: u32,
    idle_repetitions: u32,
    idle: Duration,
    pauses: &'static [Duration],
    retries: u32,
}

const DEFAULTS: Defaults = Defaults {
    sizes: &[64],
    seconds: Duration::from_millis(300),
    repetitions: 5,
    idle_repetitions: 3,
    idle: Duration::from_secs(1),
    pauses: &[
        Duration::from_micros(100),
        Duration::from_millis(1),
        Duration::from_millis(20),
    ],
    retries: 3,
};

const QUICK: Defaults = Defaults {
    sizes: &[64, 64 << 10],
    seconds: Duration::from_millis(40),
    repetitions: 2,
    idle_repetitions: 1,
    idle: Duration::from_millis(200),
    pauses: &[Duration::from_millis(1)],
    retries: 1,
};

const FULL: Defaults = Defaults {
    sizes: &[8, 64, 1 << 10, 64 << 10, 1 << 20, 4 << 20],
    ..DEFAULTS
};

impl Settings {
    /// Returns the size of messages whose arrival is measured, and not how much can be sent.
    pub fn small_bytes(&self) -> usize {
        let sizes = &self.sizes_bytes;
        let usual = sizes.iter().find(|&&bytes| bytes == 64);
        usual.or(sizes.first()).copied().unwrap_or(64)
    }
}

impl Arguments {
    /// Returns the settings: what was asked for, else the defaults. `peers`: what the other program has.
    pub fn settings(&self, peers: &[Kind]) -> Settings {
        let all = Kind::all()
            .iter()
            .filter(|kind| !kind.is_peer())
            .chain(peers);
        let all: Vec<Kind> = all.copied().collect();
        let defaults = match (self.quick, self.full) {
            (true, _) => QUICK,
            (false, true) => FULL,
            (false, false) => DEFAULTS,
        };
        let repetitions = self.repetitions.unwrap_or(defaults.repetitions);
        let sizes = or_default(&self.size, defaults.sizes).into_iter();
        let pauses = or_default(&self.pause, defaults.pauses).into_iter();
        Settings {
            sizes_bytes: sizes
                .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
                .collect(),
            pass_ns: nanoseconds(self.seconds.unwrap_or(defaults.seconds)),
            repetitions,
            idle_repetitions: defaults.idle_repetitions.min(repetitions),
            idle_ns: nanoseconds(self.idle.unwrap_or(defaults.idle)),
            pauses_ns: pauses.map(nanoseconds).collect(),
            retries: self.retries.unwrap_or(defaults.retries),
            transports: or_default(&self.transports, &all),
            placement: match (self.unpinned, self.same_cpu) {
                (true, _) => Placement::Unpinned,
                (false, true) => Placement::SameCpu,
                (false, false) => Placement::Apart,
            },
            corrupt: self.corrupt,
        }
    }
}

/// Returns what was asked for, in order and each once, else the default.
fn or_default<T: Clone + Ord>(asked_for: &[T], default: &[T]) -> Vec<T> {
    let chosen = if asked_for.is_empty() {
        default
    } else {
        asked_for
    };
    let mut values = chosen.to_vec();
    values.sort_unstable();
    values.dedup();
    values
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
        Ok(seconds) if (0.0001..=60.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("give a number of seconds from 0.0001 to 60".into()),
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
        let settings = |line: &[&str]| Arguments::parse_from(line).settings(&[]);
        let (full, quick) = (settings(&["compare"]), settings(&["compare", "--quick"]));
        assert!(quick.pass_ns < full.pass_ns && quick.repetitions < full.repetitions);
        let asked = settings(&["compare", "--repetitions", "1", "--seconds", "0.25"]);
        assert_eq!((asked.repetitions, asked.idle_repetitions), (1, 1));
        assert_eq!(asked.pass_ns, 250_000_000);
    }

    #[test]
    fn transports_come_in_the_order_of_the_table_and_once() {
        let line = ["compare", "--transports", "semaphores,flag-spin,semaphores"];
        let settings = Arguments::parse_from(line).settings(&[]);
        assert_eq!(settings.transports, [Kind::FlagSpin, Kind::Semaphores]);
    }

    #[test]
    fn full_has_every_size_and_small_messages_are_the_usual_ones() {
        let settings = |line: &[&str]| Arguments::parse_from(line).settings(&[]);
        let full = settings(&["compare", "--full"]);
        assert_eq!(full.sizes_bytes, [8, 64, 1024, 65536, 1 << 20, 4 << 20]);
        assert_eq!(full.small_bytes(), 64);
        let asked = settings(&["compare", "--size", "4KiB,1,4KiB", "--pause", "0.001"]);
        assert_eq!(asked.sizes_bytes, [1, 4096]);
        assert_eq!(
            (asked.small_bytes(), &asked.pauses_ns[..]),
            (1, &[1_000_000][..])
        );
    }

    #[test]
    fn sizes_and_seconds_have_bounds() {
        assert_eq!(message_bytes("4KiB"), Ok(4096));
        assert!(message_bytes("0").is_err() && message_bytes("65MiB").is_err());
        assert!(seconds("0").is_err() && seconds("nan").is_err() && seconds("0.5").is_ok());
    }
}
