//! What the exit codes mean, and which error has which.

use std::process::ExitCode;

use anyhow::Error;
use semring::{
    AddressError, AttachError, AttachReason, Corrupt, DrainError, Fault, RecvError, SendError,
};

use crate::report::say;

/// Says how a program ended. 2, for a mistake on the command line, is clap's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Input, output or a limit of the machine failed.
    Failed = 1,
    /// The other side died.
    PeerLost = 3,
    /// A wait took longer than allowed.
    TimedOut = 4,
    /// The channel is taken, somebody else's, or not as it was asked for.
    Refused = 5,
    /// Segment or semaphore set were removed under us.
    Removed = 6,
}

/// Holds an error's text with the channel and the advice, and the exit code it had before.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct OnChannel {
    pub(crate) text: String,
    pub(crate) exit: Exit,
}

/// Finds the exit code of an error by the first of its causes that has one.
#[must_use]
pub fn exit_of(error: &Error) -> Exit {
    error
        .chain()
        .find_map(exit_of_cause)
        .unwrap_or(Exit::Failed)
}

fn exit_of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    if let Some(error) = cause.downcast_ref::<OnChannel>() {
        return Some(error.exit);
    }
    if let Some(error) = cause.downcast_ref::<AttachError>() {
        return Some(exit_of_attach(&error.reason));
    }
    if cause.is::<AddressError>() {
        return Some(Exit::Failed);
    }
    if let Some(error) = cause.downcast_ref::<SendError>() {
        return match error {
            SendError::Closed | SendError::PeerLost => Some(Exit::PeerLost),
            SendError::TimedOut => Some(Exit::TimedOut),
            SendError::Fault(fault) => Some(exit_of_fault(fault)),
            _ => Some(Exit::Failed),
        };
    }
    if let Some(error) = cause.downcast_ref::<DrainError>() {
        return match error {
            DrainError::Closed | DrainError::PeerLost => Some(Exit::PeerLost),
            DrainError::TimedOut => Some(Exit::TimedOut),
            DrainError::Fault(fault) => Some(exit_of_fault(fault)),
            _ => Some(Exit::Failed),
        };
    }
    if let Some(error) = cause.downcast_ref::<RecvError>() {
        return match error {
            RecvError::PeerLost => Some(Exit::PeerLost),
            RecvError::TimedOut => Some(Exit::TimedOut),
            RecvError::Fault(fault) => Some(exit_of_fault(fault)),
            _ => Some(Exit::Failed),
        };
    }
    if cause.is::<Corrupt>() {
        return Some(Exit::Refused);
    }
    cause.downcast_ref::<Fault>().map(exit_of_fault)
}

const fn exit_of_attach(reason: &AttachReason) -> Exit {
    match reason {
        AttachReason::NotFound | AttachReason::SetupBusy { .. } => Exit::TimedOut,
        AttachReason::TooLarge { .. } | AttachReason::System(_) | AttachReason::Environment(_) => {
            Exit::Failed
        }
        _ => Exit::Refused,
    }
}

const fn exit_of_fault(fault: &Fault) -> Exit {
    match fault {
        Fault::Removed => Exit::Removed,
        Fault::Corrupt(_) => Exit::Refused,
        _ => Exit::Failed,
    }
}

/// Ends a program: says on standard error what went wrong, in one line, and returns its exit code.
#[must_use]
pub fn finish(program: &str, result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("{program}: {error:#}"));
            ExitCode::from(exit_of(&error) as u8)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn the_cause_decides_whatever_was_said_around_it() {
        let error = Err::<(), _>(RecvError::PeerLost)
            .context("reading")
            .unwrap_err();
        assert_eq!(exit_of(&error), Exit::PeerLost);
        let error = Error::from(SendError::Fault(Fault::Removed));
        assert_eq!(exit_of(&error), Exit::Removed);
        assert_eq!(exit_of(&Error::msg("disk full")), Exit::Failed);
    }
}
