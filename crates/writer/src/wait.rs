//! Waiting for the reader, with a word about it when it takes long.

use anyhow::Result;
use semring::{DrainError, Framing, Producer, SendError};
use semring_cli::arguments::WriterArguments;
use semring_cli::{Patience, Program, attach};

/// Attaches as the producer.
pub fn for_channel(
    program: &Program,
    arguments: &WriterArguments,
    framing: Framing,
) -> Result<Producer> {
    let channel = arguments.channel.channel(framing)?;
    let key = channel.address().key();
    tracing::info!(channel = %channel.address(), %key, %framing, "attaching as the producer");
    let producer = attach(
        program,
        channel,
        arguments.deadline(),
        not_there,
        semring::Channel::producer,
    )?;
    let link = producer.link();
    tracing::info!(
        segment = link.segment().id(),
        semaphore_set = link.semaphore_set().id(),
        created = link.created(),
        position = producer.position(),
        "attached"
    );
    program.signals().cancel_with(producer.canceller());
    Ok(producer)
}

/// Only another user's channel is not made when it is not there.
fn not_there(channel: &semring::Channel) -> String {
    let address = channel.address();
    format!(
        "waiting for {address} (key {}) to appear: its owner has yet to create it",
        address.key()
    )
}

/// Waits as the arguments say.
pub struct Waiting<'a> {
    program: &'a Program,
    arguments: &'a WriterArguments,
    patience: Patience,
}

impl<'a> Waiting<'a> {
    pub fn new(program: &'a Program, arguments: &'a WriterArguments) -> Self {
        Self {
            program,
            arguments,
            patience: Patience::default(),
        }
    }

    /// Waits until there is room for a message.
    pub fn for_room(&mut self, producer: &mut Producer) -> Result<()> {
        loop {
            self.program.signals().check()?;
            let timed_out = |error: &SendError| *error == SendError::TimedOut;
            let deadline = self.arguments.deadline();
            let ready = self.patience.wait(
                self.program,
                producer,
                deadline,
                |producer| notice(self.arguments, producer),
                timed_out,
                Producer::ready,
            );
            match ready {
                Ok(()) => return Ok(()),
                Err(SendError::Cancelled) => {}
                Err(SendError::PeerLost | SendError::Closed) if self.goes_on() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until the reader has read everything.
    pub fn until_drained(&mut self, producer: &mut Producer) -> Result<()> {
        tracing::debug!("waiting until everything has been read");
        loop {
            self.program.signals().check()?;
            let timed_out = |error: &DrainError| *error == DrainError::TimedOut;
            let deadline = self.arguments.deadline();
            let drained = self.patience.wait(
                self.program,
                producer,
                deadline,
                |producer| notice(self.arguments, producer),
                timed_out,
                Producer::drain,
            );
            match drained {
                Ok(()) => return Ok(()),
                Err(DrainError::Cancelled) => {}
                Err(DrainError::PeerLost | DrainError::Closed) if self.goes_on() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Tells whether to wait for another reader when this one has gone, and says so.
    fn goes_on(&self) -> bool {
        let goes_on = self.arguments.wait_for_reader;
        if goes_on {
            self.program
                .say("the reader has gone; waiting for another one");
        }
        goes_on
    }
}

/// Says what the writer waits for, and what to do.
fn notice(arguments: &WriterArguments, producer: &Producer) -> String {
    let link = producer.link();
    let (channel, key) = (link.address(), link.key());
    if let Ok(true) = producer.has_consumer() {
        return format!("waiting for the reader of {channel} (key {key}), which is slow");
    }
    let command = arguments.channel.command(match link.framing() {
        Framing::Demo => "reader",
        _ => "reader -o FILE",
    });
    format!("waiting for a reader of {channel} (key {key}): start `{command}` in another terminal")
}
