//! What was sent and what was delivered, and how far each side is, kept where no SIGKILL loses it: in
//! a private segment that every forked side inherits.
//!
//! ```text
//!   0  u64  confirmed   messages that `send` has returned for
//!   8  u64  delivered   messages verified, counted without repetitions
//!  16  u64  repeated    deliveries of a message that had been delivered before
//!  24  u64  goal        messages that the stream is to have
//!  32  u64  in hand     messages that the consumer has received and not released
//!  40  u64  timeouts    calls that ended at their deadline
//!  48  u64  losses      calls that returned `PeerLost`
//!  56  u64  lost at     when the last of them returned, nanoseconds of CLOCK_MONOTONIC
//!  64  u64  phases      of the producer, then of the consumer
//!  80  u64  held        not 0: sides that are told to idle do so
//!  88  u64  orphan      process that a side has forked
//!  96  u64  mapped at   address of the channel's segment in that side
//! 128  text  what failed, at most 512 bytes
//! 1024 u8   for each message: how often it was delivered
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use semring::Role;
use sysv_ipc::{Attachment, Key, Mode, Segment};

const FAILURE: usize = 128;
const FAILURE_BYTES: usize = 512;
const COUNTS: usize = 1024;

/// Names a number of the ledger by its offset.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
pub enum Number {
    Confirmed = 0,
    Delivered = 8,
    Repeated = 16,
    Goal = 24,
    InHand = 32,
    Timeouts = 40,
    Losses = 48,
    LostAt = 56,
    ProducerPhase = 64,
    ConsumerPhase = 72,
    Held = 80,
    Orphan = 88,
    MappedAt = 96,
}

/// Says how far a side is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Phase {
    Starting = 0,
    Attaching = 1,
    Attached = 2,
    Closing = 3,
    /// Ended: the stream is complete.
    Closed = 4,
    /// Ended: the peer has died.
    Lost = 5,
    /// Ended: the channel was removed.
    Removed = 6,
}

impl Number {
    const fn phase(role: Role) -> Self {
        match role {
            Role::Producer => Self::ProducerPhase,
            Role::Consumer => Self::ConsumerPhase,
        }
    }
}

/// Holds the ledger.
#[derive(Debug)]
pub struct Ledger {
    memory: Attachment,
}

impl Ledger {
    /// Makes a ledger for a stream of at most `messages` messages, which is also its first goal.
    /// Marked for removal at once, it is gone with its last attachment.
    pub fn create(messages: u64) -> Result<Self> {
        let bytes = COUNTS + usize::try_from(messages)?;
        let segment = Segment::create(Key::PRIVATE, bytes, Mode::OWNER)?;
        let memory = segment.attach();
        segment.remove()?;
        let ledger = Self { memory: memory? };
        ledger.set(Number::Goal, messages)?;
        Ok(ledger)
    }

    fn number(&self, number: Number) -> Result<&AtomicU64> {
        Ok(self.memory.atomic_u64(number as usize)?)
    }

    pub fn get(&self, number: Number) -> Result<u64> {
        Ok(self.number(number)?.load(Ordering::Acquire))
    }

    pub fn set(&self, number: Number, value: u64) -> Result<()> {
        self.number(number)?.store(value, Ordering::Release);
        Ok(())
    }

    /// Counts one more.
    pub fn count(&self, number: Number) -> Result<()> {
        self.number(number)?.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    pub fn is_in(&self, role: Role, phase: Phase) -> Result<bool> {
        Ok(self.get(Number::phase(role))? == phase as u64)
    }

    /// Tells whether a side has come to this phase, or past it.
    pub fn has_reached(&self, role: Role, phase: Phase) -> Result<bool> {
        Ok(self.get(Number::phase(role))? >= phase as u64)
    }

    pub fn enter(&self, role: Role, phase: Phase) -> Result<()> {
        self.set(Number::phase(role), phase as u64)
    }

    /// Returns what changes while a pair gets on; a wait that times out and begins anew is no progress.
    pub fn progress(&self) -> Result<[u64; 5]> {
        use Number::{Confirmed, ConsumerPhase, Delivered, Losses, ProducerPhase};
        let numbers = [Confirmed, Delivered, Losses, ProducerPhase, ConsumerPhase];
        let mut values = [0; 5];
        for (value, number) in values.iter_mut().zip(numbers) {
            *value = self.get(number)?;
        }
        Ok(values)
    }

    /// Notes a delivery. A second one must be marked as such, and a first one must be the next.
    pub fn deliver(&self, position: u64, marked: bool) -> Result<()> {
        let offset = COUNTS + usize::try_from(position)?;
        let mut count = [0];
        self.memory.read(offset, &mut count)?;
        let [count] = count;
        let delivered = self.number(Number::Delivered)?;
        if count == 0 {
            let next = delivered.load(Ordering::Relaxed);
            ensure!(
                position == next,
                "GAP: message {position} came, {next} was next"
            );
            self.memory.write(offset, &[1])?;
            delivered.store(position + 1, Ordering::Release);
        } else {
            ensure!(
                marked,
                "REPEATED: message {position} came again and was not marked"
            );
            self.memory.write(offset, &[count.saturating_add(1)])?;
            // Whoever noted it first may have died before it raised the number.
            delivered.fetch_max(position + 1, Ordering::AcqRel);
            self.count(Number::Repeated)?;
        }
        Ok(())
    }

    /// Notes what failed, the first time.
    pub fn fail(&self, text: &str) {
        if self.failure().is_none() {
            let mut end = text.len().min(FAILURE_BYTES);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            // A failure that cannot be noted is still seen by the exit code.
            let _ = self.memory.write(FAILURE, &text.as_bytes()[..end]);
        }
    }

    /// Returns what failed, if something did.
    pub fn failure(&self) -> Option<String> {
        let mut bytes = [0; FAILURE_BYTES];
        self.memory.read(FAILURE, &mut bytes).ok()?;
        let text = bytes.split(|&byte| byte == 0).next()?;
        let text = String::from_utf8_lossy(text).into_owned();
        Some(text).filter(|text| !text.is_empty())
    }
}
