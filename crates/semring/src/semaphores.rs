//! The five semaphores: what the protocol asks of them, and the kernel's answer.

#[cfg(not(loom))]
mod kernel;
#[cfg(loom)]
mod modelled;

use crate::Deadline;
use crate::error::{Fault, Role};

#[cfg(not(loom))]
pub(crate) use kernel::Kernel;
#[cfg(loom)]
pub(crate) use modelled::{Modelled as Kernel, Shared};

/// Names a semaphore of the set by its index (docs/layout.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Semaphore {
    Empty = 0,
    Full = 1,
    Producer = 2,
    Consumer = 3,
    Setup = 4,
}

impl Role {
    /// The role lock.
    pub(crate) const fn lock(self) -> Semaphore {
        match self {
            Self::Producer => Semaphore::Producer,
            Self::Consumer => Semaphore::Consumer,
        }
    }

    /// The semaphore on which this role waits.
    pub(crate) const fn awaits(self) -> Semaphore {
        match self {
            Self::Producer => Semaphore::Empty,
            Self::Consumer => Semaphore::Full,
        }
    }

    /// The role at the other end.
    pub(crate) const fn peer(self) -> Self {
        match self {
            Self::Producer => Self::Consumer,
            Self::Consumer => Self::Producer,
        }
    }
}

/// Tells how a wait for a unit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    /// A unit was taken.
    Taken,
    /// The deadline passed first.
    TimedOut,
}

/// Does to the five semaphores what the protocol asks for. On the kernel this is `semop`; a model
/// checker and a test on the heap have their own.
///
/// All operations fail with [`Fault::Removed`] when the set is gone.
pub(crate) trait Semaphores {
    /// P without waiting: takes `units`, or tells that there are not as many.
    fn try_take(&self, semaphore: Semaphore, units: u16) -> Result<bool, Fault>;
    /// P: takes one unit, asleep until there is one or the deadline has passed.
    fn take(&self, semaphore: Semaphore, deadline: Deadline) -> Result<Waited, Fault>;
    /// V: adds `units`. A semaphore at its ceiling counts as posted: it then holds at least as
    /// many units as there are slots.
    fn post(&self, semaphore: Semaphore, units: u16) -> Result<(), Fault>;
    /// Tells whether nobody has this role, by a single wait-for-zero, which does not disturb.
    fn is_free(&self, role: Role) -> Result<bool, Fault>;
    /// Reads a value. Control plane only: it puts the set into its slow mode for a while.
    fn value(&self, semaphore: Semaphore) -> Result<u16, Fault>;
    /// Takes `excess` units away and gives one back, in one step and without waiting, if there are as
    /// many.
    fn trim(&self, semaphore: Semaphore, excess: u16) -> Result<(), Fault>;
    /// Takes a role together with its death notice, or tells that it is held.
    fn claim(&self, role: Role) -> Result<bool, Fault>;
    /// Gives a role back, and notifies the peer as death would.
    fn leave(&self, role: Role) -> Result<(), Fault>;
    /// Takes the SETUP lock; the kernel gives it back should we die.
    fn lock_setup(&self, deadline: Deadline) -> Result<Waited, Fault>;
    /// Gives the SETUP lock back.
    fn unlock_setup(&self) -> Result<(), Fault>;
    /// Tells, once for each request, that the wait is to end ([`Canceller`]).
    fn cancelled(&self) -> bool;
}

/// Counts the semaphore calls of one side around its exchanges, by kind; those of attach and close are
/// not among them.
///
/// An exchange that need not wait is one in [`tries`](Self::tries) and one in
/// [`posts`](Self::posts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Calls {
    /// P that does not wait.
    pub tries: u64,
    /// Of those, how many found too few units.
    pub refused: u64,
    /// P that waits.
    pub sleeps: u64,
    /// V.
    pub posts: u64,
    /// Tests of the peer's role.
    pub tests: u64,
}

impl Calls {
    /// Returns the sum of all kinds.
    #[must_use]
    pub const fn around_exchanges(self) -> u64 {
        self.tries + self.sleeps + self.posts + self.tests
    }
}
