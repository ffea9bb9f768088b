//! Stands in for the C library's `shmat` and `shmdt`, so that an access outside a segment is seen: each is
//! mapped between two stretches that may not be touched, and what its last page has beyond the segment is
//! poisoned for AddressSanitizer. The library under test needs no change for it.

use std::collections::BTreeMap;
use std::ptr;
use std::sync::Mutex;

use libc::{c_int, c_void};

/// Untouchable before and after each segment.
const GUARD_BYTES: usize = 1 << 30;
const PAGE_BYTES: usize = 4096;

/// Segments mapped now: where, and how many bytes.
static MAPPED: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

unsafe extern "C" {
    fn __asan_poison_memory_region(start: *const c_void, bytes: usize);
    fn __asan_unpoison_memory_region(start: *const c_void, bytes: usize);
}

/// Tells whether a segment is mapped by [`shmat`] at this address: that it is what the library calls.
pub fn is_guarded(address: usize) -> bool {
    MAPPED.lock().unwrap().contains_key(&address)
}

const FAILED: *mut c_void = ptr::without_provenance_mut(usize::MAX);

/// Takes a stretch of the address space that may not be touched. By the plain system call: the sanitizer
/// would clear its own notes on all of the stretch each time.
fn reserve(bytes: usize) -> *mut c_void {
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping, of which no byte may be touched.
    let start = unsafe {
        libc::syscall(
            libc::SYS_mmap,
            0_usize,
            bytes,
            libc::PROT_NONE,
            kind,
            -1,
            0_usize,
        )
    };
    assert!(start > 0, "no address space");
    ptr::with_exposed_provenance_mut(start.cast_unsigned() as usize)
}

/// # Safety
///
/// As of shmat(2); `wanted` is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmat(id: c_int, wanted: *const c_void, flags: c_int) -> *mut c_void {
    assert!(wanted.is_null());
    // SAFETY: all numbers, for which zero is valid.
    let mut stat: libc::shmid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: stat is what IPC_STAT writes to.
    if unsafe { libc::shmctl(id, libc::IPC_STAT, &raw mut stat) } != 0 {
        return FAILED;
    }
    let (bytes, whole) = (stat.shm_segsz, stat.shm_segsz.next_multiple_of(PAGE_BYTES));
    let reserved = whole + 2 * GUARD_BYTES;
    let guard = reserve(reserved);
    let start = guard.wrapping_byte_add(GUARD_BYTES);
    // SAFETY: replaces pages of the mapping made above.
    let result = unsafe { libc::syscall(libc::SYS_shmat, id, start, flags | libc::SHM_REMAP) };
    if result == -1 {
        // SAFETY: the mapping made above, which nobody else knows of.
        unsafe { libc::syscall(libc::SYS_munmap, guard, reserved) };
        return FAILED;
    }
    // SAFETY: bytes of the segment's last page that no field stands in.
    unsafe { __asan_poison_memory_region(start.wrapping_byte_add(bytes), whole - bytes) };
    MAPPED.lock().unwrap().insert(start.addr(), bytes);
    start
}

/// # Safety
///
/// As of shmdt(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmdt(start: *const c_void) -> c_int {
    let Some(bytes) = MAPPED.lock().unwrap().remove(&start.addr()) else {
        return -1;
    };
    let whole = bytes.next_multiple_of(PAGE_BYTES);
    let guard = start.wrapping_byte_sub(GUARD_BYTES).cast_mut();
    // SAFETY: what shmat above has mapped and poisoned; the caller gives it up.
    unsafe {
        __asan_unpoison_memory_region(start, whole);
        let reserved = whole + 2 * GUARD_BYTES;
        i32::from(libc::syscall(libc::SYS_munmap, guard, reserved) != 0)
    }
}
