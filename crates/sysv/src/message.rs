//! Message queues, by key or identifier.

use std::mem::MaybeUninit;
use std::num::NonZeroU64;
use std::ptr;

use nix::errno::Errno;

use crate::error::check;
use crate::{Call, Error, Key, Mode, Object, Permissions};

/// Bytes of the type that stands before a message's text.
const TYPE_BYTES: usize = size_of::<libc::c_long>();

/// Names a message queue.
///
/// A value is an identifier and nothing more: copying or dropping it does nothing to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageQueue {
    id: i32,
}

/// Says which message is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Select {
    /// The oldest.
    #[default]
    Any,
    /// The oldest of this type.
    Type(NonZeroU64),
    /// The oldest of any other type (`MSG_EXCEPT`).
    Except(NonZeroU64),
    /// The oldest of the lowest type that is at most this.
    AtMost(NonZeroU64),
}

/// Holds a received message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// The type it was sent with.
    pub message_type: u64,
    /// Its text.
    pub text: Vec<u8>,
}

impl MessageQueue {
    /// Makes a new, empty queue.
    ///
    /// ```c
    /// int msgget(key_t key, int msgflg);
    /// ```
    ///
    /// # Errors
    ///
    /// * [`AlreadyExists`](crate::ErrorKind::AlreadyExists): a queue has this key.
    /// * [`LimitReached`](crate::ErrorKind::LimitReached): `MSGMNI` queues exist.
    /// * [`OutOfMemory`](crate::ErrorKind::OutOfMemory): the kernel has no memory for it.
    ///
    /// # References
    ///
    /// [msgget(2)](https://man7.org/linux/man-pages/man2/msgget.2.html)
    #[doc(alias = "msgget")]
    pub fn create(key: Key, mode: Mode) -> Result<Self, Error> {
        msgget(key, mode, libc::IPC_CREAT | libc::IPC_EXCL)
    }

    /// Finds the queue that has this key, and checks that its mode gives us the rights in `mode`.
    ///
    /// # Errors
    ///
    /// * [`NotFound`](crate::ErrorKind::NotFound): no queue has this key.
    /// * [`AccessDenied`](crate::ErrorKind::AccessDenied): its mode does not give us these rights.
    #[doc(alias = "msgget")]
    pub fn open(key: Key, mode: Mode) -> Result<Self, Error> {
        msgget(key, mode, 0)
    }

