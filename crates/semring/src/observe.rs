//! Looking at a channel without taking part in it: what its segment says, at one moment.
//!
//! The segment is attached for reading only and detached again; no semaphore is touched. Whoever wants
//! their values asks for them apart ([`SemaphoreSet::values`]), and not more than once a second: asking
//! throws the kernel into a slow mode for the whole set.
//!
//! ```
//! use semring::observe::Observation;
//! use semring::{Address, Channel};
//!
//! let mut producer = Channel::new(Address::named("doc-observe")?).slots(4).producer()?;
//! producer.send(b"hello")?;
//! let Observation::Channel(channel) = Observation::take(producer.link().segment())? else {
//!     panic!("it is a channel's segment");
//! };
//! assert_eq!((channel.tail, channel.head, channel.filled), (1, 0, Some(1)));
//! assert_eq!(channel.producer.pid, std::process::id().cast_signed());
//! # drop(producer);
//! # Channel::new(Address::named("doc-observe")?).remove()?;
//! # Ok::<(), anyhow::Error>(())
//! ```

mod copy;
mod holders;

use std::ops::Range;
use std::sync::atomic::Ordering;

use sysv_ipc::{Attachment, Segment, SemaphoreSet};

use crate::channel::is_unused;
#[cfg(not(loom))]
use crate::error::Kept;
use crate::error::{Corrupt, Role};
use crate::geometry::{Geometry, load_geometry};
use crate::layout::{HEADER_BYTES, Header, Identity, MAGIC, SEMAPHORES, UNFINISHED, VERSION};
use crate::message_type::{self, MessageType};
use crate::ring::distance;
use crate::{Framing, Sync};

pub use crate::layout::State;
pub use holders::Holders;

/// The semaphores of a channel by index, as docs/layout.md names them.
pub const SEMAPHORE_NAMES: [&str; SEMAPHORES as usize] =
    ["EMPTY", "FULL", "PRODUCER", "CONSUMER", "SETUP"];

/// Says what a segment is, by what stands in its header.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Observation {
    /// A channel.
    Channel(Box<Snapshot>),
    /// A channel whose header somebody has begun to write and not finished: somebody is at it, or has
    /// died over it.
    Unfinished,
    /// All of what would be the header is zero, as in a segment that nobody has written to yet. Whose it
    /// is, it does not say.
    Blank,
    /// A channel of a version of which nothing else is known here.
    OtherVersion {
        /// Its version.
        found: u32,
        /// The one that is known here.
        expected: u32,
    },
    /// A channel whose header holds what the protocol never puts there.
    Damaged(Corrupt),
    /// Another program's segment.
    Foreign {
        /// What shows it.
        evidence: String,
    },
}

/// Holds what a channel's segment said at one moment, each number read once and all but the counters
/// checked. All of it may be stale when it is returned.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Snapshot {
    /// The channel's name, empty when it is known by a key file or a number. It may hold anything.
    pub name: String,
    /// Slots and their size.
    pub geometry: Geometry,
    /// How the sides wait.
    pub sync: Sync,
    /// What the messages are.
    pub framing: Framing,
    /// Name and size of the messages' type, with [`Framing::Typed`].
    pub message_type: Option<String>,
    /// The semaphore set that belongs to the segment; whether there is one shows on use.
    pub set: SemaphoreSet,
    /// The random number that tells this segment from any other.
    pub nonce: [u8; 16],
    /// Device and inode of the key file, zeros without one.
    pub key_file: (u64, u64),
    /// Process that made the channel.
    pub creator_pid: i32,
    /// User who made it.
    pub creator_uid: u32,
    /// When it was made, in nanoseconds since 1970.
    pub created_at_ns: u64,
    /// Messages ever committed.
    pub tail: u64,
    /// Messages ever released, read at the same moment as `tail`; where both keep moving too fast for that, a
    /// number of a moment before, at most a ring behind.
    pub head: u64,
    /// Messages on their way: 0 to the slot count; `None` when the two positions cannot belong
    /// together, so that the segment is damaged.
    pub filled: Option<u32>,
    /// What the producer says of itself.
    pub producer: SideStatus,
    /// What the consumer says of itself.
    pub consumer: SideStatus,
}

