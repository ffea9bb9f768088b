//! The semaphore version in its literal form: `P(EMPTY)`, write, `V(FULL)` against `P(FULL)`, read,
//! `V(EMPTY)`, for one message at a time.

use anyhow::{Context as _, Result, bail};
use semring::{Address, Channel, Consumer, Producer};

use super::{Consume, Produce, Transport};

/// A channel with so many slots.
#[derive(Debug, Clone, Copy)]
pub struct Semaphores {
    slots: u32,
}

impl Semaphores {
    pub const fn new(slots: u32) -> Self {
        Self { slots }
    }

    fn channel(self, name: &str, message_bytes: usize) -> Result<Channel> {
        let channel = Channel::new(Address::named(name)?).slots(self.slots);
        Ok(channel.slot_bytes(message_bytes as u64))
    }
}

impl Transport for Semaphores {
    type Producer = Sending;
    type Consumer = Consumer;

    fn producer(self, channel: &str, message_bytes: usize) -> Result<Sending> {
        Ok(Sending {
            producer: self.channel(channel, message_bytes)?.producer()?,
            message: vec![0; message_bytes],
        })
    }

    fn consumer(self, channel: &str, message_bytes: usize) -> Result<Consumer> {
        Ok(self.channel(channel, message_bytes)?.consumer()?)
    }
}

/// The producing end, with the message that is sent: it is copied into a slot, as the flag's message
/// is copied into its array.
#[derive(Debug)]
pub struct Sending {
    producer: Producer,
    message: Vec<u8>,
}

impl Produce for Sending {
    fn send(&mut self, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        fill(&mut self.message);
        Ok(self.producer.send(&self.message)?)
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
