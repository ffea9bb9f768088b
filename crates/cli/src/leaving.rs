//! Leaving a channel: what is left of it, for whom, and how to give that up.

use anyhow::{Error, Result};
use semring::{CloseOutcome, Consumer, Fault, Key, Link, Producer, Role};

use crate::exit::{Explained, exit_of};
use crate::remedy::remedy;

/// Says which channel was left, and what that did to it.
#[derive(Debug)]
pub struct Farewell {
    role: Role,
    /// As its address reads.
    channel: String,
    /// Empty when it is known by a file or a key.
    name: String,
    key: Key,
    /// Whether the other side was attached, and so is the one to remove the channel.
    peer: bool,
    /// What else is to be said of what is left.
    remark: Option<String>,
    outcome: Result<CloseOutcome, Fault>,
}

impl Farewell {
    /// Leaves as the producer; not `complete` tells the consumer that the stream is not whole.
    #[must_use]
    pub fn of_producer(producer: Producer, complete: bool) -> Self {
        let peer = producer.has_consumer().unwrap_or(false);
        Self::of(producer.link(), Role::Producer, peer).then(|| {
            if complete {
                producer.close()
            } else {
                producer.interrupt()
            }
        })
    }

    /// Leaves as the consumer.
    #[must_use]
    pub fn of_consumer(consumer: Consumer) -> Self {
        let peer = consumer.has_producer().unwrap_or(false);
        Self::of(consumer.link(), Role::Consumer, peer).then(|| consumer.close())
    }

    fn of(link: &Link, role: Role, peer: bool) -> Self {
        Self {
            role,
            channel: link.address().to_string(),
            name: link.address().name().to_owned(),
            key: link.key(),
            peer,
            remark: None,
            outcome: Ok(CloseOutcome::RemovedBefore),
        }
    }

    fn then(mut self, leave: impl FnOnce() -> Result<CloseOutcome, Fault>) -> Self {
        self.outcome = leave();
        tracing::info!(outcome = ?self.outcome, peer = self.peer, "left {}", self.channel);
        self
    }

    /// Adds a remark on what is left.
    pub fn remark(&mut self, remark: Option<String>) {
        self.remark = remark;
    }

    /// Returns the channel's name, empty when it is known by a file or a key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its key.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.key
    }

    /// Returns what leaving did to the channel.
    ///
    /// # Errors
    ///
    /// What kept it from being left in order.
    pub const fn outcome(&self) -> Result<CloseOutcome, &Fault> {
        match &self.outcome {
            Ok(outcome) => Ok(*outcome),
            Err(fault) => Err(fault),
        }
    }

    /// Counts the messages that are left in it.
    #[must_use]
    pub const fn unread(&self) -> u64 {
        match self.outcome {
            Ok(CloseOutcome::Kept { unread }) => unread,
            _ => 0,
        }
    }

    /// Tells whether it is gone.
    #[must_use]
    pub const fn removed(&self) -> bool {
        matches!(
            self.outcome,
            Ok(CloseOutcome::Removed | CloseOutcome::RemovedBefore)
        )
    }

    /// Fails, if nothing has failed before, with what kept the channel from being left in order.
    ///
    /// # Errors
    ///
    /// That of `result`, or a [`Fault`].
    pub fn complete(&self, result: Result<()>) -> Result<()> {
        result.and(match &self.outcome {
            Ok(_) => Ok(()),
            Err(fault) => Err(fault.clone().into()),
        })
    }

    /// Says what is left, for whom, and how to give that up; nothing when the other side will see to it,
    /// and there is no remark.
    #[must_use]
    pub fn left(&self) -> Option<String> {
        match (self.left_in_channel(), &self.remark) {
            (Some(left), Some(remark)) => Some(format!("{left}; {remark}")),
            (left, remark) => left.or_else(|| remark.clone()),
        }
    }

    fn left_in_channel(&self) -> Option<String> {
        let Self { channel, key, .. } = self;
        let for_whom = match self.role {
            Role::Producer => "a reader",
            Role::Consumer => "the next reader",
        };
        let what = match (&self.outcome, self.role) {
            (Ok(CloseOutcome::Kept { unread: 0 }), _) if self.peer => return None,
            (Ok(CloseOutcome::Kept { unread: 0 }), Role::Producer) => {
                format!("the end of the stream waits in {channel} for a reader")
            }
            (Ok(CloseOutcome::Kept { unread: 0 }), Role::Consumer) => {
                format!("{channel} stays, without messages, for the next writer")
            }
            (Ok(CloseOutcome::Kept { unread: 1 }), _) => {
                format!("1 message waits in {channel} for {for_whom}")
            }
            (Ok(CloseOutcome::Kept { unread }), _) => {
                format!("{unread} messages wait in {channel} for {for_whom}")
            }
            (Ok(_), _) => return None,
            (Err(_), _) => format!("{channel} could not be left in order, and may stay"),
        };
        Some(format!(
            "{what}; to give up what is left: `ipcrm -M {key} -S {key}`"
        ))
    }

    /// Adds to an error which channel it was about, and what is left of it.
    #[must_use]
    pub fn explain(&self, error: &Error) -> Error {
        if error.is::<crate::OutputClosed>() {
            return crate::OutputClosed.into();
        }
        let mut text = match self.left() {
            Some(_) => format!("{error:#} (key {})", self.key),
            None => format!("{error:#} ({}, key {})", self.channel, self.key),
        };
        let remedy = remedy(error).map(str::to_owned);
        for next in remedy.into_iter().chain(self.left()) {
            text = format!("{text}; {next}");
        }
        let exit = exit_of(error);
        Explained { text, exit }.into()
    }
}
