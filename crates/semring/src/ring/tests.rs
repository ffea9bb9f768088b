//! The arithmetic of positions, and a ring on the heap: where its bytes are, and what a descriptor may say.

use std::alloc::{Layout, alloc_zeroed, dealloc};

use super::*;

#[test]
fn positions_go_round_and_wrap() {
    assert_eq!(index(0, 1), 0);
    assert_eq!(index(u64::MAX, 1), 0);
    assert_eq!(index(5, 4), 1);
    assert_eq!(index(u64::MAX, 4), 3);
    assert_eq!(index(u64::MAX.wrapping_add(1), 4), 0);
}

#[test]
fn only_positions_of_one_ring_have_a_distance() {
    assert_eq!(distance(3, 3, 4), Some(0));
    assert_eq!(distance(7, 3, 4), Some(4));
    assert_eq!(distance(8, 3, 4), None);
    assert_eq!(distance(2, 3, 4), None);
    assert_eq!(distance(1, u64::MAX, 4), Some(2));
}

#[test]
fn a_descriptors_fields_stand_where_the_map_says() {
    let word = join(7, INLINE);
    assert_eq!(&word.to_ne_bytes()[..4], 7u32.to_ne_bytes());
    assert_eq!(split(word), (7, INLINE));
}

/// Owns the bytes of a ring.
#[derive(Debug)]
struct Heap {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the bytes belong to nobody in particular.
unsafe impl Send for Heap {}
// SAFETY: as for Send.
unsafe impl Sync for Heap {}

// SAFETY: the block is page aligned, of that size, and freed when the value is dropped.
unsafe impl Memory for Heap {
    fn start(&self) -> NonNull<u8> {
        self.start
    }

    fn bytes(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: allocated by `heap` with the same layout.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

fn heap(bytes: u64) -> Arc<Heap> {
    let layout = Layout::from_size_align(to_usize(bytes), 4096).unwrap();
    // SAFETY: the size is not zero.
    let start = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap();
    Arc::new(Heap { start, layout })
}

/// Makes a ring that nobody else has, all zero.
pub(crate) fn ring(slots: u32, slot_bytes: u64) -> Ring {
    let geometry = Geometry::new(slots, slot_bytes).unwrap();
    let mapping = Mapping::new(heap(geometry.segment_bytes())).unwrap();
    Ring::new(mapping, geometry).unwrap()
}

#[test]
fn memory_must_hold_the_header_and_then_the_ring() {
    let header = HEADER_BYTES as u64;
    assert!(Mapping::new(heap(header - 1)).is_none());
    let geometry = Geometry::new(2, 100).unwrap();
    for bytes in [header, geometry.segment_bytes() - 1] {
        let mapping = Mapping::new(heap(bytes)).unwrap();
        assert_eq!(mapping.bytes(), bytes);
        assert!(Ring::new(mapping, geometry).is_none());
    }
    assert_eq!(ring(2, 100).geometry(), geometry);
}

#[test]
fn messages_stand_where_the_map_says() {
    for (slots, slot_bytes, stride) in [(1, 1, 64), (4, 100, 128), (2, 5000, 8192)] {
        let mut ring = ring(slots, slot_bytes);
        let start = ring.start().addr().get();
        let slots_at = (HEADER_BYTES + 64 * slots as usize).next_multiple_of(4096);
        for number in 0..slots {
            let index = number as usize;
            let length = u32::try_from(slot_bytes).unwrap();
            let slot = ring.message_mut(0, Place::Slot(number), length);
            assert_eq!(slot.as_ptr().addr() - start, slots_at + index * stride);
            assert_eq!(slot.len() as u64, slot_bytes);
            // A second round stands where the first one did.
            for position in [number, number + slots] {
                let inline = ring.message_mut(position.into(), Place::Inline, 56);
                assert_eq!(
                    inline.as_ptr().addr() - start,
                    HEADER_BYTES + 64 * index + 8
                );
                inline.fill(7);
            }
            assert_eq!(ring.message(number.into(), Place::Inline, 3), [7; 3]);
        }
    }
}

#[test]
fn a_message_never_goes_beyond_its_place() {
    let mut ring = ring(2, 100);
    assert_eq!(ring.message(0, Place::Inline, u32::MAX).len(), 56);
    assert_eq!(ring.message_mut(0, Place::Inline, 57).len(), 56);
    assert_eq!(ring.message(0, Place::Slot(1), 101).len(), 100);
    assert_eq!(ring.message_mut(0, Place::Slot(1), u32::MAX).len(), 100);
    let last = ring.message(0, Place::Slot(1), 0).as_ptr();
    assert_eq!(ring.message(0, Place::Slot(3), 0).as_ptr(), last);
}

#[test]
fn a_descriptor_says_what_is_possible() {
    let ring = ring(4, 100);
    for (place, length) in [
        (Place::Slot(3), 100),
        (Place::Slot(0), 0),
        (Place::Inline, 56),
    ] {
        ring.describe(5, place, length);
        assert_eq!(ring.described(5), Ok((place, length)));
        assert_eq!(
            ring.described(1),
            Ok((place, length)),
            "a round later, the same one"
        );
    }
    let refused = [
        (Place::Slot(4), 1, "descriptor's slot", 4),
        (
            Place::Slot(INLINE - 1),
            1,
            "descriptor's slot",
            u64::from(INLINE) - 1,
        ),
        (Place::Slot(3), 101, "descriptor's length", 101),
        (Place::Inline, 57, "descriptor's length", 57),
        (
            Place::Inline,
            u32::MAX,
            "descriptor's length",
            u32::MAX.into(),
        ),
    ];
    for (place, length, field, found) in refused {
        ring.describe(2, place, length);
        let corrupt = ring.described(2).unwrap_err();
        assert_eq!((corrupt.field, corrupt.found), (field, found));
    }
}

#[test]
fn positions_and_words_are_kept_apart() {
    let ring = ring(1, 1);
    ring.commit(5);
    ring.acknowledge(3);
    let words = [
        Word::from_bits(0).attached_next(),
        Word::from_bits(9).closed(),
    ];
    ring.set_word(Role::Producer, words[0]);
    ring.set_word(Role::Consumer, words[1]);
    assert_eq!((ring.tail(), ring.head()), (5, 3));
    assert_eq!(
        [ring.word(Role::Producer), ring.word(Role::Consumer)],
        words
    );
}
