//! The operator's program: shell completions and manual pages of all programs.

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

mod arguments;
mod generate;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Task};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.task {
        Task::Generate(what) => generate::run(&what),
    };
    semring_cli::finish("semring", result)
}
