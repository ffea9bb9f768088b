//! Semaphore sets, by key or identifier.

mod operation;

use std::mem::MaybeUninit;
use std::time::Duration;

use nix::errno::Errno;

use crate::error::check;
use crate::limits::semaphores_in_set;
use crate::{Call, Error, Key, Mode, Object, Permissions};

use operation::MAX_UNITS;
pub use operation::Operation;

// libc declares neither of the two on Linux; both are of semop(2) and semctl(2).
unsafe extern "C" {
    fn semtimedop(
        semid: libc::c_int,
        sops: *mut libc::sembuf,
        nsops: libc::size_t,
        timeout: *const libc::timespec,
    ) -> libc::c_int;
}

/// The fourth argument of `semctl`, which the caller has to declare (semctl(2)).
#[repr(C)]
#[derive(Clone, Copy)]
union Semun {
    value: libc::c_int,
    stat: *mut libc::semid_ds,
    values: *mut libc::c_ushort,
}

/// As many semaphores as an index can name.
const INDICES: usize = 1 << u16::BITS;

/// Returns a count that no set exceeds but one that root makes while it raises the limit. GETALL and SETALL
/// are not told how much room there is: they go by the set that has the identifier at that moment.
fn any_count() -> usize {
    let limit = semaphores_in_set().unwrap_or(0);
    usize::try_from(limit).unwrap_or(INDICES).max(INDICES)
}

/// Names a set of semaphores.
///
/// A value is an identifier and nothing more: copying or dropping it does nothing to the set.
/// A semaphore holds 0 to 32767. On Linux a new set is all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SemaphoreSet {
    id: i32,
}

impl SemaphoreSet {
    /// Makes a new set of `count` semaphores, all zero.
    ///
    /// ```c
    /// int semget(key_t key, int nsems, int semflg);
    /// ```
    ///
    /// # Errors
    ///
    /// * [`AlreadyExists`](crate::ErrorKind::AlreadyExists): a set has this key.
    /// * [`SizeRefused`](crate::ErrorKind::SizeRefused): `count` is 0 or above `SEMMSL`.
    /// * [`LimitReached`](crate::ErrorKind::LimitReached): `SEMMNI` sets or `SEMMNS` semaphores exist.
    /// * [`OutOfMemory`](crate::ErrorKind::OutOfMemory): the kernel has no memory for it.
    ///
    /// # References
    ///
    /// [semget(2)](https://man7.org/linux/man-pages/man2/semget.2.html)
    #[doc(alias = "semget")]
    pub fn create(key: Key, count: usize, mode: Mode) -> Result<Self, Error> {
        semget(key, count, mode, libc::IPC_CREAT | libc::IPC_EXCL)
    }

    /// Finds the set that has this key, and checks that its mode gives us the rights in `mode`.
    ///
    /// Asking for no right (mode 0) finds every set, also those that we may not use.
    ///
    /// # Errors
    ///
    /// * [`NotFound`](crate::ErrorKind::NotFound): no set has this key.
    /// * [`AccessDenied`](crate::ErrorKind::AccessDenied): its mode does not give us these rights.
    #[doc(alias = "semget")]
    pub fn open(key: Key, mode: Mode) -> Result<Self, Error> {
        semget(key, 0, mode, 0)
    }

    /// Finds the set that has this key, or makes it: an existing one may have more than `count`.
    ///
    /// # Errors
    ///
    /// As of [`create`](Self::create) and [`open`](Self::open), without `NotFound` and
    /// `AlreadyExists`; [`SizeRefused`](crate::ErrorKind::SizeRefused) also when the existing set has
    /// fewer semaphores than `count`.
    #[doc(alias = "semget")]
    pub fn open_or_create(key: Key, count: usize, mode: Mode) -> Result<Self, Error> {
        semget(key, count, mode, libc::IPC_CREAT)
    }

    /// Names a set by an identifier that came from elsewhere; whether it exists shows on use.
    #[must_use]
    pub const fn from_id(id: i32) -> Self {
        Self { id }
    }

    /// Returns the identifier, as `ipcs -s` shows it.
    #[must_use]
    pub const fn id(self) -> i32 {
        self.id
    }

