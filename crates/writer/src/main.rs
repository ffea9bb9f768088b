//! The producing program: numbered messages as in the demonstration, or the bytes of a file or pipe.

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

use arguments::{Arguments, Task};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.task() {
        Task::Demo => demo::run(&arguments),
        Task::Data(input) => data::run(&arguments, &input),
    };
    semring_cli::finish("writer", result)
}
