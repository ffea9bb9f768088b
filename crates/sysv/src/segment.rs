//! Shared memory segments, by key or identifier.

use std::mem::MaybeUninit;
use std::ptr;

use nix::errno::Errno;

use crate::attachment::{Access, Attachment};
use crate::error::check;
use crate::{Call, Error, Key, Mode, Object, Permissions};

/// Set in a segment's mode once it is marked for removal (`SHM_DEST`, which libc does not name).
pub(crate) const MARKED_FOR_REMOVAL: u32 = 0o1000;
/// Set in a segment's mode while it is locked into memory (`SHM_LOCKED`).
const LOCKED: u32 = 0o2000;

/// Names a shared memory segment.
///
/// A value is an identifier and nothing more: copying or dropping it does nothing to the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Segment {
    id: i32,
}

/// Chooses how a segment is made, where the defaults of [`Segment::create`] do not fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SegmentOptions {
    huge_pages: bool,
}

impl SegmentOptions {
    /// Starts with the defaults: pages of the ordinary size, memory reserved.
    #[must_use]
    pub const fn new() -> Self {
        Self { huge_pages: false }
    }

    /// Asks for huge pages of the default size (`SHM_HUGETLB`). Needs a pool of them
    /// (`sysctl vm.nr_hugepages`) and the right to use it (`CAP_IPC_LOCK`, or a group named in
    /// `sysctl vm.hugetlb_shm_group`).
    ///
    /// `SHM_NORESERVE` is not offered at all: with an empty pool the segment would be made, and its
    /// first touch would end the process.
    #[doc(alias = "SHM_HUGETLB")]
    #[must_use]
    pub const fn huge_pages(mut self, wanted: bool) -> Self {
        self.huge_pages = wanted;
        self
    }

    /// Makes a new segment of at least `bytes` bytes, all zero. Errors as of [`Segment::create`]; with
    /// huge pages also [`ErrorKind::NotOwner`](crate::ErrorKind::NotOwner) (no right to use them)
    /// and [`ErrorKind::FileTableFull`](crate::ErrorKind::FileTableFull).
    #[expect(
        clippy::missing_errors_doc,
        reason = "the errors are named in the text"
    )]
    pub fn create(self, key: Key, bytes: usize, mode: Mode) -> Result<Segment, Error> {
        let huge = if self.huge_pages {
            libc::SHM_HUGETLB
        } else {
            0
        };
        shmget(key, bytes, mode, libc::IPC_CREAT | libc::IPC_EXCL | huge)
    }
}

impl Segment {
    /// Makes a new segment of `bytes` bytes, all zero, rounded up to whole pages.
    ///
    /// ```c
    /// int shmget(key_t key, size_t size, int shmflg);
    /// ```
    ///
    /// # Errors
    ///
    /// * [`AlreadyExists`](crate::ErrorKind::AlreadyExists): a segment has this key.
    /// * [`SizeRefused`](crate::ErrorKind::SizeRefused): `bytes` is 0 or above `SHMMAX`.
    /// * [`LimitReached`](crate::ErrorKind::LimitReached): `SHMMNI` segments exist, or `SHMALL`
    ///   pages are in use.
    /// * [`OutOfMemory`](crate::ErrorKind::OutOfMemory): no memory can be reserved for it.
    ///
    /// # References
    ///
    /// [shmget(2)](https://man7.org/linux/man-pages/man2/shmget.2.html)
    #[doc(alias = "shmget")]
    pub fn create(key: Key, bytes: usize, mode: Mode) -> Result<Self, Error> {
        SegmentOptions::new().create(key, bytes, mode)
    }

    /// Finds the segment that has this key, and checks that its mode gives us the rights in `mode`.
    ///
    /// Asking for no right (mode 0) finds every segment, also those that we may not attach.
    ///
    /// # Errors
    ///
    /// * [`NotFound`](crate::ErrorKind::NotFound): no segment has this key.
    /// * [`AccessDenied`](crate::ErrorKind::AccessDenied): its mode does not give us these rights.
    #[doc(alias = "shmget")]
    pub fn open(key: Key, mode: Mode) -> Result<Self, Error> {
        shmget(key, 0, mode, 0)
    }

    /// Finds the segment that has this key, or makes it: an existing one may be larger than `bytes`.
    ///
    /// # Errors
    ///
    /// As of [`create`](Self::create) and [`open`](Self::open), without `NotFound` and
    /// `AlreadyExists`; [`SizeRefused`](crate::ErrorKind::SizeRefused) also when the existing
    /// segment is smaller than `bytes`.
    #[doc(alias = "shmget")]
    pub fn open_or_create(key: Key, bytes: usize, mode: Mode) -> Result<Self, Error> {
        shmget(key, bytes, mode, libc::IPC_CREAT)
    }

