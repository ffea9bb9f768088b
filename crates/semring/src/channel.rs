//! The control plane: find or make the two objects, check them, take a role; leave, and remove.
//!
//! Everything that changes who is in happens under the SETUP lock of the semaphore set, which the
//! kernel gives back when its holder dies. So there is no race between creators, and a creator that
//! dies half-way leaves something that the next one finishes.

mod attach;
mod header;
mod link;
mod objects;
#[cfg(not(loom))]
mod removal;
mod setup;

use std::time::Duration;

use sysv_ipc::Mode;

use crate::address::Address;
use crate::error::{AttachError, RemoveError, Role};
use crate::geometry::Geometry;
use crate::limits;
use crate::message_type::MessageType;
use crate::{AttachReason, Consumer, Framing, Producer, Sync};

pub(crate) use header::is_unused;
pub use link::{CloseOutcome, Link};
#[cfg(not(loom))]
pub use removal::{Evidence, Leftover, Removal};

/// How long to wait for others that attach or leave, unless told otherwise: they need microseconds,
/// but for one that is stopped.
const SETUP_LIMIT: Duration = Duration::from_secs(10);

/// Describes a channel to attach to: where it is, and what is asked of it.
///
/// What is asked for and found to differ is refused; what is left out is taken as it is found, or
/// has its default when the channel is created.
///
/// ```
/// use semring::{Address, Channel};
///
/// let channel = Channel::new(Address::named("doc-example")?).slots(4);
/// let mut producer = channel.producer()?;
/// let mut consumer = channel.consumer()?;
/// producer.send(b"hello")?;
/// producer.close()?;
///
/// let message = consumer.recv()?.expect("one was sent");
/// assert_eq!(&*message, b"hello");
/// drop(message); // releases it
/// assert!(consumer.recv()?.is_none(), "the stream has ended");
/// consumer.close()?; // the last one out removes segment and semaphore set
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Channel {
    address: Address,
    slots: Option<u32>,
    slot_bytes: Option<u64>,
    sync: Option<Sync>,
    framing: Framing,
    /// What is accepted beside `framing` where the channel exists.
    other_framings: &'static [Framing],
    /// Of a typed channel, and of no other.
    message_type: Option<MessageType>,
    mode: Mode,
    credits: u32,
    create: bool,
    huge_pages: bool,
    prefault: bool,
    setup_limit: Duration,
}

impl Channel {
    /// Starts with the defaults: created where it does not exist, mode 0600, 64 slots of 64 KiB (1024 of
    /// lines, or of messages with a length before them, which are short), strict.
    #[must_use]
    pub const fn new(address: Address) -> Self {
        Self {
            address,
            slots: None,
            slot_bytes: None,
            sync: None,
            framing: Framing::Messages,
            other_framings: &[],
            message_type: None,
            mode: Mode::OWNER,
            credits: 1,
            create: true,
            huge_pages: false,
            prefault: false,
            setup_limit: SETUP_LIMIT,
        }
    }

    /// Asks for this many slots: a power of two, 1 to 16384. Streams of long messages are fastest, in
    /// [adaptive](Sync::Adaptive) channels, where slots make 8 MiB or more (docs/protocol.md, How far apart).
    #[must_use]
    pub const fn slots(mut self, slots: u32) -> Self {
        self.slots = Some(slots);
        self
    }

    /// Asks for slots of this many bytes, which is the longest message: 1 to 4 GiB - 4096.
    #[must_use]
    pub const fn slot_bytes(mut self, bytes: u64) -> Self {
        self.slot_bytes = Some(bytes);
        self
    }

    /// Asks for this way of waiting.
    #[must_use]
    pub const fn sync(mut self, sync: Sync) -> Self {
        self.sync = Some(sync);
        self
    }

    /// Says what the messages are; both ends must say the same. [`Framing::Typed`] is for the ends
    /// that have a type, which choose it themselves; others are refused with it.
    #[must_use]
    pub const fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Accepts messages of these kinds, too, where the channel exists; [`Link::framing`] then tells
    /// which were found.
    #[must_use]
    pub const fn or_framings(mut self, framings: &'static [Framing]) -> Self {
        self.other_framings = framings;
        self
    }

    /// Says who may use the channel: the mode of a new one, and the widest of an existing one.
    #[must_use]
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Lets this side take up to so many permits in one call, and use them one by one. 1, the default,
    /// is the literal form; 16 saves nearly every second call. Not a property of the channel: each
    /// side chooses its own. 0 counts as 1.
    #[must_use]
    pub const fn credits(mut self, credits: u32) -> Self {
        self.credits = credits;
        self
    }

