//! Why a channel was not attached to, or not removed: what was tried, what was found, and what to do.

use sysv_ipc::{Key, Mode};

use super::{Corrupt, Role};
use crate::Framing;
use crate::geometry::{MAX_SLOT_BYTES, MAX_SLOTS};
use crate::layout::MAX_TYPE_NAME_BYTES;

/// Says which size is outside its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GeometryError {
    /// Not a power of two from 1 to [`MAX_SLOTS`].
    #[error("{slot_count} slots are not possible: use a power of two from 1 to {MAX_SLOTS}{}",
        nearest(*slot_count))]
    SlotCount {
        /// What was asked for.
        slot_count: u32,
    },
    /// Not from 1 to [`MAX_SLOT_BYTES`].
    #[error("a slot of {slot_bytes} bytes is not possible: use 1 to {MAX_SLOT_BYTES} bytes")]
    SlotBytes {
        /// What was asked for.
        slot_bytes: u64,
    },
}

/// Suggests the powers of two around a number that is none.
fn nearest(slot_count: u32) -> String {
    if slot_count == 0 || slot_count >= MAX_SLOTS {
        return String::new();
    }
    let above = slot_count.next_power_of_two();
    format!(", for instance {} or {above}", above / 2)
}

/// Says why a role of a channel was not taken: which channel, and the [reason](AttachReason).
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot attach as {role} to {channel} (key {key}): {reason}")]
pub struct AttachError {
    /// The role that was wanted.
    pub role: Role,
    /// The channel, as its address reads.
    pub channel: String,
    /// Its key.
    pub key: Key,
    /// What stood in the way.
    pub reason: AttachReason,
}

/// Says why [`Channel::remove`](crate::Channel::remove) removed nothing.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot remove {channel} (key {key}): {reason}")]
pub struct RemoveError {
    /// The channel, as its address reads.
    pub channel: String,
    /// Its key.
    pub key: Key,
    /// What stood in the way.
    pub reason: AttachReason,
}

