//! What makes channels fast where it is there: the barrier of adaptive channels, and huge pages.

use std::fs;

use rustix::thread::{MembarrierCommand, membarrier};

use super::finding::Finding;

/// Registers this process and calls the barrier, as both sides of an adaptive channel do.
pub fn barrier() -> Finding {
    let result = membarrier(MembarrierCommand::RegisterGlobalExpedited)
        .and_then(|()| membarrier(MembarrierCommand::GlobalExpedited));
    match result {
        Ok(()) => Finding::pass("adaptive channels publish without a fence"),
        Err(errno) => Finding::warn(
            format!(
                "{}: adaptive channels fence at every message, and look every 10 ms while asleep",
                errno.kind()
            ),
            "allow membarrier(2) in the sandbox's seccomp filter; strict channels do not need it",
        ),
    }
}

/// Tells how many huge pages are reserved. Channels use ordinary pages.
pub fn huge_pages() -> Finding {
    let count = fs::read_to_string("/proc/sys/vm/nr_hugepages").unwrap_or_default();
    Finding::pass(match count.trim() {
        "" => "this kernel has none, and channels need none".into(),
        "0" => "none reserved, and channels need none".into(),
        count => format!("{count} reserved (vm.nr_hugepages), which channels do not use"),
    })
}
