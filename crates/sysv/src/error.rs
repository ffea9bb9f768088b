//! The one error of this crate: which call, on which object, what the kernel said.

use std::fmt;

use nix::errno::Errno;

use crate::{Key, Mode};

/// Names the system call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// [ftok(3)](https://man7.org/linux/man-pages/man3/ftok.3.html)
    Ftok,
    /// [shmget(2)](https://man7.org/linux/man-pages/man2/shmget.2.html)
    Shmget,
    /// [shmat(2)](https://man7.org/linux/man-pages/man2/shmat.2.html)
    Shmat,
    /// [shmdt(2)](https://man7.org/linux/man-pages/man2/shmat.2.html)
    Shmdt,
    /// [shmctl(2)](https://man7.org/linux/man-pages/man2/shmctl.2.html), with the command's name
    Shmctl(&'static str),
    /// [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html), with the advice's name
    Madvise(&'static str),
    /// A read or write of an attached segment, checked here rather than by the kernel
    Access,
    /// [semget(2)](https://man7.org/linux/man-pages/man2/semget.2.html)
    Semget,
    /// [semop(2)](https://man7.org/linux/man-pages/man2/semop.2.html)
    Semop,
    /// [semtimedop(2)](https://man7.org/linux/man-pages/man2/semop.2.html)
    Semtimedop,
    /// [semctl(2)](https://man7.org/linux/man-pages/man2/semctl.2.html), with the command's name
    Semctl(&'static str),
    /// [msgget(2)](https://man7.org/linux/man-pages/man2/msgget.2.html)
    Msgget,
    /// [msgsnd(2)](https://man7.org/linux/man-pages/man2/msgop.2.html)
    Msgsnd,
    /// [msgrcv(2)](https://man7.org/linux/man-pages/man2/msgop.2.html)
    Msgrcv,
    /// [msgctl(2)](https://man7.org/linux/man-pages/man2/msgctl.2.html), with the command's name
    Msgctl(&'static str),
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ftok => f.write_str("ftok"),
            Self::Shmget => f.write_str("shmget"),
            Self::Shmat => f.write_str("shmat"),
            Self::Shmdt => f.write_str("shmdt"),
            Self::Shmctl(command) => write!(f, "shmctl {command}"),
            Self::Madvise(advice) => write!(f, "madvise {advice}"),
            Self::Access => f.write_str("access"),
            Self::Semget => f.write_str("semget"),
            Self::Semop => f.write_str("semop"),
            Self::Semtimedop => f.write_str("semtimedop"),
            Self::Semctl(command) => write!(f, "semctl {command}"),
            Self::Msgget => f.write_str("msgget"),
            Self::Msgsnd => f.write_str("msgsnd"),
            Self::Msgrcv => f.write_str("msgrcv"),
            Self::Msgctl(command) => write!(f, "msgctl {command}"),
        }
    }
}

/// Names what the call was tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Object {
    /// The path of an `ftok` call; the caller knows which.
    Path,
    /// A segment, by key: what was asked for.
    SegmentKey {
        /// The key.
        key: Key,
        /// The size asked for; 0 when an existing segment of any size was asked for.
        bytes: usize,
        /// The permissions asked for.
        mode: Mode,
    },
    /// A segment, by identifier.
    Segment(i32),
    /// A range of an attached segment.
    Range {
        /// Identifier of the segment.
        segment: i32,
        /// First byte of the range.
        offset: usize,
        /// Its length.
        bytes: usize,
        /// Bytes in the segment.
        segment_bytes: usize,
    },
    /// A semaphore set, by key: what was asked for.
    SetKey {
        /// The key.
        key: Key,
        /// The number of semaphores asked for; 0 when any number was.
        count: usize,
        /// The permissions asked for.
        mode: Mode,
    },
    /// A semaphore set, by identifier.
    Set(i32),
    /// One semaphore of a set.
    Semaphore {
        /// Identifier of the set.
        set: i32,
        /// Index of the semaphore, from 0.
        index: u16,
    },
    /// A message queue, by key.
    QueueKey {
        /// The key.
        key: Key,
        /// The permissions asked for.
        mode: Mode,
    },
    /// A message queue, by identifier.
    Queue(i32),
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => f.write_str("path"),
            Self::SegmentKey { key, bytes: 0, .. } => write!(f, "segment with key {key}"),
            Self::SegmentKey { key, bytes, mode } => {
                write!(f, "segment with key {key}, {bytes} bytes, mode {mode}")
            }
            Self::Segment(id) => write!(f, "segment {id}"),
            Self::Range {
                segment,
                offset,
                bytes,
                segment_bytes,
            } => write!(
                f,
                "bytes {offset}..{offset}+{bytes} of segment {segment} ({segment_bytes} bytes)"
            ),
            Self::SetKey { key, count: 0, .. } => write!(f, "semaphore set with key {key}"),
            Self::SetKey { key, count, mode } => {
                write!(f, "set of {count} semaphores with key {key}, mode {mode}")
            }
            Self::Set(id) => write!(f, "semaphore set {id}"),
            Self::Semaphore { set, index } => write!(f, "semaphore {index} of set {set}"),
            Self::QueueKey { key, .. } => write!(f, "message queue with key {key}"),
            Self::Queue(id) => write!(f, "message queue {id}"),
        }
    }
}

