//! What one semaphore call does, semaphore by semaphore.

use std::fmt;

/// Says what is to be done to one semaphore; a call takes one or several and does all or none.
#[doc(alias = "sembuf")]
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Operation(pub(super) libc::sembuf);

impl Operation {
    /// Adds `units` (V): never waits, wakes who waited for them. More than 32767 count as 32767.
    #[doc(alias = "V")]
    #[must_use]
    pub const fn add(index: u16, units: u16) -> Self {
        Self::new(
            index,
            if units > MAX_UNITS {
                i16::MAX
            } else {
                units.cast_signed()
            },
        )
    }

    /// Takes `units` (P): waits until there are as many, for more than 32767 without end.
    #[doc(alias = "P")]
    #[must_use]
    pub const fn take(index: u16, units: u16) -> Self {
        Self::new(
            index,
            if units > MAX_UNITS {
                i16::MIN
            } else {
                -units.cast_signed()
            },
        )
    }

    /// Waits until the semaphore is zero, and changes nothing.
    #[must_use]
    pub const fn wait_zero(index: u16) -> Self {
        Self::new(index, 0)
    }

    /// Fails with [`WouldBlock`](crate::ErrorKind::WouldBlock) instead of waiting.
    #[doc(alias = "IPC_NOWAIT")]
    #[must_use]
    pub const fn nowait(mut self) -> Self {
        self.0.sem_flg |= NOWAIT;
        self
    }

    /// Has the kernel take the change back when this process ends, however it ends.
    ///
    /// The kernel adds up what there is to take back, one number for each process and semaphore
    /// (-32768 to 32767), and applies the numbers of one set together before it wakes anybody. Use it
    /// for locks and roles that the same process gives back; on units that one process adds and
    /// another takes, the number runs to its end and every call fails.
    #[doc(alias = "SEM_UNDO")]
    #[must_use]
    pub const fn undo(mut self) -> Self {
        self.0.sem_flg |= UNDO;
        self
    }

    const fn new(index: u16, units: i16) -> Self {
        Self(libc::sembuf {
            sem_num: index,
            sem_op: units,
            sem_flg: 0,
        })
    }
}

/// Most units that one operation can add or take, and largest value of a semaphore (`SEMVMX`).
pub(super) const MAX_UNITS: u16 = 32767;

#[expect(
    clippy::cast_possible_truncation,
    reason = "0o4000 and 0x1000 fit in the C structure's short"
)]
const NOWAIT: i16 = libc::IPC_NOWAIT as i16;
#[expect(
    clippy::cast_possible_truncation,
    reason = "0o4000 and 0x1000 fit in the C structure's short"
)]
const UNDO: i16 = libc::SEM_UNDO as i16;

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}, {:+}", self.0.sem_num, self.0.sem_op)?;
        if self.0.sem_flg & NOWAIT != 0 {
            f.write_str(", NOWAIT")?;
        }
        if self.0.sem_flg & UNDO != 0 {
            f.write_str(", UNDO")?;
        }
        f.write_str("}")
    }
}
