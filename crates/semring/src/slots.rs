//! The producer's private choice of the next free slot.
//!
//! All of it is private memory, so nothing that the peer does can make two messages share a slot.

mod hot;
mod round;

use crate::Deadline;
use crate::error::Corrupt;
use crate::ring::{Place, Ring};

use hot::HotSlots;
use round::RoundSlots;

/// Bytes that go round: more than the processors' own caches hold, whose lines are slow to be taken back
/// from the consumer's, and less than the cache they share.
const HOT_BYTES: u64 = 8 << 20;

/// Chooses slots that no message on its way is in.
#[derive(Debug)]
pub(crate) enum Slots {
    /// Of a ring that the shared cache holds: all of them, one after the other.
    Round(RoundSlots),
    /// Of a larger one: those that the cache holds, if possible.
    Hot(HotSlots),
}

impl Slots {
    /// Finds the free slots of a ring with messages `head .. tail` on their way.
    ///
    /// # Errors
    ///
    /// [`Corrupt`] when a descriptor is damaged, or two of them name the same slot.
    pub(crate) fn find(ring: &Ring, head: u64, tail: u64) -> Result<Self, Corrupt> {
        let geometry = ring.geometry();
        let mut used = vec![false; geometry.slot_count() as usize];
        let mut on_the_way = Vec::new();
        let mut position = head;
        while position != tail {
            let (place, bytes) = ring.described(position)?;
            if let Place::Slot(slot) = place {
                match used.get_mut(slot as usize) {
                    Some(used) if !*used => *used = true,
                    _ => return Err(shared(slot)),
                }
            }
            on_the_way.push((place, bytes));
            position = position.wrapping_add(1);
        }
        let unused = (0..).zip(used).filter(|&(_, used)| !used);
        let unused = unused.map(|(slot, _)| slot).collect();
        let all_bytes = u64::from(geometry.slot_count()) * geometry.slot_stride();
        Ok(if all_bytes <= HOT_BYTES {
            Self::Round(RoundSlots::new(&on_the_way, unused))
        } else {
            Self::Hot(HotSlots::new(geometry, head, &on_the_way, unused))
        })
    }

    /// Takes the next slot, for a message for which the positions show room, where all slots go round; none
    /// where one must be [chosen](Self::choose).
    #[inline]
    pub(crate) fn in_turn(&mut self) -> Option<u32> {
        match self {
            Self::Round(slots) => Some(slots.take()),
            Self::Hot(_) => None,
        }
    }

    /// Takes a slot for a message of up to `bytes` bytes, for which the positions show room: a hot one if
    /// it comes within a moment. `look` loads the consumer's position, which was `head`.
    ///
    /// # Errors
    ///
    /// Those of `look`; and [`Corrupt`] should there be none, which no position that was checked allows: the
    /// room of loans that were forgotten stays reserved.
    // Not inlined, for the sake of those rings whose messages are short.
    #[inline(never)]
    pub(crate) fn choose(
        &mut self,
        head: u64,
        bytes: u32,
        deadline: Deadline,
        look: impl FnMut() -> Result<u64, Corrupt>,
    ) -> Result<u32, Corrupt> {
        match self {
            Self::Round(slots) => Ok(slots.take()),
            Self::Hot(slots) => slots.choose(head, bytes, deadline, look),
        }
    }

    /// Takes back a slot that was not used after all; it goes first again.
    pub(crate) fn put_back(&mut self, place: Place) {
        match (self, place) {
            (_, Place::Inline) => {}
            (Self::Round(slots), Place::Slot(_)) => slots.put_back(),
            (Self::Hot(slots), Place::Slot(slot)) => slots.put_back(slot),
        }
    }

    /// Notes where the message at `position` stands, before its descriptor takes the place of an older
    /// one; the consumer's position was `head`.
    #[inline]
    pub(crate) fn note(&mut self, head: u64, position: u64, place: Place, bytes: u32) {
        if let Self::Hot(slots) = self {
            slots.replace(head, position, place, bytes);
        }
    }

    /// Tells whether a batch had better end before a message of `bytes` bytes: no hot slot is free, and
    /// none can come of waiting, since what is not committed is not released either.
    #[inline]
    pub(crate) fn end_batch_before(&self, bytes: u32) -> bool {
        match self {
            Self::Round(_) => false,
            Self::Hot(slots) => slots.is_worth_waiting(bytes),
        }
    }
}

fn shared(slot: u32) -> Corrupt {
    Corrupt::new("descriptor's slot", slot.into(), "one of its own")
}

#[cfg(all(test, not(loom)))]
mod tests;
