//! Real data: the bytes of a file or pipe, read straight into the shared memory.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek as _};
use std::os::fd::AsFd as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use semring::{CloseOutcome, Corrupt, Framing, Producer};
use semring_cli::{Report, give_up};

use crate::arguments::Arguments;
use crate::wait::Waiting;

/// Sends all bytes of `input`, in messages of up to a slot.
pub fn run(arguments: &Arguments, input: &Path) -> Result<()> {
    let mut source = open(input)?;
    let name = if input == Path::new("-") {
        "standard input".into()
    } else {
        input.display().to_string()
    };
    let mut producer = arguments.channel.channel(Framing::Raw)?.producer()?;
    let mut waiting = Waiting::new(arguments);
    let mut report = Report::default();
    send_all(&mut waiting, &mut producer, &mut source, &mut report)
        .with_context(|| format!("sending {name}"))?;
    if !arguments.no_linger {
        waiting.until_drained(&mut producer)?;
    }
    report.stop();
    finish(arguments, producer, &report)
}

/// Sends chunk after chunk until the end of the input.
fn send_all(
    waiting: &mut Waiting<'_>,
    producer: &mut Producer,
    source: &mut File,
    report: &mut Report,
) -> Result<()> {
    loop {
        if is_full(producer)? && at_end(source)? {
            return Ok(());
        }
        waiting.for_room(producer)?;
        let bytes = send_chunk(producer, source)?;
        if bytes == 0 {
            return Ok(());
        }
        report.count(bytes);
    }
}

/// Closes the stream, and says what was done and what is left.
fn finish(arguments: &Arguments, producer: Producer, report: &Report) -> Result<()> {
    let channel = producer.link().address().to_string();
    let command = give_up(producer.link());
    let outcome = producer.close()?;
    if arguments.quiet {
        return Ok(());
    }
    eprintln!("writer: {report}");
    match outcome {
        CloseOutcome::Kept { unread: 0 } | CloseOutcome::Removed => {}
        CloseOutcome::Kept { unread } => {
            let messages = if unread == 1 {
                "message waits"
            } else {
                "messages wait"
            };
            eprintln!(
                "writer: {unread} {messages} in {channel} for a reader; to give up what is left: \
                 {command}"
            );
        }
        _ => eprintln!("writer: {channel} had been removed before"),
    }
    Ok(())
}

/// Opens the input before anything is made for it.
fn open(input: &Path) -> Result<File> {
    if input == Path::new("-") {
        let input = std::io::stdin().as_fd().try_clone_to_owned();
        return Ok(File::from(input.context("cannot use standard input")?));
    }
    File::open(input).with_context(|| format!("cannot open {}", input.display()))
}

fn is_full(producer: &mut Producer) -> Result<bool, Corrupt> {
    Ok(producer.unread()? >= producer.geometry().slot_count())
}

/// Tells whether a file, or a pipe, is at its end, without taking anything from it: at the end there
/// is no need to wait for room. Waits until a pipe has bytes or ends. Of other kinds of input the
/// end shows only when they are read.
fn at_end(source: &mut File) -> Result<bool> {
    let metadata = source.metadata().context("cannot look at the input")?;
    if metadata.is_file() {
        let position = source.stream_position().context("cannot read")?;
        // Files under /proc have content beyond their length, which is 0.
        return Ok(metadata.len() > 0 && position >= metadata.len());
    }
    let mut input = [PollFd::new(source.as_fd(), PollFlags::POLLIN)];
    match poll(&mut input, PollTimeout::NONE) {
        Ok(_) => Ok(input[0].revents() == Some(PollFlags::POLLHUP)),
        // A signal; waiting for room and reading will show the same.
        Err(_) => Ok(false),
    }
}

/// Reads once into a lent slot and publishes what came; 0 at the end of the input.
fn send_chunk(producer: &mut Producer, source: &mut impl Read) -> Result<usize> {
    let slot_bytes = usize::try_from(producer.geometry().slot_bytes()).unwrap_or(usize::MAX);
    let mut loan = producer.loan(slot_bytes)?;
    let bytes = read_once(source, &mut loan)?;
    if bytes > 0 {
        loan.truncate(bytes);
        loan.publish()?;
    }
    Ok(bytes)
}

/// Reads what is there, again after a signal.
fn read_once(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match source.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result.context("cannot read"),
        }
    }
}
