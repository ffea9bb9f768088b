//! The header of a segment under the SETUP lock: told from what is not one, written, checked.

use std::sync::atomic::{Ordering, compiler_fence};
use std::thread;
use std::time::Duration;

use sysv_ipc::{Attachment, Segment, SemaphoreSet};

use super::Channel;
use super::objects;
use super::setup::{BACK_OFF, Obstacle, Setup};
use crate::clock::now_ns;
use crate::error::{AttachReason, Corrupt, Role};
use crate::geometry::{self, Geometry};
use crate::layout::{HEADER_BYTES, Identity, MAGIC, SEMAPHORES, Side, UNFINISHED, VERSION};
use crate::message_type::{self, MessageType};
use crate::ring::Mapping;
use crate::semaphores::{Kernel, Semaphores};
use crate::{Deadline, Framing, Sync};

/// How long others may be attached to a segment that has lost its set before they count as its users:
/// a look at it takes microseconds.
const LOOK_LIMIT: Duration = Duration::from_secs(1);

/// What a header says of the channel, beside what it is called.
pub(super) struct Terms {
    pub geometry: Geometry,
    pub sync: Sync,
    pub framing: Framing,
}

/// Checks the header, or writes it where there is none yet, and returns what it says.
/// `unused` says that no byte of it was ever written, `others` how many more are attached.
pub(super) fn establish(
    setup: &Setup<'_>,
    mapping: &Mapping,
    segment: Segment,
    unused: bool,
    others: u64,
) -> Result<Terms, Obstacle> {
    // SYNC POINT: HEADER (with write). The other fields were written before.
    match mapping.header().identity.magic.load(Ordering::Acquire) {
        MAGIC => check(setup, mapping, segment, others),
        UNFINISHED => finish(setup, mapping, segment, others),
        0 if unused => finish(setup, mapping, segment, others),
        other => Err(foreign(segment.id(), other).into()),
    }
}

/// A role that is held without a finished segment: the segment was removed under its user, and a
/// second one beside it would split the channel.
pub(super) fn refuse_while_held(kernel: &Kernel) -> Result<(), Obstacle> {
    for role in [Role::Producer, Role::Consumer] {
        if !kernel.is_free(role)? {
            return Err(AttachReason::RemovedUnderUser { role }.into());
        }
    }
    Ok(())
}

/// Tells whether all of the header is zero, as in a segment that nobody has written to. Nobody is at work
/// in one that has no magic.
pub(crate) fn is_unused(attachment: &Attachment) -> Result<bool, sysv_ipc::Error> {
    let mut header = [0; HEADER_BYTES];
    attachment.read(0, &mut header)?;
    Ok(header.iter().all(|&byte| byte == 0))
}

pub(super) fn check_magic(identity: &Identity, segment: i32) -> Result<(), Obstacle> {
    // SYNC POINT: HEADER (with write).
    match identity.magic.load(Ordering::Acquire) {
        MAGIC | UNFINISHED | 0 => Ok(()),
        other => Err(foreign(segment, other).into()),
    }
}

/// Tells whether a channel's header has at least been begun in a segment, or whose it is instead.
pub(super) fn check_begun(segment: Segment) -> Result<Result<(), AttachReason>, sysv_ipc::Error> {
    Ok(match segment.attach_read_only()?.load_u64(0)? {
        MAGIC | UNFINISHED => Ok(()),
        other => Err(foreign(segment.id(), other)),
    })
}

/// Tells whether a segment is a channel's that names this set.
pub(super) fn names_set(segment: Segment, set: SemaphoreSet) -> bool {
    let offset = std::mem::offset_of!(Identity, semaphore_id);
    segment.attach_read_only().is_ok_and(|memory| {
        let magic = memory.load_u64(0);
        let id = memory.load_u32(offset);
        magic.is_ok_and(|magic| magic == MAGIC) && id.is_ok_and(|id| id == set.id().cast_unsigned())
    })
}

fn foreign(segment: i32, magic: u64) -> AttachReason {
    let start = magic.to_ne_bytes().escape_ascii().to_string();
    let evidence =
        format!("segment {segment} starts with \"{start}\", a channel's with \"semring\"");
    AttachReason::Foreign {
        object: "segment",
        evidence,
    }
}

