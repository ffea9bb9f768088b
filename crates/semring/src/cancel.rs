//! Ending a wait from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sysv_ipc::{Operation, SemaphoreSet};

use crate::semaphores::Semaphore;

/// Ends the wait of a producer or consumer from another thread, for instance one that handles
/// signals.
///
/// It may be cloned and outlive its handle; then it does nothing.
#[derive(Debug, Clone)]
pub struct Canceller {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    requested: AtomicBool,
    /// False once the handle is gone: its semaphore may be somebody else's by then.
    alive: AtomicBool,
    set: SemaphoreSet,
    semaphore: Semaphore,
}

impl Canceller {
    pub(crate) fn new(set: SemaphoreSet, semaphore: Semaphore) -> Self {
        let requested = AtomicBool::new(false);
        let alive = AtomicBool::new(true);
        Self {
            shared: Arc::new(Shared {
                requested,
                alive,
                set,
                semaphore,
            }),
        }
    }

    /// Lets the operation that waits now return `Cancelled`, or else the next one that would wait: in strict
    /// mode the next that needs a permit, in adaptive mode the next that finds nothing to go on with and
    /// has spun in vain, so that a stream that never pauses goes on, and a later wait is cancelled. The
    /// moment that a producer of messages of more than 8 MiB waits for a slot it does not cut short. Does
    /// not block.
    pub fn cancel(&self) {
        let shared = &self.shared;
        // SYNC POINT: CANCEL (with take, retire).
        if !shared.alive.load(Ordering::Acquire) || shared.requested.swap(true, Ordering::AcqRel) {
            return;
        }
        // A unit too many does no harm, so there is no moment at which this could come too early.
        // A semaphore at its ceiling wakes its sleeper anyway, and a set that is gone did already.
        let _ = shared
            .set
            .operate(&[Operation::add(shared.semaphore as u16, 1)]);
    }

    /// Tells, once for each request, that a cancel was requested.
    pub(crate) fn take(&self) -> bool {
        // SYNC POINT: CANCEL (with cancel). Looked at relaxed first: mostly there is none.
        let requested = &self.shared.requested;
        requested.load(Ordering::Relaxed) && requested.swap(false, Ordering::AcqRel)
    }

    /// Makes all clones inert.
    pub(crate) fn retire(&self) {
        // SYNC POINT: CANCEL (with cancel).
        self.shared.alive.store(false, Ordering::Release);
    }
}
