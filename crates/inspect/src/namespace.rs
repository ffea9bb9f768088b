//! The IPC namespace: whoever is in another one sees other objects.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// The inode of the namespace that the machine starts with (`PROC_IPC_INIT_INO` of the kernel).
const INITIAL: u64 = 0xEFFF_FFFF;

/// Says, in a namespace that is not the one the machine started with, that others see other channels.
pub fn note() -> Option<&'static str> {
    let namespace = fs::metadata("/proc/self/ns/ipc").ok()?;
    (namespace.ino() != INITIAL).then_some(
        "this is an IPC namespace of its own, as a container has, and what is made outside is not seen \
         here: run both programs in the same one (`docker run --ipc=host`, or `--ipc=container:NAME`)",
    )
}
