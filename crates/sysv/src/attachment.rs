//! A segment mapped into this process.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

use nix::errno::Errno;
use nix::sys::mman::{MmapAdvise, madvise};

use crate::{Call, Error, Object, Segment};

/// Says what an attachment may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reading and writing.
    ReadWrite,
    /// Reading; a write would end the process with SIGSEGV, so it is refused here.
    ReadOnly,
}

/// Holds a segment mapped into this process; dropping it detaches.
///
/// Other processes may write the same bytes at any time. The safe methods copy or load with atomic
/// operations, so whatever the others do, the worst is a value that makes no sense. A copy of several
/// bytes is not one atomic step: agree on who writes when, for instance by a semaphore.
///
/// The language leaves it open what happens when atomic operations of different sizes meet on the
/// same bytes at the same time. Keep bytes that are used as numbers
/// ([`atomic_u32`](Self::atomic_u32) and the like) apart from those that are copied.
#[derive(Debug)]
pub struct Attachment {
    address: NonNull<u8>,
    /// Bytes in the segment, not rounded to pages.
    bytes: usize,
    access: Access,
    segment_id: i32,
    /// The process whose children do not have the mapping; 0 when they do.
    kept_by: AtomicU32,
}

// SAFETY: a mapping belongs to the process, not to a thread, and the safe methods touch it atomically.
unsafe impl Send for Attachment {}
// SAFETY: as for Send; no method has state of its own to race on.
unsafe impl Sync for Attachment {}

impl Attachment {
    /// Takes over a mapping, and asks for its size; when that fails, the mapping is undone.
    ///
    /// # Safety
    ///
    /// A `shmat` that nothing else will undo has mapped `segment` at `address`, as `access` says.
    pub(crate) unsafe fn from_mapping(
        address: NonNull<u8>,
        access: Access,
        segment: Segment,
    ) -> Result<Self, Error> {
        let mut attachment = Self {
            address,
            bytes: 0,
            access,
            segment_id: segment.id(),
            kept_by: AtomicU32::new(0),
        };
        // Only now: before it was mapped, the identifier could have been given to another segment, a
        // smaller one. From now on it cannot, even if the segment is removed.
        attachment.bytes = segment.stat()?.bytes;
        Ok(attachment)
    }

    /// Returns the address of the first byte; page aligned, valid for [`bytes`](Self::bytes) bytes
    /// while this value lives.
    ///
    /// What is read through it may change at any moment, and must not be written through it when the
    /// [`access`](Self::access) is read-only: that part is for `unsafe` code to uphold.
    #[must_use]
    pub const fn as_ptr(&self) -> NonNull<u8> {
        self.address
    }

    /// Returns the bytes in the segment, as asked for at its creation.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Tells whether it was attached for writing.
    #[must_use]
    pub const fn access(&self) -> Access {
        self.access
    }

    /// Returns the segment.
    #[must_use]
    pub const fn segment(&self) -> Segment {
        Segment::from_id(self.segment_id)
    }

    /// Keeps children that this process forks from inheriting the mapping (`MADV_DONTFORK`).
    ///
    /// Without it a child can go on writing after its parent's death, and every child counts as an
    /// attachment until it executes another program. With it nothing is mapped here in a child, so
    /// the child must not use its copy of this value; dropping it does nothing there.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory) when the kernel cannot note it,
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for huge pages that the segment's size
    /// does not fill.
    ///
    /// # References
    ///
    /// [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html)
    #[doc(alias = "MADV_DONTFORK")]
    pub fn dont_fork(&self) -> Result<(), Error> {
        // SAFETY: the range is this mapping, and the advice changes nothing in this process.
        unsafe { madvise(self.address.cast(), self.bytes, MmapAdvise::MADV_DONTFORK) }.map_err(
            |errno| {
                Error::new(
                    Call::Madvise("MADV_DONTFORK"),
                    Object::Segment(self.segment_id),
                    errno,
                )
            },
        )?;
        self.kept_by.store(std::process::id(), Ordering::Relaxed);
        Ok(())
    }

    /// Has the kernel provide every page of the segment now (`MADV_POPULATE_WRITE`), rather than one at
    /// a time when it is first touched. Changes no byte of it. Blocks while the pages are found and, if
    /// new, zeroed.
    ///
    /// # Errors
    ///
    /// * [`OutOfMemory`](crate::ErrorKind::OutOfMemory): there are not enough pages.
    /// * [`AccessDenied`](crate::ErrorKind::AccessDenied): attached for reading only.
    /// * [`InvalidArgument`](crate::ErrorKind::InvalidArgument): a kernel before 5.14.
    ///
    /// # References
    ///
    /// [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html)
    #[doc(alias = "MADV_POPULATE_WRITE")]
    pub fn populate(&self) -> Result<(), Error> {
        self.check_writable(0, self.bytes)?;
        // SAFETY: the range is this mapping, and the advice changes nothing in its bytes.
        unsafe {
            madvise(
                self.address.cast(),
                self.bytes,
                MmapAdvise::MADV_POPULATE_WRITE,
            )
        }
        .map_err(|errno| {
            let object = Object::Segment(self.segment_id);
            Error::new(Call::Madvise("MADV_POPULATE_WRITE"), object, errno)
        })
    }

    /// Copies bytes out of the segment, from `offset` on, until `target` is full. Does not block.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when the range is not inside the
    /// segment; nothing is copied then.
    pub fn read(&self, offset: usize, target: &mut [u8]) -> Result<(), Error> {
        self.check_range(offset, target.len())?;
        for (index, byte) in target.iter_mut().enumerate() {
            *byte = self.byte(offset + index).load(Ordering::Relaxed);
        }
        Ok(())
    }

