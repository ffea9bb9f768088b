//! The byte map of `docs/layout.md`.

// The one cast: from the start of a segment to its header.
#![allow(unsafe_code)]

mod word;

use std::cell::UnsafeCell;
use std::mem::offset_of;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::error::Corrupt;
use crate::sync::{AtomicU32 as SharedU32, AtomicU64 as SharedU64};

pub use word::State;
pub(crate) use word::Word;

/// The finished segment's first eight bytes.
pub(crate) const MAGIC: u64 = u64::from_ne_bytes(*b"semring\x01");
/// The same while the header is being written.
pub(crate) const UNFINISHED: u64 = u64::from_ne_bytes(*b"semring?");
/// The version of the byte map.
pub(crate) const VERSION: u32 = 1;
/// Bytes before the descriptors.
#[cfg(not(loom))]
pub(crate) const HEADER_BYTES: usize = 4096;
/// The model checker's atomic numbers are larger; its rings stay on the heap.
#[cfg(loom)]
pub(crate) const HEADER_BYTES: usize = size_of::<Header>().next_multiple_of(64);
/// The same as it stands in the header.
#[expect(clippy::cast_possible_truncation, reason = "some thousand")]
pub(crate) const HEADER_BYTES_U32: u32 = HEADER_BYTES as u32;
/// Bytes of a descriptor.
#[cfg(not(loom))]
pub(crate) const DESCRIPTOR_BYTES: usize = 64;
#[cfg(loom)]
pub(crate) const DESCRIPTOR_BYTES: usize = size_of::<Descriptor>();
/// Where in a descriptor the message stands that travels inside it.
pub(crate) const INLINE_OFFSET: usize = offset_of!(Descriptor, inline);
/// Longest message that travels inside its descriptor.
pub const INLINE_BYTES: usize = 56;
/// Descriptor's slot number of a message that stands inline.
pub(crate) const INLINE: u32 = u32::MAX;
/// Semaphores in the set of a channel with one consumer.
pub(crate) const SEMAPHORES: u16 = 5;
/// Longest name of a channel in bytes.
pub const MAX_NAME_BYTES: usize = 188;
/// Longest name of a message type in bytes.
pub const MAX_TYPE_NAME_BYTES: usize = 176;

const MAX_CONSUMERS: usize = 6;

/// What stands at the start of a segment.
#[repr(C)]
pub(crate) struct Header {
    pub identity: Identity,
    pub producer: Side,
    pub consumers: [Side; MAX_CONSUMERS],
}

/// Says what the segment is; written once, `magic` last.
#[repr(C)]
pub(crate) struct Identity {
    pub magic: AtomicU64,
    pub version: AtomicU32,
    pub header_bytes: AtomicU32,
    pub segment_bytes: AtomicU64,
    pub slot_bytes: AtomicU64,
    pub slot_stride: AtomicU64,
    pub slot_count: AtomicU32,
    pub sync: AtomicU32,
    pub descriptors_offset: AtomicU64,
    pub slots_offset: AtomicU64,
    pub semaphore_id: AtomicI32,
    pub semaphore_count: AtomicU32,
    pub framing: AtomicU32,
    pub consumer_count: AtomicU32,
    pub nonce: [AtomicU64; 2],
    pub key_device: AtomicU64,
    pub key_inode: AtomicU64,
    pub creator_pid: AtomicI32,
    pub creator_uid: AtomicU32,
    pub created_at_ns: AtomicU64,
    pub name_bytes: AtomicU32,
    pub name: [AtomicU8; MAX_NAME_BYTES],
    pub type_bytes: AtomicU64,
    pub type_align: AtomicU32,
    pub type_name_bytes: AtomicU32,
    pub type_name: [AtomicU8; MAX_TYPE_NAME_BYTES],
}

/// Holds what one side tells the other: 128 bytes for its position, 128 for its status, 256 for what
/// the other side does not read.
#[repr(C)]
pub(crate) struct Side {
    pub position: SharedU64,
    _position_line: [AtomicU64; 15],
    pub word: SharedU64,
    pub waiting: SharedU32,
    pub registered: SharedU32,
    pub pid: AtomicI32,
    pub uid: AtomicU32,
    pub since_ns: AtomicU64,
    pub end_seen: SharedU64,
    _status_line: [AtomicU64; 11],
    pub handed_out: AtomicU64,
    pub messages: AtomicU64,
    pub bytes: AtomicU64,
    pub sleeps: AtomicU64,
    pub spurious: AtomicU64,
    pub redelivered: AtomicU64,
    pub active_at_ns: AtomicU64,
    pub activity: AtomicU32,
    _counter_line: [AtomicU32; 49],
}

