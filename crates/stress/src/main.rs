//! Does what `docs/protocol.md` promises, and tries to break it: streams of messages between two
//! processes that are killed, stopped, disturbed and robbed of their objects, every byte verified.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod arguments;
mod campaign;
mod ledger;
mod live;
mod message;
mod outcome;
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

fn main() -> ExitCode {
    semring_cli::finish("stress", campaign::run(&arguments::Arguments::parse()))
}
