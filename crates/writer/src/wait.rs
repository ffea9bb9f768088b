//! Waiting for the reader, with a word about it when it takes long.

use anyhow::Result;
use semring::{DrainError, Producer, SendError};
use semring_cli::{Patience, on_channel};

use crate::arguments::Arguments;

/// Waits as the arguments say.
pub struct Waiting<'a> {
    arguments: &'a Arguments,
    patience: Patience,
}

impl<'a> Waiting<'a> {
    pub const fn new(arguments: &'a Arguments) -> Self {
        Self {
            arguments,
            patience: Patience::new(arguments.quiet),
        }
    }

    /// Waits until there is room for a message.
    pub fn for_room(&mut self, producer: &mut Producer) -> Result<()> {
        loop {
            let timed_out = |error: &SendError| *error == SendError::TimedOut;
            let deadline = self.arguments.deadline();
            match self
                .patience
                .wait(producer, deadline, notice, timed_out, Producer::ready)
            {
                Ok(()) => return Ok(()),
                Err(SendError::PeerLost | SendError::Closed) if self.goes_on() => {}
                Err(error) => return Err(on_channel(&error.into(), producer.link())),
            }
        }
    }

    /// Waits until the reader has read everything.
    pub fn until_drained(&mut self, producer: &mut Producer) -> Result<()> {
        loop {
            let timed_out = |error: &DrainError| *error == DrainError::TimedOut;
            let deadline = self.arguments.deadline();
            match self
                .patience
                .wait(producer, deadline, notice, timed_out, Producer::drain)
            {
                Ok(()) => return Ok(()),
                Err(DrainError::PeerLost | DrainError::Closed) if self.goes_on() => {}
                Err(error) => return Err(on_channel(&error.into(), producer.link())),
            }
        }
    }

    /// Tells whether to wait for another reader when this one has gone, and says so.
    fn goes_on(&self) -> bool {
        let goes_on = self.arguments.wait_for_reader;
        if goes_on && !self.arguments.quiet {
            eprintln!("writer: the reader has gone; waiting for another one");
        }
        goes_on
    }
}

/// Says what the writer waits for, and what to do.
fn notice(producer: &Producer) -> String {
    let link = producer.link();
    let (channel, key) = (link.address(), link.key());
    match producer.has_consumer() {
        Ok(true) => {
            format!("writer: waiting for the reader of {channel} (key {key}), which is slow")
        }
        _ => format!(
            "writer: waiting for a reader of {channel} (key {key}): start `reader` in another terminal"
        ),
    }
}
