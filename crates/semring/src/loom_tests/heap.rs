//! A ring on the heap, in memory that the model checker knows.

// The stand-in for shared memory.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::geometry::Geometry;
use crate::layout::{DESCRIPTOR_BYTES, Descriptor, HEADER_BYTES, Header, INLINE_BYTES};
use crate::ring::{Mapping, Memory, Ring};

/// Owns the bytes of a ring.
#[derive(Debug)]
pub(super) struct Heap {
    start: NonNull<u8>,
    geometry: Geometry,
}

// SAFETY: as a segment's mapping, the bytes belong to nobody in particular.
unsafe impl Send for Heap {}
// SAFETY: as for Send.
unsafe impl Sync for Heap {}

// SAFETY: the block is page aligned, as long as the geometry says, and freed when the value is dropped.
unsafe impl Memory for Heap {
    fn start(&self) -> NonNull<u8> {
        self.start
    }

    fn bytes(&self) -> usize {
        layout(self.geometry).size()
    }
}

fn layout(geometry: Geometry) -> Layout {
    let bytes = usize::try_from(geometry.segment_bytes()).unwrap();
    Layout::from_size_align(bytes, 4096).unwrap()
}

impl Heap {
    pub(super) fn new(slots: u32) -> Arc<Self> {
        let geometry = Geometry::new(slots, 64).unwrap();
        // SAFETY: the size is not zero.
        let start = NonNull::new(unsafe { alloc_zeroed(layout(geometry)) }).unwrap();
        // SAFETY: header and descriptors stand at these offsets of a block that is long enough, and
        // nobody has seen it yet.
        unsafe {
            start.cast::<Header>().write(Header::modelled());
            for index in 0..slots as usize {
                start
                    .add(HEADER_BYTES + index * DESCRIPTOR_BYTES)
                    .cast()
                    .write(descriptor());
            }
        }
        Arc::new(Self { start, geometry })
    }

    pub(super) fn ring(self: &Arc<Self>) -> Ring {
        let mapping = Mapping::new(Arc::clone(self) as Arc<dyn Memory>).unwrap();
        Ring::new(mapping, self.geometry).unwrap()
    }
}

fn descriptor() -> Descriptor {
    Descriptor {
        length_and_slot: loom::sync::atomic::AtomicU64::new(0),
        inline: UnsafeCell::new([0; INLINE_BYTES]),
        access: [
            loom::cell::UnsafeCell::new(()),
            loom::cell::UnsafeCell::new(()),
        ],
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: written in `new`, and nobody holds the block any more.
        unsafe {
            self.start.cast::<Header>().drop_in_place();
            for index in 0..self.geometry.slot_count() as usize {
                let offset = HEADER_BYTES + index * DESCRIPTOR_BYTES;
                self.start.add(offset).cast::<Descriptor>().drop_in_place();
            }
            dealloc(self.start.as_ptr(), layout(self.geometry));
        }
    }
}
