//! Keeping two sides that are both at work apart.
//!
//! What one side has just touched lies in its processor's own cache, from where the other takes it half as
//! fast as from the cache that both share. So two that follow each other closely slow each other down, and
//! stay close. Some MiB apart, each line has moved on before the other side wants it. A side that finds
//! itself closer holds back until it is that far away, as long as the other keeps moving. Measured in
//! docs/protocol.md.

use std::hint;
use std::time::{Duration, Instant};

use crate::Deadline;
use crate::error::Corrupt;
use crate::geometry::Geometry;

/// Bytes between the two: more than twice what a processor's own cache holds.
const APART_BYTES: u64 = 5 << 19;
/// Looks while one side gets past such a distance.
const LAPS: u32 = 4;
/// Longest time to hold back: enough at 50 GB/s, and slower streams do not gain by it.
const LONGEST: Duration = Duration::from_micros(50);
/// Longest time in which the other side may be seen to stand still, beyond that for one exchange.
const STANDSTILL: Duration = Duration::from_micros(2);
/// Bytes that the other side fills or reads in a nanosecond if holding back pays.
const BYTES_PER_NS: u64 = 32;
/// Pauses of the processor between two looks, each some 25 ns.
const PAUSES: u32 = 32;
/// Exchanges that must have been found too close to hold back: so many at first, and twice as many after
/// each time in vain. Requests and answers are kept waiting, in vain, once in thousands.
const FEWEST: u32 = 64;
const MOST: u32 = 1 << 14;
/// Exchanges found by one look that count.
const COUNTED: u32 = 8;

/// Knows how far away the other side should be, and whether it pays to hold back until it is.
#[derive(Debug)]
pub(crate) struct Apart {
    /// Exchanges between the two; 0 where the ring has no room for that.
    exchanges: u32,
    /// How many more to hold back for: so many may be used before the next look.
    lap: u32,
    /// How long the other side may take for an exchange.
    patience: Duration,
    /// Exchanges found too close since holding back was last in vain.
    found: u32,
    /// How many of them it takes.
    needed: u32,
}

impl Apart {
    pub(crate) fn of(geometry: Geometry) -> Self {
        let stride = geometry.slot_stride();
        let slot_count = geometry.slot_count();
        // Far enough from each other both ways round, and room to move.
        let exchanges = u32::try_from(APART_BYTES / stride).unwrap_or(0);
        let exchanges = if exchanges <= slot_count / 3 {
            exchanges
        } else {
            0
        };
        Self {
            exchanges,
            lap: (exchanges / LAPS).max(1),
            patience: STANDSTILL + Duration::from_nanos(stride / BYTES_PER_NS),
            found: 0,
            needed: FEWEST,
        }
    }

    /// Tells whether to hold back, when a look has found so many exchanges.
    #[inline]
    pub(crate) fn is_too_close(&mut self, found: u32) -> bool {
        if self.exchanges == 0 || found >= self.exchanges + self.lap {
            return false;
        }
        self.found = (self.found + found.min(COUNTED)).min(MOST);
        self.found >= self.needed
    }

    /// Returns how many of the exchanges `found` to use before the next look: no more than to where the
    /// other side would be too close; all, if it is already.
    #[inline]
    pub(crate) const fn share(&self, found: u32) -> u32 {
        if found >= self.exchanges + self.lap {
            found - self.exchanges
        } else {
            found
        }
    }

