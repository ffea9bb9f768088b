//! Several messages in the consumer's hands.

use std::fmt;
use std::mem::{self, ManuallyDrop};
use std::thread;

use super::Consumer;
use crate::error::Fault;

/// Holds several received messages in place. Dropping it releases all of them, but for a thread that
/// panics: then all are put back, and come again. See [`Message`](crate::Message).
pub struct Batch<'a> {
    pub(super) consumer: &'a mut Consumer,
    pub(super) count: u32,
}

impl Batch<'_> {
    /// Returns the number of messages, at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Returns the position of the first message; those of the others follow without a gap.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.consumer.view.head
    }

    /// Returns how many messages, from the first on, an earlier consumer had in hand when it ended.
    #[must_use]
    pub fn redelivered(&self) -> usize {
        self.consumer.redelivered_left.min(self.count) as usize
    }

    /// Returns the messages in their order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let view = &self.consumer.view;
        self.consumer
            .parts
            .iter()
            .enumerate()
            .map(|(offset, &(place, length))| {
                view.ring
                    .message(view.head.wrapping_add(offset as u64), place, length)
            })
    }

    /// Releases all messages, as dropping does, and says when that fails. Does not block.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the kernel refuses to tell the producer.
    pub fn release(self) -> Result<(), Fault> {
        ManuallyDrop::new(self).settle()
    }

    /// Releases the first `count` messages, and gives the others back: the next call receives them
    /// again. Does not block.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the kernel refuses to tell the producer.
    pub fn release_first(self, count: usize) -> Result<(), Fault> {
        let mut batch = ManuallyDrop::new(self);
        batch.count = u32::try_from(count).unwrap_or(u32::MAX).min(batch.count);
        if batch.count == 0 {
            Ok(())
        } else {
            batch.settle()
        }
    }

    /// Gives all messages back unreleased: the next call receives them again, and so does a successor. Does
    /// not block.
    pub fn put_back(self) {
        mem::forget(self);
    }

    fn settle(&mut self) -> Result<(), Fault> {
        let parts = self.consumer.parts.iter().take(self.len());
        let bytes = parts.map(|&(_, length)| u64::from(length)).sum();
        self.consumer.release(self.count, bytes)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            return; // Not dealt with, as in `Message`.
        }
        // The next call meets the same fault and reports it.
        let _ = self.settle();
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("position", &self.position())
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
