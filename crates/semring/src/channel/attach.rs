//! Attaching, step by step, and removing by hand.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sysv_ipc::{Attachment, Segment, SemaphoreSet};

use super::header::Terms;
use super::setup::{Obstacle, Setup, repeat, with_setup};
use super::{Channel, Link, header, link, objects};
use crate::barrier;
use crate::clock::{now_ns, when};
use crate::error::{AttachReason, Corrupt, Role};
use crate::gate::adaptive::Adaptive;
use crate::gate::strict::Strict;
use crate::gate::{EitherGate, Reported};
use crate::layout::State;
use crate::recovery;
use crate::ring::{Mapping, Ring, distance};
use crate::semaphores::{Kernel, Semaphores};
use crate::slots::Slots;
use crate::{Consumer, Framing, Producer, Sync};

/// Attaches as the producer.
pub(super) fn producer(channel: &Channel) -> Result<Producer, AttachReason> {
    repeat(channel.setup_limit, |deadline| {
        with_setup(channel, Role::Producer, deadline, |setup| {
            with_place(setup, |place| produce_at(setup, place))
        })
    })
}

fn produce_at(setup: &Setup<'_>, place: Place) -> Result<Producer, Obstacle> {
    let slots = Slots::find(&place.ring, place.positions.0, place.positions.1)?;
    let mut reported = Reported::default();
    // A consumer that was gone before this producer came is nobody's loss.
    if setup.kernel.is_free(Role::Consumer)? {
        reported.set(place.ring.word(Role::Consumer).epoch());
    }
    let link = take_role(setup, &place)?;
    let gate = gate(setup, &place, reported);
    Ok(Producer::new(
        place.ring,
        gate,
        link,
        slots,
        place.positions,
    ))
}

/// Attaches as the consumer.
pub(super) fn consumer(channel: &Channel) -> Result<Consumer, AttachReason> {
    repeat(channel.setup_limit, |deadline| {
        with_setup(channel, Role::Consumer, deadline, |setup| {
            with_place(setup, |place| consume_at(setup, place))
        })
    })
}

fn consume_at(setup: &Setup<'_>, place: Place) -> Result<Consumer, Obstacle> {
    let mut reported = Reported::default();
    // A stream whose end somebody has seen is over: wait for the next one.
    let word = place.ring.word(Role::Producer);
    // SYNC POINT: END SEEN (with note_end).
    let end_seen = place
        .ring
        .side(Role::Consumer)
        .end_seen
        .load(Ordering::Acquire);
    let ended = matches!(word.state(), State::Closed | State::Interrupted);
    if ended && end_seen == word.epoch() {
        reported.set(word.epoch());
    }
    let link = take_role(setup, &place)?;
    let gate = gate(setup, &place, reported);
    Ok(Consumer::new(place.ring, gate, link, place.positions))
}

/// Makes the gate of a channel, as its header says how one waits.
fn gate(setup: &Setup<'_>, place: &Place, reported: Reported) -> EitherGate<Kernel> {
    let kernel = Kernel::new(setup.kernel.set(), setup.role);
    let (mine, theirs) = (setup.role.awaits(), setup.role.peer().awaits());
    match place.sync {
        Sync::Strict => {
            let credits = setup.channel.credits.max(1);
            EitherGate::Strict(Strict::new(kernel, mine, theirs, credits, reported))
        }
        Sync::Adaptive => {
            let registered = barrier::register();
            let geometry = place.ring.geometry();
            let gate = Adaptive::new(kernel, mine, theirs, registered, geometry, reported);
            EitherGate::Adaptive(gate)
        }
    }
}

/// Removes the channel if both roles are free; returns how many messages were unread.
pub(super) fn remove(channel: &Channel) -> Result<u64, AttachReason> {
    let channel = channel.clone().create(false);
    repeat(channel.setup_limit, |deadline| {
        with_setup(&channel, Role::Consumer, deadline, |setup| {
            refuse_if_taken(setup)?;
            let Some(segment) = objects::find_segment(channel.address())? else {
                setup.kernel.set().remove()?;
                return Ok(0);
            };
            objects::check_segment(segment, channel.address(), channel.mode)?;
            let mapping = map(segment.attach()?)?;
            let identity = &mapping.header().identity;
            header::check_magic(identity, segment.id())?;
            // Again: the set may have been removed, and a newcomer may use the segment with another one.
            refuse_if_taken(setup)?;
            let header = mapping.header();
            // SYNC POINT: ACKNOWLEDGE and COMMIT, as in Ring::head and Ring::tail; nobody moves them now.
            let head = header.consumers[0].position.load(Ordering::Acquire);
            let tail = header.producer.position.load(Ordering::Acquire);
            objects::remove(segment, setup.kernel.set())?;
            Ok(link::unread(tail, head))
        })
    })
}

fn refuse_if_taken(setup: &Setup<'_>) -> Result<(), Obstacle> {
    for role in [Role::Producer, Role::Consumer] {
        if !setup.kernel.is_free(role)? {
            return Err(role_taken(None, role, setup.kernel.set()).into());
        }
    }
    Ok(())
}

