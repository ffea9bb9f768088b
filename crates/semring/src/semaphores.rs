//! The five semaphores: what the protocol asks of them, and the kernel's answer.

use std::cell::Cell;

use sysv_ipc::{ErrorKind, Operation, SemaphoreSet};

use crate::error::{Fault, Role};
use crate::{Canceller, Deadline};

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

/// Counts the semaphore calls of one side, by kind.
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
    /// Calls of attach and close, which are not part of any exchange.
    pub control: u64,
}

impl Calls {
    /// Returns the calls around exchanges: all but those of attach and close.
    #[must_use]
    pub const fn around_exchanges(self) -> u64 {
        self.tries + self.sleeps + self.posts + self.tests
    }
}

/// Holds the kernel's semaphore set of a channel, as one role uses it.
#[derive(Debug)]
pub(crate) struct Kernel {
    set: SemaphoreSet,
    calls: Cell<Calls>,
    canceller: Canceller,
}

impl Kernel {
    pub(crate) fn new(set: SemaphoreSet, role: Role) -> Self {
        Self {
            set,
            calls: Cell::default(),
            canceller: Canceller::new(set, role.awaits()),
        }
    }

    pub(crate) fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    pub(crate) const fn set(&self) -> SemaphoreSet {
        self.set
    }

    pub(crate) fn calls(&self) -> Calls {
        self.calls.get()
    }

    fn count(&self, change: impl FnOnce(&mut Calls)) {
        let mut calls = self.calls.get();
        change(&mut calls);
        self.calls.set(calls);
    }

    /// Does one call that never waits: true when done, false when it would have had to wait.
    fn at_once(&self, operations: &[Operation]) -> Result<bool, sysv_ipc::Error> {
        match self.set.operate(operations) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Does one call that waits, again after each signal, with the time that is then left.
    fn waiting(
        &self,
        operations: &[Operation],
        deadline: Deadline,
        count: fn(&mut Calls),
    ) -> Result<Waited, Fault> {
        loop {
            self.count(count);
            let result = match deadline.remaining() {
                None => self.set.operate(operations),
                Some(limit) => self.set.operate_within(operations, limit),
            };
            match result {
                Ok(()) => return Ok(Waited::Taken),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Waited::TimedOut),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Semaphores for Kernel {
    fn try_take(&self, semaphore: Semaphore, units: u16) -> Result<bool, Fault> {
        let taken = self.at_once(&[Operation::take(semaphore as u16, units).nowait()])?;
        self.count(|calls| {
            calls.tries += 1;
            calls.refused += u64::from(!taken);
        });
        Ok(taken)
    }

    fn take(&self, semaphore: Semaphore, deadline: Deadline) -> Result<Waited, Fault> {
        self.waiting(&[Operation::take(semaphore as u16, 1)], deadline, |calls| {
            calls.sleeps += 1;
        })
    }

    fn post(&self, semaphore: Semaphore, units: u16) -> Result<(), Fault> {
        self.count(|calls| calls.posts += 1);
        match self.set.operate(&[Operation::add(semaphore as u16, units)]) {
            Err(error) if error.kind() == ErrorKind::ValueOutOfRange => Ok(()),
            result => Ok(result?),
        }
    }

    fn is_free(&self, role: Role) -> Result<bool, Fault> {
        self.count(|calls| calls.tests += 1);
        Ok(self.at_once(&[Operation::wait_zero(role.lock() as u16).nowait()])?)
    }

    fn value(&self, semaphore: Semaphore) -> Result<u16, Fault> {
        self.count(|calls| calls.control += 1);
        Ok(self.set.value(semaphore as u16)?)
    }

    fn claim(&self, role: Role) -> Result<bool, Fault> {
        self.count(|calls| calls.control += 1);
        let (lock, notice) = (role.lock() as u16, role.peer().awaits() as u16);
        Ok(self.at_once(&[
            Operation::wait_zero(lock).nowait(),
            Operation::add(lock, 1).undo(),
            // The death notice: no change now, one unit when this process ends, however it ends.
            Operation::add(notice, 1),
            Operation::take(notice, 1).undo(),
        ])?)
    }

    fn leave(&self, role: Role) -> Result<(), Fault> {
        let (lock, notice) = (role.lock() as u16, role.peer().awaits() as u16);
        loop {
            self.count(|calls| calls.control += 1);
            match self.set.operate(&[
                Operation::add(notice, 1).undo(),
                Operation::take(lock, 1).undo(),
            ]) {
                Err(error) if error.kind() == ErrorKind::ValueOutOfRange => {}
                result => return Ok(result?),
            }
            // At the ceiling: make room for the notice in the same call. The peer may have taken
            // units meanwhile; then the first form works again.
            self.count(|calls| calls.control += 1);
            if self.at_once(&[
                Operation::take(notice, 1).nowait(),
                Operation::add(notice, 1).undo(),
                Operation::take(lock, 1).undo(),
            ])? {
                return Ok(());
            }
        }
    }

    fn lock_setup(&self, deadline: Deadline) -> Result<Waited, Fault> {
        let setup = Semaphore::Setup as u16;
        let lock = [Operation::wait_zero(setup), Operation::add(setup, 1).undo()];
        self.waiting(&lock, deadline, |calls| calls.control += 1)
    }

    fn unlock_setup(&self) -> Result<(), Fault> {
        self.count(|calls| calls.control += 1);
        Ok(self
            .set
            .operate(&[Operation::take(Semaphore::Setup as u16, 1).undo()])?)
    }

    fn cancelled(&self) -> bool {
        self.canceller.take()
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.canceller.retire();
    }
}
