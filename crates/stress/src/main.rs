//! Does what `docs/protocol.md` promises, and tries to break it: streams of messages between two
//! processes that are killed, stopped, disturbed and robbed of their objects, every byte verified.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod arguments;
mod campaign;
mod injections;
mod interrupt;
mod ledger;
mod live;
mod message;
mod outcome;
mod output;
mod pair;
mod plan;
mod process;
mod scenarios;
mod shape;
mod side;
mod steps;
mod table;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.injections {
        Some(extent) => injections::run(extent, &arguments.call, arguments.seed),
        None => campaign::run(&arguments),
    };
    semring_cli::finish("stress", result)
}
