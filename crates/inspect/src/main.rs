//! The operator's program: what is about all channels, and shell completions and manual pages of all
//! programs.

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
mod diagnosis;
mod generate;
mod json;
mod list;
mod names;
mod output;
mod process;
mod ring;
mod show;
mod sides;
mod survey;
mod top;
mod words;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Task};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.task {
        Task::List(what) => list::run(&what),
        Task::Show(what) => show::run(&what),
        Task::Top(what) => top::run(&what),
        Task::Generate(what) => generate::run(&what),
    };
    semring_cli::finish("semring", result)
}