/// Says what an errno means for the call that returned it.
///
/// The same errno means different things to different calls (`EINVAL` of `shmget` is a size,
/// of `semop` a set that is gone), so match on this rather than on the errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No object has this key, or no file this path (`ENOENT`).
    NotFound,
    /// An object with this key exists, and a new one was asked for (`EEXIST`).
    AlreadyExists,
    /// The object was removed, before the call or while it waited (`EIDRM`; `EINVAL` of a call by
    /// identifier).
    Removed,
    /// The object's mode does not allow this to us (`EACCES`).
    AccessDenied,
    /// Only the owner, the creator or a privileged process may do this (`EPERM`).
    NotOwner,
    /// A machine-wide limit on the number of objects or on their total size is reached (`ENOSPC`).
    LimitReached,
    /// A size or count is outside what the limits or the existing object allow (`EINVAL` of a
    /// `…get` call).
    SizeRefused,
    /// The kernel has not enough memory (`ENOMEM`).
    OutOfMemory,
    /// The machine's table of open files is full (`ENFILE`; a huge-page segment needs one).
    FileTableFull,
    /// The call would have had to wait, and was told not to, or its time was over (`EAGAIN`).
    WouldBlock,
    /// A signal arrived before the call could be done; nothing was changed (`EINTR`).
    Interrupted,
    /// More operations in one call than `SEMOPM` allows (`E2BIG` of `semop`).
    TooManyOperations,
    /// The set has no semaphore of this index (`EFBIG` of `semop`, `EINVAL` of `semctl`).
    NoSuchSemaphore,
    /// A value would leave 0 … 32767, or an undo entry its range (`ERANGE`).
    ValueOutOfRange,
    /// The message is longer than the space given for it (`E2BIG` of `msgrcv`).
    MessageTooLong,
    /// The queue holds no message that was asked for (`ENOMSG`).
    NoMessage,
    /// An argument is outside what the call allows (`EINVAL` where the object is not in question).
    InvalidArgument,
    /// Locking needs a larger `RLIMIT_MEMLOCK`, or being the owner (`ENOMEM` or `EPERM` of
    /// `shmctl SHM_LOCK`).
    LockRefused,
    /// Not foreseen for this call: see the errno.
    Other,
}

/// Says which call failed on which object, and what the kernel answered.
///
/// Its text is one sentence: what was tried, what was found, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{call} of the {object} failed: {} ({errno:?})", self.explanation())]
pub struct Error {
    call: Call,
    object: Object,
    errno: Errno,
}

impl Error {
    pub(crate) const fn new(call: Call, object: Object, errno: Errno) -> Self {
        Self {
            call,
            object,
            errno,
        }
    }

    /// Reads the errno of the call that has just failed.
    pub(crate) fn last(call: Call, object: Object) -> Self {
        Self::new(call, object, Errno::last())
    }

    /// Returns the call that failed.
    #[must_use]
    pub const fn call(&self) -> Call {
        self.call
    }

    /// Returns what the call was tried on.
    #[must_use]
    pub const fn object(&self) -> Object {
        self.object
    }

