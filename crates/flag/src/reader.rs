//! The reading side: the mirror image of the writing side.

use std::borrow::Cow;
use std::ffi::CStr;
use std::time::Instant;

use sysv_ipc::Segment;

use crate::{FlagSegment, Strategy, WaitError};

/// Bytes that are copied before the first look for the NUL in them: a short text in a large array costs
/// this much, not the array.
const CHUNK_BYTES: usize = 4096;

/// Reads messages from a segment; there must be one at a time.
#[derive(Debug)]
pub struct FlagReader {
    memory: FlagSegment,
    strategy: Strategy,
    /// As large as the message array: every text fits.
    buffer: Box<[u8]>,
}

/// Holds a message that was copied out of the segment; it does not change any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The number the writer gave it.
    pub counter: i32,
    /// Its text, without NUL; any bytes but that.
    pub text: &'a [u8],
}

impl<'a> Message<'a> {
    /// Returns the text for printing, with U+FFFD in place of what is not UTF-8.
    #[must_use]
    pub fn to_string_lossy(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.text)
    }
}

impl FlagReader {
    /// Takes the reading role; the flag stays as it is.
    #[must_use]
    pub fn new(memory: FlagSegment, strategy: Strategy) -> Self {
        let buffer = vec![0; memory.layout().message_bytes()].into();
        Self {
            memory,
            strategy,
            buffer,
        }
    }

    /// Receives a message: [`peek`](Self::peek), then [`clear`](Self::clear).
    ///
    /// Blocks until there is one; without a deadline that may be for ever.
    ///
    /// # Errors
    ///
    /// As of [`peek`](Self::peek).
    pub fn recv(&mut self, deadline: Option<Instant>) -> Result<Message<'_>, WaitError> {
        self.wait_ready(deadline)?;
        let (counter, bytes) = self.copy();
        self.clear();
        Ok(self.message(counter, bytes))
    }

    /// Waits for a message and copies it, and leaves the writer waiting until [`clear`](Self::clear).
    ///
    /// Blocks until there is one; without a deadline that may be for ever.
    ///
    /// # Errors
    ///
    /// * [`WaitError::TimedOut`]: the deadline has passed.
    /// * [`WaitError::Removed`]: the segment was removed and holds no message; noticed within 100 ms.
    /// * [`WaitError::System`]: the kernel refuses to tell about the segment.
    pub fn peek(&mut self, deadline: Option<Instant>) -> Result<Message<'_>, WaitError> {
        self.wait_ready(deadline)?;
        let (counter, bytes) = self.copy();
        Ok(self.message(counter, bytes))
    }

    /// Clears the flag: the writer may write the next message. Does not block.
    pub fn clear(&mut self) {
        self.memory.shared().clear_ready();
    }

    fn wait_ready(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        self.memory.wait_for_flag(true, self.strategy, deadline)
    }

    /// Copies the message up to its NUL, or to the array's end where a foreign writer left none, reading
    /// each byte once; returns its counter and the bytes of its text.
    fn copy(&mut self) -> (i32, usize) {
        let shared = self.memory.shared();
        let counter = shared.read_counter();
        let mut bytes = 0;
        for chunk in self.buffer.chunks_mut(CHUNK_BYTES) {
            let length = shared.read_message(bytes, chunk);
            if let Ok(text) = CStr::from_bytes_until_nul(chunk) {
                return (counter, bytes + text.count_bytes());
            }
            bytes += length;
        }
        (counter, bytes)
    }

    fn message(&self, counter: i32, bytes: usize) -> Message<'_> {
        let text = self.buffer.get(..bytes).unwrap_or_default();
        Message { counter, text }
    }

    /// Returns the segment, to name it.
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
