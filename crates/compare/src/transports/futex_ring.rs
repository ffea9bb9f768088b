//! What a good engineer would write: a ring in shared memory, positions on lines of their own and
//! remembered on each side, and a wait that looks for a while and then sleeps in a futex.

use std::hint;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::io::Errno;
use rustix::thread::futex;
use sysv_ipc::{Mode, Segment};

use super::ring_memory::RingMemory;
use super::{Consume, Produce, Transport, key_of, when_there};

/// How long a side looks before it sleeps: about as long as a wake-up takes.
const SPIN: Duration = Duration::from_micros(50);
/// Looks between two looks at the clock.
const SPINS_PER_CLOCK: u32 = 64;

/// A ring of so many slots, a power of two.
#[derive(Debug, Clone, Copy)]
pub struct FutexRing {
    pub slots: u32,
}

impl Transport for FutexRing {
    type Producer = Producer;
    type Consumer = Consumer;

    fn producer(self, channel: &str, message_bytes: usize) -> Result<Producer> {
        Ok(Producer {
            memory: RingMemory::create(key_of(channel)?, message_bytes, self.slots)?,
            slots: self.slots.into(),
            tail: 0,
            head_seen: 0,
        })
    }

    fn consumer(self, channel: &str, message_bytes: usize) -> Result<Consumer> {
        let key = key_of(channel)?;
        let segment = when_there(|| Segment::open(key, Mode::OWNER))?;
        Ok(Consumer {
            memory: RingMemory::attach(segment, message_bytes, self.slots)?,
            head: 0,
            tail_seen: 0,
        })
    }
}

/// The end that publishes.
#[derive(Debug)]
pub struct Producer {
    memory: RingMemory,
    slots: u64,
    tail: u64,
    /// The head when it was last looked at: behind the true one at most.
    head_seen: u64,
}

impl Produce for Producer {
    fn send(&mut self, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        if self.tail - self.head_seen == self.slots {
            let (header, head_seen) = (self.memory.header(), &mut self.head_seen);
            wait_until(&header.producer_waits.0, || {
                *head_seen = header.head.0.load(Ordering::Acquire);
                self.tail - *head_seen < self.slots
            })?;
        }
        fill(self.memory.message_mut(self.tail));
        self.tail += 1;
        let header = self.memory.header();
        header.tail.0.store(self.tail, Ordering::Release);
        wake(&header.consumer_waits.0)
    }

    /// The memory lives until the consumer has detached, too.
    fn close(self) -> Result<()> {
        Ok(self.memory.segment().remove()?)
    }
}

/// The end that releases.
#[derive(Debug)]
pub struct Consumer {
    memory: RingMemory,
    head: u64,
    /// The tail when it was last looked at: behind the true one at most.
    tail_seen: u64,
}

impl Consume for Consumer {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let header = self.memory.header();
        if self.head == self.tail_seen {
            let tail_seen = &mut self.tail_seen;
            wait_until(&header.consumer_waits.0, || {
                *tail_seen = header.tail.0.load(Ordering::Acquire);
                self.head != *tail_seen
            })?;
        }
        let seen = look(self.memory.message(self.head)?);
        self.head += 1;
        header.head.0.store(self.head, Ordering::Release);
        wake(&header.producer_waits.0)?;
        Ok(seen)
    }

    fn close(self) -> Result<()> {
        if self.memory.header().tail.0.load(Ordering::Acquire) != self.head {
            bail!("there is a message more than was sent");
        }
        Ok(())
    }
}

/// Looks for a while, then sleeps until the other side wakes this one.
fn wait_until(waits: &AtomicU32, mut is_ready: impl FnMut() -> bool) -> Result<()> {
    if is_ready() {
        return Ok(());
    }
    let started = Instant::now();
    while started.elapsed() < SPIN {
        for _ in 0..SPINS_PER_CLOCK {
            hint::spin_loop();
            if is_ready() {
                return Ok(());
            }
        }
    }
    sleep_until(waits, is_ready)
}

#[cold]
fn sleep_until(waits: &AtomicU32, mut is_ready: impl FnMut() -> bool) -> Result<()> {
    loop {
        waits.store(1, Ordering::Relaxed);
        // Either the other side sees that this one waits, or this one what the other has stored.
        fence(Ordering::SeqCst);
        if is_ready() {
            waits.store(0, Ordering::Relaxed);
            return Ok(());
        }
        match futex::wait(waits, futex::Flags::empty(), 1, None) {
            Ok(()) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Wakes the other side if it waits. Its position has been stored before.
fn wake(waits: &AtomicU32) -> Result<()> {
    fence(Ordering::SeqCst);
    if waits.load(Ordering::Relaxed) == 1 && waits.swap(0, Ordering::Relaxed) == 1 {
        futex::wake(waits, futex::Flags::empty(), 1)?;
    }
    Ok(())
}
