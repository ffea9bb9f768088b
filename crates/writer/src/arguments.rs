//! What `writer` can be told.

use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use semring::Deadline;
use semring_cli::{ChannelArguments, duration};

/// Sends messages to `reader` through System V shared memory and a pair of System V semaphores.
///
/// Without FILE it sends five numbered messages, one a second, and tells what it does. With a pipe
/// or file on standard input and no FILE it sends that. Either side may be started first.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub struct Arguments {
    /// File to send; `-` is standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// Send the numbered messages, whatever is on standard input
    #[arg(long, conflicts_with = "file")]
    demo: bool,

    /// How many numbered messages to send
    #[arg(long, value_name = "N", default_value_t = 5, conflicts_with = "file")]
    pub count: u32,

    /// Time between two numbered messages
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration, conflicts_with = "file")]
    pub interval: Duration,

    /// Longest time to wait for the reader, each time; then exit 4
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,

    /// Do not wait until the reader has read everything; what is left waits for a later reader
    #[arg(long)]
    pub no_linger: bool,

    /// When the reader dies, wait for another one instead of ending with exit code 3
    #[arg(long)]
    pub wait_for_reader: bool,

    /// Print nothing but errors
    #[arg(long, short)]
    pub quiet: bool,

    /// Where the channel is, and what it is like.
    #[command(flatten)]
    pub channel: ChannelArguments,
}

const EXAMPLES: &str = "\
Examples:
  writer                             five numbered messages; start `reader` in another terminal
  writer --slots 1                   the same with a single slot, as the original demonstration
  writer big.iso                     send a file; receive it with `reader -o copy.iso`
  tar c dir | writer --channel tar   send a pipe; receive it with `reader --channel tar -o -`

Exit codes:
  0 done   1 failed   2 usage   3 reader died   4 timed out   5 refused   6 removed under us";

/// Says what to send.
#[derive(Debug, PartialEq, Eq)]
pub enum Task {
    /// Numbered messages.
    Demo,
    /// The bytes of this file; `-` is standard input.
    Data(PathBuf),
}

impl Arguments {
    /// Decides what to send: the file that was named, else what is piped in, else the demonstration.
    pub fn task(&self) -> Task {
        match &self.file {
            Some(file) => Task::Data(file.clone()),
            None if !self.demo && something_is_piped_in() => Task::Data(Path::new("-").to_owned()),
            None => Task::Demo,
        }
    }

    /// Returns until when a wait that starts now may last.
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
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_named_file_is_sent() {
        let arguments = Arguments::parse_from(["writer", "big.iso"]);
        assert_eq!(arguments.task(), Task::Data("big.iso".into()));
        assert_eq!(
            Arguments::parse_from(["writer", "--demo"]).task(),
            Task::Demo
        );
    }
}
