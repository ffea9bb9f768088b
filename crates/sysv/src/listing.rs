//! All objects of this IPC namespace, as `/proc/sysvipc` lists them.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use crate::limits::remedy;
use crate::permissions::mode_of;
use crate::segment::MARKED_FOR_REMOVAL;
use crate::{Key, MessageQueue, Mode, Permissions, Segment, SemaphoreSet};

/// Describes one segment of the listing; it may be gone by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentEntry {
    /// The segment.
    pub segment: Segment,
    /// Owner, creator and mode.
    pub permissions: Permissions,
    /// Its size in bytes.
    pub bytes: usize,
    /// Process that made it.
    pub creator_pid: i32,
    /// Process that attached or detached last.
    pub last_pid: i32,
    /// Attachments.
    pub attached: u64,
    /// Bytes of it that are in memory.
    pub resident_bytes: u64,
    /// True once somebody has removed it: it has no key any more and ends with its last attachment.
    pub marked_for_removal: bool,
}

/// Describes one semaphore set of the listing; it may be gone by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SemaphoreSetEntry {
    /// The set.
    pub set: SemaphoreSet,
    /// Owner, creator and mode.
    pub permissions: Permissions,
    /// Number of semaphores.
    pub count: usize,
    /// Seconds since 1970 of the last successful operation; 0 when there was none.
    pub operated_at_s: i64,
}

/// Describes one message queue of the listing; it may be gone by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageQueueEntry {
    /// The queue.
    pub queue: MessageQueue,
    /// Owner, creator and mode.
    pub permissions: Permissions,
    /// Bytes of text in it.
    pub bytes: u64,
    /// Messages in it.
    pub messages: u64,
}

/// Says why the objects could not be listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListingError {
    /// The file could not be read.
    #[error("cannot read /proc/sysvipc/{file}: {source}; {}", remedy(source))]
    Read {
        /// `shm`, `sem` or `msg`.
        file: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A line lacks a column or holds something else in it.
    #[error("/proc/sysvipc/{file}: no number in column {column:?} of the line {line:?}")]
    Parse {
        /// `shm`, `sem` or `msg`.
        file: &'static str,
        /// Name of the column, from the file's first line.
        column: &'static str,
        /// The line.
        line: String,
    },
}

/// Lists all segments of this IPC namespace, those of other users included.
///
/// # Errors
///
/// [`ListingError`] when `/proc` is not mounted or does not hold what it should.
///
/// # References
///
/// [sysvipc(7)](https://man7.org/linux/man-pages/man7/sysvipc.7.html)
#[doc(alias = "SHM_STAT_ANY")]
pub fn segments() -> Result<Vec<SegmentEntry>, ListingError> {
    list("shm", |row| {
        Ok(SegmentEntry {
            segment: Segment::from_id(row.number("shmid")?),
            permissions: row.permissions()?,
            bytes: row.number("size")?,
            creator_pid: row.number("cpid")?,
            last_pid: row.number("lpid")?,
            attached: row.number("nattch")?,
            resident_bytes: row.number("rss")?,
            marked_for_removal: row.mode_bits()? & MARKED_FOR_REMOVAL != 0,
        })
    })
}

/// Lists all semaphore sets of this IPC namespace, those of other users included.
///
/// The kernel looks into every set for it and handles each under one lock for a while afterwards: do
/// not poll.
///
/// # Errors
///
/// [`ListingError`] when `/proc` is not mounted or does not hold what it should.
#[doc(alias = "SEM_STAT_ANY")]
pub fn semaphore_sets() -> Result<Vec<SemaphoreSetEntry>, ListingError> {
    list("sem", |row| {
        Ok(SemaphoreSetEntry {
            set: SemaphoreSet::from_id(row.number("semid")?),
            permissions: row.permissions()?,
            count: row.number("nsems")?,
            operated_at_s: row.number("otime")?,
        })
    })
}

