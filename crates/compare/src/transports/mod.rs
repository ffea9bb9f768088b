//! What is compared: one file for each kind of transport, and the list of them.
//!
//! Another transport is another file here, and a variant of [`Kind`] with an arm in each of its methods.

mod descriptor;
mod flag;
mod futex_ring;
mod pipe;
mod posix_queue;
mod ring_memory;
mod semaphores;
mod sysv_queue;
mod there;
mod unix_socket;

use std::fmt;

use anyhow::Result;
use clap::ValueEnum;
use semring::Sync;
use semring_flag::Strategy;
use serde::{Deserialize, Serialize};

use crate::names::{key_of, path_of, queue_name};
use flag::Flag;
use futex_ring::FutexRing;
use pipe::Pipe;
use posix_queue::PosixQueue;
use semaphores::{ByCopy, InBatches, Semaphores};
use sysv_queue::SysvQueue;

pub use there::when_there;

pub(crate) use ring_memory::RingMemory;
use unix_socket::UnixSocket;

/// A way of getting messages from one process to another.
pub trait Transport: Copy {
    /// The end that sends.
    type Producer: Produce;
    /// The end that receives.
    type Consumer: Consume;

    /// Attaches to the channel of this name as its producer, creating it if need be. Does not wait
    /// for the consumer.
    ///
    /// # Errors
    ///
    /// The channel cannot be made, in the words of whoever refused.
    fn producer(self, channel: &str, message_bytes: usize) -> Result<Self::Producer>;

    /// Attaches to the channel of this name as its consumer; may wait until the producer has made it.
    ///
    /// # Errors
    ///
    /// The channel cannot be attached to, in the words of whoever refused.
    fn consumer(self, channel: &str, message_bytes: usize) -> Result<Self::Consumer>;
}

/// The end that sends.
pub trait Produce {
    /// Sends one message of the agreed length, all of which `fill` writes.
    ///
    /// # Errors
    ///
    /// The message could not be sent.
    fn send(&mut self, fill: impl FnOnce(&mut [u8])) -> Result<()>;

    /// Sends so many messages, together where the transport can do that.
    ///
    /// # Errors
    ///
    /// The first message that could not be sent.
    fn send_each(&mut self, count: u64, mut fill: impl FnMut(&mut [u8])) -> Result<()> {
        (0..count).try_for_each(|_| self.send(&mut fill))
    }

    /// Leaves in order. Does not wait for the consumer to leave.
    ///
    /// # Errors
    ///
    /// What was left could not be given back.
    fn close(self) -> Result<()>;
}

/// The end that receives.
pub trait Consume {
    /// Waits for the next message and shows it to `look`.
    ///
    /// # Errors
    ///
    /// There is no message, and none will come.
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R>;

    /// Waits for so many messages, taken together where the transport can do that.
    ///
    /// # Errors
    ///
    /// As of [`recv`](Self::recv), and what `look` did not like.
    fn recv_each(&mut self, count: u64, mut look: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        (0..count).try_for_each(|_| self.recv(&mut look)?)
    }

    /// Leaves in order; may wait for the producer to do so.
    ///
    /// # Errors
    ///
    /// There is a message more than was sent, or something could not be given back.
    fn close(self) -> Result<()>;
}

/// What is to be done with a transport, whichever it is: compiled for each of them, so that the calls
/// which are measured are direct ones.
pub trait Job {
    /// What comes of it.
    type Output;

    /// Does it with this transport.
    fn run<T: Transport>(self, transport: T) -> Self::Output;
}

