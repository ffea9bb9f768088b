//! The names of the channels of one pass, and whether anything is left under them.

use anyhow::Result;
use semring::{Address, Key};
use serde::{Deserialize, Serialize};
use sysv_ipc::{Error, ErrorKind, Mode, Segment, SemaphoreSet};

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
            let key = Address::named(&name)?.key();
            found.extend(sweep_key(key, &name)?);
        }
        Ok(found)
    }
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
    Ok(found)
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

    #[test]
    fn what_is_left_is_found_and_removed_once() {
        let names = Names::new(&format!("compare-unit-{}", std::process::id()), 1);
        assert!(names.sweep().unwrap().is_empty());
        let key = Address::named(&names.back()).unwrap().key();
        Segment::create(key, 64, Mode::OWNER).unwrap();
        SemaphoreSet::create(key, 1, Mode::OWNER).unwrap();
        assert_eq!(names.sweep().unwrap().len(), 2);
        assert!(names.sweep().unwrap().is_empty());
    }
}
