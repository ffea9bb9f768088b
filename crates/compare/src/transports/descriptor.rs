//! What pipes and sockets have in common: messages go through a file descriptor, longer ones in parts.

use std::os::fd::OwnedFd;

use anyhow::{Result, bail};
use rustix::io::{read, retry_on_intr, write};

/// A message, and the descriptor through which it goes.
#[derive(Debug)]
pub struct Through {
    descriptor: OwnedFd,
    message: Vec<u8>,
    /// Most bytes of one call.
    part_bytes: usize,
}

impl Through {
    pub fn new(descriptor: OwnedFd, message_bytes: usize, part_bytes: usize) -> Self {
        Self {
            descriptor,
            message: vec![0; message_bytes],
            part_bytes,
        }
    }

    pub fn send(&mut self, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        fill(&mut self.message);
        let mut rest = self.message.as_slice();
        while !rest.is_empty() {
            let part = &rest[..rest.len().min(self.part_bytes)];
            let written = retry_on_intr(|| write(&self.descriptor, part))?;
            rest = &rest[written..];
        }
        Ok(())
    }

    pub fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let mut done = 0;
        while done < self.message.len() {
            let rest = &mut self.message[done..];
            match retry_on_intr(|| read(&self.descriptor, &mut *rest))? {
                0 => bail!("the stream ended too early"),
                bytes => done += bytes,
            }
        }
        Ok(look(&self.message))
    }

    /// Waits for the end of the stream, which must come next.
    pub fn expect_end(self) -> Result<()> {
        match retry_on_intr(|| read(&self.descriptor, &mut [0; 1]))? {
            0 => Ok(()),
            _ => bail!("there is a message more than was sent"),
        }
    }
}
