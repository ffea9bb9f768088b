//! The demonstration's writer, P1, told in its own words.

use std::io::Write as _;
use std::thread;

use anyhow::{Context as _, Result};
use semring::{CloseOutcome, Framing, Link, Producer};
use semring_cli::demo;

use crate::arguments::Arguments;
use crate::wait::Waiting;

/// Sends the numbered messages, each once the one before it has been read.
pub fn run(arguments: &Arguments) -> Result<()> {
    let story = Story {
        quiet: arguments.quiet,
    };
    story.tell("=== P1: WRITER (Producer) ===")?;
    let channel = arguments.channel.channel(Framing::Demo)?;
    story.tell(&format!("[P1] Generated key: {}", channel.address().key()))?;
    let mut producer = channel.producer()?;
    story.tell_objects(producer.link())?;
    let mut waiting = Waiting::new(arguments);
    for counter in 1..=arguments.count {
        if counter > 1 {
            thread::sleep(arguments.interval);
        }
        exchange(arguments, &story, &mut waiting, &mut producer, counter)?;
    }
    let outcome = producer.close()?;
    story.tell("[P1] Detached from shared memory.")?;
    story.tell(match outcome {
        CloseOutcome::Removed => "[P1] Shared memory and semaphore set removed.",
        CloseOutcome::Kept { unread: 0 } => {
            "[P1] Shared memory and semaphore set are left to the reader, the last one out removes them."
        }
        CloseOutcome::Kept { .. } => {
            "[P1] Shared memory and semaphore set stay, with messages for a later reader."
        }
        _ => "[P1] Shared memory and semaphore set had been removed before.",
    })
}

fn exchange(
    arguments: &Arguments,
    story: &Story,
    waiting: &mut Waiting<'_>,
    producer: &mut Producer,
    counter: u32,
) -> Result<()> {
    let text = format!(
        "Message #{counter} from Writer Process (PID: {})",
        std::process::id()
    );
    let number = i32::try_from(counter).context("more messages than the counter can hold")?;
    let message = demo::encode(number, &text);
    waiting.for_room(producer)?;
    producer.send(&message)?;
    story.tell(&format!(
        "[P1] Wrote: counter={counter}, message=\"{text}\""
    ))?;
    if arguments.no_linger {
        return Ok(());
    }
    waiting.until_drained(producer)?;
    story.tell("[P1] Data consumed by reader, writing next...")
}

/// Prints the story, line by line, each as soon as it is true.
struct Story {
    quiet: bool,
}

impl Story {
    fn tell(&self, line: &str) -> Result<()> {
        if self.quiet {
            return Ok(());
        }
        writeln!(std::io::stdout(), "{line}").context("cannot write to standard output")
    }

    fn tell_objects(&self, link: &Link) -> Result<()> {
        let how = if link.created() { "created" } else { "found" };
        self.tell(&format!(
            "[P1] Shared memory {how}. ID: {}",
            link.segment().id()
        ))?;
        self.tell(&format!(
            "[P1] Semaphore set {how}. ID: {} (EMPTY, FULL, PRODUCER, CONSUMER, SETUP)",
            link.semaphore_set().id()
        ))?;
        self.tell(&format!(
            "[P1] Attached to shared memory at address: {:#x}",
            link.mapped_at()
        ))
    }
}
