//! The memory of the futex ring: positions, flags and slots in a System V segment.
//!
//! The one unsafe module of the program: a ring whose messages were copied with atomic operations, as
//! the safe methods of an attachment do, would be no measure for anybody.
#![allow(unsafe_code)]

use std::slice;
use std::sync::atomic::{AtomicU32, AtomicU64};

use anyhow::{Context as _, Result};
use sysv_ipc::{Attachment, Key, Mode, Segment};

const LINE_BYTES: usize = 64;
/// A message of up to so many bytes shares a line with its length.
const LONGEST_BESIDE_LENGTH: usize = LINE_BYTES - size_of::<u64>();

/// Two cache lines of its own: processors fetch lines in pairs.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Apart<T>(pub T);

/// What stands before the slots.
#[derive(Debug)]
#[repr(C)]
pub struct Header {
    /// Messages published.
    pub tail: Apart<AtomicU64>,
    /// Messages released.
    pub head: Apart<AtomicU64>,
    /// 1 while the producer sleeps, or is about to.
    pub producer_waits: Apart<AtomicU32>,
    /// 1 while the consumer sleeps, or is about to.
    pub consumer_waits: Apart<AtomicU32>,
}

const HEADER_BYTES: usize = size_of::<Header>();
const _: () = assert!(HEADER_BYTES.is_multiple_of(LINE_BYTES));

/// One end's view of the ring. A new segment is all zero, which is an empty ring.
#[derive(Debug)]
pub struct RingMemory {
    attachment: Attachment,
    message_bytes: usize,
    /// Slots less one: their number is a power of two.
    index_mask: usize,
    /// Bytes from the beginning of a slot, where the length is, to the message.
    message_offset: usize,
    slot_bytes: usize,
}

impl RingMemory {
    pub fn create(key: Key, message_bytes: usize, slots: u32) -> Result<Self> {
        let bytes = bytes_for(message_bytes, slots).context("not the measures of a ring")?;
        let segment = Segment::create(key, bytes, Mode::OWNER)?;
        Self::attach(segment, message_bytes, slots)
    }

    pub fn attach(segment: Segment, message_bytes: usize, slots: u32) -> Result<Self> {
        let attachment = segment.attach()?;
        let needed = bytes_for(message_bytes, slots).filter(|&bytes| bytes <= attachment.bytes());
        needed.context("the ring's segment is too small")?;
        Ok(Self {
            attachment,
            message_bytes,
            index_mask: slots as usize - 1,
            message_offset: message_offset(message_bytes),
            slot_bytes: slot_bytes(message_bytes),
        })
    }

    pub const fn segment(&self) -> Segment {
        self.attachment.segment()
    }

    pub const fn header(&self) -> &Header {
        // SAFETY: a segment begins at a page, holds a header (checked by `attach`) and stays mapped
        // while self is borrowed; a header is atomic numbers only, for which every bit pattern is valid.
        unsafe { self.attachment.as_ptr().cast().as_ref() }
    }

    /// Returns the room of the message at `position`, which the producer may fill until it publishes the
    /// position, and from the time on at which the consumer has released the one that was there before.
    pub fn message_mut(&mut self, position: u64) -> &mut [u8] {
        let slot = self.slot(position);
        let length = self.message_bytes;
        // SAFETY: `slot` begins a slot inside the mapping, which has room for length and message, and
        // is a multiple of 64. Between release and publication the consumer does not touch it, and this
        // end hands out one slot at a time, by the exclusive borrow of self.
        unsafe {
            length_in(slot).write(length as u64);
            slice::from_raw_parts_mut(slot.add(self.message_offset), length)
        }
    }

    /// Returns the message at `position`, which has been published and not been released.
    pub fn message(&self, position: u64) -> Result<&[u8]> {
        let slot = self.slot(position);
        // SAFETY: as for `message_mut`: an aligned number inside the mapping, which the producer does not
        // touch from publication to release.
        let length = unsafe { length_in(slot).read() };
        let length = usize::try_from(length).ok();
        let length = length.filter(|&length| length <= self.message_bytes);
        let length = length.context("a message is longer than a slot")?;
        // SAFETY: `length` was checked against the room of a slot; else as above.
        Ok(unsafe { slice::from_raw_parts(slot.add(self.message_offset), length) })
    }

    fn slot(&self, position: u64) -> *mut u8 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the mask leaves fewer bits"
        )]
        let index = position as usize & self.index_mask;
        let offset = HEADER_BYTES + index * self.slot_bytes;
        // SAFETY: `attach` has checked that the segment has all slots, and the index is below their number.
        unsafe { self.attachment.as_ptr().as_ptr().add(offset) }
    }
}

/// Returns where the length is: slots begin at multiples of 64, from the beginning of a page.
const fn length_in(slot: *mut u8) -> *mut u64 {
    slot.cast()
}

const fn message_offset(message_bytes: usize) -> usize {
    if message_bytes <= LONGEST_BESIDE_LENGTH {
        size_of::<u64>()
    } else {
        LINE_BYTES
    }
}

const fn slot_bytes(message_bytes: usize) -> usize {
    (message_offset(message_bytes) + message_bytes).next_multiple_of(LINE_BYTES)
}

fn bytes_for(message_bytes: usize, slots: u32) -> Option<usize> {
    let slots = Some(slots).filter(|slots| slots.is_power_of_two())?;
    let bytes = slot_bytes(message_bytes).checked_mul(slots as usize)?;
    bytes.checked_add(HEADER_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOTS: u32 = 64;

    #[test]
    fn slots_are_whole_lines_and_apart() {
        assert_eq!((slot_bytes(8), slot_bytes(56)), (64, 64));
        assert_eq!(
            (slot_bytes(57), slot_bytes(64), slot_bytes(65)),
            (128, 128, 192)
        );
        for bytes in [1, 56, 57, 4099] {
            let mut memory = RingMemory::create(Key::PRIVATE, bytes, SLOTS).unwrap();
            memory.segment().remove().unwrap();
            for position in 0..u64::from(SLOTS) {
                let number = u8::try_from(position).unwrap();
                memory.message_mut(position).fill(number);
            }
            for position in 0..u64::from(SLOTS) {
                let number = u8::try_from(position).unwrap();
                assert_eq!(memory.message(position).unwrap(), vec![number; bytes]);
            }
            assert_eq!(
                memory
                    .header()
                    .tail
                    .0
                    .load(std::sync::atomic::Ordering::Relaxed),
                0
            );
        }
    }

    #[test]
    fn a_segment_of_another_size_is_refused() {
        let memory = RingMemory::create(Key::PRIVATE, 64, SLOTS).unwrap();
        memory.segment().remove().unwrap();
        assert!(RingMemory::attach(memory.segment(), 4096, SLOTS).is_err());
        assert!(RingMemory::attach(memory.segment(), 64, 2 * SLOTS).is_err());
        for slots in [0, 3, 48] {
            assert!(RingMemory::create(Key::PRIVATE, 64, slots).is_err());
        }
    }
}
