//! Exchanges messages through a System V segment with a flag in it: the version that everybody
//! writes first, kept to the byte so that it can be run against the original and compared.
//!
//! ```text
//! offset     0        4                                     104   105      108
//!            +--------+-------------------------------------+-----+--------+
//!            | int    | char message[100]                   | bool| padding|
//!            | counter| NUL-terminated                      |ready|        |
//!            +--------+-------------------------------------+-----+--------+
//! ```
//!
//! The writer creates the segment and clears `ready`. For each message it writes `counter` and
//! `message`, sets `ready`, and waits until the reader has cleared it. The reader waits for `ready`,
//! reads, and clears it. At the end the writer removes the segment. With another message size
//! ([`FlagLayout::new`]) the array grows, and `ready` moves to the byte behind it.
//!
//! # Example
//!
//! The roles belong into two processes; one shows both here to be short.
//!
//! ```
//! use semring_flag::{FlagLayout, FlagReader, FlagSegment, FlagWriter, Strategy};
//! use sysv_ipc::{Key, Mode};
//!
//! let layout = FlagLayout::ORIGINAL;
//! let made = FlagSegment::create(Key::PRIVATE, layout, Mode::OWNER)?;
//! let found = FlagSegment::attach(made.segment(), layout)?;
//!
//! let mut writer = FlagWriter::new(made, Strategy::Sleep);
//! let mut reader = FlagReader::new(found, Strategy::Sleep);
//!
//! writer.publish(1, b"hello")?; // and in the other process:
//! let message = reader.recv(None)?;
//! assert_eq!((message.counter, message.text), (1, b"hello".as_slice()));
//! writer.wait_taken(None)?;
//!
//! writer.segment().remove()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a plain `bool` gets wrong
//!
//! The original says `while (!shared->ready) usleep(100000);` on an ordinary `bool`. That works on
//! most days, for reasons that nobody has promised:
//!
//! * **It is a data race, so undefined behaviour in C++.** The compiler may assume that nobody else
//!   writes a plain `bool`. It may load it once before the loop and spin on a register for ever. A call
//!   to `usleep`, which it cannot see into, happens to prevent that; take the call out, or let
//!   link-time optimisation look into it, and the loop may hang.
//! * **Nothing orders message and flag.** Compiler and processor may move the store of `ready` before
//!   those of the message, or the reader's loads of the message before its load of `ready`. x86 does
//!   not reorder these; ARM, POWER and RISC-V do: there the reader can see the flag and half of the
//!   message. `volatile` stops the compiler in part, and the processor not at all. Here the flag is an
//!   atomic byte: its store is a *Release*, its load an *Acquire*, and the two pairs are named
//!   `SYNC POINT: READY` and `SYNC POINT: TAKEN` in the source.
//! * **A `bool` that is neither 0 nor 1 is undefined behaviour too**, and any process may write one. Here
//!   the byte is a number, and everything but 0 means set.
//!
//! # What no flag gets right
//!
//! An atomic repairs the exchange, not the idea:
//!
//! * **Waiting costs either a core or time.** [`Strategy::Spin`] and its kin burn a core to notice
//!   quickly; [`Strategy::Sleep`] notices 50 ms late on average, on each side of each message.
//! * **A dead peer is never noticed.** The flag of a reader that crashed stays set, that of a writer that
//!   crashed stays clear, and the survivor waits for ever. A deadline (`--timeout`) bounds that, but cannot
//!   tell a dead peer from a slow one. What *is* noticed, within 100 ms, is the removal of the segment.
//! * **A killed writer leaves the segment behind** (`kill -9`), with the flag as it was: a reader started
//!   afterwards takes the leftover for a message. A new writer reuses the segment and clears the flag.
//! * **One writer, one reader, by agreement alone.** A second of either kind corrupts the exchange, and
//!   nothing keeps it out. Nothing tells this layout from another one of as many bytes, either: message
//!   sizes 100 to 103 all make 108 bytes, with the flag in four places.
//!
//! The semaphores of the `semring` crate are the answer to these.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod error;
mod layout;
mod reader;
mod segment;
mod strategy;
mod writer;

pub use error::{OpenError, PublishError, SendError, WaitError};
pub use layout::{FlagLayout, LayoutError};
pub use reader::{FlagReader, Message};
pub use segment::FlagSegment;
pub use strategy::{POLL_INTERVAL, Strategy};
pub use writer::FlagWriter;