/// Lists all message queues of this IPC namespace, those of other users included.
///
/// # Errors
///
/// [`ListingError`] when `/proc` is not mounted or does not hold what it should.
#[doc(alias = "MSG_STAT_ANY")]
pub fn message_queues() -> Result<Vec<MessageQueueEntry>, ListingError> {
    list("msg", |row| {
        Ok(MessageQueueEntry {
            queue: MessageQueue::from_id(row.number("msqid")?),
            permissions: row.permissions()?,
            bytes: row.number("cbytes")?,
            messages: row.number("qnum")?,
        })
    })
}

fn list<T>(
    file: &'static str,
    entry: impl Fn(&Row<'_>) -> Result<T, ListingError>,
) -> Result<Vec<T>, ListingError> {
    let path = Path::new("/proc/sysvipc").join(file);
    let text = fs::read_to_string(path).map_err(|source| ListingError::Read { file, source })?;
    parse(file, &text, entry)
}

fn parse<T>(
    file: &'static str,
    text: &str,
    entry: impl Fn(&Row<'_>) -> Result<T, ListingError>,
) -> Result<Vec<T>, ListingError> {
    let mut lines = text.lines();
    let columns: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    lines
        .map(|line| {
            entry(&Row {
                file,
                columns: &columns,
                line,
            })
        })
        .collect()
}

/// One line of a listing, whose columns are found by the names in the file's first line.
struct Row<'a> {
    file: &'static str,
    columns: &'a [&'a str],
    line: &'a str,
}

impl Row<'_> {
    fn text(&self, column: &'static str) -> Option<&str> {
        let index = self.columns.iter().position(|&name| name == column)?;
        self.line.split_whitespace().nth(index)
    }

    fn number<T: FromStr>(&self, column: &'static str) -> Result<T, ListingError> {
        self.text(column)
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| self.error(column))
    }

    fn permissions(&self) -> Result<Permissions, ListingError> {
        Ok(Permissions {
            key: Key::from_raw(self.number("key")?),
            owner_user_id: self.number("uid")?,
            owner_group_id: self.number("gid")?,
            creator_user_id: self.number("cuid")?,
            creator_group_id: self.number("cgid")?,
            mode: self.mode()?,
        })
    }

    fn mode(&self) -> Result<Mode, ListingError> {
        self.mode_bits().map(mode_of)
    }

    fn mode_bits(&self) -> Result<u32, ListingError> {
        self.text("perms")
            .and_then(|text| u32::from_str_radix(text, 8).ok())
            .ok_or_else(|| self.error("perms"))
    }

    fn error(&self, column: &'static str) -> ListingError {
        ListingError::Parse {
            file: self.file,
            column,
            line: self.line.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETS: &str =
        "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime
1090584577          3   600          5  1000  1001  1002  1003 1700000000 1700000001
";

    fn sets(text: &str) -> Result<Vec<SemaphoreSetEntry>, ListingError> {
        parse("sem", text, |row| {
            Ok(SemaphoreSetEntry {
                set: SemaphoreSet::from_id(row.number("semid")?),
                permissions: row.permissions()?,
                count: row.number("nsems")?,
                operated_at_s: row.number("otime")?,
            })
        })
    }

    #[test]
    fn a_line_is_read_by_its_column_names() {
        let found = sets(SETS).unwrap();
        let [set] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(
            (set.set.id(), set.count, set.operated_at_s),
            (3, 5, 1_700_000_000)
        );
        assert_eq!(set.permissions.key, Key::from_bits(1_090_584_577));
        assert_eq!(set.permissions.mode, Mode::OWNER);
        assert_eq!(set.permissions.creator_group_id, 1003);
    }

    #[test]
    fn a_missing_or_garbled_column_is_named() {
        let error = sets(&SETS.replace("otime", "time")).unwrap_err();
        assert!(error.to_string().contains("otime"), "{error}");
        let error = sets(&SETS.replace("  600", "  6x0")).unwrap_err();
        assert!(error.to_string().contains("perms"), "{error}");
    }

    #[test]
    fn an_empty_namespace_lists_nothing() {
        let head = SETS.lines().next().unwrap();
        assert_eq!(sets(head).unwrap(), []);
    }
}