    /// Finds the queue that has this key, or makes it. Errors as of [`create`](Self::create) and
    /// [`open`](Self::open), without `NotFound` and `AlreadyExists`.
    #[expect(
        clippy::missing_errors_doc,
        reason = "the errors are named in the text"
    )]
    #[doc(alias = "msgget")]
    pub fn open_or_create(key: Key, mode: Mode) -> Result<Self, Error> {
        msgget(key, mode, libc::IPC_CREAT)
    }

    /// Names a queue by an identifier that came from elsewhere; whether it exists shows on use.
    #[must_use]
    pub const fn from_id(id: i32) -> Self {
        Self { id }
    }

    /// Returns the identifier, as `ipcs -q` shows it.
    #[must_use]
    pub const fn id(self) -> i32 {
        self.id
    }

    /// Appends a message, waiting until the queue has room for it.
    ///
    /// ```c
    /// int msgsnd(int msqid, const void *msgp, size_t msgsz, int msgflg);
    /// ```
    ///
    /// # Errors
    ///
    /// * [`Interrupted`](crate::ErrorKind::Interrupted): a signal arrived while waiting.
    /// * [`Removed`](crate::ErrorKind::Removed): the queue was removed, before or meanwhile, or (as
    ///   the kernel says `EINVAL` to it too) the type exceeds a C `long`, or the text `MSGMAX`.
    /// * [`AccessDenied`](crate::ErrorKind::AccessDenied): the mode does not let us write.
    /// * [`OutOfMemory`](crate::ErrorKind::OutOfMemory): the kernel has no memory for a copy.
    ///
    /// # References
    ///
    /// [msgop(2)](https://man7.org/linux/man-pages/man2/msgop.2.html)
    #[doc(alias = "msgsnd")]
    pub fn send(self, message_type: NonZeroU64, text: &[u8]) -> Result<(), Error> {
        self.msgsnd(message_type, text, 0)
    }

    /// Appends a message if the queue has room for it now.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](crate::ErrorKind::WouldBlock) when it has none; else as of
    /// [`send`](Self::send).
    #[doc(alias = "IPC_NOWAIT")]
    pub fn try_send(self, message_type: NonZeroU64, text: &[u8]) -> Result<(), Error> {
        self.msgsnd(message_type, text, libc::IPC_NOWAIT)
    }

    fn msgsnd(self, message_type: NonZeroU64, text: &[u8], flags: i32) -> Result<(), Error> {
        let object = Object::Queue(self.id);
        let Ok(kind) = libc::c_long::try_from(message_type.get()) else {
            return Err(Error::new(Call::Msgsnd, object, Errno::EINVAL));
        };
        let mut buffer = Vec::with_capacity(TYPE_BYTES + text.len());
        buffer.extend_from_slice(&kind.to_ne_bytes());
        buffer.extend_from_slice(text);
        // SAFETY: `buffer` holds the type and then `text.len()` bytes, which the kernel only reads.
        let result = unsafe { libc::msgsnd(self.id, buffer.as_ptr().cast(), text.len(), flags) };
        check(result, Call::Msgsnd, object).map(drop)
    }

    /// Takes a message of at most `limit` bytes out of the queue, waiting until there is one. Room for
    /// `limit` bytes is allocated meanwhile.
    ///
    /// ```c
    /// ssize_t msgrcv(int msqid, void *msgp, size_t msgsz, long msgtyp, int msgflg);
    /// ```
    ///
    /// # Errors
    ///
    /// * [`MessageTooLong`](crate::ErrorKind::MessageTooLong): it exceeds `limit`; it stays.
    /// * [`Interrupted`](crate::ErrorKind::Interrupted): a signal arrived while waiting.
    /// * [`Removed`](crate::ErrorKind::Removed): the queue was removed, before or meanwhile.
    /// * [`AccessDenied`](crate::ErrorKind::AccessDenied): the mode does not let us read.
    /// * [`OutOfMemory`](crate::ErrorKind::OutOfMemory): there is no room for `limit` bytes.
    #[doc(alias = "msgrcv")]
    pub fn receive(self, select: Select, limit: usize) -> Result<Received, Error> {
        self.msgrcv(select, limit, 0)
    }

    /// Takes a message of at most `limit` bytes out of the queue if there is one now.
    ///
    /// # Errors
    ///
    /// [`NoMessage`](crate::ErrorKind::NoMessage) when there is none; else as of
    /// [`receive`](Self::receive).
    #[doc(alias = "IPC_NOWAIT")]
    pub fn try_receive(self, select: Select, limit: usize) -> Result<Received, Error> {
        self.msgrcv(select, limit, libc::IPC_NOWAIT)
    }

    /// Takes a message out of the queue, waiting until there is one, and cuts its text to `limit`
    /// bytes (`MSG_NOERROR`); the rest is lost. Errors as of [`receive`](Self::receive), without
    /// `MessageTooLong`.
    #[expect(
        clippy::missing_errors_doc,
        reason = "the errors are named in the text"
    )]
    #[doc(alias = "MSG_NOERROR")]
    pub fn receive_truncated(self, select: Select, limit: usize) -> Result<Received, Error> {
        self.msgrcv(select, limit, libc::MSG_NOERROR)
    }

    fn msgrcv(self, select: Select, limit: usize, flags: i32) -> Result<Received, Error> {
        let object = Object::Queue(self.id);
        let wide = |kind: NonZeroU64| {
            libc::c_long::try_from(kind.get())
                .map_err(|_| Error::new(Call::Msgrcv, object, Errno::EINVAL))
        };
        let (kind, except) = match select {
            Select::Any => (0, 0),
            Select::Type(kind) => (wide(kind)?, 0),
            Select::Except(kind) => (wide(kind)?, libc::MSG_EXCEPT),
            Select::AtMost(kind) => (-wide(kind)?, 0),
        };
        let mut buffer = Vec::new();
        let room = limit.saturating_add(TYPE_BYTES);
        if buffer.try_reserve_exact(room).is_err() {
            return Err(Error::new(Call::Msgrcv, object, Errno::ENOMEM));
        }
        buffer.resize(room, 0u8);
        let flags = flags | except;
        // SAFETY: `buffer` has room for the type and `limit` bytes after it.
        let length =
            unsafe { libc::msgrcv(self.id, buffer.as_mut_ptr().cast(), limit, kind, flags) };
        let Ok(length) = usize::try_from(length) else {
            return Err(Error::last(Call::Msgrcv, object));
        };
        let text = buffer
            .get(TYPE_BYTES..TYPE_BYTES + length)
            .unwrap_or_default()
            .to_vec();
        let message_type = buffer.first_chunk().map_or(0, |bytes| {
            libc::c_long::from_ne_bytes(*bytes).cast_unsigned()
        });
        Ok(Received { message_type, text })
    }

    /// Asks for owner, fill, and when what happened.
    ///
    /// # Errors
    ///
    /// * [`AccessDenied`](crate::ErrorKind::AccessDenied): the mode does not let us read.
    /// * [`Removed`](crate::ErrorKind::Removed): there is no such queue.
    #[doc(alias = "msgctl")]
    #[doc(alias = "IPC_STAT")]
    pub fn stat(self) -> Result<MessageQueueStat, Error> {
        let raw = self.raw_stat()?;
        Ok(MessageQueueStat {
            permissions: Permissions::from_raw(&raw.msg_perm),
            messages: raw.msg_qnum,
            bytes: raw.__msg_cbytes,
            bytes_limit: raw.msg_qbytes,
            sender_pid: raw.msg_lspid,
            receiver_pid: raw.msg_lrpid,
            sent_at_s: raw.msg_stime,
            received_at_s: raw.msg_rtime,
            changed_at_s: raw.msg_ctime,
        })
    }

    fn raw_stat(self) -> Result<libc::msqid_ds, Error> {
        let mut raw = MaybeUninit::<libc::msqid_ds>::uninit();
        // SAFETY: `raw` has room for one msqid_ds, which is what IPC_STAT writes.
        let result = unsafe { libc::msgctl(self.id, libc::IPC_STAT, raw.as_mut_ptr()) };
        check(result, Call::Msgctl("IPC_STAT"), Object::Queue(self.id))?;
        // SAFETY: the call succeeded, so the kernel has filled in the structure.
        Ok(unsafe { raw.assume_init() })
    }

    /// Sets how many bytes of text the queue may hold.
    ///
    /// # Errors
    ///
    /// * [`NotOwner`](crate::ErrorKind::NotOwner): we are neither owner nor creator, or the number is
    ///   above `MSGMNB` and we are not privileged.
    /// * [`AccessDenied`](crate::ErrorKind::AccessDenied): the mode does not let us read what it is now.
    /// * [`Removed`](crate::ErrorKind::Removed): there is no such queue.
    #[doc(alias = "IPC_SET")]
    pub fn set_bytes_limit(self, bytes: u64) -> Result<(), Error> {
        let mut raw = self.raw_stat()?;
        raw.msg_qbytes = bytes;
        // SAFETY: `raw` is a filled msqid_ds; IPC_SET only reads it.
        let result = unsafe { libc::msgctl(self.id, libc::IPC_SET, &raw mut raw) };
        check(result, Call::Msgctl("IPC_SET"), Object::Queue(self.id)).map(drop)
    }

    /// Removes the queue and its messages at once: whoever waits on it gets
    /// [`Removed`](crate::ErrorKind::Removed).
    ///
    /// # Errors
    ///
    /// * [`NotOwner`](crate::ErrorKind::NotOwner): we are neither owner nor creator.
    /// * [`Removed`](crate::ErrorKind::Removed): there is no such queue (any more).
    #[doc(alias = "IPC_RMID")]
    pub fn remove(self) -> Result<(), Error> {
        // SAFETY: IPC_RMID does not use the pointer.
        let result = unsafe { libc::msgctl(self.id, libc::IPC_RMID, ptr::null_mut()) };
        check(result, Call::Msgctl("IPC_RMID"), Object::Queue(self.id)).map(drop)
    }
}