    /// Says whether to make the channel where it does not exist, which is the default.
    #[must_use]
    pub const fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Has a new channel's segment made of huge pages of the default size (`SHM_HUGETLB`), which must have
    /// been reserved (`sysctl vm.nr_hugepages`); it is then as long as whole ones. A channel that exists is
    /// taken as it is.
    #[must_use]
    pub const fn huge_pages(mut self, wanted: bool) -> Self {
        self.huge_pages = wanted;
        self
    }

    /// Has all pages of a new channel's segment provided when it is made, rather than one at a time when
    /// messages first need them. Others that attach meanwhile wait. A channel that exists is taken as it
    /// is.
    #[must_use]
    pub const fn prefault(mut self, wanted: bool) -> Self {
        self.prefault = wanted;
        self
    }

    /// Bounds the wait of an attach or a removal for others that are attaching or leaving: 10 seconds without
    /// this. They need microseconds, but for one that is stopped half-way. A close is not bounded by it,
    /// since who attaches in many short tries closes only once.
    #[must_use]
    pub const fn setup_limit(mut self, limit: Duration) -> Self {
        self.setup_limit = limit;
        self
    }

    /// Returns where the channel is.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Attaches as the producer, creating or taking over. Waits only for others that are attaching or
    /// leaving, no longer than the [setup limit](Self::setup_limit).
    ///
    /// # Errors
    ///
    /// [`AttachError`]; no message was changed or removed, and nobody's role. What a creator that died had
    /// left unfinished may have been; and where the kernel fails in the last step, the other side may be
    /// told of one who came and died.
    pub fn producer(&self) -> Result<Producer, AttachError> {
        self.check_type()
            .and_then(|()| attach::producer(self))
            .map_err(|reason| self.attach_error(Role::Producer, reason))
    }

    /// Attaches as the consumer, creating or taking over. Waits only for others that are attaching or
    /// leaving, no longer than the [setup limit](Self::setup_limit).
    ///
    /// # Errors
    ///
    /// [`AttachError`]; no message was changed or removed, and nobody's role. What a creator that died had
    /// left unfinished may have been; and where the kernel fails in the last step, the other side may be
    /// told of one who came and died.
    pub fn consumer(&self) -> Result<Consumer, AttachError> {
        self.check_type()
            .and_then(|()| attach::consumer(self))
            .map_err(|reason| self.attach_error(Role::Consumer, reason))
    }

    /// Removes the channel, if nobody has a role, and returns how many messages went with it. Waits only for
    /// others that are attaching or leaving, no longer than the [setup limit](Self::setup_limit).
    ///
    /// # Errors
    ///
    /// [`RemoveError`]; nothing was removed.
    pub fn remove(&self) -> Result<u64, RemoveError> {
        attach::remove(self).map_err(|reason| RemoveError {
            channel: self.address.to_string(),
            key: self.address.key(),
            reason,
        })
    }

    /// Returns the same channel with messages of this type.
    pub(crate) fn of_type(&self, message_type: MessageType) -> Self {
        let (framing, message_type) = (Framing::Typed, Some(message_type));
        Self {
            framing,
            message_type,
            ..self.clone()
        }
    }

    /// Checks that a type was given if, and only if, the messages are to have one, and that it is
    /// possible.
    fn check_type(&self) -> Result<(), AttachReason> {
        match &self.message_type {
            Some(message_type) => message_type.check(self.slot_bytes),
            None if self.framing == Framing::Typed => Err(AttachReason::Untyped),
            None => Ok(()),
        }
    }

    fn attach_error(&self, role: Role, reason: AttachReason) -> AttachError {
        let (channel, key) = (self.address.to_string(), self.address.key());
        AttachError {
            role,
            channel,
            key,
            reason,
        }
    }

    /// The kinds of messages that are accepted.
    fn framings(&self) -> impl Iterator<Item = Framing> {
        std::iter::once(self.framing).chain(self.other_framings.iter().copied())
    }

    /// The geometry of a channel that is made anew.
    fn new_geometry(&self) -> Result<Geometry, crate::GeometryError> {
        let of_type = self.message_type.as_ref().and_then(MessageType::slot_bytes);
        let slots = match self.framing {
            Framing::Lines | Framing::Length => Geometry::DEFAULT_SLOTS_OF_PARTS,
            _ => Geometry::DEFAULT_SLOTS,
        };
        Geometry::new(
            self.slots.unwrap_or(slots),
            self.slot_bytes
                .or(of_type)
                .unwrap_or(Geometry::DEFAULT_SLOT_BYTES),
        )
    }

    /// The length of the segment of a channel that is made anew, in bytes.
    fn new_segment_bytes(&self, geometry: Geometry) -> Result<u64, AttachReason> {
        let bytes = geometry.segment_bytes();
        if self.huge_pages {
            Ok(bytes.next_multiple_of(limits::huge_page_bytes()?))
        } else {
            Ok(bytes)
        }
    }
}
