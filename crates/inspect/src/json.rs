//! Channels as JSON, for other programs.

use semring::Role;
use semring::observe::{SideStatus, Snapshot, State};
use serde_json::{Value, json};

use crate::clean;
use crate::diagnosis::{Condition, Diagnosis};
use crate::names::name_of;
use crate::process::ProcessState;
use crate::sides::{active_at_ns, doing, presence};
use crate::survey::{Channel, Foreign, Holder, Set, status};
use crate::words::{Users, hexadecimal, timestamp};

/// Describes a channel: the same fields for each, `null` where they are not known.
pub fn channel(channel: &Channel, users: &mut Users) -> Value {
    let name = name_of(channel, users);
    let diagnosis = Diagnosis::of(channel, name.as_deref());
    let permissions = channel.segment.permissions;
    let snapshot = channel.snapshot();
    json!({
        "channel": name,
        "key": channel.key.to_string(),
        "segment": channel.segment.segment.id(),
        "set": channel.set_entry().map(|entry| entry.set.id()),
        "owner": users.name(permissions.owner_user_id),
        "owner_id": permissions.owner_user_id,
        "creator_id": permissions.creator_user_id,
        "mode": permissions.mode.to_string(),
        "segment_bytes": channel.segment.bytes,
        "attachments": channel.segment.attached,
        "marked_for_removal": channel.segment.marked_for_removal,
        "condition": diagnosis.condition.word(),
        "stale": diagnosis.condition == Condition::Stale,
        "kept": clean::reason(channel),
        "diagnosis": diagnosis.sentence,
        "active_at": active_at_ns(channel).map(timestamp),
        "semaphores": values(channel),
        "header": snapshot.map(header),
        "producer": side(channel, Role::Producer),
        "consumer": side(channel, Role::Consumer),
    })
}

fn values(channel: &Channel) -> Value {
    match &channel.set {
        Set::Values(_, holders) => json!(holders.values),
        Set::Unreadable(_) | Set::Missing => Value::Null,
    }
}

fn header(snapshot: &Snapshot) -> Value {
    let nonce = hexadecimal(snapshot.nonce);
    json!({
        "name": snapshot.name,
        "slots": snapshot.geometry.slot_count(),
        "slot_bytes": snapshot.geometry.slot_bytes(),
        "sync": snapshot.sync.to_string(),
        "framing": snapshot.framing.to_string(),
        "message_type": snapshot.message_type,
        "nonce": nonce,
        "creator_pid": snapshot.creator_pid,
        "creator_id": snapshot.creator_uid,
        "created_at": timestamp(snapshot.created_at_ns),
        "tail": snapshot.tail,
        "head": snapshot.head,
        "filled": snapshot.filled,
    })
}

fn side(channel: &Channel, role: Role) -> Value {
    let mut side = json!({
        "role": presence(channel, role),
        "doing": doing(channel, role),
        "pid": null,
        "program": null,
        "process": null,
    });
    if let Holder::Held(pid, _) = channel.holder(role) {
        side["pid"] = (*pid).into();
    }
    if let Some(process) = channel.holder(role).process() {
        side["pid"] = process.pid.into();
        side["program"] = process.program.clone().into();
        side["process"] = match process.state {
            ProcessState::Live => "live",
            ProcessState::Stopped => "stopped",
            ProcessState::Ended => "ended",
        }
        .into();
    }
    side["says"] = channel
        .snapshot()
        .map_or(Value::Null, |snapshot| says(status(snapshot, role)));
    side
}

fn says(status: &SideStatus) -> Value {
    let time = |time_ns| (time_ns > 0).then(|| timestamp(time_ns));
    json!({
        "state": match status.state {
            State::Never => "never",
            State::Attached => "attached",
            State::Closed => "closed",
            State::Interrupted => "interrupted",
        },
        "epoch": status.epoch,
        "pid": status.pid,
        "user_id": status.uid,
        "since": time(status.since_ns),
        "active_at": time(status.active_at_ns),
        "asleep": status.asleep,
        "messages": status.messages,
        "bytes": status.bytes,
        "sleeps": status.sleeps,
        "spurious": status.spurious,
        "takeovers": status.takeovers(),
        "redelivered": status.redelivered,
    })
}

/// Describes an object that is no channel's.
pub fn foreign(object: &Foreign, users: &mut Users) -> Value {
    json!({
        "kind": object.kind,
        "id": object.id,
        "key": object.permissions.key.to_string(),
        "owner": users.name(object.permissions.owner_user_id),
        "mode": object.permissions.mode.to_string(),
        "evidence": object.evidence,
        "may_be_a_channels": object.may_be_a_channels,
    })
}
