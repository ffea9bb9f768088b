//! Ends a test that hangs.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// How long a test may take, on a machine that is slow and busy.
const LIMIT: Duration = Duration::from_secs(300);

/// Ends the process, and the test with it, unless it is dropped in time.
pub struct Watchdog {
    _alive: Sender<()>,
}

/// Watches over the test that calls it, for as long as it keeps the result.
pub fn watch(test: &'static str) -> Watchdog {
    let (alive, dropped) = channel();
    thread::spawn(move || {
        if dropped.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{test} hangs: not done after {LIMIT:?}");
            std::process::abort();
        }
    });
    Watchdog { _alive: alive }
}
