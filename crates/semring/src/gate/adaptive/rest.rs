//! How long to leave the peer alone.
//!
//! A look at the peer's position takes the cache line with it away from the peer, which must fetch it back
//! for its next store: with a look for each message, both sides spend most of their time on that line. A
//! side that rests before it looks finds several messages, or slots, for the price of one look. Where each
//! message is an answer to the last there is never more than one, however long the rest; so none is taken.

use std::hint;

/// Remembers how long a rest has paid so far.
#[derive(Debug)]
pub(crate) struct Rest {
    /// In pauses of the processor, each some 25 ns: at most [`MOST`].
    pauses: u32,
}

/// Longest rest: less than 2 µs.
const MOST: u32 = 64;

impl Rest {
    pub(crate) const fn none() -> Self {
        Self { pauses: 0 }
    }

    /// Rests.
    pub(crate) fn take(&self) {
        for _ in 0..self.pauses {
            hint::spin_loop();
        }
    }

    /// Tells whether there is a rest at all.
    #[cfg(all(test, not(loom)))]
    pub(crate) const fn is_taken(&self) -> bool {
        self.pauses > 0
    }

    /// Learns from how many exchanges were `found` when the wait ended: a longer rest is tried while that
    /// keeps up with it and is far from a full ring, on which the peer would have to wait.
    pub(crate) fn learn(&mut self, found: u32, slot_count: u32) {
        let too_few = 2 + self.pauses / 8;
        let enough = 2 + self.pauses / 2;
        if found < too_few || found > slot_count / 2 {
            self.pauses /= 2;
        } else if found >= enough && found < slot_count / 4 {
            self.pauses = (self.pauses * 2).clamp(1, MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rest after waits that ended with so many messages of a ring of so many slots.
    fn after(waits: u32, slot_count: u32, found: impl Fn(u32) -> u32) -> u32 {
        let mut rest = Rest::none();
        for _ in 0..waits {
            rest.learn(found(rest.pauses), slot_count);
        }
        rest.pauses
    }

    #[test]
    fn requests_and_answers_are_not_kept_waiting() {
        assert_eq!(after(100, 64, |_| 1), 0);
    }

    #[test]
    fn a_stream_that_gains_by_it_is_left_alone_for_longer() {
        assert_eq!(after(100, 4096, |pauses| 2 + pauses), MOST);
        // Two at a time, however long the rest.
        assert_eq!(after(100, 4096, |_| 2), 2);
    }

    #[test]
    fn the_rest_ends_with_the_stream() {
        let mut rest = Rest { pauses: MOST };
        for _ in 0..7 {
            rest.learn(1, 4096);
        }
        assert_eq!(rest.pauses, 0);
    }

    #[test]
    fn the_peer_does_not_come_to_wait_for_a_full_ring() {
        assert_eq!(after(100, 4, |_| 2), 0);
        assert_eq!(after(100, 64, |pauses| (2 + pauses).min(64)), 16);
        let mut rest = Rest { pauses: 16 };
        rest.learn(33, 64);
        assert_eq!(rest.pauses, 8);
    }
}