/// Names every transport, in the order of the table.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A flag that both sides look at every 100 ms, as the original does
    FlagSleep,
    /// A flag that both sides look at all the time
    FlagSpin,
    /// A flag that both sides look at ever less often, letting others run
    FlagBackoff,
    /// Paired semaphores and one slot: a single exchange, as with the flag
    SemaphoresSingle,
    /// Paired semaphores and 64 slots, one message at a time: the literal form
    Semaphores,
    /// The same, each side taking up to 16 permits in one call
    SemaphoresCredits,
    /// The same as with credits, by a producer that copies its messages from memory of its own
    SemaphoresCopy,
    /// Paired semaphores, up to 64 messages in one exchange
    SemaphoresBatches,
    /// The same as with credits, once more: what the two differ by is noise
    Control,
    /// The semaphore version that looks for a while before it sleeps, one message at a time
    Adaptive,
    /// The same, up to 32 messages in one exchange
    AdaptiveBatches,
    /// The same as adaptive, with 8 MiB of slots, which stay in the shared cache
    AdaptiveRoomy,
    /// The same, by a producer that copies its messages from memory of its own
    AdaptiveCopy,
    /// A ring in shared memory that spins and then sleeps in a futex
    FutexRing,
    /// The same, with 8 MiB of slots
    FutexRingRoomy,
    /// A pipe
    Pipe,
    /// A Unix socket, as a stream
    UnixStream,
    /// A Unix socket, packet by packet
    UnixSeqpacket,
    /// A System V message queue
    SysvQueue,
    /// A POSIX message queue
    PosixQueue,
    /// iceoryx2, whose consumer looks all the time (needs --peers)
    Iceoryx2Poll,
    /// iceoryx2, whose consumer waits for events (needs --peers)
    Iceoryx2Event,
    /// ipc-channel (needs --peers)
    IpcChannel,
    /// `Boost.Interprocess`, its message queue (needs --peers)
    BoostQueue,
}

/// What a message costs at least, besides the memory it is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// A cache line goes to the other side and comes back.
    Bounce,
    /// A system call.
    Call,
    /// A `semop`, while the other side makes one.
    Semop,
    /// A `semop` that wakes the other side, and one that is woken by it.
    SemopRoundTrip,
}

/// Transports of a kind, as people sort them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Flag,
    Semaphores,
    Ring,
    Kernel,
    Peer,
}

/// A transport and the same one under another name; what they differ by is noise.
pub const TWINS: [Kind; 2] = [Kind::SemaphoresCredits, Kind::Control];

/// Longest message of which many are sent together: more would not fit into the nearest cache.
const LONGEST_IN_BATCH: usize = 1024;

const USUAL_SLOTS: u32 = 64;
/// Most slots of a channel.
const MOST_SLOTS: u32 = semring::MAX_SLOTS;
/// Memory that a ring goes round in when it has room: more than the nearest caches hold, so that what is
/// written has left the other side's, and less than the shared one.
const ROOM_BYTES: usize = 8 << 20;

/// Returns how many messages of this length have that room, but as many as usual at least.
pub const fn roomy_slots(message_bytes: usize) -> u32 {
    slots_in_room(message_bytes, USUAL_SLOTS)
}

/// Returns how many messages of this length have that room, but two at least.
pub const fn hot_slots(message_bytes: usize) -> u32 {
    slots_in_room(message_bytes, 2)
}

const fn slots_in_room(message_bytes: usize, least: u32) -> u32 {
    let mut slots = least;
    while slots < MOST_SLOTS && (slots as usize).saturating_mul(message_bytes) < ROOM_BYTES {
        slots *= 2;
    }
    slots
}

impl Kind {
    /// Returns every transport, in the order of the table.
    #[must_use]
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Tells whether another program has it, which need not have been built.
    #[must_use]
    pub fn is_peer(self) -> bool {
        self.family() == Family::Peer
    }

