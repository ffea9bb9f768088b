//! How far an output has come, recorded beside it, so that a later reader goes on exactly there.
//!
//! The record says: the messages before `position` of the stream of this nonce are the first `bytes`
//! bytes of the output. It is written after the messages and before they are released, so after a death
//! at any instant one of two things is so. The record is behind the output: its surplus is cut off, and
//! the messages come again. Or the record is ahead of the channel: the messages that come again are in
//! the output already, and are passed over.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use semring_cli::Refused;

/// The first words of a record: what it is, and the version of its form.
const WORDS: &str = "semring-position 1";
/// More than a record has.
const MOST_BYTES: u64 = 256;

/// Says how far an output has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Which segment the positions are of.
    pub nonce: [u8; 16],
    /// Messages before this one are in the output.
    pub position: u64,
    /// Bytes of the output that they, and what was there before, take.
    pub bytes: u64,
    /// Whether the stream has come to its end.
    pub complete: bool,
}

/// Holds the file beside an output in which its progress stands, locked against other readers.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    file: File,
    found: Option<Progress>,
}

impl Record {
    /// Opens the record of an output, or makes one.
    ///
    /// # Errors
    ///
    /// [`Refused`] when another reader writes to the output, or the file is something else; or what the
    /// kernel says of it.
    pub fn open(output: &Path) -> Result<Self> {
        let path = beside(output);
        loop {
            let file = open_locked(&path)?;
            // The reader that had the lock may have removed the file meanwhile, with nobody's name on it.
            if is_at(&file, &path) {
                let found = read(&file, &path)?;
                return Ok(Self { path, file, found });
            }
        }
    }

    /// Returns what stood in it when it was opened; nothing in a new one.
    pub const fn found(&self) -> Option<Progress> {
        self.found
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes down how far the output has come: one small write, which a death finds done or not.
    pub fn note(&self, progress: &Progress) -> Result<()> {
        self.file
            .write_all_at(format(progress).as_bytes(), 0)
            .with_context(|| format!("cannot write to {}", self.path.display()))
    }

    /// Removes it, since the output is complete.
    pub fn remove(self) -> Result<()> {
        fs::remove_file(&self.path).with_context(|| {
            format!(
                "cannot remove the record {}, of no use any more",
                self.path.display()
            )
        })
    }

    /// Removes it if nothing was ever written into it.
    pub fn discard(self) {
        if self.found.is_none() {
            // It is empty, and so no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn beside(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".semring");
    name.into()
}

/// Opens the file, and locks it for as long as it is open.
fn open_locked(path: &Path) -> Result<File> {
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(false);
    let file = options
        .open(path)
        .with_context(|| format!("cannot record positions in {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Refused(format!(
            "another reader writes to this output, as its lock on {} shows; end it first",
            path.display()
        ))
        .into()),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(named)) => same(held, named),
        (_, Err(error)) => error.kind() != ErrorKind::NotFound,
        (Err(_), _) => true,
    }
}

fn read(file: &File, path: &Path) -> Result<Option<Progress>> {
    let mut bytes = Vec::new();
    file.take(MOST_BYTES)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.is_empty() {
        return Ok(None);
    }
    match parse(&String::from_utf8_lossy(&bytes)) {
        Some(progress) => Ok(Some(progress)),
        None => Err(Refused(format!(
            "{} is not a record of positions, or of another version; move it away",
            path.display()
        ))
        .into()),
    }
}

/// Writes a record: numbers of fixed width, so that the next one covers it.
fn format(progress: &Progress) -> String {
    let Progress {
        nonce,
        position,
        bytes,
        complete,
    } = progress;
    let nonce = u128::from_be_bytes(*nonce);
    let state = if *complete { "complete" } else { "going on" };
    format!("{WORDS} stream {nonce:032x} position {position:020} bytes {bytes:020} {state}\n")
}

/// Reads a record; nothing when it is none.
fn parse(text: &str) -> Option<Progress> {
    let rest = text.strip_prefix(WORDS)?.strip_prefix(" stream ")?;
    let (nonce, rest) = rest.split_once(" position ")?;
    let (position, rest) = rest.split_once(" bytes ")?;
    let (bytes, state) = rest.split_once(' ')?;
    let complete = match state {
        "complete\n" => true,
        "going on\n" => false,
        _ => return None,
    };
    Some(Progress {
        nonce: u128::from_str_radix(nonce, 16).ok()?.to_be_bytes(),
        position: position.parse().ok()?,
        bytes: bytes.parse().ok()?,
        complete,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_the_next_one_covers_it() {
        let mut progress = Progress {
            nonce: std::array::from_fn(|n| u8::try_from(n).unwrap() * 15),
            position: u64::MAX,
            bytes: 7,
            complete: false,
        };
        let first = format(&progress);
        assert_eq!(parse(&first), Some(progress));
        progress = Progress {
            position: 0,
            complete: true,
            ..progress
        };
        assert_eq!(parse(&format(&progress)), Some(progress));
        assert_eq!(format(&progress).len(), first.len());
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let progress = Progress {
            nonce: [1; 16],
            position: 2,
            bytes: 3,
            complete: false,
        };
        let good = format(&progress);
        assert_eq!(parse(&good[..good.len() - 1]), None);
        assert_eq!(parse(&good.replace("position 1", "position 2")), None);
        assert_eq!(parse("[client]\n"), None);
    }
}