    /// Names a segment by an identifier that came from elsewhere; whether it exists shows on use.
    #[must_use]
    pub const fn from_id(id: i32) -> Self {
        Self { id }
    }

    /// Returns the identifier, as `ipcs -m` shows it.
    #[must_use]
    pub const fn id(self) -> i32 {
        self.id
    }

    /// Maps the segment into this process, for reading and writing, at an address the kernel chooses.
    ///
    /// A child that this process forks inherits the mapping; see [`Attachment::dont_fork`].
    ///
    /// # Errors
    ///
    /// * [`AccessDenied`](crate::ErrorKind::AccessDenied): the mode does not let us read and write.
    /// * [`Removed`](crate::ErrorKind::Removed): there is no such segment.
    /// * [`OutOfMemory`](crate::ErrorKind::OutOfMemory): no room in the address space.
    ///
    /// # References
    ///
    /// [shmat(2)](https://man7.org/linux/man-pages/man2/shmat.2.html)
    #[doc(alias = "shmat")]
    pub fn attach(self) -> Result<Attachment, Error> {
        self.attach_as(Access::ReadWrite)
    }

    /// Maps the segment into this process for reading only. Errors as of [`attach`](Self::attach).
    #[expect(clippy::missing_errors_doc, reason = "the same as those of `attach`")]
    #[doc(alias = "SHM_RDONLY")]
    pub fn attach_read_only(self) -> Result<Attachment, Error> {
        self.attach_as(Access::ReadOnly)
    }

    fn attach_as(self, access: Access) -> Result<Attachment, Error> {
        let flags = match access {
            Access::ReadWrite => 0,
            Access::ReadOnly => libc::SHM_RDONLY,
        };
        // SAFETY: a null address lets the kernel choose a free range, so no memory of ours is replaced.
        let address = unsafe { libc::shmat(self.id, ptr::null(), flags) };
        if address.addr() == usize::MAX {
            return Err(Error::last(Call::Shmat, Object::Segment(self.id)));
        }
        let Some(address) = ptr::NonNull::new(address.cast::<u8>()) else {
            return Err(Error::new(
                Call::Shmat,
                Object::Segment(self.id),
                Errno::EINVAL,
            ));
        };
        // SAFETY: the kernel has just mapped the segment at `address`, and nothing else owns this
        // mapping.
        unsafe { Attachment::from_mapping(address, access, self) }
    }

    /// Asks for owner, size, who is attached, and when what happened.
    ///
    /// # Errors
    ///
    /// * [`AccessDenied`](crate::ErrorKind::AccessDenied): the mode does not let us read.
    /// * [`Removed`](crate::ErrorKind::Removed): there is no such segment.
    ///
    /// # References
    ///
    /// [shmctl(2)](https://man7.org/linux/man-pages/man2/shmctl.2.html), `IPC_STAT`
    #[doc(alias = "shmctl")]
    #[doc(alias = "IPC_STAT")]
    pub fn stat(self) -> Result<SegmentStat, Error> {
        self.raw_stat().map(|raw| SegmentStat::from_raw(&raw))
    }

    fn raw_stat(self) -> Result<libc::shmid_ds, Error> {
        let mut raw = MaybeUninit::<libc::shmid_ds>::uninit();
        // SAFETY: `raw` has room for one shmid_ds, which is what IPC_STAT writes.
        let result = unsafe { libc::shmctl(self.id, libc::IPC_STAT, raw.as_mut_ptr()) };
        check(result, Call::Shmctl("IPC_STAT"), Object::Segment(self.id))?;
        // SAFETY: the call succeeded, so the kernel has filled in the structure.
        Ok(unsafe { raw.assume_init() })
    }

    /// Gives the segment another owner and mode. Those attached stay so, whatever the new mode says.
    ///
    /// # Errors
    ///
    /// * [`NotOwner`](crate::ErrorKind::NotOwner): we are neither owner nor creator.
    /// * [`AccessDenied`](crate::ErrorKind::AccessDenied): the mode does not let us read what it is now.
    /// * [`Removed`](crate::ErrorKind::Removed): there is no such segment.
    #[doc(alias = "IPC_SET")]
    pub fn set_permissions(self, user_id: u32, group_id: u32, mode: Mode) -> Result<(), Error> {
        let mut raw = self.raw_stat()?;
        raw.shm_perm.uid = user_id;
        raw.shm_perm.gid = group_id;
        raw.shm_perm.mode = mode.to_raw();
        // SAFETY: `raw` is a filled shmid_ds; IPC_SET only reads it.
        let result = unsafe { libc::shmctl(self.id, libc::IPC_SET, &raw mut raw) };
        check(result, Call::Shmctl("IPC_SET"), Object::Segment(self.id)).map(drop)
    }

