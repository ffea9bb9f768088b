//! What came out, a line for each kind of call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use anyhow::{Error, Result};

use super::trace::Injection;
use super::trial::Trial;
use crate::output::print;

/// How the victim ended: exit codes, then signals.
const COLUMNS: [&str; 7] = [
    "went on", "exit 1", "exit 3", "exit 4", "exit 5", "exit 6", "signal",
];

#[derive(Debug, Default)]
struct Row {
    errors: BTreeSet<&'static str>,
    injections: u64,
    ends: [u64; COLUMNS.len()],
}

impl Row {
    fn add(&mut self, other: &Self) {
        self.errors.extend(&other.errors);
        self.injections += other.injections;
        for (total, end) in self.ends.iter_mut().zip(other.ends) {
            *total += end;
        }
    }
}

/// Counts injections and how they ended.
#[derive(Debug, Default)]
pub struct Table {
    rows: BTreeMap<String, Row>,
    pub violations: u64,
}

impl Table {
    /// Counts a run in which nothing was wrong.
    pub fn note(&mut self, trial: &Trial<'_>, injection: &Injection) {
        let row = self.rows.entry(injection.call.clone()).or_default();
        row.errors.insert(injection.what);
        row.injections += 1;
        let column = match trial.victim().and_then(super::player::Ended::code) {
            Some(0) => 0,
            Some(1) => 1,
            Some(code @ 3..=6) => usize::try_from(code - 1).unwrap_or(0),
            _ => 6,
        };
        row.ends[column] += 1;
    }

    /// Counts and prints a run in which something was wrong.
    pub fn violation(&mut self, play: &str, injection: &Injection, error: &Error) -> Result<()> {
        self.violations += 1;
        print(format_args!(
            "VIOLATION: {play}: {injection}: {}: {error}",
            error.root_cause()
        ))
    }

    /// Counts how many there were.
    pub fn injections(&self) -> u64 {
        self.rows.values().map(|row| row.injections).sum()
    }

    /// Adds what another one has counted.
    pub fn add(&mut self, other: Self) {
        self.violations += other.violations;
        for (call, row) in other.rows {
            self.rows.entry(call).or_default().add(&row);
        }
    }

    /// Prints all rows and their sum.
    pub fn print(&self) -> Result<()> {
        print("")?;
        print_line("call", "errors", "injections", &COLUMNS)?;
        let mut total = Row::default();
        let mut sum = 0;
        for (call, row) in &self.rows {
            print_line(call, row.errors.len(), row.injections, &row.ends)?;
            total.add(row);
            sum += row.errors.len();
        }
        print_line("all", sum, total.injections, &total.ends)
    }
}

fn print_line<T: Display, const N: usize>(
    call: &str,
    errors: impl Display,
    injections: impl Display,
    ends: &[T; N],
) -> Result<()> {
    let ends: Vec<String> = ends.iter().map(|end| format!(" {end:>7}")).collect();
    let ends = ends.concat();
    print(format_args!(
        "{call:<16} {errors:>6} {injections:>10}{ends}"
    ))
}
