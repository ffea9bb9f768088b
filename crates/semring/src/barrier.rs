//! One process pays for the order of another's memory accesses: `membarrier(2)`.
//!
//! A process that has registered lets the kernel interrupt it wherever it runs; after
//! `membarrier(GLOBAL_EXPEDITED)` in any other process, all that it stored before is visible there, and
//! all that it loads later is loaded anew. The caller pays some microseconds, and the registered one
//! nothing, message after message.

/// Prepares this process for [adaptive](crate::Sync::Adaptive) channels, so that it publishes without a
/// fence: takes a microsecond or two. To be called once, at the start of a program that then has several
/// threads; one that has a single thread when it first attaches need not care. With several threads and
/// without this, everything works, each message some 40 ns slower. Does not block.
pub fn prepare_adaptive() {
    register();
}

#[cfg(loom)]
pub(crate) use unknown::{compiler, everywhere, register};

#[cfg(not(loom))]
pub(crate) use kernel::{compiler, everywhere, register};

#[cfg(not(loom))]
mod kernel {
    use std::fs;
    use std::sync::OnceLock;
    use std::sync::atomic::{Ordering, compiler_fence};

    use rustix::thread::{MembarrierCommand, membarrier};

    /// Registers this process, once, and tells whether it is registered. Only while it has one thread,
    /// when that takes a microsecond or two: with more of them it takes some 10 ms, which no attach
    /// should. A child that is forked later is registered, too; a program that is executed is not.
    pub(crate) fn register() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        *REGISTERED.get_or_init(|| {
            has_one_thread() && membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok()
        })
    }

    fn has_one_thread() -> bool {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        status.lines().any(|line| line == "Threads:\t1")
    }

    /// Has every registered process pass a full barrier, and passes one itself. False when the kernel
    /// refuses.
    pub(crate) fn everywhere() -> bool {
        membarrier(MembarrierCommand::GlobalExpedited).is_ok()
    }

    /// Keeps the compiler from moving memory accesses past this point.
    #[inline]
    pub(crate) fn compiler() {
        compiler_fence(Ordering::SeqCst);
    }
}

/// The model checker knows no membarrier: there, the publisher fences.
#[cfg(loom)]
mod unknown {
    pub(crate) fn register() -> bool {
        false
    }

    pub(crate) fn everywhere() -> bool {
        false
    }

    pub(crate) fn compiler() {}
}
