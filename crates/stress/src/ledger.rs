//! What was sent and what was delivered, kept where no SIGKILL loses it: in a private segment.
//!
//! ```text
//!  0  u64  confirmed   messages that `send` has returned for
//!  8  u64  delivered   messages verified, counted without repetitions
//! 16  u64  repeated    deliveries of a message that had been delivered before
//! 24  u64  goal        messages that the stream is to have
//! 64  u8 for each message: how often it was delivered
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use sysv_ipc::{Attachment, Key, Mode, Segment};

const COUNTS: usize = 64;

/// Holds the ledger as one process sees it.
#[derive(Debug)]
pub struct Ledger {
    memory: Attachment,
}

impl Ledger {
    /// Makes a ledger for a stream of at most `messages` messages, which is also its first goal.
    /// Marked for removal at once, it is gone with its last attachment; until then its identifier
    /// leads to it.
    pub fn create(messages: u64) -> Result<Self> {
        let bytes = COUNTS + usize::try_from(messages)?;
        let segment = Segment::create(Key::PRIVATE, bytes, Mode::OWNER)?;
        let memory = segment.attach();
        segment.remove()?;
        let ledger = Self { memory: memory? };
        ledger.set_goal(messages)?;
        Ok(ledger)
    }

    /// Opens the ledger that the supervisor made.
    pub fn open(id: i32) -> Result<Self> {
        Ok(Self {
            memory: Segment::from_id(id).attach()?,
        })
    }

    /// Returns the identifier for [`open`](Self::open).
    pub fn id(&self) -> i32 {
        self.memory.segment().id()
    }

    fn number(&self, offset: usize) -> Result<&AtomicU64> {
        Ok(self.memory.atomic_u64(offset)?)
    }

    /// Notes that `send` has returned for all messages before `position`.
    pub fn confirm(&self, position: u64) -> Result<()> {
        self.number(0)?.store(position, Ordering::Release);
        Ok(())
    }

    /// Returns for how many messages `send` has returned.
    pub fn confirmed(&self) -> Result<u64> {
        Ok(self.number(0)?.load(Ordering::Acquire))
    }

    /// Notes a delivery. A second one must be marked as such, and a first one must be the next.
    pub fn deliver(&self, position: u64, marked: bool) -> Result<()> {
        let offset = COUNTS + usize::try_from(position)?;
        let mut count = [0];
        self.memory.read(offset, &mut count)?;
        let [count] = count;
        let delivered = self.number(8)?;
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
            self.number(16)?.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Returns how many messages were delivered.
    pub fn delivered(&self) -> Result<u64> {
        Ok(self.number(8)?.load(Ordering::Acquire))
    }

    /// Returns how many deliveries were repetitions.
    pub fn repeated(&self) -> Result<u64> {
        Ok(self.number(16)?.load(Ordering::Acquire))
    }

    /// Sets how many messages the stream is to have.
    pub fn set_goal(&self, messages: u64) -> Result<()> {
        self.number(24)?.store(messages, Ordering::Release);
        Ok(())
    }

    /// Returns how many messages the stream is to have.
    pub fn goal(&self) -> Result<u64> {
        Ok(self.number(24)?.load(Ordering::Acquire))
    }
}