/// Writes the header of a segment that has none: just made, or left by a creator that died.
fn finish(
    setup: &Setup<'_>,
    mapping: &Mapping,
    segment: Segment,
    others: u64,
) -> Result<Terms, Obstacle> {
    refuse_while_held(&setup.kernel)?;
    if others > 0 {
        return Err(Obstacle::Again);
    }
    if !setup.channel.create {
        return Err(AttachReason::NotFound.into());
    }
    let geometry = setup.channel.new_geometry()?;
    if mapping.bytes() != setup.channel.new_segment_bytes(geometry)? {
        // The set was there before the segment, so it was a channel's creator that died; but a
        // segment that came without one is somebody else's.
        if setup.made_set {
            let evidence = format!("it has {} bytes, all zero", mapping.bytes());
            return Err(AttachReason::Foreign {
                object: "segment",
                evidence,
            }
            .into());
        }
        segment.remove()?;
        return Err(Obstacle::Again);
    }
    write(setup, mapping, geometry)?;
    Ok(Terms {
        geometry,
        sync: setup.channel.sync.unwrap_or_default(),
        framing: setup.channel.framing,
    })
}

fn write(setup: &Setup<'_>, mapping: &Mapping, geometry: Geometry) -> Result<(), AttachReason> {
    let relaxed = Ordering::Relaxed;
    let channel = setup.channel;
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|error| {
        AttachReason::Environment(format!(
            "the system gives no random bytes: {error}; wait until it has, or see why with `dmesg`"
        ))
    })?;
    let header = mapping.header();
    header.identity.magic.store(UNFINISHED, relaxed);
    // A death must find the mark before any field.
    compiler_fence(Ordering::SeqCst);
    crash_point!("attach-header-begun");
    header.producer.reset();
    header.consumers.iter().for_each(Side::reset);
    let identity = &header.identity;
    geometry::store_geometry(identity, geometry, mapping.bytes());
    identity
        .sync
        .store(channel.sync.unwrap_or_default().to_bits(), relaxed);
    identity.framing.store(channel.framing.to_bits(), relaxed);
    message_type::store(identity, channel.message_type.as_ref());
    identity
        .semaphore_id
        .store(setup.kernel.set().id(), relaxed);
    identity.semaphore_count.store(SEMAPHORES.into(), relaxed);
    identity.consumer_count.store(1, relaxed);
    for (field, half) in identity.nonce.iter().zip(nonce.as_chunks::<8>().0) {
        field.store(u64::from_ne_bytes(*half), relaxed);
    }
    let (device, inode) = channel.address().key_file();
    identity.key_device.store(device, relaxed);
    identity.key_inode.store(inode, relaxed);
    identity
        .creator_pid
        .store(std::process::id().cast_signed(), relaxed);
    identity
        .creator_uid
        .store(nix::unistd::geteuid().as_raw(), relaxed);
    identity.created_at_ns.store(now_ns(), relaxed);
    identity.store_name(channel.address().name());
    crash_point!("attach-header-filled");
    // SYNC POINT: HEADER (with establish). All other fields are written before.
    identity.magic.store(MAGIC, Ordering::Release);
    crash_point!("attach-header-done");
    Ok(())
}

/// Checks a finished header against what the kernel says and what was asked for.
fn check(
    setup: &Setup<'_>,
    mapping: &Mapping,
    segment: Segment,
    others: u64,
) -> Result<Terms, Obstacle> {
    let identity = &mapping.header().identity;
    let relaxed = Ordering::Relaxed;
    let version = identity.version.load(relaxed);
    if version != VERSION {
        return Err(AttachReason::Version {
            found: version,
            expected: VERSION,
        }
        .into());
    }
    let geometry = geometry::load_geometry(identity, mapping.bytes())?;
    check_identity(setup.channel, identity)?;
    check_geometry(setup.channel, geometry)?;
    let sync = check_sync(setup.channel, identity)?;
    let framing = check_framing(setup.channel, identity)?;
    check_type(setup.channel, identity, geometry)?;
    let id = setup.kernel.set().id();
    if identity.semaphore_id.load(relaxed) != id {
        check_adoptable(setup, segment, others)?;
    }
    Ok(Terms {
        geometry,
        sync,
        framing,
    })
}