/// Holds what one side says of itself in the segment. Nothing of it is proof that there is such a
/// process: that is for the semaphore of its role to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SideStatus {
    /// How often the role was taken; 0 for never.
    pub epoch: u64,
    /// Whether its last owner has left in order.
    pub state: State,
    /// Process that took the role last, 0 for none.
    pub pid: i32,
    /// Its effective user id.
    pub uid: u32,
    /// When it took the role, in nanoseconds since 1970; 0 for never.
    pub since_ns: u64,
    /// When it last came, slept or woke, in nanoseconds since 1970; 0 for never.
    pub active_at_ns: u64,
    /// True from before it falls asleep to after it wakes.
    pub asleep: bool,
    /// Adaptive channels: true when it wants to be woken.
    pub armed: bool,
    /// Adaptive channels: true when it leaves the memory barriers to the sleeper.
    pub registered: bool,
    /// Messages over all epochs.
    pub messages: u64,
    /// Bytes of messages over all epochs.
    pub bytes: u64,
    /// Waits in `semop`.
    pub sleeps: u64,
    /// Permits that were worthless.
    pub spurious: u64,
    /// The consumer's: messages that an earlier one may have had in hand.
    pub redelivered: u64,
    /// The consumer's: position after the last message handed out.
    pub handed_out: u64,
    /// The consumer's: epoch of the producer whose end of stream it has seen.
    pub end_seen: u64,
}

impl Snapshot {
    /// Tells whether the producer has closed, and no consumer has come to that end of the stream yet.
    #[must_use]
    pub fn end_is_unseen(&self) -> bool {
        self.producer.state == State::Closed && self.consumer.end_seen != self.producer.epoch
    }
}

#[cfg(not(loom))]
impl Observation {
    /// Checks that nothing in it waits for anybody: no message, and no end of a stream. What is no finished
    /// channel holds nothing.
    ///
    /// # Errors
    ///
    /// [`Kept::Unread`] or [`Kept::EndUnseen`]; [`Kept::Damaged`] when it cannot be told.
    pub fn check_read(&self) -> Result<(), Kept> {
        let snapshot = match self {
            Self::Channel(snapshot) => snapshot,
            Self::Damaged(corrupt) => return Err(Kept::Damaged(corrupt.clone())),
            _ => return Ok(()),
        };
        let Some(filled) = snapshot.filled else {
            let (tail, head) = (snapshot.tail, snapshot.head);
            let slots = snapshot.geometry.slot_count();
            let expected = format!("at most {slots} ahead of head {head}");
            return Err(Kept::Damaged(Corrupt::new("tail", tail, expected)));
        };
        match u64::from(filled) {
            0 if snapshot.end_is_unseen() => Err(Kept::EndUnseen),
            0 => Ok(()),
            messages => Err(Kept::Unread { messages }),
        }
    }
}

impl SideStatus {
    /// Returns how often the role was taken over from an earlier owner.
    #[must_use]
    pub const fn takeovers(&self) -> u64 {
        self.epoch.saturating_sub(1)
    }
}

impl Observation {
    /// Attaches to the segment for reading only, reads its header, and detaches. Does not block, and
    /// changes nothing but the times and the process of the last attach that the kernel keeps.
    ///
    /// # Errors
    ///
    /// A [`sysv_ipc::Error`]: [`AccessDenied`](sysv_ipc::ErrorKind::AccessDenied) when the mode does
    /// not let us read, [`Removed`](sysv_ipc::ErrorKind::Removed) when there is no such segment (any
    /// more), [`OutOfMemory`](sysv_ipc::ErrorKind::OutOfMemory) when there is no room to map it.
    pub fn take(segment: Segment) -> Result<Self, sysv_ipc::Error> {
        let memory = segment.attach_read_only()?;
        if memory.bytes() < HEADER_BYTES {
            let evidence = format!(
                "it has {} bytes, fewer than the {HEADER_BYTES} of a channel's header",
                memory.bytes()
            );
            return Ok(Self::Foreign { evidence });
        }
        // SYNC POINT: HEADER (with header::write). The other fields were written before.
        match memory.load_u64(std::mem::offset_of!(Header, identity.magic))? {
            MAGIC => Self::take_finished(&memory),
            UNFINISHED => Ok(Self::Unfinished),
            0 if is_unused(&memory)? => Ok(Self::Blank),
            other => {
                let start = other.to_ne_bytes().escape_ascii().to_string();
                let evidence = format!("it starts with \"{start}\", a channel's with \"semring\"");
                Ok(Self::Foreign { evidence })
            }
        }
    }

