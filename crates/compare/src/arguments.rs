//! The command line, and the settings that follow from it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};

use crate::machine::Placement;
use crate::transports::Kind;
use semring::MAX_SLOTS;

/// Most messages that a stream may be asked to have: an hour or so of them.
const MOST_MESSAGES: u64 = 100_000_000_000;
/// Longest message that is accepted: 64 slots of it still fit into most machines.
const MAX_MESSAGE_BYTES: u64 = 64 << 20;

const EXAMPLES: &str = "\
Examples:
  compare                          every transport with messages of 64 bytes, some minutes
  compare --quick                  64 bytes and 64 KiB in less than a minute, less exact
  compare --full                   8 bytes to 4 MiB and all the rest, about ten minutes
  compare --size 64,4KiB           other messages
  compare --transports adaptive,futex-ring --slots 64,1024 --messages 1000000
  compare --json results.json --markdown results.md --plots plots
  compare --from results.json      the same tables again, without measuring

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

    /// About ten minutes: messages of 8 bytes to 4 MiB, rings of 1 to 16384 slots, streams of a million
    /// and a billion messages (sets --size 8,48,64,1KiB,16KiB,64KiB,1MiB,4MiB --seconds 0.1 --slots
    /// 1,4,16,64,256,1024,4096,16384 --messages 1000000,1000000000)
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

    /// Measure throughput through rings of so many slots, too, where that can be chosen [default: none;
    /// full: powers of 4, and 16384]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = slots)]
    slots: Vec<u32>,

    /// Measure throughput over streams of so many messages, too: of adaptive channels and of batches
    /// [default: none; full: 1000000,1000000000]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=MOST_MESSAGES))]
    messages: Vec<u64>,

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

    /// Do not measure: take settings, machine and samples of an earlier run from this file of --json
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,

    /// Write the tables to this file, as Markdown; where it has marks (<!-- compare: results -->), only
    /// what stands between them is written anew. May be given more than once
    #[arg(long, value_name = "FILE")]
    pub markdown: Vec<PathBuf>,

    /// Draw the results into this folder: flag.svg, throughput.svg, round-trip.svg, cpu.svg, slots.svg
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
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// Of the messages that are streamed.
    pub sizes_bytes: Vec<usize>,
    /// Of those that are answered.
    pub round_trip_sizes_bytes: Vec<usize>,
    /// Slots of rings, beside those that they usually have.
    pub slots: Vec<u32>,
    /// Messages of streams, beside as many as last for a pass.
    pub messages: Vec<u64>,
    pub pass_ns: u64,
    pub repetitions: u32,
    /// How many of the repetitions measure the idle reader too, which takes `idle_ns` each time, and rings
    /// of other sizes.
    pub idle_repetitions: u32,
    /// How many of them measure the sleeping flag, which does the same thing every 100 ms.
    pub sleeping_repetitions: u32,
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
    round_trip_sizes: &'static [u64],
    slots: &'static [u32],
    messages: &'static [u64],
    seconds: Duration,
    repetitions: u32,
    idle_repetitions: u32,
    idle: Duration,
    pauses: &'static [Duration],
    retries: u32,
}

const DEFAULTS: Defaults = Defaults {
    sizes: &[64],
    round_trip_sizes: &[64],
    slots: &[],
    messages: &[],
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
const SLEEPING_REPETITIONS: u32 = 2;

const QUICK: Defaults = Defaults {
    sizes: &[64, 64 << 10],
    round_trip_sizes: &[64, 64 << 10],
    seconds: Duration::from_millis(40),
    repetitions: 2,
    idle_repetitions: 1,
    idle: Duration::from_millis(200),
    pauses: &[Duration::from_millis(1)],
    retries: 1,
    ..DEFAULTS
};

const FULL: Defaults = Defaults {
    sizes: &[8, 48, 64, 1 << 10, 16 << 10, 64 << 10, 1 << 20, 4 << 20],
    round_trip_sizes: &[8, 64, 1 << 10, 64 << 10, 1 << 20, 4 << 20],
    slots: &[1, 4, 16, 64, 256, 1024, 4096, 16384],
    messages: &[1_000_000, 1_000_000_000],
    seconds: Duration::from_millis(100),
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
        let pauses = or_default(&self.pause, defaults.pauses).into_iter();
        Settings {
            sizes_bytes: lengths(&self.size, defaults.sizes),
            round_trip_sizes_bytes: lengths(&self.size, defaults.round_trip_sizes),
            slots: or_default(&self.slots, defaults.slots),
            messages: or_default(&self.messages, defaults.messages),
            pass_ns: nanoseconds(self.seconds.unwrap_or(defaults.seconds)),
            repetitions,
            idle_repetitions: defaults.idle_repetitions.min(repetitions),
            sleeping_repetitions: SLEEPING_REPETITIONS.min(repetitions),
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

fn lengths(asked_for: &[u64], default: &[u64]) -> Vec<usize> {
    let lengths = or_default(asked_for, default).into_iter();
    lengths
        .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
        .collect()
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

fn slots(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(slots) if slots.is_power_of_two() && slots <= MAX_SLOTS => Ok(slots),
        _ => Err(format!("give a power of two, 1 to {MAX_SLOTS}")),
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
        assert_eq!(
            full.sizes_bytes,
            [8, 48, 64, 1024, 16384, 65536, 1 << 20, 4 << 20]
        );
        assert_eq!(full.small_bytes(), 64);
        assert_eq!(full.messages, [1_000_000, 1_000_000_000]);
        assert_eq!((full.slots[0], full.slots[7]), (1, 16384));
        let asked = settings(&["compare", "--size", "4KiB,1,4KiB", "--pause", "0.001"]);
        assert_eq!(asked.sizes_bytes, [1, 4096]);
        assert_eq!(asked.round_trip_sizes_bytes, [1, 4096]);
        assert_eq!(
            (asked.small_bytes(), &asked.pauses_ns[..]),
            (1, &[1_000_000][..])
        );
    }

    #[test]
    fn sizes_and_seconds_have_bounds() {
        assert_eq!(message_bytes("4KiB"), Ok(4096));
        assert!(message_bytes("0").is_err() && message_bytes("65MiB").is_err());
        assert!(slots("48").is_err() && slots("32768").is_err() && slots("0").is_err());
        assert_eq!(slots("16384"), Ok(16384));
        assert!(seconds("0").is_err() && seconds("nan").is_err() && seconds("0.5").is_ok());
    }
}
