//! Offers System V IPC safely: keys, shared memory segments, semaphore sets, message queues,
//! their listing and their limits.
//!
//! One safe function stands for one system call. The multiplexed calls are taken apart
//! (`semctl` becomes [`SemaphoreSet::value`], [`SemaphoreSet::set_all`],
//! [`SemaphoreSet::remove`], …), out-parameters become return values, and each failure says which
//! call was tried on which object, what the kernel answered, and what to do about it
//! ([`Error`]).
//!
//! What the crate does *not* do: it has no opinion on how the objects are used, it does not retry a
//! call after a signal ([`ErrorKind::Interrupted`] is passed on), and it never removes an object
//! by itself. System V objects live until somebody removes them or the machine restarts, and a
//! handle here is only a name for one, so dropping a [`Segment`], a [`SemaphoreSet`] or a
//! [`MessageQueue`] leaves the object as it is. Only an [`Attachment`] ends with its value.
//!
//! # Example
//!
//! ```
//! use sysv_ipc::{Key, Mode, Operation, Segment, SemaphoreSet};
//!
//! let segment = Segment::create(Key::PRIVATE, 4096, Mode::OWNER)?;
//! let permits = SemaphoreSet::create(Key::PRIVATE, 1, Mode::OWNER)?;
//!
//! let memory = segment.attach()?;
//! memory.write(0, b"hello")?;
//! permits.operate(&[Operation::add(0, 1)])?; // V
//!
//! permits.operate(&[Operation::take(0, 1)])?; // P
//! let mut text = [0; 5];
//! memory.read(0, &mut text)?;
//! assert_eq!(&text, b"hello");
//!
//! segment.remove()?;
//! permits.remove()?;
//! # Ok::<(), sysv_ipc::Error>(())
//! ```
//!
//! # Which call is where
//!
//! | C | here |
//! |---|---|
//! | `ftok`, `IPC_PRIVATE` | [`Key::from_path`], [`Key::PRIVATE`] |
//! | `shmget`, `SHM_HUGETLB` | [`Segment::create`], [`Segment::open`], [`Segment::open_or_create`], [`SegmentOptions`] |
//! | `shmat`, `shmdt` | [`Segment::attach`], [`Segment::attach_read_only`]; dropping the [`Attachment`], or [`Attachment::detach`] |
//! | `shmctl` | [`Segment::stat`], [`Segment::set_permissions`], [`Segment::lock`], [`Segment::unlock`], [`Segment::remove`] |
//! | `semget` | [`SemaphoreSet::create`], [`SemaphoreSet::open`], [`SemaphoreSet::open_or_create`] |
//! | `semop`, `semtimedop` | [`SemaphoreSet::operate`], [`SemaphoreSet::operate_within`], of [`Operation`]s |
//! | `IPC_NOWAIT`, `SEM_UNDO` | [`Operation::nowait`], [`Operation::undo`] |
//! | `semctl` | [`value`](SemaphoreSet::value), [`values`](SemaphoreSet::values), [`set_value`](SemaphoreSet::set_value), [`set_all`](SemaphoreSet::set_all), [`last_pid`](SemaphoreSet::last_pid), [`waiting_for_units`](SemaphoreSet::waiting_for_units), [`waiting_for_zero`](SemaphoreSet::waiting_for_zero), [`stat`](SemaphoreSet::stat), [`set_permissions`](SemaphoreSet::set_permissions), [`remove`](SemaphoreSet::remove) |
//! | `msgget` | [`MessageQueue::create`], [`MessageQueue::open`], [`MessageQueue::open_or_create`] |
//! | `msgsnd`, `msgrcv` | [`send`](MessageQueue::send), [`try_send`](MessageQueue::try_send), [`receive`](MessageQueue::receive), [`try_receive`](MessageQueue::try_receive), [`receive_truncated`](MessageQueue::receive_truncated), of a [`Select`]ed type |
//! | `msgctl` | [`stat`](MessageQueue::stat), [`set_bytes_limit`](MessageQueue::set_bytes_limit), [`remove`](MessageQueue::remove) |
//! | `ipcs`, `sysctl` | [`segments`], [`semaphore_sets`], [`message_queues`], [`Limits`] |
//!
//! Left out: an address of the caller's choice for `shmat` (`SHM_REMAP`, `SHM_RND`), which can replace
//! memory that a safe program uses, and `SHM_EXEC`. `IPC_INFO` and its like are read from `/proc` instead.
//!
//! # Where it works
//!
//! 64-bit Linux. Objects belong to an IPC namespace, so a container sees its own unless it shares
//! the namespace of another.

// The one crate that calls libc for System V; every block below says why it is sound.
#![allow(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("sysv-ipc is written for 64-bit Linux: the kernel structures differ elsewhere");

mod attachment;
mod error;
mod key;
mod limits;
mod listing;
mod message;
mod permissions;
mod segment;
mod semaphore;

pub use attachment::{Access, Attachment};
pub use error::{Call, Error, ErrorKind, Object};
pub use key::{Key, ParseKeyError};
pub use limits::{Limits, LimitsError, page_bytes};
pub use listing::{
    ListingError, MessageQueueEntry, SegmentEntry, SemaphoreSetEntry, message_queues, segments,
    semaphore_sets,
};
pub use message::{MessageQueue, MessageQueueStat, Received, Select};
pub use permissions::{Mode, ParseModeError, Permissions};
pub use segment::{Segment, SegmentOptions, SegmentStat};
pub use semaphore::{Operation, SemaphoreSet, SemaphoreSetStat};

pub use nix::errno::Errno;

#[doc = include_str!("../ERRNOS.md")]
pub mod errnos {}