    /// Returns the kernel's answer.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        self.errno
    }

    /// Returns what the errno means for this call.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        use ErrorKind as K;
        let get = matches!(self.call, Call::Shmget | Call::Semget | Call::Msgget);
        match (self.errno, self.call) {
            (Errno::ENOENT | Errno::ENOTDIR, _) => K::NotFound,
            (Errno::EEXIST, _) => K::AlreadyExists,
            (Errno::EACCES, _) => K::AccessDenied,
            (Errno::EPERM | Errno::ENOMEM, Call::Shmctl("SHM_LOCK")) => K::LockRefused,
            (Errno::EPERM, _) => K::NotOwner,
            (Errno::ENOSPC, _) => K::LimitReached,
            (Errno::ENOMEM, _) => K::OutOfMemory,
            (Errno::ENFILE, _) => K::FileTableFull,
            (Errno::EAGAIN, _) => K::WouldBlock,
            (Errno::EINTR, _) => K::Interrupted,
            (Errno::E2BIG, Call::Msgrcv) => K::MessageTooLong,
            (Errno::E2BIG, _) => K::TooManyOperations,
            (Errno::EFBIG, _) => K::NoSuchSemaphore,
            (Errno::ERANGE, _) => K::ValueOutOfRange,
            (Errno::ENOMSG, _) => K::NoMessage,
            (Errno::EINVAL, _) if get => K::SizeRefused,
            (Errno::EINVAL, Call::Access | Call::Madvise(_) | Call::Ftok) => K::InvalidArgument,
            (Errno::EINVAL | Errno::EIDRM, _) => K::Removed,
            _ => K::Other,
        }
    }

    /// Says in words what was found and what to do.
    fn explanation(&self) -> &'static str {
        match (self.kind(), self.object) {
            (ErrorKind::NotFound, Object::Path) => {
                "no such file; name one that exists and stays, its inode makes the key"
            }
            (ErrorKind::NotFound, _) => {
                "no object has this key; start the side that creates it, or look with `ipcs`"
            }
            (ErrorKind::AlreadyExists, _) => {
                "an object with this key exists already; see `ipcs`, and `ipcrm` if it is a leftover"
            }
            (ErrorKind::Removed, _) => {
                "there is no such object (any more): it was removed, by `ipcrm` or by a program, or \
                 the identifier was never valid here"
            }
            (ErrorKind::AccessDenied, Object::Path) => {
                "a folder on the way to the file may not be searched by us"
            }
            (ErrorKind::AccessDenied, Object::Range { .. }) => "it is attached for reading only",
            (ErrorKind::AccessDenied, _) => {
                "its mode gives us no access; `ipcs -c` shows owner and mode"
            }
            (ErrorKind::NotOwner, _) => {
                "only its owner, its creator or a privileged process may do this; `ipcs -c` shows \
                 both"
            }
            (ErrorKind::LimitReached, Object::SegmentKey { .. }) => {
                "the machine allows no further segment or no further shared memory in total; remove \
                 leftovers (`ipcs -m`, `ipcrm -m ID`) or raise `sysctl kernel.shmmni` or \
                 `kernel.shmall`"
            }
            (ErrorKind::LimitReached, Object::SetKey { .. }) => {
                "the machine allows no further semaphore set or semaphore; remove leftovers \
                 (`ipcs -s`, `ipcrm -s ID`) or raise the 2nd or 4th number of `sysctl kernel.sem`"
            }
            (ErrorKind::LimitReached, _) => {
                "the machine allows no further message queue; remove leftovers (`ipcs -q`, \
                 `ipcrm -q ID`) or raise `sysctl kernel.msgmni`"
            }
            (ErrorKind::SizeRefused, Object::SegmentKey { .. }) => {
                "the size is 0, or above `sysctl kernel.shmmax`, or larger than the segment that \
                 has this key"
            }
            (ErrorKind::SizeRefused, _) => {
                "the count is 0, or above the 1st number of `sysctl kernel.sem`, or larger than the \
                 set that has this key"
            }
            (ErrorKind::OutOfMemory, _) => "not enough memory; free some, or ask for less",
            (ErrorKind::FileTableFull, _) => {
                "the machine's table of open files is full; raise `sysctl fs.file-max`"
            }
            (ErrorKind::WouldBlock, _) => "it would have had to wait longer than it was allowed to",
            (ErrorKind::Interrupted, _) => "a signal came first; nothing was changed, try again",
            (ErrorKind::TooManyOperations, _) => {
                "more operations in one call than the 3rd number of `sysctl kernel.sem` allows"
            }
            (ErrorKind::NoSuchSemaphore, _) => "the set has no semaphore of this index",
            (ErrorKind::ValueOutOfRange, _) => {
                "the value would leave 0 to 32767, or the process's undo entry its range"
            }
            (ErrorKind::MessageTooLong, _) => {
                "the message is longer than the space given; it stays in the queue"
            }
            (ErrorKind::NoMessage, _) => "the queue holds no message of this kind",
            (ErrorKind::InvalidArgument, _) => "the range or argument is outside the allowed one",
            (ErrorKind::LockRefused, _) => {
                "locking it needs a larger `ulimit -l`, and its owner, or else privilege"
            }
            (ErrorKind::Other, _) => self.errno.desc(),
        }
    }
}

/// Turns the kernel's -1 into an [`Error`].
pub(crate) fn check(result: i32, call: Call, object: Object) -> Result<i32, Error> {
    if result == -1 {
        Err(Error::last(call, object))
    } else {
        Ok(result)
    }
}
