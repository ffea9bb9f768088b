//! What `semring` can be told.

use std::num::NonZeroU8;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use semring::Key;

/// Looks after the channels of this machine, and the programs that use them.
#[derive(Debug, Parser)]
#[command(name = "semring", version, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub task: Task,
}

/// Says what to do.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// List all channels of this machine, and what is the matter with them
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// Show all of one channel: segment, both sides, semaphores, ring
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Show),
    /// Remove channels that nobody uses any more and in which nothing waits
    #[command(after_help = CLEAN_EXAMPLES)]
    Clean(Clean),
    /// Watch all channels: fill, rates and waits, live in this terminal
    #[command(after_help = TOP_EXAMPLES)]
    Top(Top),
    /// Make shell completions or manual pages
    #[command(subcommand, after_help = GENERATE_EXAMPLES)]
    Generate(Generate),
    /// Check that this machine and its kernel give what channels need
    #[command(after_help = DOCTOR)]
    Doctor {
        /// Print what was found as one line of JSON
        #[arg(long)]
        json: bool,
    },
}

const DOCTOR: &str = "\
Each check ends with pass, warn or FAIL, what was found, and what to do about it. Those of the
kernel's behaviour run in processes of their own, on objects that nobody else sees and that are
removed afterwards; none takes longer than ten seconds.

Exit code: 0 when all checks pass or warn, 1 when one fails. In JSON each of `checks` has name,
area (machine, kernel), outcome (pass, warn, fail), found, and remedy (null when it passes).

Examples:
  semring doctor
  semring doctor --json | jq '.checks[] | select(.outcome != \"pass\")'";

const LIST_EXAMPLES: &str = "\
Examples:
  semring list                 who is there, how full each ring is, and what to do about it
  semring list --all           also the System V objects that are no channel's
  semring list --json | jq -r '.channels[] | select(.kept == null) | .key'
                               those that `semring clean` would remove";

const SHOW_EXAMPLES: &str = "\
Examples:
  semring show                 the channel that `writer` and `reader` use without arguments
  semring show alice/orders    one that the user alice made
  semring show 426031          by the identifier of its segment or semaphore set
  semring show --path /tmp --project 65
  semring show orders --json | jq .diagnosis";

const CLEAN_EXAMPLES: &str = "\
Examples:
  semring clean --dry-run      what would be removed, and why the rest would be kept
  semring clean                remove what is stale: nobody uses it, and nothing waits in it
  semring clean orders bills   these two, if they are stale; exit code 5 if one of them is kept
  semring clean --force orders with the messages in it, and under those who use it; asks first
  semring clean --json --yes --force orders

Exit codes:
  0  done, also when nothing was stale
  1  something could not be removed, or the answer was no
  2  a mistake on the command line; --force without a terminal to ask on, and without --yes
  5  a channel that was asked for by name is kept";
const TOP_EXAMPLES: &str = "\
Examples:
  semring top                  all channels; press ? for the keys
  semring top --interval 100ms to see the rings breathe

Where standard output is no terminal, `semring list` tells the same once.";

/// Holds what `list` can be told.
#[derive(Debug, Args)]
pub struct List {
    /// List what is no channel, too: segments, semaphore sets and message queues of other programs
    #[arg(long, short)]
    pub all: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Holds what `show` can be told.
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    pub which: Which,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Holds what `clean` can be told.
#[derive(Debug, Args)]
pub struct Clean {
    /// Names of channels; USER/NAME for one that somebody else made; or identifiers as listed
    /// [default: all channels]
    #[arg(value_name = "CHANNEL")]
    pub channels: Vec<String>,

    /// Use the `ftok` key of this existing file instead of a name
    #[arg(long, value_name = "FILE", conflicts_with_all = ["channels", "key"])]
    pub path: Option<PathBuf>,

    /// Project number of the `ftok` key
    #[arg(long, value_name = "N", default_value = "65", requires = "path")]
    pub project: NonZeroU8,

    /// Use this key instead of a name, as `ipcs` shows it
    #[arg(long, value_name = "0x...", value_parser = semring_cli::key, conflicts_with = "channels")]
    pub key: Option<Key>,

    /// Say what would be removed and what kept, and do nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,

    /// Remove what is in use, damaged or holds unread messages as well; asks first
    #[arg(long)]
    pub force: bool,

    /// Answer the question of `--force` beforehand
    #[arg(long, short, requires = "force")]
    pub yes: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Clean {
    /// Returns what was asked for, each as `show` takes it; nothing for all channels.
    pub fn wanted(&self) -> Vec<Which> {
        let which = |channel: &str| Which {
            channel: channel.to_owned(),
            path: self.path.clone(),
            project: self.project,
            key: self.key,
        };
        if self.path.is_some() || self.key.is_some() {
            return vec![which("")];
        }
        self.channels.iter().map(|channel| which(channel)).collect()
    }
}

/// Holds what `top` can be told.
#[derive(Debug, Args)]
pub struct Top {
    /// How often to look, 100ms to 1h; who has the roles is asked once a second at most
    #[arg(long, short, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub interval: Duration,
}

/// Reads how often to look. For clap.
fn interval(text: &str) -> Result<Duration, String> {
    let interval = semring_cli::duration(text)?;
    if !(SHORTEST..=LONGEST).contains(&interval) {
        return Err("write a time from 100ms to 1h".to_owned());
    }
    Ok(interval)
}

/// Between two looks of `top`: the eye follows no faster, and looking costs time.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3600);

/// Says which channel is meant.
#[derive(Debug, Args)]
pub struct Which {
    /// Name of the channel; USER/NAME for one that somebody else made; or an identifier as listed
    #[arg(default_value = "default")]
    pub channel: String,

    /// Use the `ftok` key of this existing file instead of a name
    #[arg(long, value_name = "FILE", conflicts_with_all = ["channel", "key"])]
    pub path: Option<PathBuf>,

    /// Project number of the `ftok` key
    #[arg(long, value_name = "N", default_value = "65", requires = "path")]
    pub project: NonZeroU8,

    /// Use this key instead of a name, as `ipcs` shows it
    #[arg(long, value_name = "0x...", value_parser = semring_cli::key, conflicts_with = "channel")]
    pub key: Option<Key>,
}

const GENERATE_EXAMPLES: &str = "\
Examples:
  semring generate completions bash writer > ~/.local/share/bash-completion/completions/writer
  semring generate man --folder ~/.local/share/man/man1";

/// Says what to make.
#[derive(Debug, Subcommand)]
pub enum Generate {
    /// Print the completions of a program for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
        /// The program
        #[arg(value_enum)]
        program: Program,
    },
    /// Write the manual pages of all programs
    Man {
        /// Where to; it is made if need be
        #[arg(long, value_name = "FOLDER", default_value = ".")]
        folder: PathBuf,
    },
}

/// Names a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// The producing program
    Writer,
    /// The consuming program
    Reader,
    /// This program
    Semring,
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
    fn an_interval_is_within_reason() {
        assert_eq!(interval("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(interval("1h"), Ok(Duration::from_secs(3600)));
        for refused in ["99ms", "0", "61min", "500000000years"] {
            assert!(
                interval(refused).unwrap_err().contains("100ms"),
                "{refused}"
            );
        }
    }
}
