//! The slots of a ring all of which go round.
//!
//! First-in first-out needs no list of what is free. Slots are used in a fixed order, so a message's slot is
//! the one that was used as many slots ago as there are; at least as many positions ago, since a message
//! takes one slot or none. Room for a message means that so many positions ago all has been released.

use crate::ring::{Place, index};

/// Knows the order in which slots are used.
#[derive(Debug)]
pub(crate) struct RoundSlots {
    /// Each slot once: as many as there are, a power of two.
    order: Vec<u32>,
    /// Slots used so far.
    count: u64,
}

impl RoundSlots {
    /// Takes over a ring with messages `on_the_way`, in this order; theirs are the last to be used again.
    pub(crate) fn new(on_the_way: &[(Place, u32)], unused: Vec<u32>) -> Self {
        let mut order = unused;
        order.extend(on_the_way.iter().filter_map(|&(place, _)| match place {
            Place::Inline => None,
            Place::Slot(slot) => Some(slot),
        }));
        Self { order, count: 0 }
    }

    /// Takes the next slot, which is free when the positions show room for a message.
    #[inline]
    pub(crate) fn take(&mut self) -> u32 {
        // At most MAX_SLOTS.
        #[expect(clippy::cast_possible_truncation, reason = "at most 16384")]
        let slot_count = self.order.len() as u32;
        let next = index(self.count, slot_count) as usize;
        self.count = self.count.wrapping_add(1);
        self.order.get(next).copied().unwrap_or(0)
    }

    /// Takes back the slot that was taken last, which was not used after all.
    pub(crate) const fn put_back(&mut self) {
        self.count = self.count.wrapping_sub(1);
    }
}