fn msgget(key: Key, mode: Mode, flags: i32) -> Result<MessageQueue, Error> {
    let object = Object::QueueKey { key, mode };
    if key.cannot_be_found(flags) {
        return Err(Error::new(Call::Msgget, object, Errno::ENOENT));
    }
    // SAFETY: the call takes numbers only.
    let id = unsafe { libc::msgget(key.raw(), flags | mode.raw()) };
    check(id, Call::Msgget, object).map(|id| MessageQueue { id })
}

/// Says what the kernel knows of a queue. All of it may be stale when it is returned.
#[doc(alias = "msqid_ds")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageQueueStat {
    /// Owner, creator and mode.
    pub permissions: Permissions,
    /// Messages in the queue.
    pub messages: u64,
    /// Bytes of text in the queue.
    pub bytes: u64,
    /// Bytes of text that it may hold.
    pub bytes_limit: u64,
    /// Process that sent last; 0 when none did.
    pub sender_pid: i32,
    /// Process that received last; 0 when none did.
    pub receiver_pid: i32,
    /// Seconds since 1970 of the last send; 0 when there was none.
    pub sent_at_s: i64,
    /// Seconds since 1970 of the last receive; 0 when there was none.
    pub received_at_s: i64,
    /// Seconds since 1970 of its making or its last change of permissions.
    pub changed_at_s: i64,
}
