//! The slots of a ring that is larger than the cache that both processors share.
//!
//! Memory is fastest to write while that cache holds it. So only some slots go round while the consumer
//! keeps up: the *hot* ones. The others, cold, are there for when it does not. Measured in
//! docs/protocol.md.

use std::collections::VecDeque;
use std::hint;
use std::time::Duration;

use crate::Deadline;
use crate::error::Corrupt;
use crate::geometry::Geometry;
use crate::layout::INLINE;
use crate::ring::{Place, index};
use crate::slots::HOT_BYTES;

/// Slots that go round at least, however large: one to fill while the other is read.
const FEWEST_HOT: usize = 2;
/// How long to wait for a hot slot, beyond the time that a consumer may take to read a message.
const PATIENCE: Duration = Duration::from_micros(50);
/// Bytes that a consumer reads in a nanosecond, if it does little else.
const READ_BYTES_PER_NS: u64 = 8;
/// Looks at the position between two looks at the clock.
const LOOKS: u32 = 64;

/// Knows which slots are free: those that no message on its way is in, less those lent out.
///
/// Slots are used first-in first-out, the hot ones before the cold ones.
#[derive(Debug)]
pub(crate) struct HotSlots {
    /// Free slots of those that go round, the one that has been free for longest first.
    hot: VecDeque<Filled>,
    /// The other free slots, in the same order.
    cold: VecDeque<u32>,
    /// Bytes that go round: of the messages in slots, and of those last in the hot ones.
    hot_bytes: u64,
    /// Longest wait for a hot slot.
    patience: Duration,
    /// Where the last wait for a hot slot was in vain: not tried again before the consumer moves on.
    in_vain_at: Option<u64>,
    /// Which slot the message at each index of the ring is in, [`INLINE`] for none, for the positions from
    /// `reclaimed` on.
    places: Vec<Filled>,
    /// Position up to which slots have been taken back.
    reclaimed: u64,
}

/// Names a slot, and says how many bytes of it have been filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Filled {
    slot: u32,
    bytes: u32,
}

impl HotSlots {
    /// Takes over a ring in which nothing but `on_the_way` is, the first of it at position `head`.
    pub(crate) fn new(
        geometry: Geometry,
        head: u64,
        on_the_way: &[(Place, u32)],
        unused: Vec<u32>,
    ) -> Self {
        let mut slots = Self::none_free(geometry, head);
        for (position, &(place, bytes)) in (head..).zip(on_the_way) {
            slots.note(position, place, bytes);
        }
        slots.cold.extend(unused);
        slots
    }

    fn none_free(geometry: Geometry, head: u64) -> Self {
        let slot_count = geometry.slot_count() as usize;
        let reading = Duration::from_nanos(geometry.slot_bytes() / READ_BYTES_PER_NS);
        Self {
            hot: VecDeque::with_capacity(slot_count),
            cold: VecDeque::with_capacity(slot_count),
            hot_bytes: 0,
            patience: PATIENCE + reading,
            in_vain_at: None,
            places: vec![
                Filled {
                    slot: INLINE,
                    bytes: 0
                };
                slot_count
            ],
            reclaimed: head,
        }
    }

    /// Chooses a slot when the consumer's position was `head`; see [`Slots::choose`](super::Slots::choose).
    pub(crate) fn choose(
        &mut self,
        head: u64,
        bytes: u32,
        deadline: Deadline,
        look: impl FnMut() -> Result<u64, Corrupt>,
    ) -> Result<u32, Corrupt> {
        self.reclaim(head);
        if self.is_worth_waiting(bytes) {
            self.wait_for_hot(bytes, deadline, look)?;
        }
        let slot = self.take(bytes);
        slot.ok_or_else(|| Corrupt::new("free slots", 0, "at least 1 beside a credit"))
    }

    /// Notes a message's place when the consumer's position was `head`.
    #[inline(never)]
    pub(crate) fn replace(&mut self, head: u64, position: u64, place: Place, bytes: u32) {
        self.reclaim(head);
        self.note(position, place, bytes);
    }

