//! The machine's limits, as `sysctl` shows them.

use std::fs;
use std::io;
use std::num::ParseIntError;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// Holds the limits of this IPC namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Most semaphores in a set (`SEMMSL`, 1st number of `kernel.sem`).
    pub semaphores_in_set: u64,
    /// Most semaphores in total (`SEMMNS`, 2nd number of `kernel.sem`).
    pub semaphores_in_total: u64,
    /// Most operations in one call (`SEMOPM`, 3rd number of `kernel.sem`).
    pub operations_in_call: u64,
    /// Most semaphore sets (`SEMMNI`, 4th number of `kernel.sem`).
    pub semaphore_sets: u64,
    /// Most bytes in a segment (`SHMMAX`, `kernel.shmmax`).
    pub segment_bytes: u64,
    /// Most pages of shared memory in total (`SHMALL`, `kernel.shmall`).
    pub shared_pages_in_total: u64,
    /// Most segments (`SHMMNI`, `kernel.shmmni`).
    pub segments: u64,
    /// Most bytes in a message (`MSGMAX`, `kernel.msgmax`).
    pub message_bytes: u64,
    /// Bytes that a new queue may hold (`MSGMNB`, `kernel.msgmnb`).
    pub queue_bytes: u64,
    /// Most message queues (`MSGMNI`, `kernel.msgmni`).
    pub queues: u64,
    /// True when every segment is removed with its last attachment (`kernel.shm_rmid_forced`).
    pub removed_when_unattached: bool,
}

/// Says which limit could not be read, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LimitsError {
    /// The file could not be read.
    #[error("cannot read {path}: {source}; {}", remedy(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file does not hold the numbers it should.
    #[error("{path} holds {text:?}, which is not what this kernel interface gives")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What it holds.
        text: String,
    },
}

impl Limits {
    /// Reads the limits from `/proc/sys/kernel`. Does not block.
    ///
    /// # Errors
    ///
    /// [`LimitsError`] when `/proc` is not mounted or does not hold what it should.
    pub fn read() -> Result<Self, LimitsError> {
        let [
            semaphores_in_set,
            semaphores_in_total,
            operations_in_call,
            semaphore_sets,
        ] = numbers("sem")?;
        let one = |name| numbers::<1>(name).map(|[number]| number);
        Ok(Self {
            semaphores_in_set,
            semaphores_in_total,
            operations_in_call,
            semaphore_sets,
            segment_bytes: one("shmmax")?,
            shared_pages_in_total: one("shmall")?,
            segments: one("shmmni")?,
            message_bytes: one("msgmax")?,
            queue_bytes: one("msgmnb")?,
            queues: one("msgmni")?,
            removed_when_unattached: one("shm_rmid_forced")? != 0,
        })
    }
}

/// Says what to do when a file of `/proc` cannot be read.
pub(crate) fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EMFILE) => "raise `ulimit -n`",
        Some(Errno::ENFILE) => "raise `sysctl fs.file-max`",
        _ => "is /proc mounted?",
    }
}

/// Reads [`Limits::semaphores_in_set`] alone.
pub(crate) fn semaphores_in_set() -> Result<u64, LimitsError> {
    let [count, ..] = numbers::<4>("sem")?;
    Ok(count)
}

/// Reads the white-space separated numbers of a file in `/proc/sys/kernel`.
fn numbers<const N: usize>(name: &str) -> Result<[u64; N], LimitsError> {
    let path = Path::new("/proc/sys/kernel").join(name);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(LimitsError::Read { path, source }),
    };
    let parsed: Result<Vec<u64>, ParseIntError> = text.split_whitespace().map(str::parse).collect();
    match parsed.ok().and_then(|numbers| numbers.try_into().ok()) {
        Some(numbers) => Ok(numbers),
        None => Err(LimitsError::Parse { path, text }),
    }
}

/// Returns the bytes in a page of memory, usually 4096.
#[must_use]
pub fn page_bytes() -> usize {
    // SAFETY: the call takes a number and returns one.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(4096)
}