/// A checked segment, ready for its role to be taken.
struct Place {
    segment: Segment,
    ring: Ring,
    mapped_at: usize,
    created: bool,
    sync: Sync,
    framing: Framing,
    /// `head` and `tail`.
    positions: (u64, u64),
}

/// Finds or makes the segment, attaches to it, checks everything in it or writes it, and goes on with
/// `action`. Should anything fail, a segment that was made here is removed again.
fn with_place<T>(
    setup: &Setup<'_>,
    action: impl FnOnce(Place) -> Result<T, Obstacle>,
) -> Result<T, Obstacle> {
    let (segment, created) = find_or_make_segment(setup)?;
    let result = check_place(setup, segment, created).and_then(action);
    if result.is_err() && created {
        // It was made a moment ago, under the lock.
        let _ = segment.remove();
    }
    result
}

fn check_place(setup: &Setup<'_>, segment: Segment, created: bool) -> Result<Place, Obstacle> {
    let Setup {
        channel, kernel, ..
    } = setup;
    let stat = objects::check_segment(segment, channel.address(), channel.mode)?;
    let attachment = segment.attach()?;
    attachment.dont_fork()?;
    if created && channel.prefault {
        attachment.populate()?;
    }
    // Counted after the own attach: who comes later sees us.
    let others = segment.stat()?.attached.saturating_sub(1);
    let mapped_at = attachment.as_ptr().addr().get();
    // Looked at byte by byte only where nothing else can be at work.
    let unused = attachment.load_u64(0)? == 0 && header::is_unused(&attachment)?;
    let mapping = map(attachment)?;
    let Terms {
        geometry,
        sync,
        framing,
    } = header::establish(setup, &mapping, segment, unused, others)?;
    if !kernel.is_free(setup.role)? {
        return Err(role_taken(Some(&mapping), setup.role, kernel.set()).into());
    }
    let ring = Ring::new(mapping, geometry)
        .ok_or_else(|| Corrupt::new("size of the segment", stat.bytes as u64, "a whole ring"))?;
    let positions = (ring.head(), ring.tail());
    if distance(positions.1, positions.0, geometry.slot_count()).is_none() {
        let expected = format!(
            "at most {} ahead of head {}",
            geometry.slot_count(),
            positions.0
        );
        return Err(Corrupt::new("tail", positions.1, expected).into());
    }
    Ok(Place {
        segment,
        ring,
        mapped_at,
        created,
        sync,
        framing,
        positions,
    })
}

fn find_or_make_segment(setup: &Setup<'_>) -> Result<(Segment, bool), Obstacle> {
    let Setup {
        channel, kernel, ..
    } = setup;
    if let Some(segment) = objects::find_segment(channel.address())? {
        return Ok((segment, false));
    }
    header::refuse_while_held(kernel)?;
    if !channel.create {
        return Err(AttachReason::NotFound.into());
    }
    let segment = objects::make_segment(channel)?;
    crash_point!("attach-segment-made");
    Ok((segment.ok_or(Obstacle::Again)?, true))
}

fn map(attachment: Attachment) -> Result<Mapping, Obstacle> {
    let bytes = attachment.bytes() as u64;
    Mapping::new(Arc::new(attachment))
        .ok_or_else(|| Corrupt::new("size of the segment", bytes, "room for a header").into())
}

/// Takes the role, and shows who has it.
fn take_role(setup: &Setup<'_>, place: &Place) -> Result<Link, Obstacle> {
    let Setup {
        channel,
        role,
        kernel,
        ..
    } = setup;
    // The set may be a new one, in the place of one that was removed. From here on nothing is refused.
    let identity = &place.ring.header().identity;
    identity
        .semaphore_id
        .store(kernel.set().id(), Ordering::Relaxed);
    if !recovery::claim(kernel, &place.ring, *role, place.sync)? {
        return Err(role_taken(None, *role, kernel.set()).into());
    }
    let pid = std::process::id();
    let uid = nix::unistd::geteuid().as_raw();
    place
        .ring
        .side(*role)
        .note_owner(pid.cast_signed(), uid, now_ns());
    Ok(Link {
        role: *role,
        address: channel.address().clone(),
        segment: place.segment,
        set: kernel.set(),
        mapped_at: place.mapped_at,
        created: place.created,
        framing: place.framing,
        nonce: place.ring.header().identity.load_nonce(),
        pid,
        left: Cell::new(false),
    })
}

/// Names the holder of a role: as the segment says, else who changed the role's semaphore last.
fn role_taken(mapping: Option<&Mapping>, role: Role, set: SemaphoreSet) -> AttachReason {
    let side = mapping.map(|mapping| match role {
        Role::Producer => &mapping.header().producer,
        Role::Consumer => &mapping.header().consumers[0],
    });
    match side {
        Some(side) => AttachReason::RoleTaken {
            role,
            pid: side.pid.load(Ordering::Relaxed),
            since: when(side.since_ns.load(Ordering::Relaxed)),
        },
        None => AttachReason::RoleTaken {
            role,
            pid: set.last_pid(role.lock() as u16).unwrap_or(0),
            since: "just now".to_owned(),
        },
    }
}
