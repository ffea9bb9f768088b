//! One error for each operation, with what that operation can meet.

use sysv_ipc::{ErrorKind, Key, Mode};

/// Says why a segment could not be created, opened or attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No segment has this key.
    #[error("no segment has the key {key}: start a writer first, with the same key")]
    NotFound {
        /// The key.
        key: Key,
    },
    /// The segment has another size than the layout asked for.
    #[error(
        "segment {id} has {found} bytes and not {wanted}: it is another program's, or of another message \
         size; see `ipcs -m -i {id}`, and `ipcrm -m {id}` if it is a leftover"
    )]
    OtherSize {
        /// Identifier of the segment.
        id: i32,
        /// Its size in bytes.
        found: usize,
        /// Bytes of the layout asked for.
        wanted: usize,
    },
    /// An existing segment, found while creating, belongs to or was made by another user.
    #[error(
        "segment {id} exists already and is in the hands of user {found}, we are {wanted}: choose another \
         key, or have it removed"
    )]
    ForeignOwner {
        /// Identifier of the segment.
        id: i32,
        /// Its owner or creator, whichever is not us.
        found: u32,
        /// Our effective user id.
        wanted: u32,
    },
    /// An existing segment, found while creating, gives rights that were not asked for.
    #[error(
        "segment {id} exists already with mode {found}, wider than the mode {wanted} asked for: ask for that \
         mode, or remove it with `ipcrm -m {id}`"
    )]
    WiderMode {
        /// Identifier of the segment.
        id: i32,
        /// Its mode.
        found: Mode,
        /// The mode asked for.
        wanted: Mode,
    },
    /// The kernel refused a call.
    #[error(transparent)]
    System(#[from] sysv_ipc::Error),
}

impl OpenError {
    /// Tells whether a segment is there and not ours to use as asked, as opposed to a call that failed.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::OtherSize { .. } | Self::ForeignOwner { .. } | Self::WiderMode { .. } => true,
            Self::NotFound { .. } => false,
            Self::System(error) => error.kind() == ErrorKind::AccessDenied,
        }
    }
}

/// Says why a message was not written. Nothing of it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The text and its NUL do not fit into the message array.
    #[error("a text of {bytes} bytes does not fit: the message array holds {longest} and a NUL")]
    TooLong {
        /// Length of the text in bytes.
        bytes: usize,
        /// The longest text that fits, in bytes.
        longest: usize,
    },
    /// The text holds a NUL, where the reader would take it to end.
    #[error("the text has a NUL at byte {position}, where the reader would take it to end")]
    HoldsNul {
        /// Offset of the first NUL in bytes.
        position: usize,
    },
    /// The reader has not taken the message before.
    #[error("the reader has not taken the message before: wait for it first")]
    NotTaken,
}

/// Says why waiting ended without what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The deadline has passed. The flag cannot tell whether the other side is slow or dead.
    #[error(
        "the time is over, and the other side has not moved the flag: it is slow, dead, or was never there"
    )]
    TimedOut,
    /// The segment was removed, so nobody can come to it any more.
    #[error("segment {id} was removed, by the other side or with `ipcrm`")]
    Removed {
        /// Identifier of the segment.
        id: i32,
    },
    /// The kernel refused to tell about the segment.
    #[error(transparent)]
    System(#[from] sysv_ipc::Error),
}

/// Says why a message was not sent: not written, or not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// It was not written.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// It was written, and the reader has not taken it.
    #[error(transparent)]
    Wait(#[from] WaitError),
}
