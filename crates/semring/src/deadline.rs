//! When to stop waiting.

use std::time::{Duration, Instant};

/// Says until when an operation may wait. It is a point in time, so calls in sequence can share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// Waits without limit.
    pub const NEVER: Self = Self(None);

    /// Waits until this point in time.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(Some(instant))
    }

    /// Waits for this long from now; zero does not wait at all. A time beyond what the clock can
    /// hold is no limit.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now().checked_add(duration))
    }

    /// Returns the time that is left, zero when it is over, `None` without a limit.
    #[must_use]
    pub fn remaining(self) -> Option<Duration> {
        self.0
            .map(|instant| instant.saturating_duration_since(Instant::now()))
    }

    /// Tells whether no time is left.
    pub(crate) fn is_over(self) -> bool {
        self.remaining().is_some_and(|left| left.is_zero())
    }

    /// Returns the earlier of the two.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self(Some(a.min(b))),
            (a, b) => Self(a.or(b)),
        }
    }
}

impl From<Duration> for Deadline {
    fn from(duration: Duration) -> Self {
        Self::after(duration)
    }
}

impl From<Instant> for Deadline {
    fn from(instant: Instant) -> Self {
        Self::at(instant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_out_and_never_below_zero() {
        assert_eq!(Deadline::NEVER.remaining(), None);
        assert_eq!(Deadline::after(Duration::MAX), Deadline::NEVER);
        assert_eq!(
            Deadline::after(Duration::ZERO).remaining(),
            Some(Duration::ZERO)
        );
        let soon = Instant::now();
        assert_eq!(Deadline::from(soon), Deadline::at(soon));
        assert!(Deadline::after(Duration::ZERO).is_over() && !Deadline::NEVER.is_over());
        let hour = Deadline::after(Duration::from_secs(3600));
        assert_eq!(hour.earlier(Deadline::NEVER), hour);
        assert!(!hour.is_over());
        assert_eq!(
            hour.earlier(Deadline::after(Duration::ZERO)).remaining(),
            Some(Duration::ZERO)
        );
    }
}
