//! Taking a role, and mending what its last owner left behind.
//!
//! All of it happens under the SETUP lock. Permits may be in surplus, never in deficit: the
//! positions say how many there should be at least, and repair posts what is missing. Repair is also
//! how a new ring gets its first permits. In adaptive mode, where a unit is a wake-up, it wakes whoever
//! sleeps.

use std::sync::atomic::Ordering;

use crate::error::{Fault, Role};
use crate::ring::Ring;
use crate::semaphores::{Semaphore, Semaphores};
use crate::sync::fence;
use crate::{Sync, barrier};

/// Takes the role, which must have been tested to be free, with its death notice, and shows the peer
/// that another epoch has begun. False when somebody holds the role after all.
pub(crate) fn claim(
    semaphores: &impl Semaphores,
    ring: &Ring,
    role: Role,
    sync: Sync,
) -> Result<bool, Fault> {
    trim(semaphores, ring)?;
    crash_point!("attach-trimmed");
    if !semaphores.claim(role)? {
        return Ok(false);
    }
    crash_point!("attach-claimed");
    ring.side(role)
        .advertise(sync == Sync::Adaptive && barrier::register());
    // SYNC POINT: ADVERTISED (with sleep_until). Once, here: a sleeper that does not see the advertisement
    // yet is seen by what we publish later.
    fence(Ordering::SeqCst);
    ring.set_word(role, ring.word(role).attached_next());
    crash_point!("attach-word-set");
    let repaired = match sync {
        Sync::Strict => repair(semaphores, ring),
        Sync::Adaptive => wake_sleepers(semaphores, ring),
    };
    if repaired.is_err() {
        // The role goes back as a death would give it back: this process may live on, and try again.
        // If that fails too, the first error is the one to report.
        let _ = semaphores.leave(role);
    }
    crash_point!("attach-repaired");
    repaired.map(|()| true)
}

/// Takes away what is certainly surplus, so that counts stay bounded however often sides restart.
fn trim(semaphores: &impl Semaphores, ring: &Ring) -> Result<(), Fault> {
    let slot_count = slots(ring);
    for semaphore in [Semaphore::Full, Semaphore::Empty] {
        let excess = semaphores.value(semaphore)?.saturating_sub(slot_count);
        // One unit stays, in the same step: the excess may have been a notice or a cancel that its
        // sleeper has yet to see, and we may die at any moment.
        if excess > 0 {
            semaphores.trim(semaphore, excess)?;
        }
    }
    Ok(())
}

/// Posts the permits that are missing.
///
/// What lowers the truth is read before the value and what raises it after, so that a peer that
/// moves meanwhile makes the deficit look larger, never smaller.
fn repair(semaphores: &impl Semaphores, ring: &Ring) -> Result<(), Fault> {
    let head = ring.head();
    let value = semaphores.value(Semaphore::Full)?;
    let filled = ring.tail().wrapping_sub(head);
    post_missing(semaphores, Semaphore::Full, filled, value)?;
    crash_point!("attach-full-repaired");

    let tail = ring.tail();
    let value = semaphores.value(Semaphore::Empty)?;
    let empty = u64::from(slots(ring)).wrapping_sub(tail.wrapping_sub(ring.head()));
    post_missing(semaphores, Semaphore::Empty, empty, value)
}

/// Posts one unit to each side that sleeps, or is about to: the one that was to wake it may have died
/// with its poster.
fn wake_sleepers(semaphores: &impl Semaphores, ring: &Ring) -> Result<(), Fault> {
    for role in [Role::Consumer, Role::Producer] {
        if ring.side(role).waits() {
            semaphores.post(role.awaits(), 1)?;
        }
        crash_point!("attach-full-repaired");
    }
    Ok(())
}

/// Posts what `value` lacks to `truth`: at most the slots, since the own position stands still here.
fn post_missing(
    semaphores: &impl Semaphores,
    semaphore: Semaphore,
    truth: u64,
    value: u16,
) -> Result<(), Fault> {
    let missing = truth.saturating_sub(value.into());
    match u16::try_from(missing) {
        Ok(missing) if missing > 0 => semaphores.post(semaphore, missing),
        // Nothing, or positions that make no sense: whoever uses them next says so.
        _ => Ok(()),
    }
}

/// The slot count, at most 16384.
fn slots(ring: &Ring) -> u16 {
    u16::try_from(ring.geometry().slot_count()).unwrap_or(u16::MAX)
}