    fn take_finished(memory: &Attachment) -> Result<Self, sysv_ipc::Error> {
        let identity = copy::identity(memory)?;
        let found = identity.version.load(Ordering::Relaxed);
        if found != VERSION {
            let expected = VERSION;
            return Ok(Self::OtherVersion { found, expected });
        }
        let facts = match Facts::check(&identity, memory.bytes() as u64) {
            Ok(facts) => facts,
            Err(corrupt) => return Ok(Self::Damaged(corrupt)),
        };
        let (tail, head) = copy::positions(memory, facts.geometry.slot_count())?;
        Ok(Self::Channel(Box::new(Snapshot {
            name: facts.name,
            geometry: facts.geometry,
            sync: facts.sync,
            framing: facts.framing,
            message_type: facts.message_type,
            set: SemaphoreSet::from_id(identity.semaphore_id.load(Ordering::Relaxed)),
            nonce: identity.load_nonce(),
            key_file: (
                identity.key_device.load(Ordering::Relaxed),
                identity.key_inode.load(Ordering::Relaxed),
            ),
            creator_pid: identity.creator_pid.load(Ordering::Relaxed),
            creator_uid: identity.creator_uid.load(Ordering::Relaxed),
            created_at_ns: identity.created_at_ns.load(Ordering::Relaxed),
            tail,
            head,
            filled: distance(tail, head, facts.geometry.slot_count()),
            producer: copy::side(memory, Role::Producer)?,
            consumer: copy::side(memory, Role::Consumer)?,
        })))
    }
}

/// What a header says once it has been checked.
struct Facts {
    name: String,
    geometry: Geometry,
    sync: Sync,
    framing: Framing,
    message_type: Option<String>,
}

impl Facts {
    fn check(identity: &Identity, segment_bytes: u64) -> Result<Self, Corrupt> {
        let geometry = load_geometry(identity, segment_bytes)?;
        let sync = identity.sync.load(Ordering::Relaxed);
        let sync =
            Sync::from_bits(sync).ok_or_else(|| Corrupt::new("sync", sync.into(), "1 or 2"))?;
        let framing = identity.framing.load(Ordering::Relaxed);
        let framing = Framing::from_bits(framing)
            .ok_or_else(|| Corrupt::new("framing", framing.into(), "0 to 5"))?;
        let message_type = if framing == Framing::Typed {
            Some(MessageType::load(identity, geometry.slot_bytes())?.to_string())
        } else {
            message_type::check_untyped(identity)?;
            None
        };
        Ok(Self {
            name: identity.load_name()?,
            geometry,
            sync,
            framing,
            message_type,
        })
    }
}

/// Says which bytes of the segment hold what: the five parts of docs/layout.md, in their order.
#[must_use]
pub fn parts(geometry: Geometry) -> [(&'static str, Range<u64>); 5] {
    let producer = std::mem::offset_of!(Header, producer) as u64;
    let consumers = std::mem::offset_of!(Header, consumers) as u64;
    let (descriptors, slots) = (HEADER_BYTES as u64, geometry.slots_offset());
    [
        ("identity", 0..producer),
        ("producer", producer..consumers),
        ("consumer", consumers..consumers + (consumers - producer)),
        ("descriptors", descriptors..slots),
        ("slots", slots..geometry.segment_bytes()),
    ]
}
