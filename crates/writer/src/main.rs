//! The producing program: numbered messages as in the demonstration, or the bytes of a file or pipe.

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
mod input;
mod messages;
mod wait;

use std::process::ExitCode;

use clap::Parser as _;
use semring_cli::Program;
use semring_cli::arguments::{WriterArguments, WriterTask};

fn main() -> ExitCode {
    let arguments = WriterArguments::parse();
    Program::run("writer", &arguments.speech, |program| {
        match arguments.task() {
            WriterTask::Demo => demo::run(program, &arguments),
            WriterTask::Data(input) => data::run(program, &arguments, &input),
        }
    })
}
