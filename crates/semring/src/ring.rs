//! Positions and slots: who may touch which bytes.
//!
//! The arithmetic is pure, and one function makes the pointer to a message's bytes. The ring knows
//! neither how memory came to be shared nor how one waits.
//!
//! `tail` counts the messages committed and `head` those released; both only grow. Messages
//! `head .. tail` are on their way, so `tail - head` is at most the number of slots. The producer may
//! touch what no descriptor in that range names, the consumer only what one of them does.

// The pointers into the segment are made here and nowhere else.
#![allow(unsafe_code)]

mod line;

use std::fmt;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sysv_ipc::{Access, Attachment};

use crate::error::{Corrupt, Role};
use crate::geometry::Geometry;
use crate::layout::{
    DESCRIPTOR_BYTES, Descriptor, HEADER_BYTES, Header, INLINE, INLINE_BYTES, INLINE_OFFSET, Side,
    Word,
};

use line::LINE_BYTES;

/// Most bytes of a slot that are fetched before they are asked for.
const PREFETCH_BYTES: usize = 1024;

/// Keeps the bytes of a segment in place.
///
/// # Safety
///
/// `start` is page aligned, and `bytes` bytes from it stay readable and writable, at the same place,
/// until the value is dropped. Nothing in this process touches them but through a [`Ring`].
pub(crate) unsafe trait Memory: fmt::Debug + Send + Sync {
    fn start(&self) -> NonNull<u8>;
    fn bytes(&self) -> usize;
}

// SAFETY: shmat maps at page boundaries, for the whole segment, until the attachment is dropped; and
// whoever makes a ring of an attachment gives it away.
unsafe impl Memory for Attachment {
    fn start(&self) -> NonNull<u8> {
        self.as_ptr()
    }

    fn bytes(&self) -> usize {
        match self.access() {
            Access::ReadWrite => Self::bytes(self),
            // Nothing in it may be written, so there is no room for a ring.
            Access::ReadOnly => 0,
        }
    }
}

/// Says where a message's bytes stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the descriptor.
    Inline,
    /// In the slot of this number, which is below the slot count.
    Slot(u32),
}

/// Holds a segment that has room for a header, about which nothing else is known yet.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    memory: Arc<dyn Memory>,
    /// Where the memory starts, asked once: every message begins with it.
    start: NonNull<u8>,
}

// SAFETY: the pointer is to bytes that the memory keeps in place, and memory is Send and Sync.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Takes memory that has room for a header, or returns nothing.
    pub(crate) fn new(memory: Arc<dyn Memory>) -> Option<Self> {
        let (start, fits) = (memory.start(), memory.bytes() >= HEADER_BYTES);
        fits.then_some(Self { memory, start })
    }

    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: the memory is at least as long as a header, aligned, and lives as long as self.
        unsafe { Header::at(self.start) }
    }

    /// Returns the length of the memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.memory.bytes() as u64
    }
}

/// Holds a segment whose header has been checked, as producer or consumer of it see it.
#[derive(Debug)]
pub(crate) struct Ring {
    mapping: Mapping,
    geometry: Geometry,
    /// Bytes before the slots, as the geometry says.
    slots_offset: usize,
    /// Bytes from one slot to the next, likewise.
    slot_stride: usize,
}

impl Ring {
    /// Makes a ring of memory that is at least as long as the geometry says, or returns nothing.
    pub(crate) fn new(mapping: Mapping, geometry: Geometry) -> Option<Self> {
        let fits = mapping.bytes() >= geometry.segment_bytes();
        fits.then_some(Self {
            mapping,
            geometry,
            slots_offset: to_usize(geometry.slots_offset()),
            slot_stride: to_usize(geometry.slot_stride()),
        })
    }

    #[inline]
    pub(crate) const fn geometry(&self) -> Geometry {
        self.geometry
    }

    #[inline]
    pub(crate) fn header(&self) -> &Header {
        self.mapping.header()
    }

    #[inline]
    pub(crate) fn side(&self, role: Role) -> &Side {
        match role {
            Role::Producer => &self.header().producer,
            Role::Consumer => &self.header().consumers[0],
        }
    }

    #[inline]
    fn start(&self) -> NonNull<u8> {
        self.mapping.start
    }

    /// Loads epoch and state of a side in one step.
    #[inline]
    pub(crate) fn word(&self, role: Role) -> Word {
        // SYNC POINT: WORD (with Ring::set_word). What its owner did before shows now.
        Word::from_bits(self.side(role).word.load(Ordering::Acquire))
    }

