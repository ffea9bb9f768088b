//! The producer's private choice of the next free slot.

use std::collections::VecDeque;

use crate::error::Corrupt;
use crate::geometry::Geometry;
use crate::ring::{Place, Ring, index};

/// Knows which slots are free: those that no message on its way is in, less those lent out.
///
/// Slots are used first-in first-out. All of it is private memory, so nothing that the peer does can
/// make two messages share a slot.
#[derive(Debug)]
pub(crate) struct FreeSlots {
    free: VecDeque<u32>,
    /// Where the message at each index of the ring stands, for the positions from `reclaimed` on.
    places: Vec<Place>,
    /// Position up to which slots have been taken back.
    reclaimed: u64,
}

impl FreeSlots {
    /// Finds the free slots of a ring with messages `head .. tail` on their way.
    ///
    /// # Errors
    ///
    /// [`Corrupt`] when a descriptor is damaged, or two of them name the same slot.
    pub(crate) fn find(ring: &Ring, head: u64, tail: u64) -> Result<Self, Corrupt> {
        let slot_count = ring.geometry().slot_count();
        let mut slots = Self::all_free(ring.geometry(), head);
        let mut used = vec![false; slot_count as usize];
        let mut position = head;
        while position != tail {
            let (place, _) = ring.described(position)?;
            if let Place::Slot(slot) = place {
                match used.get_mut(slot as usize) {
                    Some(taken) if !*taken => *taken = true,
                    _ => {
                        return Err(Corrupt::new(
                            "descriptor's slot",
                            slot.into(),
                            "one of its own",
                        ));
                    }
                }
            }
            slots.note(position, place);
            position = position.wrapping_add(1);
        }
        slots
            .free
            .retain(|&slot| !used.get(slot as usize).copied().unwrap_or(true));
        Ok(slots)
    }

    fn all_free(geometry: Geometry, head: u64) -> Self {
        let slot_count = geometry.slot_count();
        Self {
            free: (0..slot_count).collect(),
            places: vec![Place::Inline; slot_count as usize],
            reclaimed: head,
        }
    }

    /// Takes the slot that has been free for longest, when all before `head` have been released.
    ///
    /// There is one whenever the positions show room that is not lent out.
    #[inline]
    pub(crate) fn take(&mut self, head: u64) -> Option<u32> {
        self.reclaim(head);
        self.free.pop_front()
    }

    /// Takes back a slot that was not used after all; it goes first again, being warm.
    pub(crate) fn put_back(&mut self, place: Place) {
        if let Place::Slot(slot) = place {
            self.free.push_front(slot);
        }
    }

    /// Notes where the message at `position` stands, before its descriptor is written.
    ///
    /// The position one round earlier must have been reclaimed, or its slot would be forgotten.
    #[inline]
    pub(crate) fn note(&mut self, position: u64, place: Place) {
        let index = self.index(position);
        if let Some(noted) = self.places.get_mut(index) {
            *noted = place;
        }
    }

    /// Takes back the slots of all messages before `head`.
    #[inline]
    pub(crate) fn reclaim(&mut self, head: u64) {
        while self.reclaimed != head {
            let index = self.index(self.reclaimed);
            if let Some(&Place::Slot(slot)) = self.places.get(index) {
                self.free.push_back(slot);
            }
            self.reclaimed = self.reclaimed.wrapping_add(1);
        }
    }

    #[inline]
    fn index(&self, position: u64) -> usize {
        // At most MAX_SLOTS.
        #[expect(clippy::cast_possible_truncation, reason = "at most 16384")]
        let slot_count = self.places.len() as u32;
        index(position, slot_count) as usize
    }
}
