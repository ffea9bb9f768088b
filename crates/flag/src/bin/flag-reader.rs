//! The flag-based reader: finds the segment and reads messages from it.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod common;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use semring_flag::{FlagReader, FlagSegment, OpenError, POLL_INTERVAL, WaitError};
use sysv_ipc::Key;

use common::Story;

const PROGRAM: &str = "flag-reader";

/// How long the reader waits for the segment before it says so.
const PATIENCE: Duration = Duration::from_secs(1);

/// Read messages from a System V segment with a flag, as the well-known demo does
///
/// Talks to flag-writer and to any C or C++ program of the same layout: int counter, 100 bytes of message,
/// bool ready, under the key ftok("/tmp", 65). May be started before the writer.
///
/// A flag cannot tell a slow writer from a dead one: without --timeout this waits for ever, unless the
/// segment is removed.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    shared: common::Shared,

    /// Messages to read; 0 reads until the segment is removed, which is then the orderly end
    #[arg(long, short = 'n', value_name = "N", default_value_t = 5)]
    count: u64,

    /// Longest wait for the segment to appear; without it, for ever (0s, 10s)
    #[arg(long, value_name = "DURATION")]
    wait: Option<humantime::Duration>,
}

const EXAMPLES: &str = "\
Examples:
  flag-reader                                   five messages, as the demo
  flag-reader --count 0                         until the writer removes the segment
  flag-reader --wait 10s --timeout 5s           do not wait for ever for a writer
  flag-reader --path . --project 7              another key: the one of the writer
  flag-reader --strategy backoff                notice sooner, for more CPU

Exit codes:
  0 done                4 timed out
  1 failed              5 refused: a segment of another size, or not for us
  2 usage               6 segment removed before all messages were read";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let story = Story::new(PROGRAM, arguments.shared.quiet);
    common::end(PROGRAM, run(&arguments, story))
}

fn run(arguments: &Arguments, story: Story) -> anyhow::Result<()> {
    story.tell("=== P2: READER (Consumer) ===")?;
    let key = arguments.shared.key()?;
    story.tell(&format!("[P2] Generated key: {key}"))?;

    let memory = wait_for_segment(arguments, story, key)
        .with_context(|| format!("cannot open the segment with key {key}"))?;
    story.tell(&format!(
        "[P2] Shared memory found. ID: {}",
        memory.segment().id()
    ))?;
    story.tell(&format!(
        "[P2] Attached to shared memory at address: {:p}",
        memory.address()
    ))?;

    let mut reader = FlagReader::new(memory, arguments.shared.strategy);
    let mut read = 0;
    let result = exchange(arguments, story, &mut reader, &mut read);
    // The story is told to its end in any case; the first error is the one to report.
    let ended = story
        .tell(&format!("[P2] Total messages read: {read}"))
        .and_then(|()| story.detach("P2", reader.into_inner()));
    result.and(ended)
}

/// Waits until a writer has made the segment.
fn wait_for_segment(arguments: &Arguments, story: Story, key: Key) -> anyhow::Result<FlagSegment> {
    let started = Instant::now();
    let deadline = arguments.wait.and_then(|limit| common::deadline_in(*limit));
    let mut told = false;
    loop {
        match FlagSegment::open(key, arguments.shared.layout) {
            Err(OpenError::NotFound { .. }) => {}
            result => return Ok(result?),
        }
        let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
        if let (Some(limit), Some(Duration::ZERO)) = (arguments.wait, left) {
            return Err(OpenError::NotFound { key }).with_context(|| format!("waited {limit}"));
        }
        if !told && started.elapsed() >= PATIENCE {
            let bytes = arguments.shared.layout.bytes();
            story.note(&format!(
                "waiting for a writer to create the segment with key {key} ({bytes} bytes); start flag-writer \
                 with the same key"
            ));
            told = true;
        }
        thread::sleep(left.map_or(POLL_INTERVAL, |left| left.min(POLL_INTERVAL)));
    }
}

/// Reads until there are enough; counts in `read`, which stays right also when it fails.
fn exchange(
    arguments: &Arguments,
    story: Story,
    reader: &mut FlagReader,
    read: &mut u64,
) -> anyhow::Result<()> {
    let endless = arguments.count == 0;
    while endless || *read < arguments.count {
        let message = match reader.peek(arguments.shared.deadline()) {
            Err(WaitError::Removed { .. }) if endless => return Ok(()),
            result => result.with_context(|| format!("no message after {read}"))?,
        };
        let text = printable(&message.to_string_lossy());
        story.tell(&format!(
            "[P2] Read: counter={}, message=\"{text}\"",
            message.counter
        ))?;
        // Only now: what could not be told is not taken.
        reader.clear();
        *read += 1;
    }
    Ok(())
}

/// Shows a text on one line: control characters, which could end the line or move the cursor, appear
/// escaped.
fn printable(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut line, character| {
            // Writing into a String does not fail.
            let _ = if character.is_control() {
                write!(line, "{}", character.escape_default())
            } else {
                line.write_char(character)
            };
            line
        })
}