/// Describes the message at one position.
#[repr(C, align(64))]
pub(crate) struct Descriptor {
    /// `length` in the first four bytes and `slot` in the next four, stored and loaded as one.
    pub length_and_slot: SharedU64,
    /// Bytes, of which nobody but the two owners in turn makes a reference (`Ring::message`).
    pub inline: UnsafeCell<[u8; INLINE_BYTES]>,
    /// Lets the model checker notice an access to the inline bytes, or to the slot of this number,
    /// that the positions do not order.
    #[cfg(loom)]
    pub access: [loom::cell::UnsafeCell<()>; 2],
}

/// Fails the build unless the fields stand where docs/layout.md says.
#[cfg(not(loom))]
macro_rules! assert_offsets {
    ($of:ty, $bytes:expr, { $($field:ident: $offset:expr),+ $(,)? }) => {
        const _: () = {
            assert!(size_of::<$of>() == $bytes);
            $(assert!(offset_of!($of, $field) == $offset, stringify!($field));)+
        };
    };
}

#[cfg(not(loom))]
assert_offsets!(Header, HEADER_BYTES, { identity: 0, producer: 512, consumers: 1024 });
#[cfg(not(loom))]
assert_offsets!(Identity, 512, {
    magic: 0, version: 8, header_bytes: 12, segment_bytes: 16, slot_bytes: 24, slot_stride: 32,
    slot_count: 40, sync: 44, descriptors_offset: 48, slots_offset: 56, semaphore_id: 64,
    semaphore_count: 68, framing: 72, consumer_count: 76, nonce: 80, key_device: 96, key_inode: 104,
    creator_pid: 112, creator_uid: 116, created_at_ns: 120, name_bytes: 128, name: 132,
    type_bytes: 320, type_align: 328, type_name_bytes: 332, type_name: 336,
});
#[cfg(not(loom))]
assert_offsets!(Side, 512, {
    position: 0, word: 128, waiting: 136, registered: 140, pid: 144, uid: 148, since_ns: 152,
    end_seen: 160, handed_out: 256, messages: 264, bytes: 272, sleeps: 280, spurious: 288,
    redelivered: 296, active_at_ns: 304, activity: 312,
});
#[cfg(not(loom))]
assert_offsets!(Descriptor, DESCRIPTOR_BYTES, { length_and_slot: 0, inline: 8 });

impl Header {
    /// Looks at the start of a segment as a header.
    ///
    /// # Safety
    ///
    /// `start` is page aligned and at least [`HEADER_BYTES`] bytes from it stay mapped for writing
    /// as long as the result is used.
    pub(crate) const unsafe fn at<'a>(start: NonNull<u8>) -> &'a Self {
        // SAFETY: the caller vouches for size, alignment and life time; every field is an atomic
        // number, so any bytes are a valid Header, whoever else writes them.
        unsafe { start.cast::<Self>().as_ref() }
    }
}

#[cfg(loom)]
impl Header {
    /// Makes a header of numbers that the model checker knows; who it is for does not matter.
    pub(crate) fn modelled() -> Self {
        // SAFETY: an Identity is made of the standard library's atomic numbers, for which zero is valid.
        let identity = unsafe { std::mem::zeroed() };
        Self {
            identity,
            producer: Side::zeroed(),
            consumers: std::array::from_fn(|_| Side::zeroed()),
        }
    }
}

#[cfg(any(loom, test))]
impl Side {
    /// A side outside a segment.
    pub(crate) fn zeroed() -> Self {
        let (number, counter) = (|| SharedU64::new(0), || AtomicU64::new(0));
        Self {
            position: number(),
            _position_line: std::array::from_fn(|_| counter()),
            word: number(),
            waiting: SharedU32::new(0),
            registered: SharedU32::new(0),
            pid: AtomicI32::new(0),
            uid: AtomicU32::new(0),
            since_ns: counter(),
            end_seen: number(),
            _status_line: std::array::from_fn(|_| counter()),
            handed_out: counter(),
            messages: counter(),
            bytes: counter(),
            sleeps: counter(),
            spurious: counter(),
            redelivered: counter(),
            active_at_ns: counter(),
            activity: AtomicU32::new(0),
            _counter_line: std::array::from_fn(|_| AtomicU32::new(0)),
        }
    }
}

