//! The flag-based version: one message in the segment, and a flag that says whose turn it is.

use anyhow::Result;
use semring_flag::{FlagLayout, FlagReader, FlagSegment, FlagWriter, Strategy};
use sysv_ipc::Mode;

use super::{Consume, Produce, Transport, key_of, when_there};

/// The flag, with one way of waiting for it.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    strategy: Strategy,
}

impl Flag {
    pub const fn new(strategy: Strategy) -> Self {
        Self { strategy }
    }
}

impl Transport for Flag {
    type Producer = Writer;
    type Consumer = FlagReader;

    fn producer(self, channel: &str, message_bytes: usize) -> Result<Writer> {
        let memory =
            FlagSegment::create(key_of(channel)?, layout_for(message_bytes)?, Mode::OWNER)?;
        Ok(Writer {
            end: FlagWriter::new(memory, self.strategy),
            message: vec![0; message_bytes],
            counter: 0,
        })
    }

    fn consumer(self, channel: &str, message_bytes: usize) -> Result<FlagReader> {
        let (key, layout) = (key_of(channel)?, layout_for(message_bytes)?);
        let memory = when_there(|| FlagSegment::open(key, layout))?;
        Ok(FlagReader::new(memory, self.strategy))
    }
}

/// The array holds the message and the NUL that ends a text.
fn layout_for(message_bytes: usize) -> Result<FlagLayout> {
    Ok(FlagLayout::new(message_bytes + 1)?)
}

/// The producing end; the segment is the writer's to make and to remove.
#[derive(Debug)]
pub struct Writer {
    end: FlagWriter,
    message: Vec<u8>,
    counter: i32,
}

impl Produce for Writer {
    /// Waits for the message before to be taken, not for this one: that is the best a flag can do, and
    /// lets the next message be made meanwhile, or its answer be awaited.
    fn send(&mut self, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        fill(&mut self.message);
        self.counter = self.counter.wrapping_add(1);
        self.end.wait_taken(None)?;
        Ok(self.end.publish(self.counter, &self.message)?)
    }

    fn close(self) -> Result<()> {
        self.end.wait_taken(None)?;
        Ok(self.end.segment().remove()?)
    }
}

impl Consume for FlagReader {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let message = Self::recv(self, None)?;
        Ok(look(message.text))
    }

    fn close(self) -> Result<()> {
        Ok(self.into_inner().detach()?)
    }
}