    /// Copies bytes into the segment, from `offset` on. Does not block.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when the range is not inside the
    /// segment, [`AccessDenied`](crate::ErrorKind::AccessDenied) when it is attached for reading
    /// only; nothing is copied then.
    pub fn write(&self, offset: usize, source: &[u8]) -> Result<(), Error> {
        self.check_range(offset, source.len())?;
        self.check_writable(offset, source.len())?;
        for (index, &byte) in source.iter().enumerate() {
            self.byte(offset + index).store(byte, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Gives the four bytes at `offset` as an atomic number in native byte order.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when they are not inside the segment or
    /// `offset` is not a multiple of 4, [`AccessDenied`](crate::ErrorKind::AccessDenied) when the
    /// segment is attached for reading only (use [`load_u32`](Self::load_u32)).
    pub fn atomic_u32(&self, offset: usize) -> Result<&AtomicU32, Error> {
        self.check_aligned(offset, 4)?;
        self.check_writable(offset, 4)?;
        // SAFETY: four bytes at `offset` are inside the mapping, aligned and writable, and the mapping
        // outlives the borrow of self.
        Ok(unsafe { AtomicU32::from_ptr(self.address.add(offset).cast().as_ptr()) })
    }

    /// Gives the eight bytes at `offset` as an atomic number in native byte order. Errors as of
    /// [`atomic_u32`](Self::atomic_u32), with multiples of 8.
    #[expect(
        clippy::missing_errors_doc,
        reason = "the same as those of `atomic_u32`"
    )]
    pub fn atomic_u64(&self, offset: usize) -> Result<&AtomicU64, Error> {
        self.check_aligned(offset, 8)?;
        self.check_writable(offset, 8)?;
        // SAFETY: eight bytes at `offset` are inside the mapping, aligned and writable, and the mapping
        // outlives the borrow of self.
        Ok(unsafe { AtomicU64::from_ptr(self.address.add(offset).cast().as_ptr()) })
    }

    /// Loads the four bytes at `offset` as a number in native byte order (Acquire).
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when they are not inside the segment or
    /// `offset` is not a multiple of 4.
    pub fn load_u32(&self, offset: usize) -> Result<u32, Error> {
        self.check_aligned(offset, 4)?;
        // SAFETY: four aligned bytes inside the mapping, which outlives the borrow of self; any are valid.
        let number = unsafe { self.address.add(offset).cast::<AtomicU32>().as_ref() };
        // On memory mapped for reading, only a relaxed load is sure not to write ("Atomic accesses to
        // read-only memory" in the documentation of `std::sync::atomic`).
        let value = number.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        Ok(value)
    }

    /// Loads the eight bytes at `offset` as a number in native byte order (Acquire). Errors as of
    /// [`load_u32`](Self::load_u32), with multiples of 8.
    #[expect(clippy::missing_errors_doc, reason = "the same as those of `load_u32`")]
    pub fn load_u64(&self, offset: usize) -> Result<u64, Error> {
        self.check_aligned(offset, 8)?;
        // SAFETY: eight aligned bytes inside the mapping, as in `load_u32`.
        let number = unsafe { self.address.add(offset).cast::<AtomicU64>().as_ref() };
        let value = number.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        Ok(value)
    }

    /// Unmaps the segment, as dropping does, and says when it fails.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Removed`](crate::ErrorKind::Removed) (`EINVAL`) when nothing is mapped at the
    /// address any more, which other `unsafe` code must have caused.
    #[doc(alias = "shmdt")]
    pub fn detach(self) -> Result<(), Error> {
        let this = std::mem::ManuallyDrop::new(self);
        this.unmap()
    }

    fn unmap(&self) -> Result<(), Error> {
        let kept_by = self.kept_by.load(Ordering::Relaxed);
        if kept_by != 0 && kept_by != std::process::id() {
            // A forked child: nothing of ours is mapped, and something else may be by now.
            return Ok(());
        }
        // SAFETY: the address came from shmat; references into it borrow self, so none is left.
        let result = unsafe { libc::shmdt(self.address.as_ptr().cast()) };
        crate::error::check(result, Call::Shmdt, Object::Segment(self.segment_id)).map(drop)
    }

    /// Gives one byte; `offset` must have been checked.
    fn byte(&self, offset: usize) -> &AtomicU8 {
        debug_assert!(offset < self.bytes);
        // SAFETY: callers have checked the range; a byte needs no alignment. A read-only attachment
        // is only loaded from, relaxed: `write` refuses it.
        unsafe { self.address.add(offset).cast::<AtomicU8>().as_ref() }
    }

    fn check_range(&self, offset: usize, bytes: usize) -> Result<(), Error> {
        match offset.checked_add(bytes) {
            Some(end) if end <= self.bytes => Ok(()),
            _ => Err(self.access_error(offset, bytes, Errno::EINVAL)),
        }
    }

    fn check_aligned(&self, offset: usize, bytes: usize) -> Result<(), Error> {
        self.check_range(offset, bytes)?;
        if offset.is_multiple_of(bytes) {
            Ok(())
        } else {
            Err(self.access_error(offset, bytes, Errno::EINVAL))
        }
    }

    fn check_writable(&self, offset: usize, bytes: usize) -> Result<(), Error> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(self.access_error(offset, bytes, Errno::EACCES)),
        }
    }

    fn access_error(&self, offset: usize, bytes: usize, errno: Errno) -> Error {
        let range = Object::Range {
            segment: self.segment_id,
            offset,
            bytes,
            segment_bytes: self.bytes,
        };
        Error::new(Call::Access, range, errno)
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and it leaves at worst an unused mapping.
        let _ = self.unmap();
    }
}
