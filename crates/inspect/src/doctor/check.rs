//! The checks by name.

use anyhow::Result;
use clap::ValueEnum;
use sysv_ipc::{Segment, SemaphoreSet};

use super::finding::Finding;
use super::{kernel, limits, login, memory, namespace, processors};

/// Says what to do where the kernel does not behave as Linux does.
const NOT_LINUX: &str = "run outside the sandbox or emulation: gVisor and Gramine, for instance, have \
                         no SEM_UNDO; on Linux itself, report this with `uname -a`";
const REFUSED_TO_STAY: &str = "sudo sysctl --write kernel.shm_rmid_forced=0";

/// Names a check; in the order of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Check {
    /// `kernel.sem` against its use
    Semaphores,
    /// `kernel.shmmax`
    SegmentBytes,
    /// `kernel.shmall` against its use
    SharedPages,
    /// `kernel.shmmni` against its use
    Segments,
    /// `kernel.shm_rmid_forced`
    ForcedRemoval,
    /// Which IPC namespace this is
    Namespace,
    /// systemd's `RemoveIPC`
    LoginManager,
    /// Whether adaptive channels have their barrier
    Membarrier,
    /// `vm.nr_hugepages`
    HugePages,
    /// New objects are all zero
    ZeroAtBirth,
    /// Several operations on one semaphore in one call, all or none
    SeveralOperations,
    /// The death of a process detaches its memory, frees its role and wakes who waits, in this order
    DeathNotice,
    /// A child process neither gives back nor keeps its parent's role
    UndoAndFork,
    /// A role outlives the thread that took it
    UndoAndThreads,
    /// Leaving in order leaves nothing to be undone
    LeavingInOrder,
    /// A wait ends when its time is over
    TimeLimit,
    /// A semaphore holds 32767 and refuses more
    Ceiling,
    /// Removing a set wakes who sleeps on it
    RemovedSet,
    /// A removed segment lives until its last detach
    RemovedSegment,
    /// A segment that nobody has attached stays
    UnattachedSegment,
}

/// Says what a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// Limits and settings of this machine.
    Machine,
    /// What the protocol rests on.
    Kernel,
}

/// Says which objects of its own a check needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    Set,
    Segment,
    Both,
}

impl Check {
    /// Returns the name in the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Semaphores => "kernel.sem",
            Self::SegmentBytes => "kernel.shmmax",
            Self::SharedPages => "kernel.shmall",
            Self::Segments => "kernel.shmmni",
            Self::ForcedRemoval => "kernel.shm_rmid_forced",
            Self::Namespace => "IPC namespace",
            Self::LoginManager => "RemoveIPC",
            Self::Membarrier => "membarrier",
            Self::HugePages => "huge pages",
            Self::ZeroAtBirth => "zero at birth",
            Self::SeveralOperations => "several operations",
            Self::DeathNotice => "death notice",
            Self::UndoAndFork => "undo and fork",
            Self::UndoAndThreads => "undo and threads",
            Self::LeavingInOrder => "leaving in order",
            Self::TimeLimit => "time limit",
            Self::Ceiling => "ceiling",
            Self::RemovedSet => "removed set",
            Self::RemovedSegment => "removed segment",
            Self::UnattachedSegment => "unattached segment",
        }
    }

    /// Returns what it is tried on.
    pub const fn needs(self) -> Needs {
        match self {
            Self::Semaphores
            | Self::SegmentBytes
            | Self::SharedPages
            | Self::Segments
            | Self::ForcedRemoval
            | Self::Namespace
            | Self::LoginManager
            | Self::Membarrier
            | Self::HugePages => Needs::Nothing,
            Self::ZeroAtBirth | Self::DeathNotice => Needs::Both,
            Self::SeveralOperations
            | Self::UndoAndFork
            | Self::UndoAndThreads
            | Self::LeavingInOrder
            | Self::TimeLimit
            | Self::Ceiling
            | Self::RemovedSet => Needs::Set,
            Self::RemovedSegment | Self::UnattachedSegment => Needs::Segment,
        }
    }

    pub fn area(self) -> Area {
        if self.needs() == Needs::Nothing {
            Area::Machine
        } else {
            Area::Kernel
        }
    }

    /// Does the check, on a new `set` and a new `segment` that are nobody else's, as far as it needs them.
    pub fn perform(self, set: SemaphoreSet, segment: Segment) -> Finding {
        match self {
            Self::Semaphores => told(limits::semaphores()),
            Self::SegmentBytes => told(limits::segment_bytes()),
            Self::SharedPages => told(limits::shared_pages()),
            Self::Segments => told(limits::segments()),
            Self::ForcedRemoval => told(limits::forced_removal()),
            Self::Namespace => namespace::which(),
            Self::LoginManager => login::remove_ipc(),
            Self::Membarrier => processors::barrier(),
            Self::HugePages => processors::huge_pages(),
            Self::ZeroAtBirth => shown(kernel::zero_at_birth(set, segment), NOT_LINUX),
            Self::SeveralOperations => shown(kernel::several_operations(set), NOT_LINUX),
            Self::DeathNotice => shown(kernel::death_notice(set, segment), NOT_LINUX),
            Self::UndoAndFork => shown(kernel::undo_and_fork(set), NOT_LINUX),
            Self::UndoAndThreads => shown(kernel::undo_and_threads(set), NOT_LINUX),
            Self::LeavingInOrder => shown(kernel::leaving_in_order(set), NOT_LINUX),
            Self::TimeLimit => shown(kernel::time_limit(set), NOT_LINUX),
            Self::Ceiling => shown(kernel::ceiling(set), NOT_LINUX),
            Self::RemovedSet => shown(kernel::removed_set(set), NOT_LINUX),
            Self::RemovedSegment => shown(memory::removed_segment(segment), NOT_LINUX),
            Self::UnattachedSegment => shown(memory::unattached_segment(segment), REFUSED_TO_STAY),
        }
    }
}

/// Takes what could not be looked at for a failure: attaching looks at it, too.
fn told(result: Result<Finding>) -> Finding {
    result.unwrap_or_else(|error| {
        Finding::fail(
            format!("{error:#}"),
            "mount /proc (`mount -t proc proc /proc`), which attaching needs, too",
        )
    })
}

fn shown(result: Result<String>, remedy: &str) -> Finding {
    match result {
        Ok(found) => Finding::pass(found),
        Err(error) => Finding::fail(format!("{error:#}"), remedy),
    }
}
