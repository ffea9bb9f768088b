//! The names of the channels of one pass, and whether anything is left under them.

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::Result;
use nix::errno::Errno;
use nix::mqueue::mq_unlink;
use semring::{Address, Key};
use serde::{Deserialize, Serialize};
use sysv_ipc::{Error, ErrorKind, MessageQueue, Mode, Segment, SemaphoreSet};

/// Asks for no right, so that every object of a key is found, whatever its mode.
const ANY: Mode = Mode::from_bits(0);

/// The channels of one pass; no other pass, and no other run, has the same names.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Names {
    prefix: String,
}

impl Names {
    pub fn new(run: &str, pass: u32) -> Self {
        Self {
            prefix: format!("{run}.{pass}"),
        }
    }

    /// The channel from the first side to the second.
    pub fn forth(&self) -> String {
        format!("{}.forth", self.prefix)
    }

    /// The channel for the answers.
    pub fn back(&self) -> String {
        format!("{}.back", self.prefix)
    }

    /// Removes what is left under the names, and says what that was. Both sides must have ended.
    pub fn sweep(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for name in [self.forth(), self.back()] {
            found.extend(sweep_key(key_of(&name)?, &name)?);
            found.extend(sweep_path(&name)?);
            found.extend(sweep_posix_queue(&name)?);
        }
        Ok(found)
    }
}

/// Returns the System V key of a channel.
pub fn key_of(channel: &str) -> Result<Key> {
    Ok(Address::named(channel)?.key())
}

/// Returns where in the file system the pipe or socket of a channel is.
#[must_use]
pub fn path_of(channel: &str) -> PathBuf {
    std::env::temp_dir().join(channel)
}

/// Returns the name of the POSIX message queue of a channel.
pub fn queue_name(channel: &str) -> Result<CString> {
    Ok(CString::new(format!("/{channel}"))?)
}

fn sweep_key(key: Key, name: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    if let Some(segment) = present(Segment::open(key, ANY))? {
        found.push(format!("segment {} ({key}, {name})", segment.id()));
        present(segment.remove())?;
    }
    if let Some(set) = present(SemaphoreSet::open(key, ANY))? {
        found.push(format!("semaphore set {} ({key}, {name})", set.id()));
        present(set.remove())?;
    }
    if let Some(queue) = present(MessageQueue::open(key, ANY))? {
        found.push(format!("message queue {} ({key}, {name})", queue.id()));
        present(queue.remove())?;
    }
    Ok(found)
}

fn sweep_path(name: &str) -> Result<Option<String>> {
    let path = path_of(name);
    match fs::remove_file(&path) {
        Ok(()) => Ok(Some(path.display().to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn sweep_posix_queue(name: &str) -> Result<Option<String>> {
    match mq_unlink(queue_name(name)?.as_c_str()) {
        Ok(()) => Ok(Some(format!("POSIX message queue /{name}"))),
        // A kernel without such queues has none that is left.
        Err(Errno::ENOENT | Errno::ENOSYS) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Takes an object that is not there (any more) for what is hoped for.
fn present<T>(result: Result<T, Error>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Removed) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::mqueue::{MQ_OFlag, MqAttr, mq_close, mq_open};
    use nix::sys::stat;

    fn make_posix_queue(channel: &str) {
        let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
        let name = queue_name(channel).unwrap();
        let one = MqAttr::new(0, 1, 8, 0);
        let queue = mq_open(name.as_c_str(), flags, stat::Mode::S_IRUSR, Some(&one)).unwrap();
        mq_close(queue).unwrap();
    }

    #[test]
    fn what_is_left_is_found_and_removed_once() {
        let names = Names::new(&format!("compare-unit-{}", std::process::id()), 1);
        assert!(names.sweep().unwrap().is_empty());
        let key = Address::named(&names.back()).unwrap().key();
        Segment::create(key, 64, Mode::OWNER).unwrap();
        SemaphoreSet::create(key, 1, Mode::OWNER).unwrap();
        MessageQueue::create(key, Mode::OWNER).unwrap();
        fs::write(path_of(&names.forth()), "").unwrap();
        make_posix_queue(&names.back());
        assert_eq!(names.sweep().unwrap().len(), 5);
        assert!(names.sweep().unwrap().is_empty());
    }
}
