//! What the programs share: what they can be told, what the exit codes mean, the messages of the
//! demonstration, signals, output that a signal can interrupt, waiting with a word about it, and the
//! report at the end.

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

pub mod arguments;
pub mod demo;
mod exit;
mod leaving;
mod log;
mod output;
mod program;
mod quoting;
mod remedy;
mod report;
mod signals;
mod story;
mod values;
mod wait;

pub use arguments::ChannelArguments;
pub use exit::{Exit, Refused, exit_of};
pub use leaving::Farewell;
pub use output::{Output, OutputClosed, Unwritten};
pub use program::{Figures, Program, finish};
pub use quoting::{channel_option, operand, printable, word};
pub use report::Report;
pub use signals::{Interrupted, Signals};
pub use story::Story;
pub use values::{count, duration, key, mode, size};
pub use wait::{Patience, attach};
