//! What is known of one side of a channel, in words.

use semring::Role;
use semring::observe::{SideStatus, Snapshot, State};
use semring_cli::printable;

use crate::process::ProcessState;
use crate::survey::{Channel, Holder, status};
use crate::words::{lasting, shorten, since};

/// Longest program name in a table.
const PROGRAM_CHARS: usize = 15;

/// Says whether somebody has the role, as a word of JSON: `held`, `gone`, `never`, or `unknown`.
pub fn presence(channel: &Channel, role: Role) -> &'static str {
    match channel.holder(role) {
        Holder::Held(..) => "held",
        Holder::Said(_) | Holder::Unknown => "unknown",
        Holder::Nobody => match channel.snapshot().map(|found| status(found, role).state) {
            Some(State::Never) => "never",
            Some(_) => "gone",
            None => "unknown",
        },
    }
}

/// Says who has the role, for a table: "writer 4711, 12 s", "reader 4712, stopped", "gone".
pub fn owner(channel: &Channel, role: Role) -> String {
    let status = channel.snapshot().map(|found| status(found, role));
    match channel.holder(role) {
        Holder::Nobody => match status.map(|status| status.state) {
            Some(State::Never) => "none yet".to_owned(),
            Some(State::Attached) => "gone (died)".to_owned(),
            Some(State::Closed) => "gone (closed)".to_owned(),
            Some(State::Interrupted) => "gone (interrupted)".to_owned(),
            None => "-".to_owned(),
        },
        Holder::Held(pid, None) => format!("{pid}, not of this PID namespace"),
        Holder::Held(_, Some(process)) | Holder::Said(process) => {
            let program = shorten(&printable(&process.program), PROGRAM_CHARS);
            let start = format!("{program} {}", process.pid);
            match (process.state, status.and_then(held_since)) {
                (ProcessState::Stopped, _) => format!("{start}, stopped"),
                (ProcessState::Ended, _) => format!("{start}, ending"),
                (ProcessState::Live, Some(time)) => format!("{start}, {time}"),
                (ProcessState::Live, None) => start,
            }
        }
        Holder::Unknown => "unknown".to_owned(),
    }
}

/// Says for how long the role is held.
fn held_since(status: &SideStatus) -> Option<String> {
    (status.state == State::Attached).then(|| lasting(since(status.since_ns)))
}

/// Says what a side does at this moment: "waits for room, 12 s", "busy", "absent", "stopped".
pub fn doing(channel: &Channel, role: Role) -> String {
    let Some(snapshot) = channel.snapshot() else {
        return "unknown".to_owned();
    };
    let side = status(snapshot, role);
    let process = channel.holder(role).process();
    if process.is_some_and(|process| process.state == ProcessState::Stopped) {
        return "stopped".to_owned();
    }
    match channel.holder(role) {
        Holder::Nobody => "absent".to_owned(),
        Holder::Unknown => "unknown".to_owned(),
        Holder::Held(..) | Holder::Said(_) if side.asleep => {
            let what = awaited(snapshot, role);
            format!("waits for {what}, {}", lasting(since(side.active_at_ns)))
        }
        Holder::Held(..) | Holder::Said(_) => "busy".to_owned(),
    }
}

/// Says what a side waits for, if it waits.
pub fn awaited(snapshot: &Snapshot, role: Role) -> &'static str {
    match role {
        Role::Consumer => "a message",
        Role::Producer if snapshot.filled == Some(snapshot.geometry.slot_count()) => "room",
        Role::Producer => "the rest to be read",
    }
}

/// Says when something last happened, in nanoseconds since 1970: somebody came, slept or woke, or, in a
/// strict channel, exchanged a message.
pub fn active_at_ns(channel: &Channel) -> Option<u64> {
    let operated = channel.set_entry().map(|entry| entry.operated_at_s);
    let operated = operated.and_then(|seconds| u64::try_from(seconds).ok());
    let operated = operated.map(|seconds| seconds.saturating_mul(1_000_000_000));
    let sides = channel
        .snapshot()
        .map(|found| found.producer.active_at_ns.max(found.consumer.active_at_ns));
    operated.max(sides).filter(|&time| time > 0)
}
