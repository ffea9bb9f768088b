//! Semaphores that do as they are told, and note what they are asked for.

use std::cell::{Cell, RefCell};

use crate::Deadline;
use crate::error::{Fault, Role};
use crate::semaphores::{Semaphore, Semaphores, Waited};

/// What a consumer waits on, and what it posts to.
pub(in crate::gate) const MINE: Semaphore = Semaphore::Full;
pub(in crate::gate) const THEIRS: Semaphore = Semaphore::Empty;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gate) enum Call {
    Try(u16),
    Sleep,
    Post(Semaphore, u16),
    Test,
}

/// How a sleep ends, if not by a unit.
// The adaptive gate's tests use all of them, and are not built for the model checker.
#[cfg_attr(loom, allow(dead_code))]
#[derive(Debug, Clone, Copy)]
pub(in crate::gate) enum End {
    Deadline,
    Cancel,
    Removed,
}

/// A consumer's semaphores, unless the peer is another: there are `units`, and a sleeper gets one.
#[derive(Debug)]
pub(in crate::gate) struct Noted {
    pub units: Cell<u16>,
    pub end: Cell<Option<End>>,
    pub peer: Role,
    pub peer_gone: bool,
    /// Whether every call fails, since there is no set.
    pub removed: Cell<bool>,
    pub cancelled: Cell<bool>,
    pub calls: RefCell<Vec<Call>>,
}

impl Default for Noted {
    fn default() -> Self {
        Self {
            units: Cell::default(),
            end: Cell::default(),
            peer: Role::Producer,
            peer_gone: false,
            removed: Cell::default(),
            cancelled: Cell::default(),
            calls: RefCell::default(),
        }
    }
}

impl Noted {
    /// Returns the calls since it was last asked.
    pub(in crate::gate) fn calls(&self) -> Vec<Call> {
        self.calls.take()
    }

    fn note(&self, call: Call) -> Result<(), Fault> {
        self.calls.borrow_mut().push(call);
        if self.removed.get() {
            Err(Fault::Removed)
        } else {
            Ok(())
        }
    }
}

impl Semaphores for Noted {
    fn try_take(&self, semaphore: Semaphore, units: u16) -> Result<bool, Fault> {
        assert_eq!(semaphore, MINE);
        self.note(Call::Try(units))?;
        let left = self.units.get().checked_sub(units);
        self.units.set(left.unwrap_or(self.units.get()));
        Ok(left.is_some())
    }

    fn take(&self, semaphore: Semaphore, _: Deadline) -> Result<Waited, Fault> {
        assert_eq!(semaphore, MINE);
        self.note(Call::Sleep)?;
        match self.end.get() {
            Some(End::Removed) => return Err(Fault::Removed),
            Some(End::Deadline) => return Ok(Waited::TimedOut),
            Some(End::Cancel) => self.cancelled.set(true),
            None => {}
        }
        Ok(Waited::Taken)
    }

    fn post(&self, semaphore: Semaphore, units: u16) -> Result<(), Fault> {
        self.note(Call::Post(semaphore, units))
    }

    fn is_free(&self, role: Role) -> Result<bool, Fault> {
        assert_eq!(role, self.peer);
        self.note(Call::Test)?;
        Ok(self.peer_gone)
    }

    fn cancelled(&self) -> bool {
        self.cancelled.take()
    }

    fn value(&self, _: Semaphore) -> Result<u16, Fault> {
        unreachable!()
    }
    fn trim(&self, _: Semaphore, _: u16) -> Result<(), Fault> {
        unreachable!()
    }
    fn claim(&self, _: Role) -> Result<bool, Fault> {
        unreachable!()
    }
    fn leave(&self, _: Role) -> Result<(), Fault> {
        unreachable!()
    }
    fn lock_setup(&self, _: Deadline) -> Result<Waited, Fault> {
        unreachable!()
    }
    fn unlock_setup(&self) -> Result<(), Fault> {
        unreachable!()
    }
}
