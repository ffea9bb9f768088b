//! The question before something is removed by force.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use clap::error::ErrorKind;
use semring::{Kept, Leftover};

use crate::arguments::Arguments;

use super::outcome::against_force;
use super::target::Target;

/// Ends the program, as a mistake on the command line does, where nobody can be asked.
pub fn require_terminal() {
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        return;
    }
    let text = "`--force` asks first, and there is no terminal to ask on: add `--yes` to answer \
                beforehand, or `--dry-run` to see what it would remove";
    let mut command = Arguments::command();
    // With it, a command knows its full name.
    command.build();
    let asked = command.find_subcommand_mut("clean");
    asked
        .unwrap_or(&mut Arguments::command())
        .error(ErrorKind::MissingRequiredArgument, text)
        .exit();
}

/// Says what is to be removed although something speaks against it, and asks whether to.
///
/// # Errors
///
/// When the terminal cannot be written to or read.
pub fn ask(doomed: &[(&Target, Leftover, Kept)]) -> Result<bool> {
    let mut terminal = io::stderr().lock();
    let each = doomed.iter().map(|(target, leftover, against)| {
        format!("  {}: {}\n", target.title, against_force(against, leftover))
    });
    let asked = write!(
        terminal,
        "Only `--force` removes these:\n{}Their messages are lost, and programs that use them end with \
         exit code 6. Remove them? [y/N] ",
        each.collect::<String>()
    );
    asked
        .and_then(|()| terminal.flush())
        .context("cannot ask on standard error")?;
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.context("cannot read the answer")?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
