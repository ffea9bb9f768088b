//! How much a program says.

use clap::{ArgAction, Args};

/// Holds the arguments that say how much is said, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct SpeechArguments {
    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Tell each step on standard error; -vv tells each wait, -vvv each message
    #[arg(long, short, action = ArgAction::Count)]
    pub verbose: u8,

    /// Print the figures at the end as one line of JSON
    #[arg(long)]
    pub json: bool,
}
