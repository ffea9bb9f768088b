//! How one waits for a byte that another process changes.

use std::time::{Duration, Instant};
use std::{fmt, hint, thread};

use crossbeam_utils::Backoff;

/// How long [`Strategy::Sleep`] sleeps between two looks, as the original does; also how often a
/// waiting side looks whether the segment still exists.
pub const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Looks at the flag between two looks at the clock: one look at the clock costs about as much as
/// a few dozen at the flag.
const SPINS_PER_CLOCK: u32 = 256;

/// Chooses what a side does between two looks at the flag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Strategy {
    /// Sleep 100 ms, as the original: no CPU, up to 100 ms late
    #[default]
    Sleep,
    /// Let others run (`sched_yield`): a whole core when nobody else wants it
    Yield,
    /// Look again at once: a whole core, the least delay
    Spin,
    /// Spin at first, ever longer, then yield (crossbeam's Backoff)
    Backoff,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sleep => "sleep",
            Self::Yield => "yield",
            Self::Spin => "spin",
            Self::Backoff => "backoff",
        })
    }
}

impl Strategy {
    /// Waits until `done` says true, or until the deadline; tells which (true: done).
    ///
    /// Blocks, without limit when there is no deadline. `done` is asked once before the clock is looked
    /// at, and once more after the deadline.
    #[must_use = "false means that the deadline has passed"]
    pub fn wait_until(self, mut done: impl FnMut() -> bool, deadline: Option<Instant>) -> bool {
        let backoff = Backoff::new();
        loop {
            if done() {
                return true;
            }
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return done();
            }
            match self {
                Self::Sleep => {
                    thread::sleep(left.map_or(POLL_INTERVAL, |left| left.min(POLL_INTERVAL)));
                }
                Self::Yield => thread::yield_now(),
                Self::Spin => {
                    if spin(&mut done) {
                        return true;
                    }
                }
                Self::Backoff => backoff.snooze(),
            }
        }
    }
}

/// Asks `done` a number of times without looking at the clock.
fn spin(done: &mut impl FnMut() -> bool) -> bool {
    (0..SPINS_PER_CLOCK).any(|_| {
        hint::spin_loop();
        done()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Strategy; 4] = [
        Strategy::Sleep,
        Strategy::Yield,
        Strategy::Spin,
        Strategy::Backoff,
    ];

    #[test]
    fn every_strategy_ends_when_done() {
        for strategy in ALL {
            let mut looks = 0;
            let done = || {
                looks += 1;
                looks > 3
            };
            assert!(strategy.wait_until(done, None), "{strategy}");
        }
    }

    #[test]
    fn every_strategy_ends_at_the_deadline_and_not_before() {
        for strategy in ALL {
            let deadline = Instant::now() + Duration::from_millis(20);
            assert!(!strategy.wait_until(|| false, Some(deadline)), "{strategy}");
            assert!(Instant::now() >= deadline, "{strategy}");
        }
    }

    #[test]
    fn the_names_are_those_of_the_command_line() {
        for strategy in ALL {
            let name = strategy.to_string();
            assert_eq!(
                <Strategy as clap::ValueEnum>::from_str(&name, false),
                Ok(strategy)
            );
        }
    }
}