impl Identity {
    /// Loads the name, replacing what is not UTF-8; a length beyond the field is [`Corrupt`].
    pub(crate) fn load_name(&self) -> Result<String, Corrupt> {
        load_text(&self.name_bytes, &self.name)
            .map_err(|found| Corrupt::new("name_bytes", found, "at most 188"))
    }

    /// Stores the name, of which the caller has checked the length.
    pub(crate) fn store_name(&self, name: &str) {
        store_text(&self.name_bytes, &self.name, name);
    }

    /// Loads the type's name, as [`load_name`](Self::load_name) does.
    pub(crate) fn load_type_name(&self) -> Result<String, Corrupt> {
        load_text(&self.type_name_bytes, &self.type_name)
            .map_err(|found| Corrupt::new("type_name_bytes", found, "at most 176"))
    }

    /// Loads the random number that tells this segment from any other.
    pub(crate) fn load_nonce(&self) -> [u8; 16] {
        let mut nonce = [0; 16];
        for (bytes, field) in nonce.as_chunks_mut::<8>().0.iter_mut().zip(&self.nonce) {
            *bytes = field.load(Ordering::Relaxed).to_ne_bytes();
        }
        nonce
    }

    /// Stores the type's name, of which the caller has checked the length.
    pub(crate) fn store_type_name(&self, name: &str) {
        store_text(&self.type_name_bytes, &self.type_name, name);
    }
}

/// Loads a text, replacing what is not UTF-8; fails with a length beyond the field.
fn load_text(bytes: &AtomicU32, field: &[AtomicU8]) -> Result<String, u64> {
    let bytes = bytes.load(Ordering::Relaxed);
    let field = field.get(..bytes as usize).ok_or(u64::from(bytes))?;
    let bytes: Vec<u8> = field
        .iter()
        .map(|byte| byte.load(Ordering::Relaxed))
        .collect();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Stores a text and its length.
fn store_text(bytes: &AtomicU32, field: &[AtomicU8], text: &str) {
    let mut stored = 0;
    for (field, &byte) in field.iter().zip(text.as_bytes()) {
        field.store(byte, Ordering::Relaxed);
        stored += 1;
    }
    bytes.store(stored, Ordering::Relaxed);
}

impl Side {
    /// Adds to a counter that the own side alone writes.
    #[inline]
    fn add(counter: &AtomicU64, number: u64) {
        let sum = counter.load(Ordering::Relaxed).wrapping_add(number);
        counter.store(sum, Ordering::Relaxed);
    }

    /// Says that this side is about to sleep. The owner's.
    pub(crate) fn arm(&self) {
        self.waiting.store(1, Ordering::Relaxed);
    }

    /// Takes the flag back, the owner's own or, to wake it, the peer's; tells whether it was set.
    // SYNC POINT: WAITING (with itself): of two that take it, the second sees what the first had done.
    #[inline]
    pub(crate) fn disarm(&self) -> bool {
        self.waiting.swap(0, Ordering::AcqRel) == 1
    }

    /// Tells whether this side is about to sleep, or does.
    #[inline]
    pub(crate) fn waits(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 1
    }

    /// Says whether the owner leaves it to a sleeping peer to order its stores and loads, and that it
    /// does not sleep.
    pub(crate) fn advertise(&self, registered: bool) {
        self.waiting.store(0, Ordering::Relaxed);
        self.registered
            .store(u32::from(registered), Ordering::Relaxed);
    }

    /// Tells whether the owner leaves it to a sleeping peer to order its stores and loads.
    pub(crate) fn is_registered(&self) -> bool {
        self.registered.load(Ordering::Relaxed) == 1
    }

    /// Counts exchanged messages.
    #[inline]
    pub(crate) fn count_messages(&self, messages: u64) {
        Self::add(&self.messages, messages);
    }

    /// Counts bytes of messages.
    #[inline]
    pub(crate) fn count_bytes(&self, bytes: u64) {
        Self::add(&self.bytes, bytes);
    }

    /// Counts messages that an earlier consumer had in hand.
    #[inline]
    pub(crate) fn count_redelivered(&self, messages: u64) {
        if messages > 0 {
            Self::add(&self.redelivered, messages);
        }
    }

    /// Counts a permit that was worthless.
    pub(crate) fn note_spurious(&self) {
        Self::add(&self.spurious, 1);
    }

    /// Shows that the side sleeps, or that it no longer does.
    pub(crate) fn note_sleep(&self, asleep: bool, now_ns: u64) {
        Self::add(&self.sleeps, u64::from(asleep));
        self.activity.store(u32::from(asleep), Ordering::Relaxed);
        self.active_at_ns.store(now_ns, Ordering::Relaxed);
    }

    /// Starts from nothing, in a segment that is being made.
    pub(crate) fn reset(&self) {
        for number in [&self.position, &self.word, &self.end_seen] {
            number.store(0, Ordering::Relaxed);
        }
        for counter in [
            &self.handed_out,
            &self.messages,
            &self.bytes,
            &self.sleeps,
            &self.spurious,
            &self.redelivered,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
        self.note_owner(0, 0, 0);
        self.advertise(false);
    }

    /// Shows who has the role, and since when.
    pub(crate) fn note_owner(&self, pid: i32, uid: u32, now_ns: u64) {
        self.pid.store(pid, Ordering::Relaxed);
        self.uid.store(uid, Ordering::Relaxed);
        self.since_ns.store(now_ns, Ordering::Relaxed);
        self.active_at_ns.store(now_ns, Ordering::Relaxed);
        self.activity.store(0, Ordering::Relaxed);
    }
}

/// Chooses how the two sides wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Sync {
    /// A semaphore call before and one after each exchange, on each side.
    #[default]
    Strict,
    /// Semaphore calls only to sleep, after some 50 µs of looking, and to wake.
    Adaptive,
}

impl Sync {
    pub(crate) const fn to_bits(self) -> u32 {
        match self {
            Self::Strict => 1,
            Self::Adaptive => 2,
        }
    }

    pub(crate) const fn from_bits(bits: u32) -> Option<Self> {
        match bits {
            1 => Some(Self::Strict),
            2 => Some(Self::Adaptive),
            _ => None,
        }
    }
}

impl std::fmt::Display for Sync {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Strict => "strict",
            Self::Adaptive => "adaptive",
        })
    }
}

