//! The consuming program: tells the demonstration's messages, or writes the bytes to a file or pipe.

#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]

mod data;
mod demo;
mod record;
mod sink;
mod wait;

use std::process::ExitCode;

use clap::Parser as _;
use semring_cli::Program;
use semring_cli::arguments::{ReaderArguments, ReaderTask};

fn main() -> ExitCode {
    let arguments = ReaderArguments::parse();
    Program::run("reader", &arguments.speech, |program| {
        match arguments.task() {
            ReaderTask::Demo => demo::run(program, &arguments),
            ReaderTask::Data(output) => data::run(program, &arguments, output),
        }
    })
}
