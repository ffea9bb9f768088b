//! Real data: the bytes of each message, written straight from the shared memory.

use std::path::Path;

use anyhow::{Context as _, Result};
use semring::{AttachReason, Channel, Consumer, Framing};
use semring_cli::arguments::{ReaderArguments, Start};
use semring_cli::{Farewell, Figures, OutputClosed, Program, Report};

use crate::sink::{Sink, Stopped};
use crate::wait;

/// What `writer FILE` sends, beside raw.
const OTHER_DATA: &[Framing] = &[Framing::Lines, Framing::Length];

/// Writes all bytes to `output` until the stream's end.
pub fn run(program: &mut Program, arguments: &ReaderArguments, output: &Path) -> Result<()> {
    let mut sink = Sink::open(output, arguments.start(), program)?;
    let channel = channel(arguments)?;
    if arguments.start() == Start::Resume && sink.is_complete() {
        return finish_complete(program, channel, sink);
    }
    let mut consumer = match wait::for_channel(program, arguments, channel) {
        Ok(consumer) => consumer,
        Err(error) => {
            sink.give_up();
            return Err(error);
        }
    };
    program.show_progress(None);
    let mut report = Report::default();
    let result = sink
        .begin(arguments.start(), &mut consumer)
        .and_then(|()| receive_all(program, arguments, &mut consumer, &mut sink, &mut report));
    let result = match result {
        Err(error) if error.is::<OutputClosed>() => Err(error),
        result => result.with_context(|| format!("receiving into {}", sink.name())),
    };
    report.stop();
    let mut farewell = Farewell::of_consumer(consumer);
    let result = match sink.end(farewell.removed()) {
        Ok(remark) => {
            farewell.remark(remark);
            result
        }
        Err(error) => result.and(Err(error)),
    };
    let figures_to = if output == Path::new("-") {
        Figures::Stderr
    } else {
        Figures::Stdout
    };
    program.conclude(result, &farewell, &report, figures_to)
}

fn channel(arguments: &ReaderArguments) -> Result<Channel> {
    match arguments.framing() {
        Some(framing) => arguments.channel.channel(framing),
        None => Ok(arguments
            .channel
            .channel(Framing::Raw)?
            .or_framings(OTHER_DATA)),
    }
}

/// Writes and releases messages until the end of the stream, or until nobody reads the output.
fn receive_all(
    program: &Program,
    arguments: &ReaderArguments,
    consumer: &mut Consumer,
    sink: &mut Sink,
    report: &mut Report,
) -> Result<()> {
    let most = arguments.batch(consumer.link().framing(), consumer.geometry().slot_count());
    while wait::for_message(program, arguments, consumer)? {
        let Some(batch) = consumer.recv_batch(most)? else {
            break;
        };
        let (position, redelivered) = (batch.position(), batch.redelivered());
        let (messages, stopped) = match sink.write(&batch, program) {
            Ok(()) => (batch.len(), None),
            Err(Stopped { messages, reason }) => (messages, Some(reason)),
        };
        let bytes = batch.iter().take(messages).map(<[u8]>::len).sum::<usize>() as u64;
        report.count(messages as u64, bytes);
        program.advance(bytes);
        tracing::trace!(messages, bytes, position, redelivered, "received");
        // What was not written is not acknowledged: the next reader receives it again.
        batch.release_first(messages)?;
        if let Some(reason) = stopped {
            return Err(reason);
        }
    }
    sink.complete()
}

/// Does what is left to do for an output that an earlier reader completed before it was ended: removes
/// the channel, if it was to, and the record.
fn finish_complete(program: &Program, channel: Channel, sink: Sink) -> Result<()> {
    match channel.create(false).consumer() {
        Ok(consumer) => drop(Farewell::of_consumer(consumer)),
        Err(error) if matches!(error.reason, AttachReason::NotFound) => {}
        Err(error) => tracing::info!("{error}"),
    }
    program.say(format!("{} is complete already", sink.name()));
    sink.remove_record()
}
