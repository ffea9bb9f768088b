//! Waiting for what the other side makes.

use std::thread;
use std::time::Duration;

use anyhow::Result;

/// How often a consumer looks for what the producer has not made yet.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Calls until there is something, or another error than that there is not.
///
/// # Errors
///
/// That other error.
pub fn when_there<T, E>(mut call: impl FnMut() -> Result<T, E>) -> Result<T>
where
    E: Absence + Into<anyhow::Error>,
{
    loop {
        match call() {
            Err(error) if error.is_absence() => thread::sleep(LOOK_EVERY),
            result => return result.map_err(Into::into),
        }
    }
}

/// An error that may mean that nobody has made the thing yet.
pub trait Absence {
    /// Tells whether it does.
    fn is_absence(&self) -> bool;
}

impl Absence for sysv_ipc::Error {
    fn is_absence(&self) -> bool {
        self.kind() == sysv_ipc::ErrorKind::NotFound
    }
}

impl Absence for semring_flag::OpenError {
    fn is_absence(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

impl Absence for std::io::Error {
    fn is_absence(&self) -> bool {
        self.kind() == std::io::ErrorKind::NotFound
    }
}

impl Absence for nix::errno::Errno {
    fn is_absence(&self) -> bool {
        *self == Self::ENOENT
    }
}

impl Absence for rustix::io::Errno {
    /// A socket has a name before anybody listens to it.
    fn is_absence(&self) -> bool {
        [Self::NOENT, Self::CONNREFUSED].contains(self)
    }
}