/// Says what the messages of a stream are, so that both ends agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Framing {
    /// Messages, whatever they mean to the two programs.
    #[default]
    Messages,
    /// The numbered messages of the demonstration.
    Demo,
    /// A stream of bytes, cut where it suits.
    Raw,
    /// Lines of text, each with its newline, which the last one may lack.
    Lines,
    /// Frames, which a length of four bytes, big-endian, precedes outside the channel.
    Length,
    /// Values of one type, whose name and size stand in the segment: see
    /// [`Channel::typed_producer`](crate::Channel::typed_producer).
    Typed,
}

impl Framing {
    pub(crate) const fn to_bits(self) -> u32 {
        match self {
            Self::Messages => 0,
            Self::Demo => 1,
            Self::Raw => 2,
            Self::Lines => 3,
            Self::Length => 4,
            Self::Typed => 5,
        }
    }

    pub(crate) const fn from_bits(bits: u32) -> Option<Self> {
        match bits {
            0 => Some(Self::Messages),
            1 => Some(Self::Demo),
            2 => Some(Self::Raw),
            3 => Some(Self::Lines),
            4 => Some(Self::Length),
            5 => Some(Self::Typed),
            _ => None,
        }
    }
}

impl std::fmt::Display for Framing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Messages => "messages",
            Self::Demo => "demo",
            Self::Raw => "raw",
            Self::Lines => "lines",
            Self::Length => "length",
            Self::Typed => "typed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_epoch_and_state_apart() {
        let never = Word::from_bits(0);
        assert_eq!((never.epoch(), never.state()), (0, State::Never));
        let first = never.attached_next();
        assert_eq!((first.epoch(), first.state()), (1, State::Attached));
        let closed = first.closed();
        assert_eq!((closed.epoch(), closed.state()), (1, State::Closed));
        assert_eq!(closed.attached_next().epoch(), 2);
        let interrupted = first.interrupted();
        assert_eq!(
            (interrupted.epoch(), interrupted.state()),
            (1, State::Interrupted)
        );
    }
}
