//! Named points at which a process can be made to die, for tests.
//!
//! Compiled in only with the feature `crash-points`. A process in whose environment
//! `SEMRING_CRASH=NAME@N` stands kills itself with SIGKILL when it reaches the point NAME for the Nth
//! time.

/// Marks a point at which a test can have the process killed.
macro_rules! crash_point {
    ($name:literal) => {
        #[cfg(any(feature = "crash-points", loom))]
        crate::crash::reach($name);
    };
}

/// What a thread of the model checker ends with in place of a process.
#[cfg(loom)]
pub(crate) struct Died;

#[cfg(loom)]
loom::thread_local! {
    /// Where this thread is to die, at which time.
    pub(crate) static PLAN: std::cell::Cell<Option<(&'static str, u32)>> = std::cell::Cell::new(None);
}

/// Ends this thread here, if the plan says so.
#[cfg(loom)]
pub(crate) fn reach(name: &str) {
    let due = PLAN.with(|plan| match plan.get() {
        Some((wanted, 1)) if wanted == name => true,
        Some((wanted, left)) if wanted == name => {
            plan.set(Some((wanted, left - 1)));
            false
        }
        _ => false,
    });
    if due {
        PLAN.with(|plan| plan.set(None));
        std::panic::resume_unwind(Box::new(Died));
    }
}

/// Every point, in the order in which a process comes past it.
#[cfg(feature = "crash-points")]
pub const POINTS: &[&str] = &[
    "attach-set-made",
    "attach-locked",
    "attach-segment-made",
    "attach-header-begun",
    "attach-header-filled",
    "attach-header-done",
    "attach-trimmed",
    "attach-claimed",
    "attach-word-set",
    "attach-full-repaired",
    "attach-repaired",
    "attach-done",
    "producer-permitted",
    "producer-written",
    "producer-described",
    "producer-committed",
    "producer-posted",
    "consumer-permitted",
    "consumer-handed-out",
    "consumer-read",
    "consumer-acknowledged",
    "consumer-posted",
    "consumer-end-seen",
    "close-word-set",
    "close-locked",
    "close-left",
    "remove-segment-removed",
    "remove-done",
    "close-done",
];

/// Dies here, if this is the point and the time that the environment names.
#[cfg(all(feature = "crash-points", not(loom)))]
pub(crate) fn reach(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static PLAN: OnceLock<Option<(String, AtomicU64)>> = OnceLock::new();
    let plan = PLAN.get_or_init(|| {
        let text = std::env::var("SEMRING_CRASH").ok()?;
        let (name, times) = text.split_once('@')?;
        Some((name.to_owned(), AtomicU64::new(times.parse().ok()?)))
    });
    if let Some((wanted, left)) = plan
        && wanted == name
        && left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::SIGKILL);
        loop {
            std::thread::park();
        }
    }
}