    /// Holds back, with so many exchanges `found`, until the other side is far enough away, stands still, or
    /// time is up; `look` tells how many there are by now.
    ///
    /// # Errors
    ///
    /// Those of `look`.
    #[cold]
    pub(crate) fn hold_back(
        &mut self,
        mut found: u32,
        deadline: Deadline,
        mut look: impl FnMut() -> Result<u32, Corrupt>,
    ) -> Result<(), Corrupt> {
        let began = Instant::now();
        let mut moved = began;
        while !deadline.is_over() {
            for _ in 0..PAUSES {
                hint::spin_loop();
            }
            let (now, ready) = (Instant::now(), look()?);
            if ready >= self.exchanges + self.lap {
                self.needed = FEWEST;
                return Ok(());
            }
            if ready > found {
                (found, moved) = (ready, now);
            }
            if now - moved > self.patience || now - began > LONGEST {
                self.found = 0;
                self.needed = (2 * self.needed).min(MOST);
                return Ok(());
            }
        }
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn apart(slot_count: u32, slot_bytes: u64) -> Apart {
        Apart::of(Geometry::new(slot_count, slot_bytes).unwrap())
    }

    /// How many looks that find so many it takes to be too close; none if it never is.
    fn looks(apart: &mut Apart, found: u32) -> Option<u32> {
        (1..=MOST).find(|_| apart.is_too_close(found))
    }

    #[test]
    fn only_a_ring_with_room_for_it_keeps_its_sides_apart() {
        for (slot_count, slot_bytes, exchanges) in [
            (512, 16 << 10, 160),
            (256, 16 << 10, 0),
            (8192, 1024, 2560),
            (8, 1 << 20, 2),
            (4, 1 << 20, 0),
            (64, 4 << 20, 0),
            (16384, 64, 0),
        ] {
            let apart = apart(slot_count, slot_bytes);
            assert_eq!(apart.exchanges, exchanges, "{slot_count} of {slot_bytes}");
        }
    }

    #[test]
    fn the_more_is_found_the_sooner_it_is_a_stream() {
        for (found, looks_needed) in [(1, Some(64)), (2, Some(32)), (199, Some(8)), (200, None)] {
            assert_eq!(
                looks(&mut apart(512, 16 << 10), found),
                looks_needed,
                "{found}"
            );
        }
        assert_eq!(looks(&mut apart(8, 1 << 20), 1), Some(64));
        assert_eq!(looks(&mut apart(64, 64), 2), None);
    }

    #[test]
    fn as_many_are_used_as_leave_the_other_side_far_enough() {
        let long = apart(512, 16 << 10);
        let shares = [1, 199, 200, 500].map(|found| long.share(found));
        assert_eq!(shares, [1, 199, 40, 340]);
        let short = apart(64, 64);
        assert_eq!([1, 64].map(|found| short.share(found)), [1, 64]);
    }

    #[test]
    fn requests_and_answers_are_kept_waiting_once_in_thousands() {
        let mut apart = apart(512, 16 << 10);
        let mut in_vain = 0;
        for _ in 0..100_000 {
            if apart.is_too_close(1) {
                apart.hold_back(1, Deadline::NEVER, || Ok(1)).unwrap();
                in_vain += 1;
            }
        }
        assert!(in_vain < 15, "{in_vain}");
    }

    #[test]
    fn who_is_far_enough_away_goes_on() {
        let mut apart = apart(512, 16 << 10);
        apart.needed = 1000;
        apart.hold_back(5, Deadline::NEVER, || Ok(200)).unwrap();
        assert_eq!(apart.needed, FEWEST);
    }

    /// Unless the machine does something else just then: once in several tries is enough.
    #[test]
    fn as_long_as_the_other_side_moves_it_is_waited_for() {
        let gained = (0..20).any(|_| {
            let mut apart = apart(512, 16 << 10);
            apart.needed = 1000;
            let mut ready = 0;
            let looked = apart.hold_back(0, Deadline::NEVER, || {
                ready += 20;
                Ok(ready)
            });
            looked.unwrap();
            apart.needed == FEWEST
        });
        assert!(gained);
    }

    #[test]
    fn who_waits_in_vain_goes_on_and_is_slower_to_try_again() {
        let mut apart = apart(512, 16 << 10);
        assert_eq!(looks(&mut apart, 8), Some(8));
        apart.hold_back(2, Deadline::NEVER, || Ok(2)).unwrap();
        assert_eq!(looks(&mut apart, 8), Some(16));
        // It moves, but not by enough.
        apart.hold_back(2, Deadline::NEVER, || Ok(199)).unwrap();
        assert_eq!(looks(&mut apart, 8), Some(32));
        let mut ready = 2;
        let looked = apart.hold_back(2, Deadline::NEVER, || {
            ready = (ready + 1).min(199);
            Ok(ready)
        });
        looked.unwrap();
        assert_eq!(looks(&mut apart, 8), Some(64));
        for _ in 0..20 {
            apart.hold_back(2, Deadline::NEVER, || Ok(2)).unwrap();
        }
        assert_eq!(apart.needed, MOST);
    }

    #[test]
    fn an_exchange_may_take_as_long_as_its_bytes() {
        assert_eq!(
            apart(8, 1 << 20).patience,
            STANDSTILL + Duration::from_nanos(1 << 15)
        );
    }

    #[test]
    fn a_deadline_that_is_over_is_not_kept_waiting_and_damage_is_reported() {
        let mut apart = apart(512, 16 << 10);
        let over = Deadline::after(Duration::ZERO);
        apart.hold_back(2, over, || unreachable!()).unwrap();
        assert_eq!(apart.needed, FEWEST);
        let damage = || Err(Corrupt::new("tail", 1, "0"));
        assert!(apart.hold_back(2, Deadline::NEVER, damage).is_err());
    }
}
