//! The sizes of a ring, in the segment's header and out of it.
//!
//! Every number that is read from a segment is checked here before anything is done with it.

use std::sync::atomic::Ordering;

use crate::error::{Corrupt, GeometryError};
use crate::layout::{
    DESCRIPTOR_BYTES, HEADER_BYTES, HEADER_BYTES_U32, Identity, SEMAPHORES, VERSION,
};
use crate::limits;

const PAGE_BYTES: u64 = 4096;
const CACHE_LINE_BYTES: u64 = 64;
/// Longest message that a slot may hold.
pub const MAX_SLOT_BYTES: u64 = (1 << 32) - 4096;
/// Most slots: a semaphore holds 32767, and counts reach twice the slots (docs/protocol.md).
pub const MAX_SLOTS: u32 = 16384;
/// Holds the sizes of a ring: how many slots, how long a message may be.
///
/// Made by [`Geometry::new`] only, which checks them, so whoever has one may compute with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
    slot_count: u32,
    slot_bytes: u64,
}

impl Geometry {
    /// The slots of a channel for which none were asked.
    pub const DEFAULT_SLOTS: u32 = 64;
    /// The same of a channel for [`Framing::Lines`](crate::Framing) or [`Framing::Length`](crate::Framing):
    /// most such messages are short, and with 64 of them on their way each side waits for the other more
    /// than it works.
    pub const DEFAULT_SLOTS_OF_PARTS: u32 = 1024;
    /// The slot size in bytes of a channel for which none was asked.
    pub const DEFAULT_SLOT_BYTES: u64 = 64 * 1024;

    /// Checks the sizes of a ring of `slot_count` slots for messages of up to `slot_bytes` bytes.
    ///
    /// # Errors
    ///
    /// [`GeometryError`] when `slot_count` is not a power of two from 1 to [`MAX_SLOTS`], or
    /// `slot_bytes` not from 1 to [`MAX_SLOT_BYTES`].
    pub const fn new(slot_count: u32, slot_bytes: u64) -> Result<Self, GeometryError> {
        if slot_count == 0 || slot_count > MAX_SLOTS || !slot_count.is_power_of_two() {
            return Err(GeometryError::SlotCount { slot_count });
        }
        if slot_bytes == 0 || slot_bytes > MAX_SLOT_BYTES {
            return Err(GeometryError::SlotBytes { slot_bytes });
        }
        Ok(Self {
            slot_count,
            slot_bytes,
        })
    }

    /// Returns the number of slots, a power of two from 1 to [`MAX_SLOTS`].
    #[must_use]
    #[inline]
    pub const fn slot_count(self) -> u32 {
        self.slot_count
    }

    /// Returns the longest message in bytes, 1 to [`MAX_SLOT_BYTES`].
    #[must_use]
    #[inline]
    pub const fn slot_bytes(self) -> u64 {
        self.slot_bytes
    }

    /// Bytes from one slot to the next: at most 2³².
    #[inline]
    pub(crate) const fn slot_stride(self) -> u64 {
        if self.slot_bytes < PAGE_BYTES {
            self.slot_bytes.next_multiple_of(CACHE_LINE_BYTES)
        } else {
            self.slot_bytes.next_multiple_of(PAGE_BYTES)
        }
    }

    #[inline]
    pub(crate) const fn slots_offset(self) -> u64 {
        let descriptors = self.slot_count as u64 * DESCRIPTOR_BYTES as u64;
        (HEADER_BYTES as u64 + descriptors).next_multiple_of(PAGE_BYTES)
    }

    /// Returns the size of the segment in bytes: at most 2⁴⁶ and a little, so it cannot overflow.
    #[must_use]
    pub const fn segment_bytes(self) -> u64 {
        self.slots_offset() + self.slot_count as u64 * self.slot_stride()
    }
}

/// Writes all of the identity but `magic` and what only the channel knows.
/// `segment_bytes` is the length of the segment, which huge pages make longer than the geometry needs.
pub(crate) fn store_geometry(identity: &Identity, geometry: Geometry, segment_bytes: u64) {
    let relaxed = Ordering::Relaxed;
    identity.version.store(VERSION, relaxed);
    identity.header_bytes.store(HEADER_BYTES_U32, relaxed);
    identity.segment_bytes.store(segment_bytes, relaxed);
    identity.slot_bytes.store(geometry.slot_bytes, relaxed);
    identity.slot_stride.store(geometry.slot_stride(), relaxed);
    identity.slot_count.store(geometry.slot_count, relaxed);
    identity
        .descriptors_offset
        .store(HEADER_BYTES as u64, relaxed);
    identity
        .slots_offset
        .store(geometry.slots_offset(), relaxed);
}

