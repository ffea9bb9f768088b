//! Waiting with a word about it, so that nobody looks at a silent program.

use std::thread;
use std::time::Duration;

use semring::{AttachError, AttachReason, Deadline};

use crate::report::say;

/// How long a program waits before it says for what.
const SILENT: Duration = Duration::from_secs(1);
/// How often a program looks for a channel that is not there yet.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Lets a program wait, and say so once when it takes long.
#[derive(Debug)]
pub struct Patience {
    told: bool,
}

impl Patience {
    /// Makes one that speaks once, or never when `quiet`.
    #[must_use]
    pub const fn new(quiet: bool) -> Self {
        Self { told: quiet }
    }

    /// Waits in `operation` on `subject` until `deadline`. After a second prints what `notice` says
    /// of the subject on standard error. `timed_out` tells whether an error means that the time was
    /// over.
    ///
    /// # Errors
    ///
    /// What the operation returns.
    pub fn wait<S, T, E>(
        &mut self,
        subject: &mut S,
        deadline: Deadline,
        notice: impl FnOnce(&S) -> String,
        timed_out: impl Fn(&E) -> bool,
        mut operation: impl FnMut(&mut S, Deadline) -> Result<T, E>,
    ) -> Result<T, E> {
        if !self.told {
            match operation(subject, deadline.earlier(Deadline::after(SILENT))) {
                Err(error) if timed_out(&error) => {}
                result => return result,
            }
            self.told = true;
            say(notice(subject));
        }
        operation(subject, deadline)
    }
}

/// Tries to `attach` until the channel is there, or `deadline` has passed; after a second prints
/// what `notice` says on standard error.
///
/// # Errors
///
/// The last [`AttachError`]: that there is no such channel when the time is over.
pub fn until_it_appears<T>(
    patience: &mut Patience,
    deadline: Deadline,
    notice: impl FnOnce() -> String,
    attach: impl Fn() -> Result<T, AttachError>,
) -> Result<T, AttachError> {
    patience.wait(
        &mut (),
        deadline,
        |()| notice(),
        is_missing,
        |(), deadline| {
            loop {
                match attach() {
                    Err(error) if is_missing(&error) => {
                        let left = deadline.remaining().unwrap_or(Duration::MAX);
                        if left.is_zero() {
                            return Err(error);
                        }
                        thread::sleep(LOOK_EVERY.min(left));
                    }
                    result => return result,
                }
            }
        },
    )
}

const fn is_missing(error: &AttachError) -> bool {
    matches!(error.reason, AttachReason::NotFound)
}
