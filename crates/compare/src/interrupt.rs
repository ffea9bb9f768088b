//! SIGINT, SIGTERM and SIGHUP: the run ends its two sides, leaves nothing behind, and says so.

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context as _, Result};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use semring_cli::Interrupted;

/// Holds the signals back and hands them out as something to be waited for. The two sides inherit that
/// they are held back: it is the run that ends them, by their numbers.
#[derive(Debug)]
pub struct Signals {
    held_back: SignalFd,
}

impl Signals {
    pub fn hold_back() -> Result<Self> {
        let set: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
            .into_iter()
            .collect();
        set.thread_block()
            .and_then(|()| {
                SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            })
            .map(|held_back| Self { held_back })
            .context("cannot hold signals back")
    }

    /// Fails when one has come.
    pub fn check(&self) -> Result<()> {
        let Some(signal) = self.held_back.read_signal()? else {
            return Ok(());
        };
        let number = i32::try_from(signal.ssi_signo).unwrap_or_default();
        Err(Interrupted(Signal::try_from(number)?)).context("nothing was left behind")
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.held_back.as_fd()
    }
}
