//! The limits of this IPC namespace against what is in use, and against what a channel needs.

use anyhow::Result;
use indicatif::BinaryBytes;
use semring::Geometry;
use sysv_ipc::{Limits, page_bytes, segments as list_segments, semaphore_sets};

use super::finding::Finding;
use super::kernel::{CLAIM, SEMAPHORES};

/// What Linux starts with (`proc_sys_kernel(5)`, since 3.19).
const DEFAULT_SEM: [u64; 4] = [32000, 1_024_000_000, 500, 32000];
const DEFAULT_SEGMENTS: u64 = 4096;
/// From here on, bytes and pages are as good as without limit: Linux starts near 2⁶⁴.
const NO_LIMIT: u64 = 1 << 60;

/// `kernel.sem`: room in a set, operations in a call, sets and semaphores against those in use.
pub fn semaphores() -> Result<Finding> {
    let limits = Limits::read()?;
    let sets = semaphore_sets()?;
    let set_count = sets.len() as u64;
    let semaphore_count = sets.iter().map(|set| set.count as u64).sum();
    Ok(judge_semaphores(&limits, set_count, semaphore_count))
}

fn judge_semaphores(limits: &Limits, set_count: u64, semaphore_count: u64) -> Finding {
    let (needed, calls) = (SEMAPHORES as u64, CLAIM.len() as u64);
    let remedy = raise_semaphores(limits);
    if limits.semaphores_in_set < needed {
        let found = limits.semaphores_in_set;
        return Finding::fail(
            format!("a set may have {found} semaphores, a channel needs {needed} (1st number)"),
            remedy,
        );
    }
    if limits.operations_in_call < calls {
        let found = limits.operations_in_call;
        return Finding::fail(
            format!("a call may have {found} operations, attaching needs {calls} (3rd number)"),
            remedy,
        );
    }
    let sets = Use::new(set_count, limits.semaphore_sets, 1);
    let semaphores = Use::new(semaphore_count, limits.semaphores_in_total, needed);
    let found = format!(
        "{set_count} of {} sets and {semaphore_count} of {} semaphores in use",
        limits.semaphore_sets, limits.semaphores_in_total
    );
    let remedy = format!("remove leftovers (`ipcs -s`, `ipcrm -s ID`), or {remedy}");
    sets.max(semaphores)
        .judge(found, "(4th and 2nd number)", remedy)
}

/// The command that sets each number to what it is or to Linux's default, whichever is more.
fn raise_semaphores(limits: &Limits) -> String {
    let now = [
        limits.semaphores_in_set,
        limits.semaphores_in_total,
        limits.operations_in_call,
        limits.semaphore_sets,
    ];
    let numbers: Vec<String> = (now.iter().zip(DEFAULT_SEM))
        .map(|(&now, default)| now.max(default).to_string())
        .collect();
    format!("sudo sysctl --write kernel.sem=\"{}\"", numbers.join(" "))
}

/// `kernel.shmmax`: whether a segment may be as large as that of a channel without options.
pub fn segment_bytes() -> Result<Finding> {
    Ok(judge_segment_bytes(
        Limits::read()?.segment_bytes,
        default_channel_bytes()?,
    ))
}

fn judge_segment_bytes(limit: u64, needed: u64) -> Finding {
    if limit < needed {
        return Finding::fail(
            format!("a segment may have {limit} bytes, a channel without options has {needed}"),
            format!(
                "sudo sysctl --write kernel.shmmax={needed}, or ask for fewer or smaller slots"
            ),
        );
    }
    Finding::pass(match limit {
        NO_LIMIT.. => "a segment may have any size".into(),
        _ => format!("a segment may have {}", BinaryBytes(limit)),
    })
}

/// `kernel.shmall`: pages against those in use.
pub fn shared_pages() -> Result<Finding> {
    let page = page_bytes() as u64;
    let in_use: u64 = list_segments()?
        .iter()
        .map(|segment| (segment.bytes as u64).div_ceil(page))
        .sum();
    let needed = default_channel_bytes()?.div_ceil(page);
    let limit = Limits::read()?.shared_pages_in_total;
    Ok(judge_pages(in_use, limit, needed, page))
}

fn judge_pages(in_use: u64, limit: u64, needed: u64, page: u64) -> Finding {
    let used = BinaryBytes(in_use.saturating_mul(page));
    let found = match limit.saturating_mul(page) {
        NO_LIMIT.. => format!("{used} of shared memory in use, without a limit"),
        limit => format!("{used} of {} of shared memory in use", BinaryBytes(limit)),
    };
    let enough = in_use.saturating_add(needed.saturating_mul(10));
    let remedy = format!(
        "remove leftovers (`ipcs -m`, `ipcrm -m ID`), or sudo sysctl --write kernel.shmall={}",
        limit.max(enough)
    );
    Use::new(in_use, limit, needed).judge(found, "", remedy)
}

/// `kernel.shmmni`: segments against those in use.
pub fn segments() -> Result<Finding> {
    let in_use = list_segments()?.len() as u64;
    Ok(judge_segments(in_use, Limits::read()?.segments))
}

fn judge_segments(in_use: u64, limit: u64) -> Finding {
    // What is above the default and not enough is doubled.
    let enough = if limit < DEFAULT_SEGMENTS {
        DEFAULT_SEGMENTS
    } else {
        limit.saturating_mul(2)
    };
    let found = format!("{in_use} of {limit} segments in use");
    let remedy = format!(
        "remove leftovers (`ipcs -m`, `ipcrm -m ID`), or sudo sysctl --write kernel.shmmni={enough}"
    );
    Use::new(in_use, limit, 1).judge(found, "", remedy)
}

/// `kernel.shm_rmid_forced`: whether segments may outlive their processes.
pub fn forced_removal() -> Result<Finding> {
    Ok(if Limits::read()?.removed_when_unattached {
        Finding::fail(
            "1: a segment is removed with its last process, and its messages with it",
            "sudo sysctl --write kernel.shm_rmid_forced=0",
        )
    } else {
        Finding::pass("0: segments and their messages outlive the processes")
    })
}

fn default_channel_bytes() -> Result<u64> {
    let geometry = Geometry::new(Geometry::DEFAULT_SLOTS, Geometry::DEFAULT_SLOT_BYTES)?;
    Ok(geometry.segment_bytes())
}

/// How much of a limit is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Little,
    /// Nine tenths or more.
    Much,
    /// No room for another channel.
    All,
}

impl Use {
    fn new(in_use: u64, limit: u64, needed: u64) -> Self {
        if in_use.saturating_add(needed) > limit {
            Self::All
        } else if u128::from(in_use) * 10 >= u128::from(limit) * 9 {
            Self::Much
        } else {
            Self::Little
        }
    }

    fn judge(self, found: String, which: &str, remedy: String) -> Finding {
        let which = if which.is_empty() {
            ""
        } else {
            &format!(" {which}")
        };
        match self {
            Self::Little => Finding::pass(found),
            Self::Much => Finding::warn(found, remedy),
            Self::All => Finding::fail(
                format!("{found}: no room for another channel{which}"),
                remedy,
            ),
        }
    }
}
