//! SIGINT, SIGTERM and SIGHUP: the run ends its two sides, leaves nothing behind, and says so.

use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;

use anyhow::{Context as _, Error, Result};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Says that a signal asked for the end.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; nothing was left behind")]
pub struct Interrupted {
    /// Number of the signal.
    number: u8,
}

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
        match self.held_back.read_signal()? {
            Some(signal) => Err(Interrupted {
                number: u8::try_from(signal.ssi_signo).unwrap_or_default(),
            }
            .into()),
            None => Ok(()),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.held_back.as_fd()
    }
}

/// Ends the program as its peers end, and with 128 + number after a signal.
#[must_use]
pub fn finish(program: &str, result: Result<(), Error>) -> ExitCode {
    let signal = result
        .as_ref()
        .err()
        .and_then(|error| error.downcast_ref::<Interrupted>());
    let number = signal.map(|signal| signal.number);
    let code = semring_cli::finish(program, result);
    number.map_or(code, |number| ExitCode::from(number.saturating_add(128)))
}
