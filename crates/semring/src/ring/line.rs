//! Hints to the processor about a cache line that is needed soon.
//!
//! A hint reads and writes nothing that a program could see, and is right with any address: with one that
//! is not mapped, nothing happens.

/// Bytes of a cache line, here as on most machines.
pub(super) const LINE_BYTES: usize = 64;

/// Starts to fetch a line that will be read.
#[inline]
pub(super) fn prefetch(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, of any address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// Starts to fetch a line that will be written, which takes it away from every other processor.
#[inline]
pub(super) fn prefetch_to_write(line: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint, of any address; a processor that does not know the instruction passes it over.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = line;
}
