//! The kernel's semaphores: every operation is one `semop`.

use std::cell::Cell;

use sysv_ipc::{ErrorKind, Operation, SemaphoreSet};

use super::{Calls, Semaphore, Semaphores, Waited};
use crate::error::{Fault, Role};
use crate::{Canceller, Deadline};

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

    /// Does one call that never waits: true when done, false when it would have had to wait. A signal
    /// has no wait to interrupt here; should a kernel or a filter say so, the call is made again.
    fn at_once(&self, operations: &[Operation]) -> Result<bool, sysv_ipc::Error> {
        loop {
            match self.set.operate(operations) {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
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
        match self.at_once(&[Operation::add(semaphore as u16, units)]) {
            Err(error) if error.kind() == ErrorKind::ValueOutOfRange => Ok(()),
            result => Ok(result.map(drop)?),
        }
    }

    fn is_free(&self, role: Role) -> Result<bool, Fault> {
        self.count(|calls| calls.tests += 1);
        Ok(self.at_once(&[Operation::wait_zero(role.lock() as u16).nowait()])?)
    }

    fn value(&self, semaphore: Semaphore) -> Result<u16, Fault> {
        Ok(self.set.value(semaphore as u16)?)
    }

    fn trim(&self, semaphore: Semaphore, excess: u16) -> Result<(), Fault> {
        let semaphore = semaphore as u16;
        let trim = [
            Operation::take(semaphore, excess).nowait(),
            Operation::add(semaphore, 1),
        ];
        // Refused: the peer has taken units meanwhile.
        self.at_once(&trim)?;
        Ok(())
    }

    fn claim(&self, role: Role) -> Result<bool, Fault> {
        let (lock, notice) = (role.lock() as u16, role.peer().awaits() as u16);
        let free = Operation::wait_zero(lock).nowait();
        let hold = Operation::add(lock, 1).undo();
        // The death notice: no change now, one unit when this process ends, however it ends.
        let (post, undo) = (Operation::add(notice, 1), Operation::take(notice, 1).undo());
        loop {
            match self.at_once(&[free, hold, post, undo]) {
                Err(error) if error.kind() == ErrorKind::ValueOutOfRange => {}
                result => return Ok(result?),
            }
            // At the ceiling: the same in the other order, which needs a unit to be there.
            if self.at_once(&[free, hold, undo.nowait(), post])? {
                return Ok(true);
            }
        }
    }

    fn leave(&self, role: Role) -> Result<(), Fault> {
        let (lock, notice) = (role.lock() as u16, role.peer().awaits() as u16);
        let post = Operation::add(notice, 1).undo();
        // Never waits: a lock that somebody has reset is not ours to take from another. First, so that the
        // kernel looks at it before the ceiling: without a lock there is nothing to try again.
        let give_back = Operation::take(lock, 1).undo().nowait();
        loop {
            match self.at_once(&[give_back, post]) {
                Err(error) if error.kind() == ErrorKind::ValueOutOfRange => {}
                result => return Ok(result.map(drop)?),
            }
            // At the ceiling: make room for the notice in the same call. The peer may have taken
            // units meanwhile; then the first form works again.
            if self.at_once(&[give_back, Operation::take(notice, 1).nowait(), post])? {
                return Ok(());
            }
        }
    }

    fn lock_setup(&self, deadline: Deadline) -> Result<Waited, Fault> {
        let setup = Semaphore::Setup as u16;
        let lock = [Operation::wait_zero(setup), Operation::add(setup, 1).undo()];
        self.waiting(&lock, deadline, |_| {})
    }

    fn unlock_setup(&self) -> Result<(), Fault> {
        let give_back = Operation::take(Semaphore::Setup as u16, 1).undo().nowait();
        self.at_once(&[give_back])?;
        Ok(())
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
