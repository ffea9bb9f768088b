//! The two kernel objects: find or make them, and see whether they are what they should be.

use sysv_ipc::{ErrorKind, Mode, Permissions, Segment, SegmentOptions, SegmentStat, SemaphoreSet};

use super::Channel;
use crate::address::Address;
use crate::error::AttachReason;
use crate::layout::{HEADER_BYTES, SEMAPHORES};
use crate::limits;

/// What `shmget` and `semget` are to check for existing objects: nothing, so that what belongs to
/// somebody else is found, looked at and named.
const NO_RIGHTS: Mode = Mode::from_bits(0);

/// Finds the semaphore set; `None` when there is none.
pub(super) fn find_set(address: &Address) -> Result<Option<SemaphoreSet>, sysv_ipc::Error> {
    found(SemaphoreSet::open(address.key(), NO_RIGHTS))
}

/// Finds the segment; `None` when there is none.
pub(super) fn find_segment(address: &Address) -> Result<Option<Segment>, sysv_ipc::Error> {
    found(Segment::open(address.key(), NO_RIGHTS))
}

fn found<T>(result: Result<T, sysv_ipc::Error>) -> Result<Option<T>, sysv_ipc::Error> {
    match result {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the semaphore set; `None` when somebody else just did.
pub(super) fn make_set(
    address: &Address,
    mode: Mode,
) -> Result<Option<SemaphoreSet>, sysv_ipc::Error> {
    made(SemaphoreSet::create(address.key(), SEMAPHORES.into(), mode))
}

/// Makes the segment; `None` when somebody else just did.
pub(super) fn make_segment(channel: &Channel) -> Result<Option<Segment>, AttachReason> {
    let bytes = channel.new_segment_bytes(channel.new_geometry()?)?;
    limits::check(bytes, channel.huge_pages)?;
    let length = usize::try_from(bytes).unwrap_or(usize::MAX);
    let options = SegmentOptions::new().huge_pages(channel.huge_pages);
    made(options.create(channel.address.key(), length, channel.mode)).map_err(|error| {
        match error.kind() {
            ErrorKind::OutOfMemory | ErrorKind::NotOwner if channel.huge_pages => {
                limits::huge_pages_refused(bytes, error.kind())
            }
            _ => AttachReason::System(error),
        }
    })
}

fn made<T>(result: Result<T, sysv_ipc::Error>) -> Result<Option<T>, sysv_ipc::Error> {
    match result {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(error),
    }
}

/// Checks that the set is ours to trust: owner, mode, and as many semaphores as a channel has.
pub(super) fn check_set(
    set: SemaphoreSet,
    address: &Address,
    mode: Mode,
) -> Result<(), AttachReason> {
    let object = "semaphore set";
    let stat = set.stat().map_err(|error| {
        let listed = || {
            let mut sets = sysv_ipc::semaphore_sets().ok()?.into_iter();
            sets.find(|entry| entry.set == set)
                .map(|entry| entry.permissions)
        };
        unreadable(error, object, address, mode, listed)
    })?;
    check_permissions(&stat.permissions, address, mode, object)?;
    if stat.count != usize::from(SEMAPHORES) {
        let evidence = format!(
            "it has {} semaphores, a channel's has {SEMAPHORES}",
            stat.count
        );
        return Err(AttachReason::Foreign { object, evidence });
    }
    Ok(())
}

/// Checks that the segment is ours to trust: owner, mode, and room for a header.
pub(super) fn check_segment(
    segment: Segment,
    address: &Address,
    mode: Mode,
) -> Result<SegmentStat, AttachReason> {
    let object = "segment";
    let stat = segment.stat().map_err(|error| {
        let listed = || {
            let mut segments = sysv_ipc::segments().ok()?.into_iter();
            segments
                .find(|entry| entry.segment == segment)
                .map(|entry| entry.permissions)
        };
        unreadable(error, object, address, mode, listed)
    })?;
    check_permissions(&stat.permissions, address, mode, object)?;
    if stat.bytes < HEADER_BYTES {
        let evidence = format!(
            "it has {} bytes, fewer than the {HEADER_BYTES} of a channel's header",
            stat.bytes
        );
        return Err(AttachReason::Foreign { object, evidence });
    }
    Ok(stat)
}

/// An object that may not even be looked at belongs to somebody else, whom `/proc` names.
fn unreadable(
    error: sysv_ipc::Error,
    object: &'static str,
    address: &Address,
    mode: Mode,
    listed: impl FnOnce() -> Option<Permissions>,
) -> AttachReason {
    if error.kind() != ErrorKind::AccessDenied {
        return AttachReason::System(error);
    }
    let permissions = listed();
    if let Some(permissions) = &permissions
        && let Err(reason) = check_permissions(permissions, address, mode, object)
    {
        return reason;
    }
    let evidence = permissions.map_or_else(
        || "its mode gives this user no access".to_owned(),
        |Permissions {
             owner_user_id,
             mode,
             ..
         }| {
            format!(
                "it belongs to user {owner_user_id}, and its mode {mode} gives this user no access"
            )
        },
    );
    AttachReason::Closed { object, evidence }
}

/// The creator counts as much as the owner: who makes an object can give it away and keep all
/// rights to it.
fn check_permissions(
    permissions: &Permissions,
    address: &Address,
    mode: Mode,
    object: &'static str,
) -> Result<(), AttachReason> {
    const ROOT: u32 = 0;
    let (creator, owner) = (permissions.creator_user_id, permissions.owner_user_id);
    let (expected, own) = (address.owner(), nix::unistd::geteuid().as_raw());
    let trusted = |user| user == expected || user == own || user == ROOT;
    if !trusted(creator) || !trusted(owner) {
        return Err(AttachReason::Owner {
            object,
            creator,
            owner,
            expected,
        });
    }
    if permissions.mode.is_wider_than(mode) {
        return Err(AttachReason::Mode {
            object,
            found: permissions.mode,
            asked: mode,
        });
    }
    Ok(())
}

/// Removes the segment first and the set, which carries the lock, last.
///
/// Whoever waits for the lock learns of it by the set's end and starts again.
pub(super) fn remove(segment: Segment, set: SemaphoreSet) -> Result<(), sysv_ipc::Error> {
    already_gone(segment.remove())?;
    crash_point!("remove-segment-removed");
    already_gone(set.remove())?;
    crash_point!("remove-done");
    Ok(())
}

fn already_gone(result: Result<(), sysv_ipc::Error>) -> Result<(), sysv_ipc::Error> {
    match result {
        Err(error) if error.kind() == ErrorKind::Removed => Ok(()),
        result => result,
    }
}
