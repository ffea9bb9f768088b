//! What `semring` can be told.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

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
    /// Make shell completions or manual pages
    #[command(subcommand, after_help = EXAMPLES)]
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

const EXAMPLES: &str = "\
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
}
