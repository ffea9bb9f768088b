//! Waiting for the channel and for messages, past the end of a stream when asked to.

use anyhow::Result;
use semring::{Channel, Consumer, RecvError};
use semring_cli::arguments::{ReaderArguments, ReaderTask};
use semring_cli::{Program, attach};

/// Waits for the channel to appear, and attaches to it as the consumer.
pub fn for_channel(
    program: &Program,
    arguments: &ReaderArguments,
    channel: Channel,
) -> Result<Consumer> {
    let channel = if arguments.channel.asks_for_geometry() {
        channel
    } else {
        channel.create(false)
    };
    let key = channel.address().key();
    tracing::info!(channel = %channel.address(), %key, "attaching as the consumer");
    let appears_by = arguments.appears_by();
    let notice = |channel: &Channel| not_there(arguments, channel);
    let consumer = attach(program, channel, appears_by, notice, Channel::consumer)?;
    let link = consumer.link();
    tracing::info!(
        segment = link.segment().id(),
        semaphore_set = link.semaphore_set().id(),
        framing = %link.framing(),
        created = link.created(),
        position = consumer.position(),
        "attached"
    );
    program.signals().cancel_with(consumer.canceller());
    Ok(consumer)
}

fn not_there(arguments: &ReaderArguments, channel: &Channel) -> String {
    let (address, key) = (channel.address(), channel.address().key());
    let command = arguments.channel.command(match arguments.task() {
        ReaderTask::Demo => "writer",
        ReaderTask::Data(_) => "writer FILE",
    });
    format!("waiting for {address} (key {key}) to appear: start `{command}` in another terminal")
}

/// Waits until there is a message; false at the end of the stream.
pub fn for_message(
    program: &Program,
    arguments: &ReaderArguments,
    consumer: &mut Consumer,
) -> Result<bool> {
    loop {
        program.signals().check()?;
        match consumer.ready(arguments.deadline()) {
            Err(RecvError::Cancelled) => {}
            Ok(false) if arguments.follow => {
                consumer.follow();
                program.say("the writer has finished; waiting for the next one");
            }
            Err(RecvError::Interrupted) if arguments.follow => {
                consumer.follow();
                program.say("the writer was interrupted; waiting for the next one");
            }
            Err(RecvError::PeerLost) if arguments.follow => {
                program.say("the writer has died; waiting for the next one");
            }
            Ok(ready) => return Ok(ready),
            Err(error) => return Err(error.into()),
        }
    }
}
