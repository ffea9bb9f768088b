//! What one sees while it runs: a line that changes on a terminal, else a line for each scenario.

use std::cell::Cell;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often the line may change.
const REDRAW_EVERY: Duration = Duration::from_millis(100);

/// Shows on standard error what is being done. It never starts a thread, since what has threads must
/// not fork.
#[derive(Debug)]
pub struct Live {
    line: ProgressBar,
    drawn: Cell<Instant>,
}

impl Live {
    pub fn new() -> Self {
        let line = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}") {
            line.set_style(style);
        }
        Self {
            line,
            drawn: Cell::new(Instant::now()),
        }
    }

    /// Shows how far a scenario is.
    pub fn show(&self, name: &str, done: u64, wanted: u64, what: &str) {
        if self.drawn.get().elapsed() >= REDRAW_EVERY {
            self.drawn.set(Instant::now());
            self.line
                .set_message(format!("{name}: {done} of {wanted} {what}"));
            self.line.tick();
        }
    }

    /// Shows that a scenario has ended.
    pub fn end(&self, name: &str, seconds: f64, violation: Option<&str>) {
        let text = match violation {
            None => format!("{name}: {seconds:.1} s"),
            Some(violation) => format!("{name}: VIOLATION: {violation}"),
        };
        if violation.is_some() || self.line.is_hidden() {
            self.line.suspend(|| eprintln!("stress: {text}"));
        }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        self.line.finish_and_clear();
    }
}
