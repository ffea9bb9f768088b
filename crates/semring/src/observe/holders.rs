//! Who has the roles and the SETUP lock, as the semaphores tell.

use sysv_ipc::{Error, SemaphoreSet};

use crate::error::Role;
use crate::semaphores::Semaphore;

/// Says who has which role, and who is attaching or leaving, at one moment. A process number is 0 when the
/// process is of another PID namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holders {
    /// Values of the semaphores, by index.
    pub values: Vec<u16>,
    /// The process that has the producer's role.
    pub producer: Option<i32>,
    /// The process that has the consumer's role.
    pub consumer: Option<i32>,
    /// The process that has the SETUP lock: it attaches, leaves or removes.
    pub setup: Option<i32>,
}

impl Holders {
    /// Reads the semaphores. Does not block, and changes nothing; but throws the kernel into a slow mode
    /// for the whole set, so do not poll.
    ///
    /// # Errors
    ///
    /// A [`sysv_ipc::Error`]: [`AccessDenied`](sysv_ipc::ErrorKind::AccessDenied) when the mode does not let
    /// us read, [`Removed`](sysv_ipc::ErrorKind::Removed) when there is no such set (any more).
    pub fn look_at(set: SemaphoreSet) -> Result<Self, Error> {
        let values = set.values()?;
        let holder = |semaphore: Semaphore| {
            let index = semaphore as u16;
            let value = values.get(usize::from(index));
            // Who operated last on the semaphore of what is held is its holder.
            let is_held = value.is_some_and(|&value| value > 0);
            is_held.then(|| set.last_pid(index)).transpose()
        };
        Ok(Self {
            producer: holder(Semaphore::Producer)?,
            consumer: holder(Semaphore::Consumer)?,
            setup: holder(Semaphore::Setup)?,
            values,
        })
    }

    /// Returns the process that has a role.
    #[must_use]
    pub const fn of(&self, role: Role) -> Option<i32> {
        match role {
            Role::Producer => self.producer,
            Role::Consumer => self.consumer,
        }
    }
}
