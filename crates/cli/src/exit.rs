//! What the exit codes mean, and which error has which.

use anyhow::Error;
use nix::sys::signal::Signal;
use semring::{
    AddressError, AttachError, AttachReason, Corrupt, DrainError, Fault, RecvError, SendError,
};

use crate::Interrupted;

/// Says how a program ended. 2, for a mistake on the command line, is clap's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Input, output or a limit of the machine failed.
    Failed,
    /// The other side died.
    PeerLost,
    /// A wait took longer than allowed.
    TimedOut,
    /// The channel is taken, somebody else's, or not as it was asked for.
    Refused,
    /// Segment or semaphore set were removed under us.
    Removed,
    /// A signal asked for the end.
    Signalled(Signal),
}

impl Exit {
    /// Returns the exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::PeerLost => 3,
            Self::TimedOut => 4,
            Self::Refused => 5,
            Self::Removed => 6,
            // What a shell reports of a process that a signal ended.
            Self::Signalled(signal) => 128 + u8::try_from(signal as i32).unwrap_or(0),
        }
    }
}

/// Says why something is refused that no library knows of; for instance an output that is not what
/// it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// Holds an error's text with what is to be added to it, and the exit code it had before.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Explained {
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
    if let Some(error) = cause.downcast_ref::<Explained>() {
        return Some(error.exit);
    }
    if let Some(error) = cause.downcast_ref::<AttachError>() {
        return Some(exit_of_attach(&error.reason));
    }
    if let Some(Interrupted(signal)) = cause.downcast_ref::<Interrupted>() {
        return Some(Exit::Signalled(*signal));
    }
    if cause.is::<Refused>() {
        return Some(Exit::Refused);
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
            RecvError::PeerLost | RecvError::Interrupted => Some(Exit::PeerLost),
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
        AttachReason::NotFound | AttachReason::SetupBusy { .. } | AttachReason::Contended => {
            Exit::TimedOut
        }
        AttachReason::TooLarge { .. }
        | AttachReason::HugePages { .. }
        | AttachReason::System(_)
        | AttachReason::Environment(_) => Exit::Failed,
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
