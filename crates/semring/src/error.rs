//! What can go wrong: one enum for each operation, with what that operation can meet.

mod attach;
#[cfg(not(loom))]
mod kept;

use std::borrow::Cow;
use std::fmt;

use sysv_ipc::ErrorKind;

pub use attach::{AddressError, AttachError, AttachReason, GeometryError, RemoveError};
#[cfg(not(loom))]
pub use kept::Kept;

/// Names one of the two ends of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that sends.
    Producer,
    /// The end that receives.
    Consumer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        })
    }
}

/// Says that the shared memory holds something that the protocol never puts there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the segment is damaged: {field} is {found}, expected {expected}; another program writes into \
     it, or its maker was a different version"
)]
pub struct Corrupt {
    /// The field, as in docs/layout.md.
    pub field: &'static str,
    /// What stands there.
    pub found: u64,
    /// What may stand there.
    pub expected: Cow<'static, str>,
}

impl Corrupt {
    pub(crate) fn new(
        field: &'static str,
        found: u64,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            field,
            found,
            expected: expected.into(),
        }
    }
}

/// Says what ends the use of a channel, whatever the operation was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The semaphore set is gone.
    #[error(
        "the channel's semaphore set was removed under us, by `ipcrm` or at somebody's log-out \
         (systemd's RemoveIPC); start both sides again"
    )]
    Removed,
    /// The shared memory does not make sense.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// The kernel refused a call.
    #[error(transparent)]
    System(sysv_ipc::Error),
}

impl From<sysv_ipc::Error> for Fault {
    fn from(error: sysv_ipc::Error) -> Self {
        match error.kind() {
            ErrorKind::Removed => Self::Removed,
            _ => Self::System(error),
        }
    }
}

/// Says why a wait ended without what was waited for; each operation makes its own error of it.
#[derive(Debug)]
pub(crate) enum Stop {
    /// With the peer's epoch.
    Closed(u64),
    /// The same, of a producer whose stream is not complete.
    Interrupted(u64),
    PeerLost,
    TimedOut,
    Cancelled,
    Fault(Fault),
}

impl<E: Into<Fault>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

/// Says why [`Producer::send`](crate::Producer::send) or a loan failed; the message was not sent,
/// unless it is a fault: that may also mean that the consumer could not be told of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The ring is full and the consumer has left in order. Reported once; a later call waits for
    /// the next consumer.
    #[error("the ring is full and the consumer has closed; what it holds waits for the next one")]
    Closed,
    /// The ring is full and the consumer has died. Reported once; a later call waits for its
    /// successor.
    #[error("the ring is full and the consumer has died; what it holds waits for its successor")]
    PeerLost,
    /// The deadline passed while the ring was full.
    #[error("timed out: the ring stayed full; see that a consumer is at work, or wait longer")]
    TimedOut,
    /// [`Canceller::cancel`](crate::Canceller::cancel) was called.
    #[error("cancelled while sending")]
    Cancelled,
    /// The message is longer than a slot.
    #[error(
        "a message of {bytes} bytes does not fit into a slot of {limit}; send less at a time, or \
         create the channel with larger slots"
    )]
    TooLong {
        /// Bytes in the message.
        bytes: usize,
        /// Bytes in a slot.
        limit: u64,
    },
    /// The channel cannot be used any more.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Says why [`Producer::try_send`](crate::Producer::try_send) failed, as [`SendError`] does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// The ring is full.
    #[error("the ring is full")]
    Full,
    /// See [`SendError::Closed`].
    #[error("{}", SendError::Closed)]
    Closed,
    /// See [`SendError::PeerLost`].
    #[error("{}", SendError::PeerLost)]
    PeerLost,
    /// See [`SendError::Cancelled`].
    #[error("{}", SendError::Cancelled)]
    Cancelled,
    /// See [`SendError::TooLong`].
    #[error("{}", SendError::TooLong { bytes: *bytes, limit: *limit })]
    TooLong {
        /// Bytes in the message.
        bytes: usize,
        /// Bytes in a slot.
        limit: u64,
    },
    /// The channel cannot be used any more.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<SendError> for TrySendError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Closed => Self::Closed,
            SendError::PeerLost => Self::PeerLost,
            SendError::TimedOut => Self::Full,
            SendError::Cancelled => Self::Cancelled,
            SendError::TooLong { bytes, limit } => Self::TooLong { bytes, limit },
            SendError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<Stop> for SendError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Closed(_) | Stop::Interrupted(_) => Self::Closed,
            Stop::PeerLost => Self::PeerLost,
            Stop::TimedOut => Self::TimedOut,
            Stop::Cancelled => Self::Cancelled,
            Stop::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// Says why [`Producer::drain`](crate::Producer::drain) ended before the ring was empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DrainError {
    /// The consumer has left in order, with messages unread. Reported once.
    #[error(
        "the consumer has closed before it had read everything; the rest waits for the next one"
    )]
    Closed,
    /// The consumer has died, with messages unread. Reported once.
    #[error(
        "the consumer has died before it had read everything; the rest waits for its successor"
    )]
    PeerLost,
    /// The deadline passed.
    #[error(
        "timed out: the consumer has not read everything; the rest waits for it, or for the next one"
    )]
    TimedOut,
    /// [`Canceller::cancel`](crate::Canceller::cancel) was called.
    #[error("cancelled while waiting for the consumer to read everything")]
    Cancelled,
    /// The channel cannot be used any more.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<Stop> for DrainError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Closed(_) | Stop::Interrupted(_) => Self::Closed,
            Stop::PeerLost => Self::PeerLost,
            Stop::TimedOut => Self::TimedOut,
            Stop::Cancelled => Self::Cancelled,
            Stop::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// Says why [`Consumer::recv`](crate::Consumer::recv) returned no message though the stream has not
/// ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The producer has left in order before the end of its stream, and all it had sent has been
    /// received. It is the end of a stream, and stays so until [`Consumer::follow`](crate::Consumer::follow).
    #[error(
        "the producer was interrupted before the end of its stream; all it had sent has been received"
    )]
    Interrupted,
    /// The producer has died, and all it had sent has been received. Reported once; a later call
    /// waits for its successor.
    #[error("the producer has died; all it had sent has been received")]
    PeerLost,
    /// The deadline passed while the ring was empty.
    #[error("timed out: no message came; see that a producer is at work, or wait longer")]
    TimedOut,
    /// [`Canceller::cancel`](crate::Canceller::cancel) was called.
    #[error("cancelled while receiving")]
    Cancelled,
    /// The channel cannot be used any more.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Says why [`Consumer::try_recv`](crate::Consumer::try_recv) returned no message though the stream
/// has not ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TryRecvError {
    /// The ring is empty.
    #[error("the ring is empty")]
    Empty,
    /// See [`RecvError::Interrupted`].
    #[error("{}", RecvError::Interrupted)]
    Interrupted,
    /// See [`RecvError::PeerLost`].
    #[error("{}", RecvError::PeerLost)]
    PeerLost,
    /// See [`RecvError::Cancelled`].
    #[error("{}", RecvError::Cancelled)]
    Cancelled,
    /// The channel cannot be used any more.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<RecvError> for TryRecvError {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Interrupted => Self::Interrupted,
            RecvError::PeerLost => Self::PeerLost,
            RecvError::TimedOut => Self::Empty,
            RecvError::Cancelled => Self::Cancelled,
            RecvError::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// Says why [`Consumer::recv_into`](crate::Consumer::recv_into) copied no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvIntoError {
    /// The message is longer than the buffer; it was put back and comes again.
    #[error(
        "the message has {message_bytes} bytes, the buffer only {buffer_bytes}; it comes again, into a \
         larger one"
    )]
    TooSmall {
        /// Bytes in the message.
        message_bytes: usize,
        /// Bytes in the buffer.
        buffer_bytes: usize,
    },
    /// No message came.
    #[error(transparent)]
    Recv(#[from] RecvError),
}
