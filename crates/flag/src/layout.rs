//! The byte map, and the one place that touches the shared bytes.

// The only unsafe code of this crate: two atomic fields and two copies, in `Shared`.
#![allow(unsafe_code)]

use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};

use sysv_ipc::{Access, Attachment};

/// `int counter`: four bytes, native byte order.
const COUNTER_OFFSET: usize = 0;
/// `char message[]`.
const MESSAGE_OFFSET: usize = 4;
/// The segment's size is a multiple of this, as C aligns a struct that holds an `int`.
const ALIGNMENT: usize = 4;

/// Says where everything is in a segment whose message array has a given size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlagLayout {
    /// Size of the array, the terminating NUL included: 1 to [`Self::MAX_MESSAGE_BYTES`].
    message_bytes: usize,
}

impl FlagLayout {
    /// The original's layout: `char message[100]`, 108 bytes in all.
    pub const ORIGINAL: Self = Self { message_bytes: 100 };

    /// The largest message array that is accepted, in bytes (1 GiB); the kernel may allow less.
    pub const MAX_MESSAGE_BYTES: usize = 1 << 30;

    /// Computes the layout for a message array of `message_bytes` bytes, its terminating NUL included.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] when there is no room for the NUL (0), or above
    /// [`MAX_MESSAGE_BYTES`](Self::MAX_MESSAGE_BYTES).
    pub const fn new(message_bytes: usize) -> Result<Self, LayoutError> {
        if message_bytes == 0 || message_bytes > Self::MAX_MESSAGE_BYTES {
            return Err(LayoutError { message_bytes });
        }
        Ok(Self { message_bytes })
    }

    /// Returns the size of the message array in bytes, its terminating NUL included.
    #[must_use]
    pub const fn message_bytes(self) -> usize {
        self.message_bytes
    }

    /// Returns the length of the longest text that fits, in bytes, without its NUL.
    #[must_use]
    pub const fn longest_text(self) -> usize {
        self.message_bytes - 1
    }

    /// Returns the offset of the flag in bytes: the first byte behind the message.
    #[must_use]
    pub const fn ready_offset(self) -> usize {
        MESSAGE_OFFSET + self.message_bytes
    }

    /// Returns the size of the segment in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        (self.ready_offset() + 1).next_multiple_of(ALIGNMENT)
    }
}

/// Says that a message array cannot have this size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a message array of {message_bytes} bytes is not possible: give 1 (room for the NUL alone) to {} \
     bytes",
    FlagLayout::MAX_MESSAGE_BYTES
)]
pub struct LayoutError {
    /// The size asked for, in bytes.
    pub message_bytes: usize,
}

/// The original's struct as a C compiler lays it out, to check [`FlagLayout`] against.
#[repr(C)]
struct Original {
    counter: i32,
    message: [u8; FlagLayout::ORIGINAL.message_bytes],
    /// C's `bool`, as a number: another process may put any value here.
    ready: u8,
}

const _: () = {
    assert!(offset_of!(Original, counter) == COUNTER_OFFSET && COUNTER_OFFSET == 0);
    assert!(offset_of!(Original, message) == MESSAGE_OFFSET && MESSAGE_OFFSET == 4);
    assert!(offset_of!(Original, ready) == FlagLayout::ORIGINAL.ready_offset());
    assert!(FlagLayout::ORIGINAL.ready_offset() == 104);
    assert!(size_of::<Original>() == FlagLayout::ORIGINAL.bytes());
    assert!(FlagLayout::ORIGINAL.bytes() == 108);
    assert!(align_of::<Original>() == ALIGNMENT);
    assert!(size_of::<AtomicU8>() == 1 && align_of::<AtomicU8>() == 1);
    assert!(size_of::<AtomicI32>() == 4 && align_of::<AtomicI32>() == 4);
};

/// Holds an attachment that is large enough for its layout, and touches the bytes.
#[derive(Debug)]
pub(crate) struct Shared {
    /// At least `layout.bytes()` bytes, attached for writing.
    attachment: Attachment,
    layout: FlagLayout,
}

impl Shared {
    /// Takes the attachment if it is writable and has exactly the layout's size; gives it back if not.
    pub(crate) fn new(attachment: Attachment, layout: FlagLayout) -> Result<Self, Attachment> {
        if attachment.bytes() == layout.bytes() && attachment.access() == Access::ReadWrite {
            Ok(Self { attachment, layout })
        } else {
            Err(attachment)
        }
    }

