//! Real data: the bytes of each message, written straight from the shared memory.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use semring::{Consumer, Framing};
use semring_cli::Report;

use crate::arguments::Arguments;
use crate::wait;

/// Writes all bytes to `output` until the stream's end.
pub fn run(arguments: &Arguments, output: &Path) -> Result<()> {
    let mut target = open(output)?;
    let mut consumer = arguments.attach(Framing::Raw)?;
    if output != Path::new("-") {
        empty(&target).with_context(|| format!("cannot empty {}", shown(output)))?;
    }
    let mut report = Report::default();
    receive_all(arguments, &mut consumer, &mut target, &mut report)
        .with_context(|| format!("receiving into {}", shown(output)))?;
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
    let mut options = File::options();
    let options = options.write(true).create(true).truncate(false);
    options
        .open(output)
        .with_context(|| format!("cannot write to {}", output.display()))
}

/// Empties a file that was there before; not until the channel is ours, since the file may be another
/// reader's, or still be wanted when there is no channel.
fn empty(target: &File) -> std::io::Result<()> {
    if target.metadata()?.is_file() {
        target.set_len(0)
    } else {
        Ok(())
    }
}

/// Writes and releases messages until the end of the stream, or until nobody reads the output.
fn receive_all(
    arguments: &Arguments,
    consumer: &mut Consumer,
    target: &mut File,
    report: &mut Report,
) -> Result<()> {
    while wait::for_message(arguments, consumer)? {
        let Some(message) = consumer.recv()? else {
            break;
        };
        if let Err(error) = target.write_all(&message) {
            // Not acknowledged: the next reader receives it again.
            message.put_back();
            if error.kind() == ErrorKind::BrokenPipe {
                break;
            }
            return Err(error).context("cannot write");
        }
        report.count(message.len());
        message.release()?;
    }
    Ok(())
}
