//! The IPC namespace: whoever is in another one sees other objects.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;

/// The number of the namespace that the machine starts with, the same on every Linux machine
/// (`PROC_IPC_INIT_INO` of the kernel).
pub const INITIAL: u64 = 0xEFFF_FFFF;

/// Returns the number of a process's namespace: a PID, or `self`.
pub fn of(process: &str) -> io::Result<u64> {
    Ok(fs::metadata(format!("/proc/{process}/ns/ipc"))?.ino())
}

/// Says, in a namespace that is not the one the machine started with, that others see other channels.
pub fn note() -> Option<&'static str> {
    (of("self").ok()? != INITIAL).then_some(
        "this is an IPC namespace of its own, as a container has, and what is made outside is not seen \
         here: run both programs in the same one (`docker run --ipc=host`, or `--ipc=container:NAME`)",
    )
}
