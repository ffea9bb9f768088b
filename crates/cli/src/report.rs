//! What was done, in one line.

use std::fmt;
use std::time::{Duration, Instant};

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
    /// Counts messages.
    pub const fn count(&mut self, messages: u64, bytes: u64) {
        self.messages += messages;
        self.bytes += bytes;
    }

    /// Stops the clock.
    pub fn stop(&mut self) {
        self.took = Some(self.started.elapsed());
    }

    /// Returns the time that it took, or has taken until now.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        let took = self.took.unwrap_or_else(|| self.started.elapsed());
        took.as_secs_f64()
    }

    /// Returns the rate in 10⁶ bytes a second, 0 when no time has passed.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
    pub fn megabytes_per_second(&self) -> f64 {
        let seconds = self.seconds();
        if seconds > 0.0 {
            self.bytes as f64 / seconds / 1e6
        } else {
            0.0
        }
    }
}

impl fmt::Display for Report {
    /// Shows messages, bytes, seconds and MB/s (10⁶ bytes).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.messages == 1 { "" } else { "s" };
        write!(
            f,
            "{} message{plural}, {} bytes in {:.3} s, {:.1} MB/s",
            self.messages,
            self.bytes,
            self.seconds(),
            self.megabytes_per_second()
        )
    }
}
