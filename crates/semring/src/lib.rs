//! A channel of messages from one process to another on the same Linux machine: through a System V
//! shared memory segment, synchronised by a paired System V semaphore set.
//!
//! The idea in four words: `P(EMPTY)`, write, `V(FULL)` against `P(FULL)`, read, `V(EMPTY)`. One
//! producer and one consumer at a time; either may start first. When one of them dies, however it
//! dies, the other's wait ends at once, without time-out or daemon; what was sent stays, for a
//! successor. Both objects show in `ipcs`, and the last one out of a stream that has ended removes
//! them.
//!
//! Start with [`Channel`]. Streams of bytes go through [`ByteWriter`] and [`ByteReader`], values of
//! one type through [`Channel::typed_producer`], and with the feature `serde` whatever that
//! serializes through `Channel::serde_producer`. What stands in the segment is in `docs/layout.md`,
//! what the two processes say to each other in `docs/protocol.md`.

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