    pub(crate) const fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    pub(crate) fn into_attachment(self) -> Attachment {
        self.attachment
    }

    pub(crate) const fn layout(&self) -> FlagLayout {
        self.layout
    }

    fn counter(&self) -> &AtomicI32 {
        // SAFETY: `new` has checked the size, so the four bytes are inside the mapping, which is
        // writable and outlives the borrow; pages are aligned to more than 4, and the offset is 0.
        unsafe { AtomicI32::from_ptr(self.attachment.as_ptr().add(COUNTER_OFFSET).cast().as_ptr()) }
    }

    fn ready(&self) -> &AtomicU8 {
        // SAFETY: `new` has checked the size, so the byte is inside the mapping, which is writable and
        // outlives the borrow; a byte needs no alignment.
        unsafe {
            AtomicU8::from_ptr(
                self.attachment
                    .as_ptr()
                    .add(self.layout.ready_offset())
                    .as_ptr(),
            )
        }
    }

    /// Tells whether the flag is set: a message is there. A foreign value above 1 counts as set.
    pub(crate) fn is_ready(&self) -> bool {
        // SYNC POINT: READY (reader's end): what the writer wrote before it set the flag is seen after
        // this load. SYNC POINT: TAKEN (writer's end): what the reader read before it cleared the flag
        // was read before anything the writer writes after this load.
        self.ready().load(Ordering::Acquire) != 0
    }

    /// Sets the flag: hands the message to the reader.
    pub(crate) fn set_ready(&self) {
        // SYNC POINT: READY (writer's end)
        self.ready().store(1, Ordering::Release);
    }

    /// Clears the flag: hands the message's place back to the writer.
    pub(crate) fn clear_ready(&self) {
        // SYNC POINT: TAKEN (reader's end)
        self.ready().store(0, Ordering::Release);
    }

    /// Writes counter, text and terminating NUL; of a longer text what fits. The flag must be clear.
    pub(crate) fn write(&mut self, counter: i32, text: &[u8]) {
        self.counter().store(counter, Ordering::Relaxed);
        let length = text.len().min(self.layout.longest_text());
        // SAFETY: the message array is inside the mapping (`new`), and `length` bytes and a NUL fit
        // into it. `text` is a borrowed slice of this process and so does not overlap the mapping,
        // which is never lent as a slice. The flag is clear, so by the protocol the reader keeps off;
        // one that does not gets bytes that make no sense, in a process of its own.
        unsafe {
            let message = self.attachment.as_ptr().add(MESSAGE_OFFSET).as_ptr();
            ptr::copy_nonoverlapping(text.as_ptr(), message, length);
            message.add(length).write(0);
        }
    }

    /// Reads the counter. The flag must be set.
    pub(crate) fn read_counter(&self) -> i32 {
        self.counter().load(Ordering::Relaxed)
    }

    /// Copies bytes of the message array from `start` on, until `target` or the array ends; returns how
    /// many. The flag must be set.
    pub(crate) fn read_message(&self, start: usize, target: &mut [u8]) -> usize {
        let start = start.min(self.layout.message_bytes);
        let length = target.len().min(self.layout.message_bytes - start);
        // SAFETY: `start + length` is at most the array's size, and the array is inside the mapping
        // (`new`); `length` bytes fit into `target`, memory of this process that does not overlap the
        // mapping. Each byte is read once and every value is a valid u8. The flag is set, so by the
        // protocol the writer keeps off; a foreign one that does not makes garbage of the text, and
        // nothing but the text depends on it.
        unsafe {
            let message = self
                .attachment
                .as_ptr()
                .add(MESSAGE_OFFSET + start)
                .as_ptr();
            ptr::copy_nonoverlapping(message, target.as_mut_ptr(), length);
        }
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_follows_the_message_and_the_size_is_a_multiple_of_four() {
        for (message_bytes, ready, bytes) in
            [(1, 5, 8), (99, 103, 104), (100, 104, 108), (103, 107, 108)]
        {
            let layout = FlagLayout::new(message_bytes).unwrap();
            assert_eq!(
                (layout.ready_offset(), layout.bytes()),
                (ready, bytes),
                "{message_bytes}"
            );
        }
    }

    #[test]
    fn sizes_without_room_or_beyond_reason_are_refused() {
        for message_bytes in [0, FlagLayout::MAX_MESSAGE_BYTES + 1, usize::MAX] {
            assert_eq!(
                FlagLayout::new(message_bytes),
                Err(LayoutError { message_bytes })
            );
        }
    }
}