    /// Keeps the segment's pages from being swapped out; those not yet touched are not brought in.
    ///
    /// # Errors
    ///
    /// * [`LockRefused`](crate::ErrorKind::LockRefused): we have no `CAP_IPC_LOCK`, and
    ///   `RLIMIT_MEMLOCK` is too small or we are neither owner nor creator.
    /// * [`Removed`](crate::ErrorKind::Removed): there is no such segment.
    #[doc(alias = "SHM_LOCK")]
    pub fn lock(self) -> Result<(), Error> {
        self.control(libc::SHM_LOCK, "SHM_LOCK")
    }

    /// Allows the segment's pages to be swapped out again.
    ///
    /// # Errors
    ///
    /// * [`NotOwner`](crate::ErrorKind::NotOwner): we are neither owner nor creator, and have no
    ///   `CAP_IPC_LOCK`.
    /// * [`Removed`](crate::ErrorKind::Removed): there is no such segment.
    #[doc(alias = "SHM_UNLOCK")]
    pub fn unlock(self) -> Result<(), Error> {
        self.control(libc::SHM_UNLOCK, "SHM_UNLOCK")
    }

    /// Takes the segment's key away and marks it for removal: it is gone with its last attachment, and
    /// those who are attached go on undisturbed.
    ///
    /// # Errors
    ///
    /// * [`NotOwner`](crate::ErrorKind::NotOwner): we are neither owner nor creator.
    /// * [`Removed`](crate::ErrorKind::Removed): there is no such segment (any more).
    #[doc(alias = "IPC_RMID")]
    pub fn remove(self) -> Result<(), Error> {
        self.control(libc::IPC_RMID, "IPC_RMID")
    }

    fn control(self, command: i32, name: &'static str) -> Result<(), Error> {
        // SAFETY: these commands take no argument; the pointer is not used.
        let result = unsafe { libc::shmctl(self.id, command, ptr::null_mut()) };
        check(result, Call::Shmctl(name), Object::Segment(self.id)).map(drop)
    }
}

fn shmget(key: Key, bytes: usize, mode: Mode, flags: i32) -> Result<Segment, Error> {
    let object = Object::SegmentKey { key, bytes, mode };
    if key.cannot_be_found(flags) {
        return Err(Error::new(Call::Shmget, object, Errno::ENOENT));
    }
    // SAFETY: the call takes numbers only.
    let id = unsafe { libc::shmget(key.raw(), bytes, flags | mode.raw()) };
    check(id, Call::Shmget, object).map(|id| Segment { id })
}

/// Says what the kernel knows of a segment. All of it may be stale when it is returned.
#[doc(alias = "shmid_ds")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentStat {
    /// Owner, creator and mode.
    pub permissions: Permissions,
    /// The size asked for at creation, in bytes.
    pub bytes: usize,
    /// Attachments (strictly: mappings; a process that splits one, with `mprotect` on a part, counts
    /// more than once, and a forked child counts too).
    pub attached: u64,
    /// Process that made it.
    pub creator_pid: i32,
    /// Process that attached or detached last.
    pub last_pid: i32,
    /// Seconds since 1970 of the last attach; 0 when there was none.
    pub attached_at_s: i64,
    /// Seconds since 1970 of the last detach; 0 when there was none.
    pub detached_at_s: i64,
    /// Seconds since 1970 of its making or its last change of permissions.
    pub changed_at_s: i64,
    /// True once somebody has removed it: it has no key any more and ends with its last attachment.
    pub marked_for_removal: bool,
    /// True while its pages are kept in memory.
    pub locked: bool,
}

impl SegmentStat {
    fn from_raw(raw: &libc::shmid_ds) -> Self {
        let mode = u32::from(raw.shm_perm.mode);
        Self {
            permissions: Permissions::from_raw(&raw.shm_perm),
            bytes: raw.shm_segsz,
            attached: raw.shm_nattch,
            creator_pid: raw.shm_cpid,
            last_pid: raw.shm_lpid,
            attached_at_s: raw.shm_atime,
            detached_at_s: raw.shm_dtime,
            changed_at_s: raw.shm_ctime,
            marked_for_removal: mode & MARKED_FOR_REMOVAL != 0,
            locked: mode & LOCKED != 0,
        }
    }
}
