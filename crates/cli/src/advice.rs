//! Errors of a channel, with its name and what to do after them.

use anyhow::Error;
use semring::Link;

use crate::exit::{Exit, OnChannel, exit_of};

/// Returns the command that removes the channel.
#[must_use]
pub fn give_up(link: &Link) -> String {
    let key = link.key();
    format!("`ipcrm -M {key} -S {key}`")
}

/// Says after an error which channel it was about, unless that has been said, and what to do with what
/// is left when the other side has died, or is not to be waited for any longer, or this side gives up.
#[must_use]
pub fn on_channel(error: &Error, link: &Link) -> Error {
    let exit = exit_of(error);
    if error.is::<OnChannel>() {
        let text = format!("{error:#}");
        return OnChannel { text, exit }.into();
    }
    let (channel, key) = (link.address(), link.key());
    let advice = match exit {
        Exit::Failed | Exit::PeerLost | Exit::TimedOut => format!(
            ": what is left waits for a successor; to start afresh instead, {}",
            give_up(link)
        ),
        _ => String::new(),
    };
    let text = format!("{error:#} ({channel}, key {key}{advice})");
    OnChannel { text, exit }.into()
}