/// Checks that a new set may take the place of one that was removed: when nobody uses the old one.
fn check_adoptable(setup: &Setup<'_>, segment: Segment, others: u64) -> Result<(), Obstacle> {
    let id = setup.kernel.set().id();
    if objects::find_set(setup.channel.address())?.map(SemaphoreSet::id) != Some(id) {
        return Err(Obstacle::Again);
    }
    // Whoever came before the set was made only looks, and is gone in a moment (`check_begun`).
    let deadline = Deadline::after(LOOK_LIMIT);
    let mut attached = others;
    while attached > 0 {
        if deadline.is_over() {
            return Err(AttachReason::SetRemoved { attached }.into());
        }
        thread::sleep(BACK_OFF);
        attached = segment.stat()?.attached.saturating_sub(1);
    }
    Ok(())
}

/// Checks that the key led to the channel that was meant.
fn check_identity(channel: &Channel, identity: &Identity) -> Result<(), Obstacle> {
    let found = identity.load_name()?;
    let wanted = channel.address().name();
    // Known by a number alone, a channel may have any name.
    let by_file = channel.address().key_file() != (0, 0);
    if (!wanted.is_empty() || by_file) && found != wanted {
        return Err(AttachReason::NameCollision { found }.into());
    }
    let key_file = (
        identity.key_device.load(Ordering::Relaxed),
        identity.key_inode.load(Ordering::Relaxed),
    );
    if by_file && key_file != channel.address().key_file() {
        return Err(AttachReason::KeyFile.into());
    }
    Ok(())
}

fn differs(what: &'static str, found: &impl ToString, asked: &impl ToString) -> Obstacle {
    let (found, asked) = (found.to_string(), asked.to_string());
    AttachReason::Differs { what, found, asked }.into()
}

/// Checks that the sizes are those that were asked for.
fn check_geometry(channel: &Channel, geometry: Geometry) -> Result<(), Obstacle> {
    if let Some(asked) = channel
        .slots
        .filter(|&asked| asked != geometry.slot_count())
    {
        return Err(differs("slot count", &geometry.slot_count(), &asked));
    }
    if let Some(asked) = channel
        .slot_bytes
        .filter(|&asked| asked != geometry.slot_bytes())
    {
        return Err(differs("slot size", &geometry.slot_bytes(), &asked));
    }
    Ok(())
}

/// Checks that one waits as was asked for.
fn check_sync(channel: &Channel, identity: &Identity) -> Result<Sync, Obstacle> {
    let bits = identity.sync.load(Ordering::Relaxed);
    let Some(found) = Sync::from_bits(bits) else {
        return Err(Corrupt::new("sync", bits.into(), "1 or 2").into());
    };
    match channel.sync {
        Some(asked) if asked != found => Err(differs("sync", &found, &asked)),
        _ => Ok(found),
    }
}

/// Checks that the messages are of a kind that was asked for.
fn check_framing(channel: &Channel, identity: &Identity) -> Result<Framing, Obstacle> {
    let bits = identity.framing.load(Ordering::Relaxed);
    let Some(found) = Framing::from_bits(bits) else {
        return Err(Corrupt::new("framing", bits.into(), "0 to 5").into());
    };
    let asked: Vec<Framing> = channel.framings().collect();
    if asked.contains(&found) {
        Ok(found)
    } else {
        Err(AttachReason::Framing { found, asked }.into())
    }
}

/// Checks that the messages are of the type that was asked for, or of none.
fn check_type(channel: &Channel, identity: &Identity, geometry: Geometry) -> Result<(), Obstacle> {
    let Some(asked) = &channel.message_type else {
        return Ok(message_type::check_untyped(identity)?);
    };
    let found = MessageType::load(identity, geometry.slot_bytes())?;
    if found == *asked {
        return Ok(());
    }
    let (found, asked) = (found.to_string(), asked.to_string());
    Err(AttachReason::Type { found, asked }.into())
}
