//! What `reader` can be told.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use semring::{Consumer, Deadline, Framing};
use semring_cli::{ChannelArguments, Patience, duration, until_it_appears};

/// Receives what `writer` sends through System V shared memory and a pair of System V semaphores.
///
/// Without -o it tells the numbered messages of `writer` without FILE. With -o it writes the bytes
/// that `writer FILE` sends. Either side may be started first.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub struct Arguments {
    /// Write the bytes to this file; `-` is standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Longest time to wait for the channel to appear; then exit 4
    #[arg(long, value_name = "TIME", value_parser = duration)]
    wait: Option<Duration>,

    /// Longest time to wait for a message, each time; then exit 4
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,

    /// Go on after the end of a stream, or a writer's death: wait for the next writer
    #[arg(long)]
    pub follow: bool,

    /// Print nothing but errors, and the bytes with `-o -`
    #[arg(long, short)]
    pub quiet: bool,

    /// Where the channel is, and what it is like.
    #[command(flatten)]
    pub channel: ChannelArguments,
}

const EXAMPLES: &str = "\
Examples:
  reader                            tell the numbered messages of `writer`
  reader -o copy.iso                receive what `writer big.iso` sends
  reader --channel tar -o - | tar x  receive what `tar c dir | writer --channel tar` sends
  reader --wait 10s -o -            give up when there is no channel within 10 seconds

A reader that is given --slots or --slot-size creates the channel if it is not there yet.

Exit codes:
  0 done   1 failed   2 usage   3 writer died   4 timed out   5 refused   6 removed under us";

impl Arguments {
    /// Waits for the channel to appear, and attaches to it.
    pub fn attach(&self, framing: Framing) -> Result<Consumer> {
        let channel = self.channel.channel(framing)?;
        let channel = if self.channel.asks_for_geometry() {
            channel
        } else {
            channel.create(false)
        };
        let notice = || {
            format!(
                "reader: waiting for {} (key {}) to appear: start `writer` in another terminal",
                channel.address(),
                channel.address().key()
            )
        };
        let deadline = self.wait.map_or(Deadline::NEVER, Deadline::after);
        let mut patience = Patience::new(self.quiet);
        Ok(until_it_appears(&mut patience, deadline, notice, || {
            channel.consumer()
        })?)
    }

    /// Returns until when a wait that starts now may last.
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
        Arguments::command().debug_assert();
    }
}
