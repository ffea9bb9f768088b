//! The demonstration's reader, P2, told in its own words.

use anyhow::{Context as _, Result};
use semring::{CloseOutcome, Consumer, Framing, Link};
use semring_cli::arguments::ReaderArguments;
use semring_cli::{Farewell, Program, Report, Story, demo};

use crate::wait;

/// Reads the numbered messages until their end.
pub fn run(program: &mut Program, arguments: &ReaderArguments) -> Result<()> {
    let mut story = Story::new(program)?;
    story.tell("=== P2: READER (Consumer) ===")?;
    let channel = arguments.channel.channel(Framing::Demo)?;
    let mut consumer = wait::for_channel(program, arguments, channel)?;
    let mut report = Report::default();
    let result = tell_objects(&mut story, consumer.link())
        .and_then(|()| tell_messages(program, arguments, &mut story, &mut consumer, &mut report))
        .and_then(|()| story.tell(&format!("[P2] Total messages read: {}", report.messages)));
    report.stop();
    let farewell = Farewell::of_consumer(consumer);
    let result = result.and_then(|()| tell_end(&mut story, &farewell));
    program.conclude_story(result, &farewell, &report)
}

fn tell_objects(story: &mut Story<'_>, link: &Link) -> Result<()> {
    story.tell(&format!("[P2] Generated key: {}", link.key()))?;
    let how = if link.created() { "created" } else { "found" };
    story.tell(&format!(
        "[P2] Shared memory {how}. ID: {}",
        link.segment().id()
    ))?;
    story.tell(&format!(
        "[P2] Semaphore set {how}. ID: {}",
        link.semaphore_set().id()
    ))?;
    story.tell(&format!(
        "[P2] Attached to shared memory at address: {:#x}",
        link.mapped_at()
    ))
}

/// Tells and releases one message after the other.
fn tell_messages(
    program: &Program,
    arguments: &ReaderArguments,
    story: &mut Story<'_>,
    consumer: &mut Consumer,
    report: &mut Report,
) -> Result<()> {
    while wait::for_message(program, arguments, consumer)? {
        let Some(message) = consumer.recv()? else {
            break;
        };
        let line = line_of(&message);
        match line.and_then(|line| story.tell(&line)) {
            Ok(()) => {
                report.count(1, message.len() as u64);
                message.release()?;
            }
            Err(error) => {
                // Not acknowledged: the next reader receives it again.
                message.put_back();
                return Err(error);
            }
        }
    }
    Ok(())
}

fn line_of(message: &semring::Message<'_>) -> Result<String> {
    let (counter, text) = demo::decode(message)
        .with_context(|| format!(
            "message {} has no counter, so it is none of the demonstration's: another program writes to \
             this channel; use `--channel` with another name",
            message.position()
        ))?;
    let again = if message.is_redelivered() {
        " (again)"
    } else {
        ""
    };
    Ok(format!(
        "[P2] Read: counter={counter}, message=\"{text}\"{again}"
    ))
}

fn tell_end(story: &mut Story<'_>, farewell: &Farewell) -> Result<()> {
    story.tell("[P2] Detached from shared memory.")?;
    story.tell(match farewell.outcome() {
        Ok(CloseOutcome::Removed) => "[P2] Shared memory and semaphore set removed (last one out).",
        _ => "[P2] Shared memory and semaphore set are left to the writer.",
    })
}
