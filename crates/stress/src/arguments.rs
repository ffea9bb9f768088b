//! What `stress` can be told, and what it tells the two processes that it starts.

use clap::{Args, Parser, Subcommand};
use semring_cli::count;

use crate::injections::Extent;

/// Streams messages between two processes, kills them, starts successors, and verifies every byte.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Arguments {
    /// Messages in the scenarios without kills, all together
    #[arg(long, value_name = "N", default_value = "1000000", value_parser = count)]
    pub messages: u64,

    /// SIGKILLs in the scenarios with kills, all together
    #[arg(long, value_name = "N", default_value = "60", value_parser = count)]
    pub kills: u64,

    /// Also kill each process once at every named point of the library (needs the feature
    /// `crash-points`)
    #[arg(long)]
    pub crash_points: bool,

    /// Instead, have every system call of the programs fail once
    #[arg(long, value_enum, value_name = "EXTENT")]
    pub injections: Option<Extent>,

    /// Of the injections, only those whose program and call hold this: `reader -o, first: semop`
    #[arg(long, value_name = "TEXT", default_value = "", requires = "injections")]
    pub only: String,

    /// Where the random choices start from, to repeat a run [default: the time]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// The part of one of the two processes.
    #[command(subcommand)]
    pub part: Option<Part>,
}

/// Says which of the two processes this is.
#[derive(Debug, Subcommand)]
#[command(hide = true)]
pub enum Part {
    /// Sends the messages from where the channel stands.
    Producer(Task),
    /// Receives and verifies them.
    Consumer(Task),
}

/// Says what both processes need to know.
#[derive(Debug, Clone, Args)]
pub struct Task {
    /// The channel's name.
    #[arg(long)]
    pub channel: String,
    /// Its slots.
    #[arg(long)]
    pub slots: u32,
    /// Its slot size.
    #[arg(long)]
    pub slot_bytes: u64,
    /// What the contents are computed from.
    #[arg(long)]
    pub seed: u64,
    /// Permits that a side takes in one call.
    #[arg(long)]
    pub credits: u32,
    /// Messages in one exchange.
    #[arg(long)]
    pub batch: u32,
    /// Ends when the other side has died, since no successor comes.
    #[arg(long)]
    pub alone: bool,
    /// Identifier of the segment that holds the ledger.
    #[arg(long)]
    pub ledger: i32,
}

impl Task {
    /// Returns the same as arguments.
    pub fn to_arguments(&self) -> Vec<String> {
        let values = [
            ("--channel", self.channel.clone()),
            ("--slots", self.slots.to_string()),
            ("--slot-bytes", self.slot_bytes.to_string()),
            ("--seed", self.seed.to_string()),
            ("--credits", self.credits.to_string()),
            ("--batch", self.batch.to_string()),
            ("--ledger", self.ledger.to_string()),
        ];
        let mut arguments: Vec<String> = values
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect();
        if self.alone {
            arguments.push("--alone".to_owned());
        }
        arguments
    }
}
