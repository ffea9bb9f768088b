//! What `reader` can be told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use semring::{Deadline, Framing};

use super::{ChannelArguments, FramingArgument, SpeechArguments, default_batch};
use crate::values::duration;

/// Receives what `writer` sends through System V shared memory and a pair of System V semaphores.
///
/// Without -o it tells the numbered messages of `writer` without FILE. With -o it writes the bytes
/// that `writer FILE` sends. Either side may be started first.
#[derive(Debug, Parser)]
#[command(name = "reader", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct ReaderArguments {
    /// Write the bytes to this file, which is emptied first; `-` is standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Write behind what the file holds
    #[arg(long, requires = "output", conflicts_with = "resume")]
    append: bool,

    /// Go on exactly where an earlier reader of this channel stopped, even when it was killed; the
    /// position stands in FILE.semring until the stream is complete
    #[arg(long, requires = "output")]
    resume: bool,

    /// What of the stream is a message [default: as found, raw when created]
    #[arg(long, value_enum, value_name = "FRAMING", requires = "output")]
    framing: Option<FramingArgument>,

    /// Most messages in one exchange, one semaphore call before and one after it
    /// [default: 1 with raw, else a quarter of the slots, at most 256]
    #[arg(long, value_name = "N", requires = "output", value_parser = clap::value_parser!(u32).range(1..=16384))]
    batch: Option<u32>,

    /// Longest time to wait for the channel to appear; then exit 4 [default: that of --timeout]
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Waiting")]
    wait: Option<Duration>,

    /// Longest time to wait for a message, each time; then exit 4
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Waiting")]
    timeout: Option<Duration>,

    /// Go on after the end of a stream, or a writer's death: wait for the next writer
    #[arg(long, help_heading = "Waiting")]
    pub follow: bool,

    /// Where the channel is, and what it is like.
    #[command(flatten)]
    pub channel: ChannelArguments,

    /// How much is said.
    #[command(flatten)]
    pub speech: SpeechArguments,
}

const EXAMPLES: &str = "\
Examples:
  reader                             tell the numbered messages of `writer`
  reader -o copy.iso                 receive what `writer big.iso` sends
  reader -o copy.iso --resume        go on after an interruption
  reader --channel tar -o - | tar x  receive what `tar c dir | writer --channel tar` sends
  reader --wait 10s -o -             give up when there is no channel within 10 seconds

A reader that is given --slots, --slot-size, --sync, --huge-pages or --prefault creates the
channel if it is not there yet.
Ctrl-C, SIGTERM and SIGHUP end it in order: what it has not read stays for the next reader.

Exit codes:
  0 done   1 failed   2 usage   3 writer died   4 timed out   5 refused   6 removed under us
  129, 130, 143 ended by SIGHUP, SIGINT, SIGTERM";

/// Says where in the output to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At its beginning, which is emptied.
    Empty,
    /// Behind what is there.
    Append,
    /// Where an earlier reader stopped.
    Resume,
}

/// Says what to do with the messages.
#[derive(Debug, PartialEq, Eq)]
pub enum ReaderTask<'a> {
    /// Tell the numbered ones.
    Demo,
    /// Write their bytes to this file; `-` is standard output.
    Data(&'a Path),
}

impl ReaderArguments {
    /// Decides what to do with the messages.
    #[must_use]
    pub fn task(&self) -> ReaderTask<'_> {
        self.output
            .as_deref()
            .map_or(ReaderTask::Demo, ReaderTask::Data)
    }

    /// Returns where in the output to begin.
    #[must_use]
    pub const fn start(&self) -> Start {
        match (self.append, self.resume) {
            (_, true) => Start::Resume,
            (true, _) => Start::Append,
            _ => Start::Empty,
        }
    }

    /// Returns what the messages of the data are, if that was asked for.
    #[must_use]
    pub fn framing(&self) -> Option<Framing> {
        self.framing.map(Framing::from)
    }

    /// Returns the most messages in one exchange, of a stream of this framing through so many slots.
    #[must_use]
    pub fn batch(&self, framing: Framing, slot_count: u32) -> u32 {
        self.batch.unwrap_or(default_batch(framing, slot_count))
    }

    /// Returns until when to wait for the channel to appear.
    #[must_use]
    pub fn appears_by(&self) -> Deadline {
        self.wait
            .or(self.timeout)
            .map_or(Deadline::NEVER, Deadline::after)
    }

    /// Returns until when a wait for a message that starts now may last.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.timeout.map_or(Deadline::NEVER, Deadline::after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        ReaderArguments::command().debug_assert();
    }

    #[test]
    fn what_needs_an_output_is_refused_without_one() {
        for option in ["--append", "--resume", "--framing=raw"] {
            let result = ReaderArguments::try_parse_from(["reader", option]);
            assert!(result.is_err(), "{option}");
        }
        let both = ["reader", "-o", "x", "--append", "--resume"];
        assert!(ReaderArguments::try_parse_from(both).is_err());
    }
}
