//! The demonstration's reader, P2, told in its own words.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use semring::{CloseOutcome, Framing};
use semring_cli::demo;

use crate::arguments::Arguments;
use crate::wait;

/// Reads the numbered messages until their end.
pub fn run(arguments: &Arguments) -> Result<()> {
    let tell = |line: &str| tell(arguments.quiet, line);
    tell("=== P2: READER (Consumer) ===")?;
    let mut consumer = arguments.attach(Framing::Demo)?;
    let link = consumer.link();
    tell(&format!("[P2] Generated key: {}", link.key()))?;
    let how = if link.created() { "created" } else { "found" };
    tell(&format!(
        "[P2] Shared memory {how}. ID: {}",
        link.segment().id()
    ))?;
    tell(&format!(
        "[P2] Semaphore set {how}. ID: {}",
        link.semaphore_set().id()
    ))?;
    tell(&format!(
        "[P2] Attached to shared memory at address: {:#x}",
        link.mapped_at()
    ))?;
    let mut total = 0u64;
    while wait::for_message(arguments, &mut consumer)? {
        let Some(message) = consumer.recv()? else {
            break;
        };
        let (counter, text) = demo::decode(&message)
            .with_context(|| format!("message {} has no counter", message.position()))?;
        let again = if message.is_redelivered() {
            " (again)"
        } else {
            ""
        };
        tell(&format!(
            "[P2] Read: counter={counter}, message=\"{text}\"{again}"
        ))?;
        message.release()?;
        total += 1;
    }
    tell(&format!("[P2] Total messages read: {total}"))?;
    let outcome = consumer.close()?;
    tell("[P2] Detached from shared memory.")?;
    match outcome {
        CloseOutcome::Removed => {
            tell("[P2] Shared memory and semaphore set removed (last one out).")
        }
        _ => tell("[P2] Shared memory and semaphore set are left to the writer."),
    }
}

fn tell(quiet: bool, line: &str) -> Result<()> {
    if quiet {
        return Ok(());
    }
    writeln!(std::io::stdout(), "{line}").context("cannot write to standard output")
}
