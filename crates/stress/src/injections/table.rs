//! What came out, a line for each kind of call.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Error;

use super::trace::Injection;
use super::trial::Trial;

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
    pub fn violation(&mut self, play: &str, injection: &Injection, error: &Error) {
        self.violations += 1;
        println!(
            "VIOLATION: {play}: {injection}: {}: {error}",
            error.root_cause()
        );
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
    pub fn print(&self) {
        print!("\n{:<16} {:>6} {:>10}", "call", "errors", "injections");
        let mut total = Row::default();
        let mut sum = 0;
        for column in COLUMNS {
            print!(" {column:>7}");
        }
        println!();
        for (call, row) in &self.rows {
            print_row(call, row.errors.len(), row);
            total.add(row);
            sum += row.errors.len();
        }
        print_row("all", sum, &total);
    }
}

fn print_row(call: &str, errors: usize, row: &Row) {
    print!("{call:<16} {errors:>6} {:>10}", row.injections);
    for end in row.ends {
        print!(" {end:>7}");
    }
    println!();
}