    /// Does all `operations` in their order as one step, waiting without limit until all can be done.
    ///
    /// The call is not tried again after a signal, whatever the handler's flags: also a stop and
    /// continue (SIGSTOP, SIGCONT) ends it. A unit that was granted is never lost by that.
    ///
    /// ```c
    /// int semop(int semid, struct sembuf *sops, size_t nsops);
    /// ```
    ///
    /// # Errors
    ///
    /// * [`WouldBlock`](crate::ErrorKind::WouldBlock): an operation with
    ///   [`nowait`](Operation::nowait) would have had to wait.
    /// * [`Interrupted`](crate::ErrorKind::Interrupted): a signal arrived while waiting.
    /// * [`Removed`](crate::ErrorKind::Removed): the set was removed, before or meanwhile; also an
    ///   empty list of operations (`EINVAL`).
    /// * [`NoSuchSemaphore`](crate::ErrorKind::NoSuchSemaphore): an index is beyond the set.
    /// * [`ValueOutOfRange`](crate::ErrorKind::ValueOutOfRange): a value would exceed 32767, or the
    ///   process's undo entry its range.
    /// * [`TooManyOperations`](crate::ErrorKind::TooManyOperations): more than `SEMOPM`.
    /// * [`AccessDenied`](crate::ErrorKind::AccessDenied): the mode does not let us alter it (or, for
    ///   waiting for zero alone, read it).
    /// * [`OutOfMemory`](crate::ErrorKind::OutOfMemory): no memory to note the operations or the undo
    ///   entry.
    ///
    /// # References
    ///
    /// [semop(2)](https://man7.org/linux/man-pages/man2/semop.2.html)
    #[doc(alias = "semop")]
    pub fn operate(self, operations: &[Operation]) -> Result<(), Error> {
        // SAFETY: `Operation` is a transparent sembuf, the slice is valid for its length, and the
        // kernel only reads it, though the C prototype lacks the const.
        let result = unsafe {
            libc::semop(
                self.id,
                operations.as_ptr().cast_mut().cast(),
                operations.len(),
            )
        };
        check(result, Call::Semop, self.object_of(operations)).map(drop)
    }

