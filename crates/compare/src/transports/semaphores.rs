//! The semaphore version: `P(EMPTY)`, write, `V(FULL)` against `P(FULL)`, read, `V(EMPTY)`; in its
//! literal form, with credits, by copy, and many messages in one exchange.

use anyhow::{Context as _, Result, bail};
use semring::{Address, Channel, Consumer, Producer, Sync};

use super::{Consume, Produce, Transport};

/// A channel with so many slots, filled and read in place.
#[derive(Debug, Clone, Copy)]
pub struct Semaphores {
    slots: u32,
    sync: Sync,
    credits: u32,
}

impl Semaphores {
    pub const fn new(slots: u32, sync: Sync) -> Self {
        Self {
            slots,
            sync,
            credits: 1,
        }
    }

    /// Lets each side take up to so many permits in one call.
    pub const fn credits(self, credits: u32) -> Self {
        Self { credits, ..self }
    }

    fn channel(self, name: &str, message_bytes: usize) -> Result<Channel> {
        let channel = Channel::new(Address::named(name)?)
            .slots(self.slots)
            .slot_bytes(message_bytes as u64);
        Ok(channel.sync(self.sync).credits(self.credits))
    }
}

impl Transport for Semaphores {
    type Producer = InPlace;
    type Consumer = Consumer;

    fn producer(self, channel: &str, message_bytes: usize) -> Result<InPlace> {
        Ok(InPlace {
            producer: self.channel(channel, message_bytes)?.producer()?,
            message_bytes,
        })
    }

    fn consumer(self, channel: &str, message_bytes: usize) -> Result<Consumer> {
        Ok(self.channel(channel, message_bytes)?.consumer()?)
    }
}

/// The producing end that fills a slot.
#[derive(Debug)]
pub struct InPlace {
    producer: Producer,
    message_bytes: usize,
}

impl Produce for InPlace {
    fn send(&mut self, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        let mut loan = self.producer.loan(self.message_bytes)?;
        fill(&mut loan);
        Ok(loan.publish()?)
    }

    fn close(self) -> Result<()> {
        self.producer.close()?;
        Ok(())
    }
}

impl Consume for Consumer {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let message = Self::recv(self)?.context("the stream ended too early")?;
        let seen = look(&message);
        message.release()?;
        Ok(seen)
    }

    fn close(mut self) -> Result<()> {
        // Who has seen the end of the stream, and leaves last, removes the channel.
        if Self::recv(&mut self)?.is_some() {
            bail!("there is a message more than was sent");
        }
        Self::close(self)?;
        Ok(())
    }
}

/// The same channel, for a producer that has its messages in memory of its own.
#[derive(Debug, Clone, Copy)]
pub struct ByCopy(pub Semaphores);

impl Transport for ByCopy {
    type Producer = Copying;
    type Consumer = Consumer;

    fn producer(self, channel: &str, message_bytes: usize) -> Result<Copying> {
        Ok(Copying {
            producer: self.0.channel(channel, message_bytes)?.producer()?,
            message: vec![0; message_bytes],
        })
    }

    fn consumer(self, channel: &str, message_bytes: usize) -> Result<Consumer> {
        self.0.consumer(channel, message_bytes)
    }
}

/// The producing end, with the message that is copied into a slot.
#[derive(Debug)]
pub struct Copying {
    producer: Producer,
    message: Vec<u8>,
}

impl Produce for Copying {
    fn send(&mut self, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        fill(&mut self.message);
        Ok(self.producer.send(&self.message)?)
    }

    fn close(self) -> Result<()> {
        self.producer.close()?;
        Ok(())
    }
}

/// The same channel, with up to so many messages in one exchange.
#[derive(Debug, Clone, Copy)]
pub struct InBatches<const BATCH: usize>(pub Semaphores);

impl<const BATCH: usize> Transport for InBatches<BATCH> {
    type Producer = SendingBatches<BATCH>;
    type Consumer = ReceivingBatches<BATCH>;

    fn producer(self, channel: &str, message_bytes: usize) -> Result<SendingBatches<BATCH>> {
        Ok(SendingBatches {
            producer: self.0.channel(channel, message_bytes)?.producer()?,
            messages: vec![0; message_bytes * BATCH],
            message_bytes,
        })
    }

    fn consumer(self, channel: &str, message_bytes: usize) -> Result<ReceivingBatches<BATCH>> {
        Ok(ReceivingBatches(self.0.consumer(channel, message_bytes)?))
    }
}

/// The producing end, with the messages of a batch.
#[derive(Debug)]
pub struct SendingBatches<const BATCH: usize> {
    producer: Producer,
    messages: Vec<u8>,
    message_bytes: usize,
}

impl<const BATCH: usize> SendingBatches<BATCH> {
    fn send_first(&mut self, count: usize) -> Result<()> {
        let mut messages = [&[][..]; BATCH];
        let filled = self.messages.chunks_exact(self.message_bytes).take(count);
        for (message, filled) in messages.iter_mut().zip(filled) {
            *message = filled;
        }
        let mut rest = &messages[..count];
        while !rest.is_empty() {
            let sent = self.producer.send_batch(rest)?;
            rest = &rest[sent..];
        }
        Ok(())
    }
}

impl<const BATCH: usize> Produce for SendingBatches<BATCH> {
    fn send(&mut self, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        fill(&mut self.messages[..self.message_bytes]);
        self.send_first(1)
    }

    fn send_each(&mut self, count: u64, mut fill: impl FnMut(&mut [u8])) -> Result<()> {
        let mut left = count;
        while left > 0 {
            let batch = BATCH.min(usize::try_from(left).unwrap_or(BATCH));
            let messages = self.messages.chunks_exact_mut(self.message_bytes);
            messages.take(batch).for_each(&mut fill);
            self.send_first(batch)?;
            left -= batch as u64;
        }
        Ok(())
    }

    fn close(self) -> Result<()> {
        self.producer.close()?;
        Ok(())
    }
}

/// The consuming end that takes what is there.
#[derive(Debug)]
pub struct ReceivingBatches<const BATCH: usize>(Consumer);

impl<const BATCH: usize> Consume for ReceivingBatches<BATCH> {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        Consume::recv(&mut self.0, look)
    }

    fn recv_each(&mut self, count: u64, mut look: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut left = count;
        while left > 0 {
            let limit = u32::try_from(left.min(BATCH as u64))?;
            let batch = self.0.recv_batch(limit)?;
            let batch = batch.context("the stream ended too early")?;
            batch.iter().try_for_each(&mut look)?;
            left -= batch.len() as u64;
            batch.release()?;
        }
        Ok(())
    }

    fn close(self) -> Result<()> {
        Consume::close(self.0)
    }
}
