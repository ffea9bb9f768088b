//! A System V message queue as the system makes it; what is longer than its limit goes in parts.

use std::num::NonZeroU64;

use anyhow::{Result, bail};
use sysv_ipc::{ErrorKind, Limits, MessageQueue, Mode, Select};

use super::{Consume, Produce, Transport, key_of, when_there};

/// There is one type of messages.
const TYPE: NonZeroU64 = NonZeroU64::MIN;

/// The queue.
#[derive(Debug, Clone, Copy)]
pub struct SysvQueue;

impl Transport for SysvQueue {
    type Producer = Sending;
    type Consumer = Receiving;

    fn producer(self, channel: &str, message_bytes: usize) -> Result<Sending> {
        Ok(Sending {
            queue: MessageQueue::create(key_of(channel)?, Mode::OWNER)?,
            message: vec![0; message_bytes],
            part_bytes: part_bytes()?,
        })
    }

    fn consumer(self, channel: &str, message_bytes: usize) -> Result<Receiving> {
        let key = key_of(channel)?;
        Ok(Receiving {
            queue: when_there(|| MessageQueue::open(key, Mode::OWNER))?,
            message: vec![0; message_bytes],
            part_bytes: part_bytes()?,
        })
    }
}

fn part_bytes() -> Result<usize> {
    Ok(usize::try_from(Limits::read()?.message_bytes)?)
}

/// The end that sends.
#[derive(Debug)]
pub struct Sending {
    queue: MessageQueue,
    message: Vec<u8>,
    part_bytes: usize,
}

impl Produce for Sending {
    fn send(&mut self, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        fill(&mut self.message);
        for part in self.message.chunks(self.part_bytes) {
            self.queue.send(TYPE, part)?;
        }
        Ok(())
    }

    /// The queue is the consumer's to remove: what is in it would go with it.
    fn close(self) -> Result<()> {
        Ok(())
    }
}

/// The end that receives.
#[derive(Debug)]
pub struct Receiving {
    queue: MessageQueue,
    message: Vec<u8>,
    part_bytes: usize,
}

impl Consume for Receiving {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        for part in self.message.chunks_mut(self.part_bytes) {
            let received = self.queue.receive(Select::Any, part.len())?;
            if received.text.len() != part.len() {
                bail!("a part of a message has the wrong length");
            }
            part.copy_from_slice(&received.text);
        }
        Ok(look(&self.message))
    }

    fn close(self) -> Result<()> {
        match self.queue.try_receive(Select::Any, self.part_bytes) {
            Err(error) if error.kind() == ErrorKind::NoMessage => Ok(self.queue.remove()?),
            Err(error) => Err(error.into()),
            Ok(_) => bail!("there is a message more than was sent"),
        }
    }
}
