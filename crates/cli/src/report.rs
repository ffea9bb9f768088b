//! What was done, in one line.

use std::fmt;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// Says a line on standard error, in one write. That nobody can hear it is no reason to fail, as
/// `eprintln!` would.
pub fn say(line: impl fmt::Display) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Counts messages and bytes, and prints them with the time they took.
#[derive(Debug, Clone)]
pub struct Report {
    /// Messages so far.
    pub messages: u64,
    /// Bytes in them.
    pub bytes: u64,
    started: Instant,
    took: Option<Duration>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            messages: 0,
            bytes: 0,
            started: Instant::now(),
            took: None,
        }
    }
}

impl Report {
    /// Counts a message.
    pub fn count(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }

    /// Stops the clock.
    pub fn stop(&mut self) {
        self.took = Some(self.started.elapsed());
    }
}

impl fmt::Display for Report {
    /// Shows messages, bytes, seconds and MB/s (10⁶ bytes).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self
            .took
            .unwrap_or_else(|| self.started.elapsed())
            .as_secs_f64();
        #[expect(
            clippy::cast_precision_loss,
            reason = "shown with one digit after the point"
        )]
        let rate = if seconds > 0.0 {
            self.bytes as f64 / seconds / 1e6
        } else {
            0.0
        };
        let plural = if self.messages == 1 { "" } else { "s" };
        write!(
            f,
            "{} message{plural}, {} bytes in {seconds:.3} s, {rate:.1} MB/s",
            self.messages, self.bytes
        )
    }
}
