//! What one sees on standard error while it runs: a line that changes on a terminal, else a line now
//! and then.

use std::io::{IsTerminal as _, Write as _};

/// Back to the beginning of the line, and what stands there gone.
const CLEAR_LINE: &str = "\r\x1b[K";

/// Tells how far a run is; clears its line at the end.
#[derive(Debug)]
pub struct Progress {
    steps: usize,
    done: usize,
    is_terminal: bool,
    repetition: Option<u32>,
}

impl Progress {
    pub fn new(steps: usize) -> Self {
        Self {
            steps,
            done: 0,
            is_terminal: std::io::stderr().is_terminal(),
            repetition: None,
        }
    }

    /// Shows what is going on, on a terminal.
    pub fn note(&self, text: &str) {
        if self.is_terminal {
            show(&format!("{CLEAR_LINE}compare: {text}"));
        }
    }

    /// Shows the next step; elsewhere than on a terminal only that a repetition begins.
    pub fn step(&mut self, repetition: u32, text: &str) {
        self.done += 1;
        self.note(&format!("{} of {}: {text}", self.done, self.steps));
        if self.repetition != Some(repetition) {
            self.repetition = Some(repetition);
            if !self.is_terminal {
                show(&format!("compare: repetition {}\n", repetition + 1));
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_terminal {
            show(CLEAR_LINE);
        }
    }
}

fn show(text: &str) {
    let mut errors = std::io::stderr();
    // Progress that cannot be shown is no reason to stop.
    let _ = errors.write_all(text.as_bytes());
    let _ = errors.flush();
}
