//! What one has of a channel it has attached to, and how it is left.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use sysv_ipc::{ErrorKind, Key, Segment, SemaphoreSet};

use super::{SETUP_LIMIT, objects};
use crate::address::Address;
use crate::error::{Fault, Role};
use crate::geometry::MAX_SLOTS;
use crate::layout::{State, Word};
use crate::ring::{Ring, distance};
use crate::semaphores::{Kernel, Semaphores, Waited};
use crate::{Deadline, Framing};

/// Says what leaving a channel did to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseOutcome {
    /// Segment and semaphore set were removed: the stream had ended, and nobody was left.
    Removed,
    /// They are still there, for the other side or for a later one.
    Kept {
        /// Messages that have not been released.
        unread: u64,
    },
    /// They had been removed before.
    RemovedBefore,
}

/// Says what a channel consists of, and leaves it when its side is done.
#[derive(Debug)]
pub struct Link {
    pub(super) role: Role,
    pub(super) address: Address,
    pub(super) segment: Segment,
    pub(super) set: SemaphoreSet,
    pub(super) mapped_at: usize,
    pub(super) created: bool,
    pub(super) framing: Framing,
    pub(super) nonce: [u8; 16],
    /// In a forked child, which has another, the role belongs to the parent.
    pub(super) pid: u32,
    pub(super) left: Cell<bool>,
}

impl Link {
    /// Returns where the channel is.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the key of both objects.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.address.key()
    }

    /// Returns the segment.
    #[must_use]
    pub const fn segment(&self) -> Segment {
        self.segment
    }

    /// Returns the semaphore set.
    #[must_use]
    pub const fn semaphore_set(&self) -> SemaphoreSet {
        self.set
    }

    /// Returns the address at which the segment is mapped into this process, to be shown.
    #[must_use]
    pub const fn mapped_at(&self) -> usize {
        self.mapped_at
    }

    /// Tells whether this side made the channel, rather than found it.
    #[must_use]
    pub const fn created(&self) -> bool {
        self.created
    }

    /// Returns what the messages of the channel are.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        self.framing
    }

    /// Returns the random number that tells this segment from any other, one made later under the
    /// same key among them: positions mean nothing beside another.
    #[must_use]
    pub const fn nonce(&self) -> [u8; 16] {
        self.nonce
    }

    /// Makes the link of a channel that has no kernel objects.
    #[cfg(loom)]
    pub(crate) fn modelled(role: Role, address: Address) -> Self {
        let (segment, set) = (Segment::from_id(-1), SemaphoreSet::from_id(-1));
        let (pid, left) = (std::process::id(), Cell::new(false));
        Self {
            role,
            address,
            segment,
            set,
            mapped_at: 0,
            created: false,
            framing: Framing::Messages,
            nonce: [0; 16],
            pid,
            left,
        }
    }

    /// Keeps the end of this handle from leaving: its process has died.
    #[cfg(loom)]
    pub(crate) fn forget_role(&self) {
        self.left.set(true);
    }

    /// Leaves in order, and removes the channel when it has served. `last_word` is what the word of
    /// this side becomes.
    pub(crate) fn close(
        &self,
        ring: &Ring,
        kernel: &Kernel,
        last_word: fn(Word) -> Word,
    ) -> Result<CloseOutcome, Fault> {
        if !self.may_leave() {
            return Ok(CloseOutcome::RemovedBefore);
        }
        ring.set_word(self.role, last_word(ring.word(self.role)));
        crash_point!("close-word-set");
        match self.leave_and_remove(ring, kernel) {
            Err(Fault::Removed) => Ok(CloseOutcome::RemovedBefore),
            result => result,
        }
    }

    /// Leaves without a word, as death does: the peer learns that this side was lost.
    pub(crate) fn abandon(&self, kernel: &Kernel) {
        if self.may_leave() {
            // A set that is gone needs no leaving.
            let _ = kernel.leave(self.role);
        }
    }

    /// True once, and only in the process that attached.
    fn may_leave(&self) -> bool {
        self.pid == std::process::id() && !self.left.replace(true)
    }

    /// Leaves under the SETUP lock, or without it when it cannot be had. Both are given back whatever
    /// happens; what the kernel refuses to take back it takes at the end of the process.
    fn leave_and_remove(&self, ring: &Ring, kernel: &Kernel) -> Result<CloseOutcome, Fault> {
        let locked = kernel.lock_setup(Deadline::after(SETUP_LIMIT));
        crash_point!("close-locked");
        let left = kernel.leave(self.role);
        crash_point!("close-left");
        let kept = CloseOutcome::Kept {
            unread: unread(ring.tail(), ring.head()),
        };
        if locked? == Waited::TimedOut {
            return left.map(|()| kept);
        }
        let removed = left.and_then(|()| self.remove_if_served(ring, kernel));
        if matches!(removed, Ok(true)) {
            return Ok(CloseOutcome::Removed);
        }
        let unlocked = kernel.unlock_setup();
        crash_point!("close-done");
        removed.and(unlocked).map(|()| kept)
    }

    /// Removes both objects when nobody is left and the stream has served; false when they stay.
    fn remove_if_served(&self, ring: &Ring, kernel: &Kernel) -> Result<bool, Fault> {
        let free = kernel.is_free(Role::Producer)? && kernel.is_free(Role::Consumer)?;
        if !free || !has_served(ring) {
            return Ok(false);
        }
        match objects::remove(self.segment, self.set) {
            // They are another user's, who removes them when next they leave.
            Err(error) if error.kind() == ErrorKind::NotOwner => Ok(false),
            result => Ok(result.map(|()| true)?),
        }
    }
}

/// Counts the messages that wait; positions that make no sense count as none.
pub(super) fn unread(tail: u64, head: u64) -> u64 {
    distance(tail, head, MAX_SLOTS).map_or(0, u64::from)
}

/// Tells whether a channel without owners has no further use: its stream has ended and somebody has
/// seen that, or was interrupted and nothing of it is left, or it never had a producer.
fn has_served(ring: &Ring) -> bool {
    let word = ring.word(Role::Producer);
    // SYNC POINT: END SEEN (with note_end). The positions are read after.
    let end_seen = ring.side(Role::Consumer).end_seen.load(Ordering::Acquire);
    match word.state() {
        State::Never => word.epoch() == 0 && ring.tail() == ring.head(),
        State::Attached => false,
        State::Closed => ring.tail() == ring.head() && end_seen == word.epoch(),
        State::Interrupted => ring.tail() == ring.head(),
    }
}