    /// Does all `operations` in their order as one step, waiting no longer than `limit`; a limit of
    /// zero does not wait at all.
    ///
    /// The limit is counted from the call: after [`Interrupted`](crate::ErrorKind::Interrupted) it
    /// is the caller's to subtract the time that has passed.
    ///
    /// ```c
    /// int semtimedop(int semid, struct sembuf *sops, size_t nsops, const struct timespec *timeout);
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`operate`](Self::operate); [`WouldBlock`](crate::ErrorKind::WouldBlock) also when the
    /// time is over.
    #[doc(alias = "semtimedop")]
    pub fn operate_within(self, operations: &[Operation], limit: Duration) -> Result<(), Error> {
        let limit = libc::timespec {
            // Beyond 292 billion years: as good as no limit, and never a negative number.
            tv_sec: limit.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        // SAFETY: as for semop; `limit` lives through the call.
        let result = unsafe {
            semtimedop(
                self.id,
                operations.as_ptr().cast_mut().cast(),
                operations.len(),
                &raw const limit,
            )
        };
        check(result, Call::Semtimedop, self.object_of(operations)).map(drop)
    }

    /// Names the semaphore that a single operation is about, else the set.
    fn object_of(self, operations: &[Operation]) -> Object {
        match operations {
            [one] => Object::Semaphore {
                set: self.id,
                index: one.0.sem_num,
            },
            _ => Object::Set(self.id),
        }
    }

    /// Returns the value of one semaphore, 0 to 32767; stale as soon as somebody operates on it.
    ///
    /// Reading values is not free for others: for a while afterwards the kernel handles every
    /// operation on the set under one lock.
    ///
    /// # Errors
    ///
    /// * [`NoSuchSemaphore`](crate::ErrorKind::NoSuchSemaphore): the index is beyond the set.
    /// * [`AccessDenied`](crate::ErrorKind::AccessDenied): the mode does not let us read.
    /// * [`Removed`](crate::ErrorKind::Removed): there is no such set.
    ///
    /// # References
    ///
    /// [semctl(2)](https://man7.org/linux/man-pages/man2/semctl.2.html)
    #[doc(alias = "GETVAL")]
    pub fn value(self, index: u16) -> Result<u16, Error> {
        let value = self.ask(index, libc::GETVAL, "GETVAL")?;
        Ok(u16::try_from(value).unwrap_or(MAX_UNITS))
    }

    /// Returns how many wait for one semaphore to grow. Errors as of [`value`](Self::value).
    #[expect(clippy::missing_errors_doc, reason = "the same as those of `value`")]
    #[doc(alias = "GETNCNT")]
    pub fn waiting_for_units(self, index: u16) -> Result<u32, Error> {
        self.ask(index, libc::GETNCNT, "GETNCNT")
            .map(i32::cast_unsigned)
    }

    /// Returns how many wait for one semaphore to be zero. Errors as of [`value`](Self::value).
    #[expect(clippy::missing_errors_doc, reason = "the same as those of `value`")]
    #[doc(alias = "GETZCNT")]
    pub fn waiting_for_zero(self, index: u16) -> Result<u32, Error> {
        self.ask(index, libc::GETZCNT, "GETZCNT")
            .map(i32::cast_unsigned)
    }

    /// Returns the process that operated last on one semaphore, 0 when none did; it may have ended
    /// long ago, and its number may belong to another by now. Errors as of [`value`](Self::value).
    #[expect(clippy::missing_errors_doc, reason = "the same as those of `value`")]
    #[doc(alias = "GETPID")]
    pub fn last_pid(self, index: u16) -> Result<i32, Error> {
        self.ask(index, libc::GETPID, "GETPID")
    }

    fn ask(self, index: u16, command: i32, name: &'static str) -> Result<i32, Error> {
        // SAFETY: these commands take no fourth argument.
        let result = unsafe { libc::semctl(self.id, i32::from(index), command) };
        if result != -1 {
            return Ok(result);
        }
        Err(self.index_error(Errno::last(), index, name))
    }

    /// Tells an index beyond the set from a set that is gone: the kernel says `EINVAL` to both.
    fn index_error(self, errno: Errno, index: u16, name: &'static str) -> Error {
        let object = Object::Semaphore {
            set: self.id,
            index,
        };
        let beyond = errno == Errno::EINVAL
            && self
                .stat()
                .is_ok_and(|stat| usize::from(index) >= stat.count);
        Error::new(
            Call::Semctl(name),
            object,
            if beyond { Errno::EFBIG } else { errno },
        )
    }

    /// Returns the values of all semaphores, read in one step.
    ///
    /// # Errors
    ///
    /// As of [`value`](Self::value).
    #[doc(alias = "GETALL")]
    pub fn values(self) -> Result<Vec<u16>, Error> {
        let count = self.stat()?.count;
        let mut values = vec![0u16; count.max(any_count())];
        let argument = Semun {
            values: values.as_mut_ptr(),
        };
        // SAFETY: `values` has an element for each semaphore of this set, and of any other within SEMMSL
        // that has taken its identifier since.
        let result = unsafe { libc::semctl(self.id, 0, libc::GETALL, argument) };
        check(result, Call::Semctl("GETALL"), Object::Set(self.id))?;
        values.truncate(count);
        Ok(values)
    }

    /// Sets the value of one semaphore.
    ///
    /// This also clears what *every* process has noted to be undone on it: a lock taken with
    /// [`undo`](Operation::undo) is not given back any more. Never use it on a set in use.
    ///
    /// # Errors
    ///
    /// * [`ValueOutOfRange`](crate::ErrorKind::ValueOutOfRange): above 32767.
    /// * Else as of [`value`](Self::value), with the right to alter in place of reading.
    #[doc(alias = "SETVAL")]
    pub fn set_value(self, index: u16, value: u16) -> Result<(), Error> {
        let argument = Semun {
            value: i32::from(value),
        };
        // SAFETY: SETVAL takes the union's int by value.
        let result = unsafe { libc::semctl(self.id, i32::from(index), libc::SETVAL, argument) };
        if result == -1 {
            Err(self.index_error(Errno::last(), index, "SETVAL"))
        } else {
            Ok(())
        }
    }

    /// Sets the values of all semaphores in one step, with the consequences of
    /// [`set_value`](Self::set_value).
    ///
    /// # Errors
    ///
    /// * [`NoSuchSemaphore`](crate::ErrorKind::NoSuchSemaphore): not one value for each semaphore.
    /// * Else as of [`set_value`](Self::set_value); the right to read is needed too.
    #[doc(alias = "SETALL")]
    pub fn set_all(self, values: &[u16]) -> Result<(), Error> {
        let object = Object::Set(self.id);
        if values.len() != self.stat()?.count {
            return Err(Error::new(Call::Semctl("SETALL"), object, Errno::EFBIG));
        }
        let mut all = values.to_vec();
        all.resize(values.len().max(any_count()), 0);
        let argument = Semun {
            values: all.as_mut_ptr(),
        };
        // SAFETY: `all` has an element for each semaphore, as for GETALL, and SETALL only reads them.
        let result = unsafe { libc::semctl(self.id, 0, libc::SETALL, argument) };
        check(result, Call::Semctl("SETALL"), object).map(drop)
    }

    /// Asks for owner, number of semaphores, and when what happened.
    ///
    /// # Errors
    ///
    /// * [`AccessDenied`](crate::ErrorKind::AccessDenied): the mode does not let us read.
    /// * [`Removed`](crate::ErrorKind::Removed): there is no such set.
    #[doc(alias = "semctl")]
    #[doc(alias = "IPC_STAT")]
    pub fn stat(self) -> Result<SemaphoreSetStat, Error> {
        let raw = self.raw_stat()?;
        Ok(SemaphoreSetStat {
            permissions: Permissions::from_raw(&raw.sem_perm),
            count: usize::try_from(raw.sem_nsems).unwrap_or(usize::MAX),
            operated_at_s: raw.sem_otime,
            changed_at_s: raw.sem_ctime,
        })
    }

    fn raw_stat(self) -> Result<libc::semid_ds, Error> {
        let mut raw = MaybeUninit::<libc::semid_ds>::uninit();
        let argument = Semun {
            stat: raw.as_mut_ptr(),
        };
        // SAFETY: `raw` has room for one semid_ds, which is what IPC_STAT writes.
        let result = unsafe { libc::semctl(self.id, 0, libc::IPC_STAT, argument) };
        check(result, Call::Semctl("IPC_STAT"), Object::Set(self.id))?;
        // SAFETY: the call succeeded, so the kernel has filled in the structure.
        Ok(unsafe { raw.assume_init() })
    }

    /// Gives the set another owner and mode. Who sleeps in an operation stays asleep.
    ///
    /// # Errors
    ///
    /// * [`NotOwner`](crate::ErrorKind::NotOwner): we are neither owner nor creator.
    /// * [`AccessDenied`](crate::ErrorKind::AccessDenied): the mode does not let us read what it is now.
    /// * [`Removed`](crate::ErrorKind::Removed): there is no such set.
    #[doc(alias = "IPC_SET")]
    pub fn set_permissions(self, user_id: u32, group_id: u32, mode: Mode) -> Result<(), Error> {
        let mut raw = self.raw_stat()?;
        raw.sem_perm.uid = user_id;
        raw.sem_perm.gid = group_id;
        raw.sem_perm.mode = mode.to_raw();
        let argument = Semun { stat: &raw mut raw };
        // SAFETY: `raw` is a filled semid_ds; IPC_SET only reads it.
        let result = unsafe { libc::semctl(self.id, 0, libc::IPC_SET, argument) };
        check(result, Call::Semctl("IPC_SET"), Object::Set(self.id)).map(drop)
    }

    /// Removes the set at once: whoever sleeps in an operation on it gets
    /// [`Removed`](crate::ErrorKind::Removed).
    ///
    /// # Errors
    ///
    /// * [`NotOwner`](crate::ErrorKind::NotOwner): we are neither owner nor creator.
    /// * [`Removed`](crate::ErrorKind::Removed): there is no such set (any more).
    #[doc(alias = "IPC_RMID")]
    pub fn remove(self) -> Result<(), Error> {
        // SAFETY: IPC_RMID takes no fourth argument.
        let result = unsafe { libc::semctl(self.id, 0, libc::IPC_RMID) };
        check(result, Call::Semctl("IPC_RMID"), Object::Set(self.id)).map(drop)
    }
}

fn semget(key: Key, count: usize, mode: Mode, flags: i32) -> Result<SemaphoreSet, Error> {
    let object = Object::SetKey { key, count, mode };
    if key.cannot_be_found(flags) {
        return Err(Error::new(Call::Semget, object, Errno::ENOENT));
    }
    let Ok(count) = i32::try_from(count) else {
        return Err(Error::new(Call::Semget, object, Errno::EINVAL));
    };
    // SAFETY: the call takes numbers only.
    let id = unsafe { libc::semget(key.raw(), count, flags | mode.raw()) };
    check(id, Call::Semget, object).map(|id| SemaphoreSet { id })
}

/// Says what the kernel knows of a set. All but the count may be stale when it is returned.
#[doc(alias = "semid_ds")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SemaphoreSetStat {
    /// Owner, creator and mode.
    pub permissions: Permissions,
    /// Number of semaphores.
    pub count: usize,
    /// Seconds since 1970 of the last successful operation; 0 when there was none.
    pub operated_at_s: i64,
    /// Seconds since 1970 of its making, its last change of permissions, or the last set value.
    pub changed_at_s: i64,
}