    /// Takes a slot for a message of up to `bytes` bytes: another one as long as fewer go round than
    /// should, then the hot one that has been free for longest, or else a cold one.
    ///
    /// There is one whenever the positions show room that is not lent out.
    #[inline]
    fn take(&mut self, bytes: u32) -> Option<u32> {
        if self.has_room_for(bytes)
            && let Some(slot) = self.cold.pop_front()
        {
            return Some(slot);
        }
        match self.hot.pop_front() {
            Some(hot) => {
                self.hot_bytes -= u64::from(hot.bytes);
                Some(hot.slot)
            }
            None => self.cold.pop_front(),
        }
    }

    /// Takes back a slot that was not used after all; it goes first again.
    pub(crate) fn put_back(&mut self, slot: u32) {
        self.cold.push_front(slot);
    }

    /// Notes where the message at `position` stands, before its descriptor is written.
    ///
    /// The position one round earlier must have been reclaimed, or its slot would be forgotten.
    #[inline]
    fn note(&mut self, position: u64, place: Place, bytes: u32) {
        let filled = match place {
            Place::Inline => Filled {
                slot: INLINE,
                bytes: 0,
            },
            Place::Slot(slot) => Filled { slot, bytes },
        };
        self.hot_bytes += u64::from(filled.bytes);
        let index = self.index(position);
        if let Some(noted) = self.places.get_mut(index) {
            *noted = filled;
        }
    }

    /// Takes back the slots of all messages before `head`: as hot ones, unless more go round than should.
    #[inline]
    fn reclaim(&mut self, head: u64) {
        while self.reclaimed != head {
            let index = self.index(self.reclaimed);
            if let Some(&filled) = self.places.get(index)
                && filled.slot != INLINE
            {
                if self.hot_bytes <= HOT_BYTES || self.go_round() <= FEWEST_HOT {
                    self.hot.push_back(filled);
                } else {
                    self.hot_bytes -= u64::from(filled.bytes);
                    self.cold.push_back(filled.slot);
                }
            }
            self.reclaimed = self.reclaimed.wrapping_add(1);
        }
    }

    /// Tells whether so many bytes more may go round.
    fn has_room_for(&self, bytes: u32) -> bool {
        self.hot_bytes + u64::from(bytes) <= HOT_BYTES || self.go_round() < FEWEST_HOT
    }

    /// Counts the slots that go round: the hot ones, and those in use.
    fn go_round(&self) -> usize {
        self.places.len() - self.cold.len()
    }

    /// Tells whether to wait a moment for the consumer rather than fill a cold slot with a message of up
    /// to `bytes` bytes.
    #[inline]
    pub(crate) fn is_worth_waiting(&self, bytes: u32) -> bool {
        self.hot.is_empty() && !self.has_room_for(bytes) && self.in_vain_at != Some(self.reclaimed)
    }

    /// Waits a moment for a hot slot, if that is worth it, taking back what is released; `look` loads the
    /// consumer's position. Ends by itself, within a millisecond but for the largest slots, whatever has
    /// become of the consumer, and no later than at `deadline`; then a cold one must do.
    ///
    /// # Errors
    ///
    /// Those of `look`.
    #[cold]
    fn wait_for_hot(
        &mut self,
        bytes: u32,
        deadline: Deadline,
        mut look: impl FnMut() -> Result<u64, Corrupt>,
    ) -> Result<(), Corrupt> {
        if !self.is_worth_waiting(bytes) {
            return Ok(());
        }
        let first = self.reclaimed;
        let until = deadline.earlier(Deadline::after(self.patience));
        while self.is_worth_waiting(bytes) {
            let moved = self.look_often(&mut look)?;
            if !moved && until.is_over() {
                // Without effect if the consumer has moved on, only not far enough.
                self.in_vain_at = Some(first);
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

    #[inline]
    fn index(&self, position: u64) -> usize {
        // At most MAX_SLOTS.
        #[expect(clippy::cast_possible_truncation, reason = "at most 16384")]
        let slot_count = self.places.len() as u32;
        index(position, slot_count) as usize
    }
}

#[cfg(test)]
mod tests;
