//! Does what `docs/protocol.md` promises, and tries to break it: streams of messages between two
//! processes, one or both killed again and again, every byte verified.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod arguments;
#[cfg(feature = "crash-points")]
mod crashes;
mod injections;
mod ledger;
mod message;
mod pair;
mod scenario;
mod side;
mod supervisor;
mod table;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Part};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.part {
        Some(Part::Producer(task)) => side::produce(task),
        Some(Part::Consumer(task)) => side::consume(task),
        None => match arguments.injections {
            Some(extent) => injections::run(extent, &arguments.only, arguments.seed),
            None => supervisor::run(&arguments),
        },
    };
    semring_cli::finish("stress", result)
}