/// Says what stood in the way of attaching to a channel. Nothing was changed or removed, and what the
/// attempt had made is gone again; but if the kernel refused the SETUP lock itself, a semaphore set made
/// for it stays, untouched and named in the text, for the next attempt.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AttachReason {
    /// There is no such channel, and none was to be created.
    #[error("there is no such channel; start the writer, which creates it")]
    NotFound,
    /// Somebody has the role.
    #[error(
        "{role} role held by PID {pid} since {since}; a channel has one {role} at a time: end that \
         process, or use another channel"
    )]
    RoleTaken {
        /// The role.
        role: Role,
        /// The process that has it.
        pid: i32,
        /// When it took it, as text.
        since: String,
    },
    /// Creator or owner of an object is somebody else.
    #[error(
        "the {object} was made by user {creator} and belongs to user {owner}, not to user \
         {expected}; use another channel, or name its owner (USER/NAME) if you trust them"
    )]
    Owner {
        /// `segment` or `semaphore set`.
        object: &'static str,
        /// User id of the creator.
        creator: u32,
        /// User id of the owner.
        owner: u32,
        /// User id that both should be.
        expected: u32,
    },
    /// An object can be used by more people than was asked for.
    #[error(
        "the {object} has mode {found}, which is wider than {asked}; pass `--mode {found}` if that \
         is meant, or remove it with `ipcrm`"
    )]
    Mode {
        /// `segment` or `semaphore set`.
        object: &'static str,
        /// Its mode.
        found: Mode,
        /// The mode asked for.
        asked: Mode,
    },
    /// An object of this key was made by another program.
    #[error("the {object} with this key belongs to another program: {evidence}; use another key")]
    Foreign {
        /// `segment` or `semaphore set`.
        object: &'static str,
        /// What shows it.
        evidence: String,
    },
    /// An object of this key may not even be looked at.
    #[error(
        "the {object} is closed to this user: {evidence}; its owner can open it to a group that both are \
         in, by `--mode 0660` on both sides; or use another channel"
    )]
    Closed {
        /// `segment` or `semaphore set`.
        object: &'static str,
        /// Whose it is, and its mode.
        evidence: String,
    },
    /// The segment was made by another version.
    #[error(
        "the segment has layout version {found}, this program knows {expected}; use matching versions"
    )]
    Version {
        /// Its version.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// The channel exists with another geometry or mode of waiting.
    #[error("it has {what} {found}, you asked for {asked}; ask for the same or leave it out")]
    Differs {
        /// What differs.
        what: &'static str,
        /// What it has.
        found: String,
        /// What was asked for.
        asked: String,
    },
    /// The channel exists with messages of another kind.
    #[error("it has framing {found}, you asked for {}", either(asked))]
    Framing {
        /// What they are.
        found: Framing,
        /// What was asked for.
        asked: Vec<Framing>,
    },
    /// The channel is for messages of another type.
    #[error(
        "its messages are of type {found}, you asked for {asked}; build both programs with the same \
         type, or use another channel"
    )]
    Type {
        /// Name and size of the type that it has.
        found: String,
        /// Name and size of the type that was asked for.
        asked: String,
    },
    /// The framing asked for is [`Framing::Typed`], but there is no type.
    #[error("framing typed needs a type; attach with `typed_producer` or `typed_consumer`")]
    Untyped,
    /// The name cannot be that of a type.
    #[error("{name:?} cannot be the name of a type: use 1 to {MAX_TYPE_NAME_BYTES} bytes")]
    TypeName {
        /// The name.
        name: String,
    },
    /// The slots asked for are too small for the type.
    #[error(
        "a value of {type_bytes} bytes does not fit into a slot of {slot_bytes}; ask for larger \
         slots, or leave the slot size out"
    )]
    TypeTooLong {
        /// Bytes of the type.
        type_bytes: u64,
        /// Bytes of a slot, as asked for.
        slot_bytes: u64,
    },
    /// Another channel's name has the same key.
    #[error(
        "its key already belongs to the channel {found:?}: two names collide, use another name"
    )]
    NameCollision {
        /// The name in the segment.
        found: String,
    },
    /// The key file is not the one the channel was made with.
    #[error(
        "the key file is not the one it was made with: it was replaced, or two files have the same \
         `ftok` key; use the original file, or another one"
    )]
    KeyFile,
    /// The segment was removed while somebody uses it.
    #[error(
        "its segment was removed under its user (`ipcrm -m`), who still holds the {role} role; end \
         that process first"
    )]
    RemovedUnderUser {
        /// The role that is still held.
        role: Role,
    },
    /// The semaphore set was removed while somebody uses the segment.
    #[error(
        "its semaphore set was removed (`ipcrm -s`, or systemd's RemoveIPC at a log-out) while \
         {attached} other processes use it; they notice at their next step, try again then"
    )]
    SetRemoved {
        /// Others attached to the segment.
        attached: u64,
    },
    /// Sizes outside their bounds.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// The segment would exceed a limit of the machine.
    #[error("it needs {needed} bytes of shared memory, but {limit}")]
    TooLarge {
        /// Bytes of the segment.
        needed: u64,
        /// Which limit, how much it allows, and what to do.
        limit: String,
    },
    /// The kernel gives no huge pages.
    #[error("huge pages: {obstacle}, or leave huge pages out")]
    HugePages {
        /// What is in the way, and what to do.
        obstacle: String,
    },
    /// Somebody holds the SETUP lock.
    #[error(
        "PID {pid} has been setting it up for too long; if it is stopped, `kill -CONT {pid}`, or end it"
    )]
    SetupBusy {
        /// The process that has the lock.
        pid: i32,
    },
    /// Others made or removed it all the time.
    #[error("other processes keep making, removing or holding on to it; try again")]
    Contended,
    /// The shared memory does not make sense.
    #[error("{0}; once nobody uses it, remove it with `ipcrm`")]
    Corrupt(#[from] Corrupt),
    /// The kernel refused a call.
    #[error(transparent)]
    System(sysv_ipc::Error),
    /// The operating system gave no random bytes, or no look at its limits.
    #[error("{0}")]
    Environment(String),
}

/// Writes alternatives: "raw", "raw or lines", "raw, lines or length".
fn either(framings: &[Framing]) -> String {
    let names: Vec<String> = framings.iter().map(Framing::to_string).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Says why something cannot be the address of a channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The name is empty, too long, or holds a character that it may not.
    #[error(
        "{name:?} cannot be the name of a channel: use 1 to 188 bytes without `/` and control \
         characters"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The key file cannot be used.
    #[error("cannot make a key of {path}: {error}")]
    Path {
        /// The file.
        path: String,
        /// What the kernel said.
        error: sysv_ipc::Error,
    },
    /// Key 0 leads to nothing.
    #[error("key 0 is IPC_PRIVATE, which no other process can find; use another number")]
    PrivateKey,
}
