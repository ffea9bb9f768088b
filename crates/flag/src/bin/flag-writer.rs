//! The flag-based writer: creates the segment, writes messages, removes the segment.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod common;

use std::process::{self, ExitCode};
use std::{fs, thread};

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser};
use nix::sys::signal::{SigSet, Signal};
use semring_flag::{FlagSegment, FlagWriter};
use sysv_ipc::{ErrorKind, Mode, Segment};

use common::Story;

const PROGRAM: &str = "flag-writer";

/// Write numbered messages into a System V segment with a flag, as the well-known demo does
///
/// Talks to flag-reader and to any C or C++ program of the same layout: int counter, 100 bytes of message,
/// bool ready, under the key ftok("/tmp", 65). Removes the segment at its end; only a kill -9 leaves it,
/// and the next writer takes it over.
///
/// A flag cannot tell a slow reader from a dead one: without --timeout this waits for ever.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    shared: common::Shared,

    /// Messages to send; 0 sends until a signal ends it (Ctrl-C)
    #[arg(long, short = 'n', value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(i32).range(0..))]
    count: i32,

    /// Pause between two messages (0s, 10ms, 2s)
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    interval: humantime::Duration,

    /// Permissions of the segment; the original's are 0666
    #[arg(long, default_value_t = Mode::OWNER)]
    mode: Mode,
}

const EXAMPLES: &str = "\
Examples:
  flag-writer                                   five messages, one a second, as the demo
  flag-writer --count 100 --interval 10ms --strategy spin
  flag-writer --mode 0666                       for a reader of another user
  flag-writer --path . --project 7              another key: the reader needs the same
  flag-writer --timeout 10s                     do not wait for ever for a reader

Exit codes:
  0 done                4 timed out
  1 failed              5 refused: an existing segment of another size, owner or mode
  2 usage               6 segment removed by somebody else
  129, 130, 143 ended by SIGHUP, SIGINT, SIGTERM; the segment is removed";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let story = Story::new(PROGRAM, arguments.shared.quiet);
    common::end(PROGRAM, run(&arguments, story))
}

fn run(arguments: &Arguments, story: Story) -> anyhow::Result<()> {
    let Arguments { shared, .. } = arguments;
    check_longest_text(arguments);
    story.tell("=== P1: WRITER (Producer) ===")?;
    let key = shared.key()?;
    story.tell(&format!("[P1] Generated key: {key}"))?;

    // Before the segment exists, so that no signal can leave it behind.
    let signals = block_signals()?;
    let memory = FlagSegment::create(key, shared.layout, arguments.mode)
        .with_context(|| format!("cannot create the segment with key {key}"))?;
    let introduced =
        remove_at_signal(signals, memory.segment(), story).and_then(|()| introduce(story, &memory));
    let mut writer = FlagWriter::new(memory, shared.strategy);
    let result = introduced.and_then(|()| exchange(arguments, story, &mut writer));
    // The segment goes in any case; the first error is the one to report.
    let ended = end(story, writer.into_inner());
    result.and(ended)
}

/// Ends with a usage error where a text would not fit, before anything is made.
fn check_longest_text(arguments: &Arguments) {
    let last = if arguments.count == 0 {
        i32::MAX
    } else {
        arguments.count
    };
    let needed = text(last).len() + 1;
    let room = arguments.shared.layout.message_bytes();
    if needed > room {
        let message = format!(
            "--message-size {room} has no room for the longest text, which needs {needed} bytes with its NUL"
        );
        Arguments::command()
            .error(clap::error::ErrorKind::ValueValidation, message)
            .exit();
    }
}

fn text(counter: i32) -> String {
    format!(
        "Message #{counter} from Writer Process (PID: {})",
        process::id()
    )
}

fn introduce(story: Story, memory: &FlagSegment) -> anyhow::Result<()> {
    let id = memory.segment().id();
    if let Some(stat) = memory.found() {
        story.note(&format!(
            "segment {id} existed already, made by process {} and attached by {}: taking it over",
            stat.creator_pid, stat.attached
        ));
    }
    story.tell(&format!("[P1] Shared memory created. ID: {id}"))?;
    story.tell(&format!(
        "[P1] Attached to shared memory at address: {:p}",
        memory.address()
    ))
}

/// Sends all messages, each once the one before was taken.
fn exchange(arguments: &Arguments, story: Story, writer: &mut FlagWriter) -> anyhow::Result<()> {
    let mut counter: i32 = 1;
    loop {
        let text = text(counter);
        writer
            .publish(counter, text.as_bytes())
            .with_context(|| format!("cannot write message {counter}"))?;
        story.tell(&format!(
            "[P1] Wrote: counter={counter}, message=\"{text}\""
        ))?;
        writer
            .wait_taken(arguments.shared.deadline())
            .with_context(|| format!("nobody took message {counter}"))?;
        story.tell("[P1] Data consumed by reader, writing next...")?;
        if counter == arguments.count {
            return Ok(());
        }
        // Endless: after the largest number comes the first again.
        counter = counter.checked_add(1).unwrap_or(1);
        thread::sleep(*arguments.interval);
    }
}

/// Detaches and removes; that somebody has removed it already is no failure.
fn end(story: Story, memory: FlagSegment) -> anyhow::Result<()> {
    let segment = memory.segment();
    let detached = story.detach("P1", memory);
    match segment.remove() {
        Err(error) if error.kind() == ErrorKind::Removed => {
            story.note(&format!(
                "segment {} was removed by somebody else already",
                segment.id()
            ));
            detached
        }
        result => {
            let removed = result.context("cannot remove the segment");
            detached.and(removed)?;
            story.tell("[P1] Shared memory removed")
        }
    }
}

/// Keeps the signals that end a program from doing so at once, except those that whoever started us had
/// set to be ignored (`nohup`).
fn block_signals() -> anyhow::Result<SigSet> {
    let ignored = ignored_signals();
    let signals = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM]
        .into_iter()
        .filter(|&signal| ignored & (1 << (signal as u32 - 1)) == 0)
        .collect::<SigSet>();
    signals.thread_block().context("cannot block signals")?;
    Ok(signals)
}

/// Returns the ignored signals, bit 0 for signal 1; none where /proc does not tell.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// Waits for a signal in a thread of its own, and then removes the segment and ends the program.
fn remove_at_signal(signals: SigSet, segment: Segment, story: Story) -> anyhow::Result<()> {
    // An empty set would never be signalled.
    if signals.iter().next().is_none() {
        return Ok(());
    }
    let wait = move || {
        if let Ok(signal) = signals.wait() {
            match segment.remove() {
                Ok(()) => story.note(&format!("{signal}: segment {} removed", segment.id())),
                Err(error) => story.note(&format!("{signal}: {error}")),
            }
            process::exit(128 + signal as i32);
        }
    };
    let thread = thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait);
    thread
        .map(drop)
        .context("cannot start the thread that waits for signals")
}
