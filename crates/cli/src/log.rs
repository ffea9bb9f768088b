//! What the programs do, step by step, on standard error with `-v`.

use std::io::{self, IsTerminal as _};

use tracing::level_filters::LevelFilter;

/// Shows the steps of a program from now on: none without `-v`, each decision with `-v`, each wait with
/// `-vv`, each message with `-vvv`.
pub fn start(name: &str, verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let colour =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(colour)
        .with_target(false)
        .with_timer(tracing_subscriber::fmt::time::uptime())
        .with_writer(io::stderr)
        // It would print them where it just could not, and panic.
        .log_internal_errors(false)
        .finish();
    // Nobody else sets one.
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            pid = std::process::id(),
            "{name}"
        );
    }
}
