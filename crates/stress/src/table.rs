//! What came out: a line for each scenario, and the figures that some of them have beside.

use std::fmt::Display;
use std::time::Duration;

use anyhow::Result;

use crate::outcome::Outcome;
use crate::output::print;

/// Holds what came out of one scenario.
#[derive(Debug)]
pub struct Row {
    pub name: String,
    pub outcome: Outcome,
    pub time: Duration,
    pub violation: Option<String>,
}

/// Collects rows and prints them at the end.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Table {
    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Adds a line that is printed below the table.
    pub fn note(&mut self, line: impl Into<String>) {
        self.notes.push(line.into());
    }

    pub fn violations(&self) -> usize {
        self.rows
            .iter()
            .filter(|row| row.violation.is_some())
            .count()
    }

    /// Prints everything, the sums last.
    pub fn print(&self, time: Duration) -> Result<()> {
        let titles = ["messages", "kills", "events", "redelivered", "violations"];
        print_line("scenario", titles, "seconds")?;
        let mut total = Outcome::default();
        for row in &self.rows {
            total += row.outcome;
            let violations = usize::from(row.violation.is_some());
            print_outcome(&row.name, row.outcome, violations, row.time)?;
        }
        print_outcome("all", total, self.violations(), time)?;
        for note in &self.notes {
            print(note)?;
        }
        for row in &self.rows {
            if let Some(violation) = &row.violation {
                print(format_args!("VIOLATION in \"{}\": {violation}", row.name))?;
            }
        }
        Ok(())
    }
}

fn print_outcome(name: &str, outcome: Outcome, violations: usize, time: Duration) -> Result<()> {
    let Outcome {
        messages,
        kills,
        events,
        repeated,
    } = outcome;
    let seconds = format!("{:.1}", time.as_secs_f64());
    let numbers = [messages, kills, events, repeated, violations as u64];
    print_line(name, numbers, seconds)
}

fn print_line<T: Display>(name: &str, numbers: [T; 5], seconds: impl Display) -> Result<()> {
    let [messages, kills, events, repeated, violations] = numbers;
    print(format_args!(
        "{name:<42} {messages:>10} {kills:>7} {events:>8} {repeated:>11} {violations:>10} {seconds:>8}"
    ))
}