    /// Stores epoch and state of the own side in one step.
    pub(crate) fn set_word(&self, role: Role, word: Word) {
        // SYNC POINT: WORD (with Ring::word). A tail stored before CLOSED is seen with it.
        self.side(role)
            .word
            .store(word.to_bits(), Ordering::Release);
    }

    /// Commits all messages before `tail`: from this store on they are delivered, whoever dies.
    #[inline]
    pub(crate) fn commit(&self, tail: u64) {
        // SYNC POINT: COMMIT (with Ring::tail). Payload and descriptor were written before.
        self.side(Role::Producer)
            .position
            .store(tail, Ordering::Release);
    }

    /// Loads how many messages have been committed.
    #[inline]
    pub(crate) fn tail(&self) -> u64 {
        // SYNC POINT: COMMIT (with Ring::commit). Descriptor and payload are read after.
        self.side(Role::Producer).position.load(Ordering::Acquire)
    }

    /// Acknowledges all messages before `head`: from this store on their slots are free.
    #[inline]
    pub(crate) fn acknowledge(&self, head: u64) {
        // SYNC POINT: ACKNOWLEDGE (with Ring::head). The payload was read before.
        self.side(Role::Consumer)
            .position
            .store(head, Ordering::Release);
    }

    /// Loads how many messages have been released.
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        // SYNC POINT: ACKNOWLEDGE (with Ring::acknowledge). The slot is written after.
        self.side(Role::Consumer).position.load(Ordering::Acquire)
    }

    /// Writes the descriptor of a position that is not yet committed.
    #[inline]
    pub(crate) fn describe(&self, position: u64, place: Place, bytes: u32) {
        let slot = match place {
            Place::Inline => INLINE,
            Place::Slot(slot) => slot,
        };
        let word = join(bytes, slot);
        // Ordered by COMMIT, which follows.
        self.descriptor(position)
            .length_and_slot
            .store(word, Ordering::Relaxed);
    }

    /// Reads the descriptor of a committed position once, and checks it.
    #[inline]
    pub(crate) fn described(&self, position: u64) -> Result<(Place, u32), Corrupt> {
        // Ordered by COMMIT, which came before.
        let word = self
            .descriptor(position)
            .length_and_slot
            .load(Ordering::Relaxed);
        let (bytes, slot) = split(word);
        let (place, limit) = if slot == INLINE {
            (Place::Inline, INLINE_BYTES as u64)
        } else if slot < self.geometry.slot_count() {
            (Place::Slot(slot), self.geometry.slot_bytes())
        } else {
            return Err(wild_slot(slot, self.geometry));
        };
        if u64::from(bytes) > limit {
            return Err(too_long(bytes, limit));
        }
        Ok((place, bytes))
    }

    /// Gives the bytes of a message that the consumer has in hand.
    #[inline]
    pub(crate) fn message(&self, position: u64, place: Place, bytes: u32) -> &[u8] {
        let (start, limit) = self.place(position, place);
        #[cfg(loom)]
        self.access(position, place).with(|_| ());
        // SAFETY: the range is inside the segment. The position is in hand, so a producer that keeps the
        // protocol, as docs/architecture.md assumes here, leaves it alone until `head` has passed it,
        // which the borrow of self outlives.
        unsafe { slice::from_raw_parts(start.as_ptr(), (bytes as usize).min(limit)) }
    }

    /// Gives the bytes of a message that the producer is about to commit at `position`.
    #[inline]
    pub(crate) fn message_mut(&mut self, position: u64, place: Place, bytes: u32) -> &mut [u8] {
        let (start, limit) = self.place(position, place);
        #[cfg(loom)]
        self.access(position, place).with_mut(|_| ());
        // SAFETY: the range is inside the segment. No committed descriptor names the place, so a consumer
        // that keeps the protocol leaves it alone, as above, and self is borrowed for as long as the slice
        // is used.
        unsafe { slice::from_raw_parts_mut(start.as_ptr(), (bytes as usize).min(limit)) }
    }

    /// Starts to fetch a slot, of any number, for a message of so many bytes, of which it may do without:
    /// the number is known only when the descriptor has come, one miss later. After the first KiB the
    /// processor has seen where this leads.
    #[inline]
    pub(crate) fn prefetch(&self, slot: u32, bytes: u32) {
        let (start, limit) = self.place(0, Place::Slot(slot));
        let bytes = (bytes as usize).min(limit).min(PREFETCH_BYTES);
        for offset in (0..bytes).step_by(LINE_BYTES) {
            line::prefetch(start.as_ptr().wrapping_add(offset));
        }
    }

    /// Starts to fetch the descriptor of a position.
    #[inline]
    pub(crate) fn prefetch_described(&self, position: u64) {
        let offset = self.descriptor_offset(position);
        line::prefetch(self.start().as_ptr().wrapping_add(offset));
    }

    /// Starts to take the descriptor of a position from the consumer, which read it a round ago.
    #[inline]
    pub(crate) fn prefetch_to_describe(&self, position: u64) {
        let offset = self.descriptor_offset(position);
        line::prefetch_to_write(self.start().as_ptr().wrapping_add(offset));
    }

    /// Makes the pointer to a message's bytes, and says how many there are.
    #[inline]
    fn place(&self, position: u64, place: Place) -> (NonNull<u8>, usize) {
        match place {
            Place::Inline => {
                let offset = self.descriptor_offset(position) + INLINE_OFFSET;
                // SAFETY: 56 bytes of a descriptor, inside the segment.
                (unsafe { self.start().add(offset) }, INLINE_BYTES)
            }
            Place::Slot(slot) => {
                let slot = index(slot.into(), self.geometry.slot_count()) as usize;
                let offset = self.slots_offset + slot * self.slot_stride;
                // SAFETY: the slot's number is below the slot count, and the geometry, checked
                // against the length of the memory, ends after the last slot.
                let start = unsafe { self.start().add(offset) };
                (start, to_usize(self.geometry.slot_bytes()))
            }
        }
    }

    /// What the model checker watches in place of a message's bytes.
    #[cfg(loom)]
    fn access(&self, position: u64, place: Place) -> &loom::cell::UnsafeCell<()> {
        match place {
            Place::Inline => &self.descriptor(position).access[0],
            Place::Slot(slot) => &self.descriptor(slot.into()).access[1],
        }
    }

    #[inline]
    fn descriptor(&self, position: u64) -> &Descriptor {
        // SAFETY: the offset is that of a descriptor inside the segment, a multiple of its 64-byte
        // alignment; all its fields may be shared.
        unsafe {
            self.start()
                .add(self.descriptor_offset(position))
                .cast::<Descriptor>()
                .as_ref()
        }
    }

    #[inline]
    fn descriptor_offset(&self, position: u64) -> usize {
        HEADER_BYTES + index(position, self.geometry.slot_count()) as usize * DESCRIPTOR_BYTES
    }
}

