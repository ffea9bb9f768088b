//! Real data: the bytes of each message, written straight from the shared memory.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use semring::{Consumer, Framing};
use semring_cli::Report;

use crate::arguments::Arguments;

/// Writes all bytes to `output` until the stream's end.
pub fn run(arguments: &Arguments, output: &Path) -> Result<()> {
    let mut target = open(output)?;
    let mut consumer = arguments.attach(Framing::Raw)?;
    let mut report = Report::default();
    let received = receive(arguments, &mut consumer, &mut target, &mut report);
    received.map_err(|error| {
        let error = error.context(format!("receiving into {}", shown(output)));
        on_channel(&error, consumer.link())
    })?;
    report.stop();
    consumer.close()?;
    if !arguments.quiet {
        eprintln!("reader: {report}");
    }
    Ok(())
}

fn shown(output: &Path) -> String {
    if output == Path::new("-") {
        "standard output".into()
    } else {
        output.display().to_string()
    }
}

/// Opens the output before any message is taken. It has no buffer of its own: what is released has
/// been given to the kernel.
fn open(output: &Path) -> Result<File> {
    if output == Path::new("-") {
        let output = std::io::stdout().as_fd().try_clone_to_owned();
        return Ok(File::from(output.context("cannot use standard output")?));
    }
    File::create(output).with_context(|| format!("cannot write to {}", output.display()))
}

/// Writes one message and releases it; false at the end of the stream, or when nobody reads the
/// output any more.
fn receive_chunk(
    arguments: &Arguments,
    consumer: &mut Consumer,
    target: &mut File,
    report: &mut Report,
) -> Result<bool> {
    let Some(message) = consumer.recv_deadline(arguments.deadline())? else {
        return Ok(false);
    };
    match target.write_all(&message) {
        Ok(()) => {}
        Err(error) => {
            // Not acknowledged: the next reader receives it again.
            message.put_back();
            if error.kind() == ErrorKind::BrokenPipe {
                return Ok(false);
            }
            return Err(error).context("cannot write");
        }
    }
    report.count(message.len());
    message.release()?;
    Ok(true)
}
