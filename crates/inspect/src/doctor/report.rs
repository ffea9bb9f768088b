//! What is printed: a line for each check as soon as it is done, or all as JSON at the end.

use std::io::{self, IsTerminal as _, Write};

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, Error, Result};
use clap::ValueEnum as _;
use indicatif::{ProgressBar, ProgressStyle};
use semring_cli::OutputClosed;
use serde::Serialize;

use super::check::{Area, Check};
use super::finding::{Finding, Outcome};

/// How often the spinner moves, so that a check that takes long shows.
const TICK: std::time::Duration = std::time::Duration::from_millis(100);

/// Gathers what was found.
#[derive(Debug)]
pub struct Report {
    json: bool,
    spinner: ProgressBar,
    found: Vec<(Check, Finding)>,
}

#[derive(Serialize)]
struct Figures<'a> {
    passed: usize,
    warned: usize,
    failed: usize,
    checks: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'static str,
    area: &'static str,
    #[serde(flatten)]
    finding: &'a Finding,
}

impl<'a> Entry<'a> {
    fn of((check, finding): &'a (Check, Finding)) -> Self {
        Self {
            name: check.name(),
            area: match check.area() {
                Area::Machine => "machine",
                Area::Kernel => "kernel",
            },
            finding,
        }
    }
}

impl Report {
    pub fn new(json: bool) -> Self {
        let spinner = if json || !io::stdout().is_terminal() || !io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            ProgressBar::new_spinner()
        };
        if let Ok(style) = ProgressStyle::with_template("  {spinner}   {msg}") {
            spinner.set_style(style);
        }
        spinner.enable_steady_tick(TICK);
        Self {
            json,
            spinner,
            found: Vec::new(),
        }
    }

    /// Shows what is being checked, below a headline where a new area begins.
    pub fn begin(&mut self, check: Check) -> Result<()> {
        let before = self.found.last().map(|(check, _)| check.area());
        if !self.json && before != Some(check.area()) {
            let gap = if before.is_some() { "\n" } else { "" };
            let bold = Style::new().bold();
            self.print(format_args!(
                "{gap}{bold}{}{bold:#}",
                headline(check.area())
            ))?;
        }
        self.spinner.set_message(check.name());
        Ok(())
    }

    /// Shows what was found.
    pub fn add(&mut self, check: Check, finding: Finding) -> Result<()> {
        if !self.json {
            let (word, style) = word(finding.outcome);
            let width = name_width();
            self.print(format_args!(
                "  {style}{word}{style:#}  {:width$}  {}",
                check.name(),
                finding.found
            ))?;
            if let Some(remedy) = &finding.remedy {
                self.print(format_args!("        → {remedy}"))?;
            }
        }
        self.found.push((check, finding));
        Ok(())
    }

    /// Shows how many there are of each, or all of it as one line of JSON.
    pub fn end(&self) -> Result<()> {
        self.spinner.finish_and_clear();
        let [passed, warned, failed] = [Outcome::Pass, Outcome::Warn, Outcome::Fail]
            .map(|outcome| self.names(outcome).count());
        if !self.json {
            return self.print(format_args!(
                "\n{passed} pass, {warned} warn, {failed} fail"
            ));
        }
        let figures = Figures {
            passed,
            warned,
            failed,
            checks: self.found.iter().map(Entry::of).collect(),
        };
        self.print(format_args!("{}", serde_json::to_string(&figures)?))
    }

    /// Returns the names of the checks with this outcome.
    pub fn names(&self, outcome: Outcome) -> impl Iterator<Item = &'static str> {
        let those = self
            .found
            .iter()
            .filter(move |(_, found)| found.outcome == outcome);
        those.map(|(check, _)| check.name())
    }

    /// Tells whether a check of this area has failed.
    pub fn has_failed(&self, area: Area) -> bool {
        self.found
            .iter()
            .any(|(check, found)| check.area() == area && found.outcome == Outcome::Fail)
    }

    /// Prints a line, coloured where standard output shows colours.
    fn print(&self, line: std::fmt::Arguments<'_>) -> Result<()> {
        let result = self
            .spinner
            .suspend(|| writeln!(anstream::stdout(), "{line}"));
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(Error::from(OutputClosed))
            }
            result => result.context("cannot write to standard output"),
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        // Also where a signal ends it amid a check.
        self.spinner.finish_and_clear();
    }
}

fn headline(area: Area) -> &'static str {
    match area {
        Area::Machine => "This machine",
        Area::Kernel => "What the protocol rests on, tried on objects of its own",
    }
}

fn word(outcome: Outcome) -> (&'static str, Style) {
    match outcome {
        Outcome::Pass => ("pass", AnsiColor::Green.on_default()),
        Outcome::Warn => ("warn", AnsiColor::Yellow.on_default()),
        Outcome::Fail => ("FAIL", AnsiColor::Red.on_default().bold()),
    }
}

fn name_width() -> usize {
    let lengths = Check::value_variants()
        .iter()
        .map(|check| check.name().len());
    lengths.max().unwrap_or_default()
}
