//! A channel of messages from one process to another on the same Linux machine: through a System V
//! shared memory segment, synchronised by a paired System V semaphore set.
//!
//! The idea in four words: `P(EMPTY)`, write, `V(FULL)` against `P(FULL)`, read, `V(EMPTY)`. One
//! producer and one consumer at a time; either may start first. When one of them dies, however it
//! dies, the other's wait ends at once, without time-out or daemon; what was sent stays, for a
//! successor. Both objects show in `ipcs`, and the last one out of a stream that has ended removes
//! them.
//!
//! # Example
//!
//! Both ends describe the channel the same way; here they are in one process, to be short.
//!
//! ```
//! use semring::{Address, Channel};
//!
//! let channel = Channel::new(Address::named("example")?).slots(16).slot_bytes(1024);
//!
//! // In one process:
//! let mut producer = channel.producer()?;
//! producer.send(b"hello")?; // waits while the ring is full
//! let mut loan = producer.loan(4)?; // or fill the slot in place
//! loan.copy_from_slice(b"more");
//! loan.publish()?;
//! producer.close()?; // says that the stream ends here
//!
//! // In another:
//! let mut consumer = channel.consumer()?;
//! let mut lengths = Vec::new();
//! while let Some(message) = consumer.recv()? { // waits while the ring is empty
//!     lengths.push(message.len()); // read in place; released when `message` is dropped
//! }
//! consumer.close()?; // the last one out removes both objects
//! assert_eq!(lengths, [5, 4]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to start
//!
//! | to | use |
//! |---|---|
//! | say where the channel is | [`Address`]: a name, an `ftok` file, or a key |
//! | say what it is like, and take an end of it | [`Channel`] |
//! | send and receive bytes, copied or in place | [`Producer`] and [`Loan`], [`Consumer`] and [`Message`] |
//! | exchange many messages at once | [`Producer::send_batch`], [`Consumer::recv_batch`] |
//! | send values of one plain type in place | [`PlainData`], [`Channel::typed_producer`] |
//! | send whatever serde serializes (feature `serde`) | `Channel::serde_producer` |
//! | use [`io::Write`](std::io::Write) and [`io::Read`](std::io::Read) | [`Producer::into_writer`], [`Consumer::into_reader`] |
//! | bound a wait, or end it from another thread | [`Deadline`], [`Canceller`] |
//! | call the kernel to sleep and to wake only | [`Sync::Adaptive`] |
//! | look at a channel without disturbing it | [`observe`] |
//!
//! # What it promises
//!
//! A message for which `send` has returned arrives, in order and whole, whichever process is killed at
//! whatever moment. What a consumer had received and not released comes again, to its successor, marked
//! ([`Message::is_redelivered`]) and at the same [`position`](Message::position). A producer that is
//! dropped without [`close`](Producer::close) counts as one that died, so that nobody takes half a stream
//! for all of it. Nothing survives a restart of the machine.
//!
//! # Features
//!
//! * `serde`: values that serde serializes, as postcard writes them. Off by default.
//! * `crash-points`: for the tests of this crate alone.
//!
//! # Where it works
//!
//! 64-bit Linux, between processes of one IPC namespace (containers usually have their own). The
//! repository's `docs/` has a guide, the byte map of the segment, the protocol with the reasons for it,
//! and every error text with its remedy.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

#[macro_use]
mod crash;

mod address;
mod barrier;
mod cancel;
mod channel;
mod clock;
mod consumer;
mod deadline;
mod error;
mod gate;
mod geometry;
mod layout;
mod limits;
#[cfg(all(test, loom))]
mod loom_tests;
mod message_type;
pub mod observe;
mod producer;
mod recovery;
mod ring;
mod semaphores;
#[cfg(feature = "serde")]
mod serialized;
mod slots;
mod stream;
mod sync;
mod typed;

pub use address::Address;
pub use barrier::prepare_adaptive;
pub use cancel::Canceller;
#[cfg(feature = "crash-points")]
pub use crash::POINTS as CRASH_POINTS;

pub use channel::{Channel, CloseOutcome, Link};
#[cfg(not(loom))]
pub use channel::{Evidence, Leftover, Removal};
pub use consumer::{Batch, Consumer, Message};
pub use deadline::Deadline;
#[cfg(not(loom))]
pub use error::Kept;
pub use error::{
    AddressError, AttachError, AttachReason, Corrupt, DrainError, Fault, GeometryError, RecvError,
    RecvIntoError, RemoveError, Role, SendError, TryRecvError, TrySendError,
};
pub use geometry::{Geometry, MAX_SLOT_BYTES, MAX_SLOTS};
pub use layout::{Framing, INLINE_BYTES, Sync};
pub use producer::{Loan, Producer};
pub use semaphores::Calls;
#[cfg(feature = "serde")]
pub use serialized::{
    DecodeError, EncodeError, SerdeConsumer, SerdeMessage, SerdeProducer, SerdeRecvError,
    SerdeSendError,
};
pub use stream::{ByteReader, ByteWriter};
pub use typed::{PlainData, TypedConsumer, TypedLoan, TypedMessage, TypedProducer};

pub use bytemuck;
pub use sysv_ipc::{Key, Mode};

/// Lets `cargo test --doc` run the programs of the README and of the guide.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../docs/guide.md")]
    struct Guide;
}
