//! Why a removal removed nothing.

use super::{AttachReason, Corrupt};

/// Says why [`Removal`](crate::Removal) kept a channel. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Kept {
    /// There is nothing of this key.
    #[error("there is no such channel")]
    NotFound,
    /// A role is held.
    #[error("in use by {}", holders(*producer, *consumer))]
    InUse {
        /// The process that has the producer's role, if it is held; 0 when it is of another PID namespace.
        producer: Option<i32>,
        /// Likewise for the consumer's.
        consumer: Option<i32>,
    },
    /// Both roles are free, but somebody is attached.
    #[error(
        "nobody has a role, but there {}: of somebody who looks, of a forked child, or of a user whose \
         semaphore set was removed",
        attachments(*attached)
    )]
    Attached {
        /// Attachments without our own.
        attached: u64,
    },
    /// Somebody has the SETUP lock.
    #[error(
        "PID {pid} is attaching or leaving; look again, or, if it is stopped, `kill -CONT {pid}`"
    )]
    Busy {
        /// The process that has the lock.
        pid: i32,
    },
    /// Messages are in it.
    #[error("{} for a reader", waiting(*messages))]
    Unread {
        /// How many, at least 1.
        messages: u64,
    },
    /// All messages are read, but no consumer has learned that the stream has ended.
    #[error("the end of its stream waits for a reader")]
    EndUnseen,
    /// It cannot be told whether there are messages in it.
    #[error(transparent)]
    Damaged(Corrupt),
    /// A semaphore set of a channel's size with no segment, or with one that is all zero.
    #[error(
        "nothing in it bears a channel's mark: a channel whose maker was killed half-way, or another \
         program's"
    )]
    Unmarked,
    /// The kernel lets only owner, creator and root look at it and remove it.
    #[error("it belongs to another user")]
    NotOwner,
    /// Its lock went with its set, and only the channel's owner can make another one for it.
    #[error("its semaphore set was removed, and it belongs to another user")]
    SetMissing,
    /// It is another program's or another version's, or the kernel refused a call.
    #[error(transparent)]
    Refused(AttachReason),
}

/// Names who has the roles: "producer PID 4711 and consumer PID 4712".
fn holders(producer: Option<i32>, consumer: Option<i32>) -> String {
    let named = |role: &str, pid: Option<i32>| pid.map(|pid| format!("{role} PID {pid}"));
    let holders = [named("producer", producer), named("consumer", consumer)];
    let holders: Vec<String> = holders.into_iter().flatten().collect();
    holders.join(" and ")
}

/// Counts messages: "1 unread message waits", "3 unread messages wait".
fn waiting(messages: u64) -> String {
    match messages {
        1 => "1 unread message waits".to_owned(),
        messages => format!("{messages} unread messages wait"),
    }
}

/// Counts attachments: "is 1 attachment", "are 2 attachments".
fn attachments(attached: u64) -> String {
    match attached {
        1 => "is 1 attachment".to_owned(),
        attached => format!("are {attached} attachments"),
    }
}
