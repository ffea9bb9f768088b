//! The producer's private choice of the next free slot.
//!
//! Memory is fastest to write while the cache that both processors share holds it. So of a ring that is
//! larger, only some slots go round while the consumer keeps up: the *hot* ones. The others, cold, are
//! there for when it does not. Measured in docs/protocol.md.

use std::collections::VecDeque;
use std::hint;
use std::time::Duration;

use crate::Deadline;
use crate::error::Corrupt;
use crate::geometry::Geometry;
use crate::ring::{Place, Ring, index};

/// Bytes of slots that go round: more than the processors' own caches hold, whose lines are slow to be
/// taken back from the consumer's, and less than the cache they share.
const HOT_BYTES: u64 = 8 << 20;
/// Slots that go round at least, however large: one to fill while the other is read.
const FEWEST_HOT: u32 = 2;
/// How long to wait for a hot slot, beyond the time that a consumer may take to read a message.
const PATIENCE: Duration = Duration::from_micros(50);
/// Bytes that a consumer reads in a nanosecond, if it does little else.
const READ_BYTES_PER_NS: u64 = 8;
/// Looks at the position between two looks at the clock.
const LOOKS: u32 = 64;

/// Knows which slots are free: those that no message on its way is in, less those lent out.
///
/// Slots are used first-in first-out, the hot ones before the cold ones. All of it is private memory, so
/// nothing that the peer does can make two messages share a slot.
#[derive(Debug)]
pub(crate) struct FreeSlots {
    /// Free slots of those that go round, the one that has been free for longest first.
    hot: VecDeque<u32>,
    /// The other free slots, in the same order.
    cold: VecDeque<u32>,
    /// Most slots that go round, those in use included: 1 to the slot count.
    hot_limit: usize,
    /// Longest wait for a hot slot.
    patience: Duration,
    /// Where the last wait for a hot slot was in vain: not tried again before the consumer moves on.
    in_vain_at: Option<u64>,
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
        let mut slots = Self::none_free(ring.geometry(), head);
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
        slots.free_unused(&used);
        Ok(slots)
    }

    fn none_free(geometry: Geometry, head: u64) -> Self {
        let slot_count = geometry.slot_count();
        let stride = geometry.slot_stride();
        let hot_limit = (HOT_BYTES / stride).max(FEWEST_HOT.into());
        Self {
            hot: VecDeque::with_capacity(slot_count as usize),
            cold: VecDeque::with_capacity(slot_count as usize),
            hot_limit: usize::try_from(hot_limit)
                .unwrap_or(usize::MAX)
                .min(slot_count as usize),
            patience: PATIENCE + Duration::from_nanos(stride / READ_BYTES_PER_NS),
            in_vain_at: None,
            places: vec![Place::Inline; slot_count as usize],
            reclaimed: head,
        }
    }

    /// Makes all slots free but those used already.
    fn free_unused(&mut self, used: &[bool]) {
        let unused = (0..).zip(used).filter(|&(_, used)| !used);
        let free: Vec<u32> = unused.map(|(slot, _)| slot).collect();
        let in_use = used.len() - free.len();
        let hot = self.hot_limit.saturating_sub(in_use).min(free.len());
        let (hot, cold) = free.split_at(hot);
        self.hot.extend(hot);
        self.cold.extend(cold);
    }

    /// Takes the hot slot that has been free for longest, or else the cold one.
    ///
    /// There is one whenever the positions show room that is not lent out.
    pub(crate) fn take(&mut self) -> Option<u32> {
        self.hot.pop_front().or_else(|| self.cold.pop_front())
    }

    /// Takes back a slot that was not used after all; it goes first again, being warm.
    pub(crate) fn put_back(&mut self, place: Place) {
        if let Place::Slot(slot) = place {
            self.kind_of_one_more().push_front(slot);
        }
    }

    /// Notes where the message at `position` stands, before its descriptor is written.
    ///
    /// The position one round earlier must have been reclaimed, or its slot would be forgotten.
    pub(crate) fn note(&mut self, position: u64, place: Place) {
        let index = self.index(position);
        if let Some(noted) = self.places.get_mut(index) {
            *noted = place;
        }
    }

    /// Takes back the slots of all messages before `head`.
    pub(crate) fn reclaim(&mut self, head: u64) {
        while self.reclaimed != head {
            let index = self.index(self.reclaimed);
            if let Some(&Place::Slot(slot)) = self.places.get(index) {
                self.kind_of_one_more().push_back(slot);
            }
            self.reclaimed = self.reclaimed.wrapping_add(1);
        }
    }

    /// Tells whether to wait a moment for the consumer rather than fill a cold slot.
    pub(crate) fn is_worth_waiting(&self) -> bool {
        self.hot.is_empty() && self.in_vain_at != Some(self.reclaimed)
    }

    /// Waits a moment for a hot slot, if there is none, taking back what is released; `look` loads the
    /// consumer's position. Ends by itself, within a millisecond but for the largest slots, whatever has
    /// become of the consumer, and no later than at `deadline`; then a cold one must do.
    ///
    /// # Errors
    ///
    /// Those of `look`.
    pub(crate) fn wait_for_hot(
        &mut self,
        deadline: Deadline,
        mut look: impl FnMut() -> Result<u64, Corrupt>,
    ) -> Result<(), Corrupt> {
        if !self.is_worth_waiting() {
            return Ok(());
        }
        let first = self.reclaimed;
        let until = deadline.earlier(Deadline::after(self.patience));
        while self.hot.is_empty() {
            let moved = self.look_often(&mut look)?;
            if !moved && until.remaining().is_some_and(|left| left.is_zero()) {
                if self.reclaimed == first {
                    self.in_vain_at = Some(first);
                }
                break;
            }
        }
        Ok(())
    }

    /// Looks at the consumer's position until it moves, or for as long as a look at the clock may wait.
    fn look_often(
        &mut self,
        look: &mut impl FnMut() -> Result<u64, Corrupt>,
    ) -> Result<bool, Corrupt> {
        for _ in 0..LOOKS {
            let head = look()?;
            if head != self.reclaimed {
                self.reclaim(head);
                return Ok(true);
            }
            hint::spin_loop();
        }
        Ok(false)
    }

    /// Says where a slot that becomes free belongs: as many are hot as go round, less those in use.
    fn kind_of_one_more(&mut self) -> &mut VecDeque<u32> {
        let free = self.hot.len() + self.cold.len();
        let in_use = self.places.len().saturating_sub(free + 1);
        if self.hot.len() + in_use < self.hot_limit {
            &mut self.hot
        } else {
            &mut self.cold
        }
    }

    fn index(&self, position: u64) -> usize {
        // At most MAX_SLOTS.
        #[expect(clippy::cast_possible_truncation, reason = "at most 16384")]
        let slot_count = self.places.len() as u32;
        index(position, slot_count) as usize
    }
}

#[cfg(test)]
mod tests;
