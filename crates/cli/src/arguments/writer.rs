//! What `writer` can be told.

use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use semring::{Deadline, Framing};

use super::{ChannelArguments, FramingArgument, SpeechArguments, default_batch};
use crate::values::duration;

/// Sends messages to `reader` through System V shared memory and a pair of System V semaphores.
///
/// Without FILE it sends five numbered messages, one a second, and tells what it does. With a pipe
/// or file on standard input and no FILE it sends that. Either side may be started first.
#[derive(Debug, Parser)]
#[command(name = "writer", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct WriterArguments {
    /// File to send; `-` is standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// What of the input is a message
    #[arg(long, value_enum, value_name = "FRAMING", default_value = "raw")]
    framing: FramingArgument,

    /// Most messages in one exchange, one semaphore call before and one after it
    /// [default: 1 with raw, else a quarter of the slots, at most 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16384))]
    batch: Option<u32>,

    /// Send the numbered messages, whatever is on standard input
    #[arg(long, conflicts_with_all = ["file", "framing", "batch"], help_heading = "Demonstration")]
    demo: bool,

    /// How many numbered messages to send
    #[arg(
        long,
        value_name = "N",
        default_value_t = 5,
        conflicts_with = "file",
        value_parser = clap::value_parser!(i32).range(0..),
        help_heading = "Demonstration"
    )]
    pub count: i32,

    /// Time between two numbered messages
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration, conflicts_with = "file", help_heading = "Demonstration")]
    pub interval: Duration,

    /// Longest time to wait for the reader, each time; then exit 4
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Waiting")]
    timeout: Option<Duration>,

    /// Wait until the reader has read everything, which is the default
    #[arg(long, overrides_with = "no_linger", help_heading = "Waiting")]
    linger: bool,

    /// Do not wait until the reader has read everything; what is left waits for a later reader
    #[arg(long, help_heading = "Waiting")]
    no_linger: bool,

    /// When the reader dies, wait for another one instead of ending with exit code 3
    #[arg(long, help_heading = "Waiting")]
    pub wait_for_reader: bool,

    /// Where the channel is, and what it is like.
    #[command(flatten)]
    pub channel: ChannelArguments,

    /// How much is said.
    #[command(flatten)]
    pub speech: SpeechArguments,
}

const EXAMPLES: &str = "\
Examples:
  writer                             five numbered messages; start `reader` in another terminal
  writer --slots 1                   the same with a single slot, as the original demonstration
  writer big.iso                     send a file; receive it with `reader -o copy.iso`
  tar c dir | writer --channel tar   send a pipe; receive it with `reader --channel tar -o -`
  writer --framing lines app.log     send a line at a time

Ctrl-C, SIGTERM and SIGHUP end it in order: what was sent stays for the reader.

Exit codes:
  0 done   1 failed   2 usage   3 reader died   4 timed out   5 refused   6 removed under us
  129, 130, 143 ended by SIGHUP, SIGINT, SIGTERM";

/// Says what to send.
#[derive(Debug, PartialEq, Eq)]
pub enum WriterTask {
    /// Numbered messages.
    Demo,
    /// The bytes of this file; `-` is standard input.
    Data(PathBuf),
}

impl WriterArguments {
    /// Decides what to send: the file that was named, else what is piped in, else the demonstration.
    #[must_use]
    pub fn task(&self) -> WriterTask {
        match &self.file {
            Some(file) => WriterTask::Data(file.clone()),
            None if !self.demo && something_is_piped_in() => {
                WriterTask::Data(Path::new("-").to_owned())
            }
            None => WriterTask::Demo,
        }
    }

    /// Returns what the messages of the data are.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.framing.into()
    }

    /// Returns the most messages in one exchange, through so many slots.
    #[must_use]
    pub fn batch(&self, slot_count: u32) -> u32 {
        self.batch
            .unwrap_or(default_batch(self.framing(), slot_count))
    }

    /// Tells whether to wait at the end until everything has been read.
    #[must_use]
    pub const fn lingers(&self) -> bool {
        !self.no_linger
    }

    /// Returns until when a wait that starts now may last.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.timeout.map_or(Deadline::NEVER, Deadline::after)
    }
}

/// Tells whether standard input is a pipe, a socket or a file: not a terminal, nor /dev/null.
fn something_is_piped_in() -> bool {
    let input = std::io::stdin();
    if input.is_terminal() {
        return false;
    }
    let Ok(input) = input.as_fd().try_clone_to_owned() else {
        return false;
    };
    std::fs::File::from(input).metadata().is_ok_and(|metadata| {
        let kind = metadata.file_type();
        kind.is_file() || kind.is_fifo() || kind.is_socket()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        WriterArguments::command().debug_assert();
    }

    #[test]
    fn a_named_file_is_sent() {
        let arguments = WriterArguments::parse_from(["writer", "big.iso"]);
        assert_eq!(arguments.task(), WriterTask::Data("big.iso".into()));
        assert_eq!(
            WriterArguments::parse_from(["writer", "--demo"]).task(),
            WriterTask::Demo
        );
    }

    #[test]
    fn the_last_word_on_lingering_counts() {
        let lingers = |words: &[&str]| WriterArguments::parse_from(words).lingers();
        assert!(lingers(&["writer"]));
        assert!(!lingers(&["writer", "--linger", "--no-linger"]));
        assert!(lingers(&["writer", "--no-linger", "--linger"]));
    }
}
