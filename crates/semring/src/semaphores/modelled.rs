//! Semaphores for the model checker: the same operations, with the kernel's promises as it keeps them
//! (all or nothing, sleepers woken, undo at the end of a process), and no order of memory beyond what
//! the protocol asks for.

use std::cell::Cell;
use std::sync::Arc;

use loom::sync::{Condvar, Mutex};
use sysv_ipc::SemaphoreSet;

use super::{Calls, Semaphore, Semaphores, Waited};
use crate::error::{Fault, Role};
use crate::{Canceller, Deadline};

/// Semaphores in the set, and processes that may use it.
const SEMAPHORES: usize = 5;
const PROCESSES: usize = 4;

/// Holds what all processes share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    values: [i32; SEMAPHORES],
    /// What is undone at each process's end.
    undo: [[i32; SEMAPHORES]; PROCESSES],
}

impl Shared {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        })
    }

    /// Ends a process: the kernel undoes what it noted, in one step, and wakes who waited for it.
    pub(crate) fn end(&self, process: usize) {
        self.with(|state| {
            for (value, undo) in state.values.iter_mut().zip(&mut state.undo[process]) {
                *value = (*value + std::mem::take(undo)).max(0);
            }
            true
        });
    }

    pub(crate) fn value(&self, semaphore: Semaphore) -> i32 {
        self.state.lock().unwrap().values[semaphore as usize]
    }

    /// Does one call; true when it was done.
    fn with(&self, call: impl FnOnce(&mut State) -> bool) -> bool {
        let mut state = self.state.lock().unwrap();
        let done = call(&mut state);
        drop(state);
        if done {
            self.changed.notify_all();
        }
        done
    }

    /// Sleeps until the call can be done.
    fn sleep(&self, call: impl Fn(&mut State) -> bool) {
        let mut state = self.state.lock().unwrap();
        while !call(&mut state) {
            state = self.changed.wait(state).unwrap();
        }
        drop(state);
        self.changed.notify_all();
    }
}

/// Holds the shared semaphores as one process and role uses them.
#[derive(Debug)]
pub(crate) struct Modelled {
    shared: Arc<Shared>,
    process: usize,
    calls: Cell<Calls>,
    canceller: Canceller,
}

impl Modelled {
    pub(crate) fn of(shared: &Arc<Shared>, process: usize, role: Role) -> Self {
        let nothing = SemaphoreSet::from_id(-1);
        let canceller = Canceller::new(nothing, role.awaits());
        Self {
            shared: Arc::clone(shared),
            process,
            calls: Cell::default(),
            canceller,
        }
    }

    /// Stands where the control plane makes the kernel's; no model comes here.
    pub(crate) fn new(_: SemaphoreSet, role: Role) -> Self {
        Self::of(&Shared::new(), 0, role)
    }

    pub(crate) fn set(&self) -> SemaphoreSet {
        SemaphoreSet::from_id(-1)
    }

    pub(crate) fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    pub(crate) fn calls(&self) -> Calls {
        self.calls.get()
    }
}

fn take(state: &mut State, semaphore: Semaphore, units: i32) -> bool {
    let value = &mut state.values[semaphore as usize];
    let enough = *value >= units;
    if enough {
        *value -= units;
    }
    enough
}

impl Semaphores for Modelled {
    fn try_take(&self, semaphore: Semaphore, units: u16) -> Result<bool, Fault> {
        Ok(self
            .shared
            .with(|state| take(state, semaphore, units.into())))
    }

    fn take(&self, semaphore: Semaphore, _: Deadline) -> Result<Waited, Fault> {
        self.shared.sleep(|state| take(state, semaphore, 1));
        Ok(Waited::Taken)
    }

    fn post(&self, semaphore: Semaphore, units: u16) -> Result<(), Fault> {
        self.shared.with(|state| {
            state.values[semaphore as usize] += i32::from(units);
            true
        });
        Ok(())
    }

    fn is_free(&self, role: Role) -> Result<bool, Fault> {
        Ok(self.shared.value(role.lock()) == 0)
    }

    fn value(&self, semaphore: Semaphore) -> Result<u16, Fault> {
        Ok(u16::try_from(self.shared.value(semaphore)).unwrap_or(0))
    }

    fn trim(&self, semaphore: Semaphore, excess: u16) -> Result<(), Fault> {
        self.shared.with(|state| {
            let trimmed = take(state, semaphore, excess.into());
            state.values[semaphore as usize] += i32::from(trimmed);
            trimmed
        });
        Ok(())
    }

    fn claim(&self, role: Role) -> Result<bool, Fault> {
        let (lock, notice) = (role.lock() as usize, role.peer().awaits() as usize);
        Ok(self.shared.with(|state| {
            let free = state.values[lock] == 0;
            if free {
                state.values[lock] = 1;
                state.undo[self.process][lock] -= 1;
                state.undo[self.process][notice] += 1;
            }
            free
        }))
    }

    fn leave(&self, role: Role) -> Result<(), Fault> {
        let (lock, notice) = (role.lock() as usize, role.peer().awaits() as usize);
        self.shared.with(|state| {
            state.values[notice] += 1;
            state.undo[self.process][notice] -= 1;
            state.values[lock] -= 1;
            state.undo[self.process][lock] += 1;
            true
        });
        Ok(())
    }

    fn lock_setup(&self, _: Deadline) -> Result<Waited, Fault> {
        let setup = Semaphore::Setup as usize;
        self.shared.sleep(|state| {
            let free = state.values[setup] == 0;
            if free {
                state.values[setup] = 1;
                state.undo[self.process][setup] -= 1;
            }
            free
        });
        Ok(Waited::Taken)
    }

    fn unlock_setup(&self) -> Result<(), Fault> {
        let setup = Semaphore::Setup as usize;
        self.shared.with(|state| {
            state.values[setup] -= 1;
            state.undo[self.process][setup] += 1;
            true
        });
        Ok(())
    }

    fn cancelled(&self) -> bool {
        self.canceller.take()
    }
}

impl Drop for Modelled {
    fn drop(&mut self) {
        self.canceller.retire();
    }
}
