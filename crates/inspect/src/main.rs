//! The operator's program: checks of the machine, shell completions and manual pages of all programs.

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
mod doctor;
mod generate;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Task};

fn main() -> ExitCode {
    if let Some(part) = doctor::Part::asked_for() {
        return semring_cli::finish("semring", doctor::play(&part));
    }
    let arguments = Arguments::parse();
    let result = match arguments.task {
        Task::Generate(what) => generate::run(&what),
        Task::Doctor { json } => doctor::run(json),
    };
    semring_cli::finish("semring", result)
}
