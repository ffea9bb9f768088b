//! A running program: its name, how much it says, and the signals that may end it.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Error, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::arguments::SpeechArguments;
use crate::exit::{Exit, exit_of};
use crate::leaving::Farewell;
use crate::remedy::told;
use crate::{Interrupted, OutputClosed, Report, Signals, log};

/// How often the progress bar moves, so that a stall shows.
const TICK: std::time::Duration = std::time::Duration::from_millis(100);

/// Holds what a program needs wherever it is: a voice, and an ear for signals.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    quiet: bool,
    json: bool,
    bar: ProgressBar,
    signals: Signals,
}

impl Program {
    /// Runs `task` as the program `name`, says in one line on standard error what went wrong, and
    /// returns the exit code. To be called before any thread is started.
    pub fn run(
        name: &'static str,
        speech: &SpeechArguments,
        task: impl FnOnce(&mut Self) -> Result<()>,
    ) -> ExitCode {
        log::start(name, speech.verbose);
        semring::prepare_adaptive();
        let result = Signals::take().and_then(|signals| {
            let mut program = Self {
                name,
                quiet: speech.quiet,
                json: speech.json,
                bar: ProgressBar::hidden(),
                signals,
            };
            let result = task(&mut program);
            program.bar.finish_and_clear();
            result
        });
        finish(name, result)
    }

    /// Returns what takes the signals.
    #[must_use]
    pub const fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Tells whether nothing but errors is to be said.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Tells whether figures are wanted in JSON.
    #[must_use]
    pub const fn speaks_json(&self) -> bool {
        self.json
    }

    /// Prints a line on standard error, unless the program is quiet.
    pub fn say(&self, text: impl Display) {
        if !self.quiet {
            self.bar.suspend(|| complain(self.name, text));
        }
    }

    /// Shows on a terminal from now on how far it is, of `total` bytes if that is known.
    pub fn show_progress(&mut self, total: Option<u64>) {
        if self.quiet || !io::stderr().is_terminal() {
            return;
        }
        let template = match total {
            Some(_) => "{bytes} of {total_bytes} {wide_bar} {binary_bytes_per_sec}, {eta} to go",
            None => "{spinner} {bytes} in {elapsed}, {binary_bytes_per_sec}",
        };
        self.bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::new_spinner(),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.enable_steady_tick(TICK);
    }

    /// Shows that so many more bytes are done.
    pub fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Says at the end what was done and what is left of the channel, and returns the result with both
    /// in its error's text. `figures_to` is where figures in JSON go.
    ///
    /// # Errors
    ///
    /// Those of `result`, of leaving, and of printing the figures.
    pub fn conclude(
        &self,
        result: Result<()>,
        farewell: &Farewell,
        report: &Report,
        figures_to: Figures,
    ) -> Result<()> {
        self.bar.finish_and_clear();
        let result = farewell.complete(result);
        let mut told = Ok(());
        if self.json {
            told = figures_to.print(&self.figures(&result, farewell, report));
        } else if result.as_ref().err().is_none_or(Error::is::<OutputClosed>)
            || is_interrupted(&result)
        {
            self.say(report);
        }
        match result.and(told) {
            Ok(()) => {
                if let Some(left) = farewell.left() {
                    self.say(left);
                }
                Ok(())
            }
            Err(error) => Err(farewell.explain(&error)),
        }
    }

    /// Says at the end of a demonstration, which has told what was done, what is left of the channel.
    ///
    /// # Errors
    ///
    /// Those of `result`, of leaving, and of printing the figures.
    pub fn conclude_story(
        &self,
        result: Result<()>,
        farewell: &Farewell,
        report: &Report,
    ) -> Result<()> {
        let result = farewell.complete(result);
        let mut told = Ok(());
        if self.json {
            told = Figures::Stdout.print(&self.figures(&result, farewell, report));
        }
        result.and(told).map_err(|error| farewell.explain(&error))
    }

    fn figures(&self, result: &Result<()>, farewell: &Farewell, report: &Report) -> Value {
        let error = result.as_ref().err();
        let mut figures = json!({
            "program": self.name,
            "channel": farewell.name(),
            "key": farewell.key().to_string(),
            "messages": report.messages,
            "bytes": report.bytes,
            "seconds": report.seconds(),
            "megabytes_per_second": report.megabytes_per_second(),
            "unread": farewell.unread(),
            "removed": farewell.removed(),
            "exit": error.map_or(0, |error| exit_of(error).code()),
        });
        if let Some(error) = error {
            figures["error"] = told(error).into();
        }
        figures
    }
}

fn is_interrupted(result: &Result<()>) -> bool {
    result.as_ref().is_err_and(|error| {
        error
            .chain()
            .any(<dyn std::error::Error>::is::<Interrupted>)
    })
}

/// Says where figures go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figures {
    /// To standard output.
    Stdout,
    /// To standard error, since standard output has the data.
    Stderr,
}

impl Figures {
    fn print(self, figures: &Value) -> Result<()> {
        let printed = match self {
            Self::Stdout => writeln!(io::stdout(), "{figures}"),
            Self::Stderr => {
                // As with all that goes there, its absence is no reason to fail.
                let _ = writeln!(io::stderr(), "{figures}");
                return Ok(());
            }
        };
        match printed {
            // Nothing is left to be done when nobody reads them.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            printed => printed.context("cannot write").context("standard output"),
        }
    }
}

/// Prints a line on standard error, in one write. A standard error that is gone is no reason to fail.
fn complain(name: &str, text: impl Display) {
    let _ = io::stderr().write_all(format!("{name}: {text}\n").as_bytes());
}

/// Ends a program: says on standard error what went wrong, in one line, and returns its exit code. An
/// output that nobody reads any more is a quiet end.
#[must_use]
pub fn finish(name: &str, result: Result<()>) -> ExitCode {
    match result {
        Err(error) if !error.is::<OutputClosed>() => {
            complain(name, told(&error));
            ExitCode::from(exit_of(&error).code())
        }
        _ => ExitCode::SUCCESS,
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
