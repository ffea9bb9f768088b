//! The demonstration's writer, P1, told in its own words.

use anyhow::Result;
use semring::{CloseOutcome, Framing, Link, Producer};
use semring_cli::arguments::WriterArguments;
use semring_cli::{Farewell, Program, Report, Story, demo};

use crate::wait::{self, Waiting};

/// Sends the numbered messages, each once the one before it has been read.
pub fn run(program: &mut Program, arguments: &WriterArguments) -> Result<()> {
    let mut story = Story::new(program)?;
    story.tell("=== P1: WRITER (Producer) ===")?;
    let channel = arguments.channel.channel(Framing::Demo)?;
    story.tell(&format!("[P1] Generated key: {}", channel.address().key()))?;
    let mut producer = wait::for_channel(program, arguments, Framing::Demo)?;
    let mut report = Report::default();
    let result = tell_objects(&mut story, producer.link())
        .and_then(|()| exchange_all(program, arguments, &mut story, &mut producer, &mut report));
    report.stop();
    let complete = i32::try_from(report.messages) == Ok(arguments.count);
    let farewell = Farewell::of_producer(producer, complete);
    let result = result.and_then(|()| tell_end(&mut story, &farewell));
    program.conclude_story(result, &farewell, &report)
}

fn exchange_all(
    program: &Program,
    arguments: &WriterArguments,
    story: &mut Story<'_>,
    producer: &mut Producer,
    report: &mut Report,
) -> Result<()> {
    let mut waiting = Waiting::new(program, arguments);
    for counter in 1..=arguments.count {
        if counter > 1 {
            program.signals().sleep(arguments.interval)?;
        }
        let text = format!(
            "Message #{counter} from Writer Process (PID: {})",
            std::process::id()
        );
        let message = demo::encode(counter, &text);
        waiting.for_room(producer)?;
        producer.send(&message)?;
        report.count(1, message.len() as u64);
        story.tell(&format!(
            "[P1] Wrote: counter={counter}, message=\"{text}\""
        ))?;
        if arguments.lingers() {
            waiting.until_drained(producer)?;
            story.tell("[P1] Data consumed by reader, writing next...")?;
        }
    }
    Ok(())
}

fn tell_objects(story: &mut Story<'_>, link: &Link) -> Result<()> {
    let how = if link.created() { "created" } else { "found" };
    story.tell(&format!(
        "[P1] Shared memory {how}. ID: {}",
        link.segment().id()
    ))?;
    story.tell(&format!(
        "[P1] Semaphore set {how}. ID: {} (EMPTY, FULL, PRODUCER, CONSUMER, SETUP)",
        link.semaphore_set().id()
    ))?;
    story.tell(&format!(
        "[P1] Attached to shared memory at address: {:#x}",
        link.mapped_at()
    ))
}

fn tell_end(story: &mut Story<'_>, farewell: &Farewell) -> Result<()> {
    story.tell("[P1] Detached from shared memory.")?;
    story.tell(match farewell.outcome() {
        Ok(CloseOutcome::Removed) => "[P1] Shared memory and semaphore set removed.",
        Ok(CloseOutcome::Kept { unread: 0 }) => {
            "[P1] Shared memory and semaphore set are left to the reader, the last one out removes them."
        }
        Ok(CloseOutcome::Kept { .. }) => {
            "[P1] Shared memory and semaphore set stay, with messages for a later reader."
        }
        _ => "[P1] Shared memory and semaphore set had been removed before.",
    })
}
