//! Ctrl-C and its like: the campaign ends the processes it has started, removes their channel, and says so.

use std::sync::atomic::{AtomicI32, Ordering};

use anyhow::Result;
use nix::libc::c_int;
use nix::sys::signal::Signal;
use semring_cli::Interrupted;

use crate::process;

/// Number of the signal that came last, 0 for none.
static RECEIVED: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(signal: c_int) {
    RECEIVED.store(signal, Ordering::Relaxed);
}

/// Has the signals noted from now on. Forked sides inherit that: who ends them is the campaign, also when
/// a terminal sends them the same.
pub fn heed() -> Result<()> {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        process::handle(signal, note)?;
    }
    Ok(())
}

/// Fails when a signal has come.
pub fn check() -> Result<(), Interrupted> {
    match Signal::try_from(RECEIVED.load(Ordering::Relaxed)) {
        Ok(signal) => Err(Interrupted(signal)),
        Err(_) => Ok(()),
    }
}
