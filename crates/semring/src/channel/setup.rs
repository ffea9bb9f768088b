//! The SETUP lock: the semaphore set that carries it, and what is done under it.

use std::thread;
use std::time::Duration;

use sysv_ipc::{ErrorKind, Segment, SemaphoreSet};

use super::{Channel, header, objects};
use crate::Deadline;
use crate::error::{AttachReason, Corrupt, Fault, GeometryError, Role};
use crate::semaphores::{Kernel, Semaphore, Semaphores, Waited};

/// Between two tries while somebody else is half in.
pub(super) const BACK_OFF: Duration = Duration::from_millis(1);

/// Says why an attempt came to nothing.
pub(super) enum Obstacle {
    /// Others changed the objects meanwhile: start again.
    Again,
    /// There is no use in trying again.
    Reason(AttachReason),
}

impl From<AttachReason> for Obstacle {
    fn from(reason: AttachReason) -> Self {
        match reason {
            AttachReason::System(error) => error.into(),
            reason => Self::Reason(reason),
        }
    }
}

impl From<sysv_ipc::Error> for Obstacle {
    fn from(error: sysv_ipc::Error) -> Self {
        match error.kind() {
            ErrorKind::Removed => Self::Again,
            _ => Self::Reason(AttachReason::System(error)),
        }
    }
}

impl From<Fault> for Obstacle {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Removed => Self::Again,
            Fault::Corrupt(corrupt) => corrupt.into(),
            Fault::System(error) => error.into(),
        }
    }
}

impl From<Corrupt> for Obstacle {
    fn from(corrupt: Corrupt) -> Self {
        Self::Reason(corrupt.into())
    }
}

impl From<GeometryError> for Obstacle {
    fn from(error: GeometryError) -> Self {
        Self::Reason(error.into())
    }
}

/// Tries until an attempt succeeds or fails for good; others may be at work for a bounded time.
pub(super) fn repeat<T>(
    limit: Duration,
    attempt: impl Fn(Deadline) -> Result<T, Obstacle>,
) -> Result<T, AttachReason> {
    let deadline = Deadline::after(limit);
    loop {
        match attempt(deadline) {
            Ok(done) => return Ok(done),
            Err(Obstacle::Reason(reason)) => return Err(reason),
            Err(Obstacle::Again) => {}
        }
        if deadline.is_over() {
            return Err(AttachReason::Contended);
        }
        thread::sleep(BACK_OFF);
    }
}

/// What an attempt has once it holds the SETUP lock.
pub(super) struct Setup<'a> {
    pub channel: &'a Channel,
    pub role: Role,
    pub kernel: Kernel,
    /// True when this attempt made the set, so that it is removed again if nothing comes of it.
    pub made_set: bool,
}

/// Finds or makes the semaphore set, and does `action` under its SETUP lock.
pub(super) fn with_setup<T>(
    channel: &Channel,
    role: Role,
    deadline: Deadline,
    action: impl FnOnce(&Setup<'_>) -> Result<T, Obstacle>,
) -> Result<T, Obstacle> {
    channel.new_geometry()?;
    let (set, made_set) = find_or_make_set(channel)?;
    if !made_set {
        objects::check_set(set, channel.address(), channel.mode)?;
    }
    let kernel = Kernel::new(set, role);
    if kernel.lock_setup(deadline)? == Waited::TimedOut {
        let pid = set.last_pid(Semaphore::Setup as u16)?;
        return Err(AttachReason::SetupBusy { pid }.into());
    }
    let setup = Setup {
        channel,
        role,
        kernel,
        made_set,
    };
    crash_point!("attach-locked");
    let result = action(&setup);
    crash_point!("attach-done");
    if result.is_err() && made_set && !is_in_use(&setup) {
        // Nothing is left behind; who waits for the lock starts again.
        let _ = set.remove();
    } else {
        match setup.kernel.unlock_setup() {
            // Removed meanwhile: the next operation says so.
            Err(Fault::Removed) | Ok(()) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    result
}

/// Tells whether somebody has begun to use the set that this attempt made, before it had the lock: has
/// a role, or has made a segment that names it, which outlives its user.
fn is_in_use(setup: &Setup<'_>) -> bool {
    let free = |role| setup.kernel.is_free(role).unwrap_or(false);
    if !free(Role::Producer) || !free(Role::Consumer) {
        return true;
    }
    let set = setup.kernel.set();
    let segment = objects::find_segment(setup.channel.address());
    segment.is_ok_and(|segment| segment.is_some_and(|segment| header::names_set(segment, set)))
}

fn find_or_make_set(channel: &Channel) -> Result<(SemaphoreSet, bool), Obstacle> {
    if let Some(set) = objects::find_set(channel.address())? {
        return Ok((set, false));
    }
    match objects::find_segment(channel.address())? {
        // It has lost its set: its messages are still there, so it is worth a new one.
        Some(segment) => check_without_set(channel, segment)?,
        None if channel.create => {}
        None => return Err(AttachReason::NotFound.into()),
    }
    let set = objects::make_set(channel.address(), channel.mode)?;
    crash_point!("attach-set-made");
    Ok((set.ok_or(Obstacle::Again)?, true))
}

/// Checks that a segment without a set is a channel's, before a set is made beside it that another
/// program with this key could meet.
fn check_without_set(channel: &Channel, segment: Segment) -> Result<(), Obstacle> {
    objects::check_segment(segment, channel.address(), channel.mode)?;
    let Err(reason) = header::check_begun(segment)? else {
        return Ok(());
    };
    // A channel's set is made before its segment, so there would be one by now.
    if objects::find_set(channel.address())?.is_some() {
        return Err(Obstacle::Again);
    }
    Err(reason.into())
}
