//! The consuming program: tells the demonstration's messages, or writes the bytes to a file or pipe.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod arguments;
mod data;
mod demo;
mod wait;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.output {
        None => demo::run(&arguments),
        Some(output) => data::run(&arguments, output),
    };
    semring_cli::finish("reader", result)
}