#[cold]
fn wild_slot(slot: u32, geometry: Geometry) -> Corrupt {
    let expected = format!("below {}", geometry.slot_count());
    Corrupt::new("descriptor's slot", slot.into(), expected)
}

#[cold]
fn too_long(bytes: u32, limit: u64) -> Corrupt {
    let expected = format!("at most {limit}");
    Corrupt::new("descriptor's length", bytes.into(), expected)
}

/// Converts an offset or length inside a segment, which fits since the segment is mapped.
#[inline]
const fn to_usize(offset: u64) -> usize {
    const { assert!(usize::BITS == 64) };
    #[expect(clippy::cast_possible_truncation, reason = "asserted to be as wide")]
    let offset = offset as usize;
    offset
}

/// Finds where in the ring a position is described: below `slot_count`, a power of two.
#[inline]
pub(crate) const fn index(position: u64, slot_count: u32) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "masked to less than the slot count"
    )]
    let index = (position & (slot_count as u64 - 1)) as u32;
    index
}

/// Counts the messages on their way, checking that `head` and `tail` can belong together.
#[inline]
pub(crate) fn distance(tail: u64, head: u64, slot_count: u32) -> Option<u32> {
    let distance = tail.wrapping_sub(head);
    #[expect(clippy::cast_possible_truncation, reason = "at most the slot count")]
    let count = distance as u32;
    (distance <= u64::from(slot_count)).then_some(count)
}

/// Joins a descriptor's first two fields in the order in which they stand in memory.
#[inline]
const fn join(length: u32, slot: u32) -> u64 {
    let (first, second) = if cfg!(target_endian = "little") {
        (length, slot)
    } else {
        (slot, length)
    };
    first as u64 | (second as u64) << 32
}

/// Splits what [`join`] joined.
#[inline]
const fn split(word: u64) -> (u32, u32) {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let (first, second) = (word as u32, (word >> 32) as u32);
    if cfg!(target_endian = "little") {
        (first, second)
    } else {
        (second, first)
    }
}

#[cfg(all(test, not(loom)))]
pub(crate) mod tests;