/// Reads the geometry of a finished header once, and checks every number against the others and
/// against the size that the kernel reports.
pub(crate) fn load_geometry(identity: &Identity, segment_bytes: u64) -> Result<Geometry, Corrupt> {
    let relaxed = Ordering::Relaxed;
    let slot_count = identity.slot_count.load(relaxed);
    let slot_bytes = identity.slot_bytes.load(relaxed);
    let geometry = Geometry::new(slot_count, slot_bytes).map_err(|error| match error {
        GeometryError::SlotCount { .. } => Corrupt::new(
            "slot_count",
            slot_count.into(),
            "a power of two from 1 to 16384",
        ),
        _ => Corrupt::new("slot_bytes", slot_bytes, "1 to 4 GiB - 4096"),
    })?;
    let exact = geometry.segment_bytes();
    // Huge pages are filled to the last one.
    let of_huge_pages = segment_bytes > exact
        && limits::huge_page_bytes()
            .is_ok_and(|page| exact.next_multiple_of(page) == segment_bytes);
    let expected_bytes = if of_huge_pages { segment_bytes } else { exact };
    let facts = [
        (
            "header_bytes",
            identity.header_bytes.load(relaxed).into(),
            HEADER_BYTES as u64,
        ),
        (
            "slot_stride",
            identity.slot_stride.load(relaxed),
            geometry.slot_stride(),
        ),
        (
            "descriptors_offset",
            identity.descriptors_offset.load(relaxed),
            HEADER_BYTES as u64,
        ),
        (
            "slots_offset",
            identity.slots_offset.load(relaxed),
            geometry.slots_offset(),
        ),
        (
            "segment_bytes",
            identity.segment_bytes.load(relaxed),
            expected_bytes,
        ),
        ("size of the segment", segment_bytes, expected_bytes),
        (
            "consumer_count",
            identity.consumer_count.load(relaxed).into(),
            1,
        ),
        (
            "semaphore_count",
            identity.semaphore_count.load(relaxed).into(),
            SEMAPHORES.into(),
        ),
    ];
    for (field, found, expected) in facts {
        if found != expected {
            return Err(Corrupt::new(
                field,
                found,
                format!("{expected}, from the other fields"),
            ));
        }
    }
    Ok(geometry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_geometry_is_refused_outside_its_bounds() {
        for slots in [0, 3, 32768, u32::MAX] {
            assert_eq!(
                Geometry::new(slots, 64),
                Err(GeometryError::SlotCount { slot_count: slots })
            );
        }
        for bytes in [0, MAX_SLOT_BYTES + 1, u64::MAX] {
            assert_eq!(
                Geometry::new(1, bytes),
                Err(GeometryError::SlotBytes { slot_bytes: bytes })
            );
        }
        assert!(Geometry::new(MAX_SLOTS, MAX_SLOT_BYTES).is_ok());
    }

    #[test]
    fn slots_are_aligned_and_inside_the_segment() {
        for (slots, bytes, stride) in [
            (1, 1, 64),
            (2, 64, 64),
            (64, 65, 128),
            (64, 4095, 4096),
            (1, 4097, 8192),
        ] {
            let geometry = Geometry::new(slots, bytes).unwrap();
            assert_eq!(geometry.slot_stride(), stride);
            assert_eq!(geometry.slots_offset() % 4096, 0);
            let end = geometry.slots_offset() + u64::from(slots) * stride;
            assert_eq!(geometry.segment_bytes(), end);
        }
    }

    #[test]
    fn the_numbers_are_those_of_the_byte_map() {
        assert_eq!(MAX_SLOT_BYTES, 4_294_963_200);
        assert_eq!(Geometry::DEFAULT_SLOT_BYTES, 65_536);
        let geometry = |slots, bytes| Geometry::new(slots, bytes).unwrap();
        assert_eq!(geometry(1, 1).slots_offset(), 8192);
        assert_eq!(geometry(64, 1).slots_offset(), 8192);
        assert_eq!(geometry(128, 1).slots_offset(), 4096 + 128 * 64);
        assert_eq!(geometry(4, 128).segment_bytes(), 8192 + 4 * 128);
    }

    #[test]
    fn the_largest_geometry_does_not_overflow() {
        let geometry = Geometry::new(MAX_SLOTS, MAX_SLOT_BYTES).unwrap();
        assert!(geometry.segment_bytes() < 1 << 47);
    }
}
