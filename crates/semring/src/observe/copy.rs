//! Private copies of what stands in a segment that is attached for reading: each field loaded once, in
//! its own size.

use std::mem::offset_of;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicU64};

use sysv_ipc::{Attachment, Error};

use super::SideStatus;
use crate::error::Role;
use crate::layout::{Header, Identity, Side, Word};

/// How often to look for two positions of the same moment: a consumer that moves between three loads
/// in a row so often is none.
const LOOKS: u32 = 1000;

/// Copies the identity, so that it is checked and used as one.
pub(super) fn identity(memory: &Attachment) -> Result<Identity, Error> {
    let number = |offset| memory.load_u32(offset).map(AtomicU32::new);
    let signed = |offset| {
        let bits = memory.load_u32(offset)?;
        Ok(AtomicI32::new(bits.cast_signed()))
    };
    let long = |offset| memory.load_u64(offset).map(AtomicU64::new);
    let nonce = offset_of!(Identity, nonce);
    Ok(Identity {
        magic: long(offset_of!(Identity, magic))?,
        version: number(offset_of!(Identity, version))?,
        header_bytes: number(offset_of!(Identity, header_bytes))?,
        segment_bytes: long(offset_of!(Identity, segment_bytes))?,
        slot_bytes: long(offset_of!(Identity, slot_bytes))?,
        slot_stride: long(offset_of!(Identity, slot_stride))?,
        slot_count: number(offset_of!(Identity, slot_count))?,
        sync: number(offset_of!(Identity, sync))?,
        descriptors_offset: long(offset_of!(Identity, descriptors_offset))?,
        slots_offset: long(offset_of!(Identity, slots_offset))?,
        semaphore_id: signed(offset_of!(Identity, semaphore_id))?,
        semaphore_count: number(offset_of!(Identity, semaphore_count))?,
        framing: number(offset_of!(Identity, framing))?,
        consumer_count: number(offset_of!(Identity, consumer_count))?,
        nonce: [long(nonce)?, long(nonce + size_of::<u64>())?],
        key_device: long(offset_of!(Identity, key_device))?,
        key_inode: long(offset_of!(Identity, key_inode))?,
        creator_pid: signed(offset_of!(Identity, creator_pid))?,
        creator_uid: number(offset_of!(Identity, creator_uid))?,
        created_at_ns: long(offset_of!(Identity, created_at_ns))?,
        name_bytes: number(offset_of!(Identity, name_bytes))?,
        name: bytes(memory, offset_of!(Identity, name))?,
        type_bytes: long(offset_of!(Identity, type_bytes))?,
        type_align: number(offset_of!(Identity, type_align))?,
        type_name_bytes: number(offset_of!(Identity, type_name_bytes))?,
        type_name: bytes(memory, offset_of!(Identity, type_name))?,
    })
}

fn bytes<const N: usize>(memory: &Attachment, offset: usize) -> Result<[AtomicU8; N], Error> {
    let mut bytes = [0; N];
    memory.read(offset, &mut bytes)?;
    Ok(bytes.map(AtomicU8::new))
}

/// Loads `tail` and `head` of the same moment: a head that has not moved while tail was read.
pub(super) fn positions(memory: &Attachment, slot_count: u32) -> Result<(u64, u64), Error> {
    settle(slot_count, |role| {
        memory.load_u64(start_of(role) + offset_of!(Side, position))
    })
}

fn settle<E>(
    slot_count: u32,
    mut load: impl FnMut(Role) -> Result<u64, E>,
) -> Result<(u64, u64), E> {
    let mut head = load(Role::Consumer)?;
    for _ in 0..LOOKS {
        let tail = load(Role::Producer)?;
        let again = load(Role::Consumer)?;
        if again == head {
            return Ok((tail, head));
        }
        head = again;
    }
    // A head of a moment before tail was read; it was at most a ring behind when that was.
    let tail = load(Role::Producer)?;
    let behind = tail.wrapping_sub(head).min(slot_count.into());
    Ok((tail, tail.wrapping_sub(behind)))
}

/// Copies what a side says of itself.
pub(super) fn side(memory: &Attachment, role: Role) -> Result<SideStatus, Error> {
    let start = start_of(role);
    let number = |offset: usize| memory.load_u32(start + offset);
    let long = |offset: usize| memory.load_u64(start + offset);
    let word = Word::from_bits(long(offset_of!(Side, word))?);
    Ok(SideStatus {
        epoch: word.epoch(),
        state: word.state(),
        pid: number(offset_of!(Side, pid))?.cast_signed(),
        uid: number(offset_of!(Side, uid))?,
        since_ns: long(offset_of!(Side, since_ns))?,
        active_at_ns: long(offset_of!(Side, active_at_ns))?,
        asleep: number(offset_of!(Side, activity))? == 1,
        armed: number(offset_of!(Side, waiting))? == 1,
        registered: number(offset_of!(Side, registered))? == 1,
        messages: long(offset_of!(Side, messages))?,
        bytes: long(offset_of!(Side, bytes))?,
        sleeps: long(offset_of!(Side, sleeps))?,
        spurious: long(offset_of!(Side, spurious))?,
        redelivered: long(offset_of!(Side, redelivered))?,
        handed_out: long(offset_of!(Side, handed_out))?,
        end_seen: long(offset_of!(Side, end_seen))?,
    })
}

const fn start_of(role: Role) -> usize {
    match role {
        Role::Producer => offset_of!(Header, producer),
        Role::Consumer => offset_of!(Header, consumers),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// What the two positions are after so many loads, each of which a full ring of four is moved on.
    fn settle_while(moves: u64) -> (u64, u64) {
        let mut loads = 0;
        let settled = settle::<Infallible>(4, |role| {
            loads += 1;
            let head = 5 * loads.min(moves);
            Ok(head + if role == Role::Producer { 4 } else { 0 })
        });
        settled.unwrap()
    }

    #[test]
    fn positions_are_of_one_moment_however_fast_they_move() {
        assert_eq!(settle_while(0), (4, 0));
        assert_eq!(settle_while(10), (54, 50));
        let (tail, head) = settle_while(u64::MAX);
        assert_eq!(tail - head, 4, "{tail} and {head}");
    }
}
