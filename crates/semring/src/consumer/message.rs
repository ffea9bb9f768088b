//! One message in the consumer's hands.

use std::fmt;
use std::mem::{self, ManuallyDrop};
use std::ops::Deref;
use std::thread;

use super::Consumer;
use crate::error::Fault;

/// Holds one received message in place. Dropping it releases it: after an early return, too, with `?`
/// for instance; [`put_back`](Self::put_back) comes before one that is not to acknowledge it.
///
/// Dropped while its thread panics, it is put back, as by a death: it comes again, here or to a
/// successor. So it is when it is forgotten ([`mem::forget`]).
///
/// Its bytes stand in shared memory, and stay as they are as long as the producer keeps the protocol, as
/// any that uses this library does. Copy them before checking them where another program might write there.
pub struct Message<'a> {
    pub(super) consumer: &'a mut Consumer,
}

impl Message<'_> {
    /// Returns the position: how many messages were sent before this one since the channel was made.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.consumer.view.head
    }

    /// Tells whether an earlier consumer had this message in hand when it ended, and so may have
    /// dealt with it.
    #[must_use]
    pub fn is_redelivered(&self) -> bool {
        self.consumer.redelivered_left > 0
    }

    /// Releases the message, as dropping does, and says when that fails. Does not block.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the kernel refuses to tell the producer.
    #[inline]
    pub fn release(self) -> Result<(), Fault> {
        ManuallyDrop::new(self).consumer.release_in_hand()
    }

    /// Gives the message back unreleased: the next call receives it again, and so does a successor.
    /// Does not block.
    pub fn put_back(self) {
        mem::forget(self);
    }
}

impl Deref for Message<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let (place, length) = self.consumer.in_hand;
        let view = &self.consumer.view;
        view.ring.message(view.head, place, length)
    }
}

impl Drop for Message<'_> {
    #[inline]
    fn drop(&mut self) {
        if thread::panicking() {
            return; // Not dealt with: as after `put_back`, the permit stays in hand.
        }
        // The next call meets the same fault and reports it.
        let _ = self.consumer.release_in_hand();
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("position", &self.position())
            .field("length", &self.consumer.in_hand.1)
            .finish_non_exhaustive()
    }
}
