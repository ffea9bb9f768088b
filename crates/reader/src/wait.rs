//! Waiting for a message, and past the end of a stream when asked to.

use anyhow::Result;
use semring::{Consumer, RecvError};
use semring_cli::on_channel;

use crate::arguments::Arguments;

/// Waits until there is a message; false at the end of the stream.
pub fn for_message(arguments: &Arguments, consumer: &mut Consumer) -> Result<bool> {
    loop {
        match consumer.ready(arguments.deadline()) {
            Ok(false) if arguments.follow => {
                consumer.follow();
                say(
                    arguments,
                    "the writer has finished; waiting for the next one",
                );
            }
            Err(RecvError::PeerLost) if arguments.follow => {
                say(arguments, "the writer has died; waiting for the next one");
            }
            Ok(ready) => return Ok(ready),
            Err(error) => return Err(on_channel(&error.into(), consumer.link())),
        }
    }
}

fn say(arguments: &Arguments, what: &str) {
    if !arguments.quiet {
        eprintln!("reader: {what}");
    }
}