    /// Returns its name for people.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::FlagSleep => "flag, sleeping",
            Self::FlagSpin => "flag, spinning",
            Self::FlagBackoff => "flag, backing off",
            Self::SemaphoresSingle => "semaphores, 1 slot",
            Self::Semaphores => "semaphores, 64 slots",
            Self::SemaphoresCredits => "semaphores, 16 credits",
            Self::SemaphoresCopy => "semaphores, by copy",
            Self::SemaphoresBatches => "semaphores, batches of 64",
            Self::Control => "semaphores, 16 credits, again",
            Self::Adaptive => "adaptive",
            Self::AdaptiveBatches => "adaptive, batches of 32",
            Self::AdaptiveRoomy => "adaptive, 8 MiB of slots",
            Self::AdaptiveCopy => "adaptive, 8 MiB, by copy",
            Self::FutexRing => "futex ring",
            Self::FutexRingRoomy => "futex ring, 8 MiB of slots",
            Self::Pipe => "pipe",
            Self::UnixStream => "Unix socket, stream",
            Self::UnixSeqpacket => "Unix socket, seqpacket",
            Self::SysvQueue => "System V message queue",
            Self::PosixQueue => "POSIX message queue",
            Self::Iceoryx2Poll => "iceoryx2, polling",
            Self::Iceoryx2Event => "iceoryx2, events",
            Self::IpcChannel => "ipc-channel",
            Self::BoostQueue => "Boost message queue",
        }
    }

    /// Returns its name where the number of slots is another.
    pub(crate) const fn title_of_any_slots(self) -> &'static str {
        match self {
            Self::Semaphores => "semaphores, one by one",
            Self::Adaptive => "adaptive, one by one",
            _ => self.title(),
        }
    }

    /// Returns how many messages of this length it takes until all of its memory has been used once.
    pub(crate) const fn slots(self, message_bytes: usize) -> u32 {
        match self {
            Self::FlagSleep | Self::FlagSpin | Self::FlagBackoff | Self::SemaphoresSingle => 1,
            Self::SemaphoresBatches | Self::AdaptiveBatches => 1024,
            Self::AdaptiveRoomy | Self::AdaptiveCopy | Self::FutexRingRoomy => {
                roomy_slots(message_bytes)
            }
            _ => USUAL_SLOTS,
        }
    }

    /// Returns what a message costs at least.
    pub(crate) const fn need(self) -> Need {
        match self {
            Self::FlagSleep | Self::FlagSpin | Self::FlagBackoff => Need::Bounce,
            Self::SemaphoresSingle => Need::SemopRoundTrip,
            Self::Semaphores | Self::SemaphoresCredits | Self::SemaphoresCopy | Self::Control => {
                Need::Semop
            }
            Self::SemaphoresBatches
            | Self::Adaptive
            | Self::AdaptiveBatches
            | Self::AdaptiveRoomy
            | Self::AdaptiveCopy
            | Self::FutexRing
            | Self::FutexRingRoomy
            | Self::Iceoryx2Poll
            | Self::BoostQueue => Need::Nothing,
            Self::Pipe
            | Self::UnixStream
            | Self::UnixSeqpacket
            | Self::SysvQueue
            | Self::PosixQueue
            | Self::Iceoryx2Event
            | Self::IpcChannel => Need::Call,
        }
    }

    /// Tells whether a side that waits looks all the time, at first at least.
    pub(crate) const fn spins(self) -> bool {
        matches!(
            self,
            Self::FlagSpin
                | Self::FlagBackoff
                | Self::Adaptive
                | Self::AdaptiveBatches
                | Self::AdaptiveRoomy
                | Self::AdaptiveCopy
                | Self::FutexRing
                | Self::FutexRingRoomy
                | Self::Iceoryx2Poll
        )
    }

    /// Tells whether a side that waits never sleeps.
    pub(crate) const fn never_sleeps(self) -> bool {
        matches!(
            self,
            Self::FlagSpin | Self::FlagBackoff | Self::Iceoryx2Poll
        )
    }

    /// Returns what it belongs to.
    pub(crate) const fn family(self) -> Family {
        match self {
            Self::FlagSleep | Self::FlagSpin | Self::FlagBackoff => Family::Flag,
            Self::SemaphoresSingle
            | Self::Semaphores
            | Self::SemaphoresCredits
            | Self::SemaphoresCopy
            | Self::SemaphoresBatches
            | Self::Control
            | Self::Adaptive
            | Self::AdaptiveBatches
            | Self::AdaptiveRoomy
            | Self::AdaptiveCopy => Family::Semaphores,
            Self::FutexRing | Self::FutexRingRoomy => Family::Ring,
            Self::Pipe
            | Self::UnixStream
            | Self::UnixSeqpacket
            | Self::SysvQueue
            | Self::PosixQueue => Family::Kernel,
            Self::Iceoryx2Poll | Self::Iceoryx2Event | Self::IpcChannel | Self::BoostQueue => {
                Family::Peer
            }
        }
    }

    /// Tells whether messages are sent together.
    const fn is_batched(self) -> bool {
        matches!(self, Self::SemaphoresBatches | Self::AdaptiveBatches)
    }

    /// Tells whether a message alone is like one of another transport here: then only many of them are of
    /// interest.
    pub(crate) const fn is_for_streams(self) -> bool {
        self.is_batched()
            || matches!(
                self,
                Self::AdaptiveRoomy | Self::AdaptiveCopy | Self::FutexRingRoomy
            )
    }

    /// Tells whether a message is copied once more before it is sent.
    pub(crate) const fn copies(self) -> bool {
        matches!(self, Self::SemaphoresCopy | Self::AdaptiveCopy)
    }

    /// Tells whether it is meant for messages of this length; of long ones the usual slots have that room.
    pub(crate) const fn carries(self, message_bytes: usize) -> bool {
        match self {
            Self::AdaptiveRoomy | Self::FutexRingRoomy => roomy_slots(message_bytes) > USUAL_SLOTS,
            _ => !self.is_batched() || message_bytes <= LONGEST_IN_BATCH,
        }
    }

    /// Does a job with the transport, with so many slots if it can have more or fewer; `None` where another
    /// program has it.
    pub(crate) fn run<J: Job>(self, slots: u32, job: J) -> Option<J::Output> {
        let strict = Semaphores::new(slots, Sync::Strict);
        let adaptive = Semaphores::new(slots, Sync::Adaptive);
        Some(match self {
            Self::FlagSleep => job.run(Flag::new(Strategy::Sleep)),
            Self::FlagSpin => job.run(Flag::new(Strategy::Spin)),
            Self::FlagBackoff => job.run(Flag::new(Strategy::Backoff)),
            Self::SemaphoresSingle | Self::Semaphores => job.run(strict),
            Self::SemaphoresCredits | Self::Control => job.run(strict.credits(16)),
            Self::SemaphoresCopy => job.run(ByCopy(strict.credits(16))),
            Self::SemaphoresBatches => job.run(InBatches::<64>(strict)),
            Self::Adaptive | Self::AdaptiveRoomy => job.run(adaptive),
            Self::AdaptiveCopy => job.run(ByCopy(adaptive)),
            Self::AdaptiveBatches => job.run(InBatches::<32>(adaptive)),
            Self::FutexRing | Self::FutexRingRoomy => job.run(FutexRing { slots }),
            Self::Pipe => job.run(Pipe),
            Self::UnixStream => job.run(UnixSocket::STREAM),
            Self::UnixSeqpacket => job.run(UnixSocket::SEQPACKET),
            Self::SysvQueue => job.run(SysvQueue),
            Self::PosixQueue => job.run(PosixQueue),
            Self::Iceoryx2Poll | Self::Iceoryx2Event | Self::IpcChannel | Self::BoostQueue => {
                return None;
            }
        })
    }
}

impl fmt::Display for Kind {
    /// Writes the name as on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_the_same_everywhere() {
        for &kind in Kind::all() {
            let name = kind.to_string();
            assert_eq!(<Kind as ValueEnum>::from_str(&name, false), Ok(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{name}\""));
        }
    }

    #[test]
    fn room_is_8_mib_as_far_as_slots_allow() {
        let slots = [8, 1 << 10, 16 << 10, 128 << 10, 4 << 20].map(roomy_slots);
        assert_eq!(slots, [16384, 8192, 512, 64, 64]);
        assert_eq!([1 << 20, 4 << 20, 16 << 20].map(hot_slots), [8, 2, 2]);
        assert!(Kind::AdaptiveRoomy.carries(64 << 10) && !Kind::AdaptiveRoomy.carries(1 << 20));
    }

    #[test]
    fn titles_tell_them_apart() {
        let mut titles: Vec<&str> = Kind::all().iter().map(|kind| kind.title()).collect();
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(titles.len(), Kind::all().len());
    }
}
