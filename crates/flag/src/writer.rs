//! The writing side: the mirror image of the reading side.

use std::ffi::CStr;
use std::time::Instant;

use sysv_ipc::Segment;

use crate::{FlagSegment, PublishError, SendError, Strategy, WaitError};

/// Writes messages into a segment; there must be one at a time.
#[derive(Debug)]
pub struct FlagWriter {
    memory: FlagSegment,
    strategy: Strategy,
}

impl FlagWriter {
    /// Takes the writing role and clears the flag: a message that a former writer left is gone.
    #[must_use]
    pub fn new(memory: FlagSegment, strategy: Strategy) -> Self {
        memory.shared().clear_ready();
        Self { memory, strategy }
    }

    /// Sends a message: [`publish`](Self::publish), then [`wait_taken`](Self::wait_taken).
    ///
    /// Blocks until the reader has taken it; without a deadline that may be for ever.
    ///
    /// # Errors
    ///
    /// [`SendError::Publish`] and [`SendError::Wait`], with the errors of the two.
    pub fn send(
        &mut self,
        counter: i32,
        text: &[u8],
        deadline: Option<Instant>,
    ) -> Result<(), SendError> {
        self.publish(counter, text)?;
        Ok(self.wait_taken(deadline)?)
    }

    /// Writes counter and text, then sets the flag. Does not block.
    ///
    /// # Errors
    ///
    /// * [`PublishError::TooLong`]: the text does not fit.
    /// * [`PublishError::HoldsNul`]: the text has a NUL in it.
    /// * [`PublishError::NotTaken`]: the message before is still there.
    pub fn publish(&mut self, counter: i32, text: &[u8]) -> Result<(), PublishError> {
        let longest = self.memory.layout().longest_text();
        let bytes = text.len();
        if bytes > longest {
            return Err(PublishError::TooLong { bytes, longest });
        }
        if let Ok(start) = CStr::from_bytes_until_nul(text) {
            let position = start.count_bytes();
            return Err(PublishError::HoldsNul { position });
        }
        let shared = self.memory.shared_mut();
        if shared.is_ready() {
            return Err(PublishError::NotTaken);
        }
        shared.write(counter, text);
        shared.set_ready();
        Ok(())
    }

    /// Waits until the reader has cleared the flag. Blocks; without a deadline maybe for ever.
    ///
    /// # Errors
    ///
    /// * [`WaitError::TimedOut`]: the deadline has passed.
    /// * [`WaitError::Removed`]: the segment was removed; noticed within 100 ms.
    /// * [`WaitError::System`]: the kernel refuses to tell about the segment.
    pub fn wait_taken(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        self.memory.wait_for_flag(false, self.strategy, deadline)
    }

    /// Returns the segment, to name or to remove it.
    #[must_use]
    pub const fn segment(&self) -> Segment {
        self.memory.segment()
    }

    /// Gives the role up, and the attachment back.
    #[must_use]
    pub fn into_inner(self) -> FlagSegment {
        self.memory
    }
}
