//! What came out, a line for each scenario.

use std::fmt::Display;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::pair::Outcome;

/// Prints rows and adds them up.
pub struct Table {
    seed: u64,
    total: Outcome,
}

impl Table {
    /// Starts a table of what came out from this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            total: Outcome::default(),
        }
    }

    /// Prints the sums.
    pub fn end(&self) {
        println!("{:<38} {}", "all", self.total);
    }

    /// Runs a scenario and prints its row.
    pub fn row(
        &mut self,
        name: impl Display,
        scenario: impl FnOnce() -> Result<Outcome>,
    ) -> Result<()> {
        let started = Instant::now();
        let outcome = scenario().with_context(|| {
            format!(
                "VIOLATION in \"{name}\"; repeat with the same options and --seed {}",
                self.seed
            )
        })?;
        let seconds = started.elapsed().as_secs_f64();
        println!("{:<38} {outcome} {seconds:>7.2} s", name.to_string());
        self.total.add(&outcome);
        Ok(())
    }
}
