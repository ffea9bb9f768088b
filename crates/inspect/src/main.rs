//! The operator's program: what is about all channels, checks of the machine, and shell completions and
//! manual pages of all programs.

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
mod clean;
mod diagnosis;
mod doctor;
mod generate;
mod json;
mod list;
mod names;
mod namespace;
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
    if let Some(part) = doctor::Part::asked_for() {
        return semring_cli::finish("semring", doctor::play(&part));
    }
    let arguments = Arguments::parse();
    let result = match arguments.task {
        Task::List(what) => list::run(&what),
        Task::Show(what) => show::run(&what),
        Task::Clean(what) => clean::run(&what),
        Task::Top(what) => top::run(&what),
        Task::Generate(what) => generate::run(&what),
        Task::Doctor { json } => doctor::run(json),
    };
    semring_cli::finish("semring", result)
}
