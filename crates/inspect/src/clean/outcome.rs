//! What became of each, in words and in JSON.

use anyhow::{Result, bail};
use semring::{AttachReason, Kept, Leftover};
use semring_cli::{Refused, printable};
use serde_json::{Value, json};
use sysv_ipc::{Segment, SemaphoreSet};

use crate::process::Process;

use super::target::Target;
use super::{objects, unread};

/// Says what became of something, or would.
#[derive(Debug)]
pub enum Outcome {
    /// It was removed, by force if something spoke against that.
    Removed(Leftover, Option<Kept>),
    /// It stays.
    Kept(Kept),
    /// It stays for a reason that was known at once, as a word and a sentence.
    Settled(&'static str, String),
    /// It is not there, or not any more.
    Missing,
}

impl Outcome {
    /// Says it in a sentence, with what to do about it.
    pub fn sentence(&self, target: &Target, dry_run: bool) -> String {
        let (removed, kept, unused) = if dry_run {
            let unused = "nobody uses it, and nothing waits in it";
            ("would be removed", "would be kept", unused)
        } else {
            (
                "removed",
                "kept",
                "nobody used it, and nothing waited in it",
            )
        };
        match self {
            Self::Removed(leftover, None) => {
                format!("{removed}: {unused} ({})", objects(leftover))
            }
            Self::Removed(leftover, Some(against)) => {
                let why = against_force(against, leftover);
                format!("{removed} by force: {why} ({})", objects(leftover))
            }
            Self::Kept(reason) if self.has_failed() => {
                format!("could not be removed: {}", explain(reason, target))
            }
            Self::Kept(reason) => format!("{kept}: {}", explain(reason, target)),
            Self::Settled(_, sentence) => format!("{kept}: {sentence}"),
            Self::Missing => "is not there".to_owned(),
        }
    }

    /// Describes it: the same fields for each, `null` where they are not known.
    pub fn as_json(&self, target: &Target, dry_run: bool) -> Value {
        let (result, reason) = match self {
            Self::Removed(_, None) if dry_run => ("stale", Value::Null),
            Self::Removed(_, None) => ("removed", Value::Null),
            Self::Removed(_, Some(against)) if dry_run => ("doomed", word(against).into()),
            Self::Removed(_, Some(against)) => ("removed", word(against).into()),
            Self::Kept(reason) if self.has_failed() => ("failed", word(reason).into()),
            Self::Kept(reason) => ("kept", word(reason).into()),
            Self::Settled(word, _) => ("kept", (*word).into()),
            Self::Missing => ("missing", Value::Null),
        };
        let (segment, set, unread) = match self {
            Self::Removed(leftover, _) => {
                let (segment, set) = (leftover.segment, leftover.set);
                (segment, set, Some(leftover.unread))
            }
            Self::Kept(Kept::Unread { messages }) => (None, None, Some(*messages)),
            _ => (None, None, None),
        };
        json!({
            "channel": target.title,
            "key": target.key.to_string(),
            "owner": target.owner,
            "result": result,
            "reason": reason,
            "sentence": self.sentence(target, dry_run),
            "unread": unread,
            "segment": segment.map(Segment::id),
            "set": set.map(SemaphoreSet::id),
        })
    }

    /// Tells whether the kernel refused what should have worked.
    fn has_failed(&self) -> bool {
        let Self::Kept(Kept::Refused(reason)) = self else {
            return false;
        };
        matches!(
            reason,
            AttachReason::System(_) | AttachReason::Environment(_) | AttachReason::Contended
        )
    }
}

/// Counts what became of all.
#[derive(Debug, Default)]
pub struct Tally {
    /// Removed, or to be.
    pub removed: u64,
    /// Kept, asked for or not.
    pub kept: u64,
    /// Could not be removed.
    pub failed: u64,
    /// Kept although asked for.
    refused: u64,
}

impl Tally {
    /// Counts.
    pub fn of(outcomes: &[(&Target, Outcome)]) -> Self {
        let mut tally = Self::default();
        for (target, outcome) in outcomes {
            match outcome {
                Outcome::Removed(..) => tally.removed += 1,
                Outcome::Missing => {}
                _ if outcome.has_failed() => tally.failed += 1,
                Outcome::Kept(_) | Outcome::Settled(..) => {
                    tally.kept += 1;
                    tally.refused += u64::from(target.named);
                }
            }
        }
        tally
    }

    /// Says it in a line.
    pub fn sentence(&self, dry_run: bool) -> String {
        let (done, kept) = if dry_run {
            ("would be removed", "would be kept")
        } else {
            ("removed", "kept")
        };
        let failed = match self.failed {
            0 => String::new(),
            failed => format!(", {failed} could not be removed"),
        };
        format!("{} {done}, {} {kept}{failed}.", self.removed, self.kept)
    }

    /// Fails if something could not be removed, or was asked for and is kept.
    ///
    /// # Errors
    ///
    /// [`Refused`] for the latter.
    pub fn result(&self) -> Result<()> {
        if self.failed > 0 {
            bail!("{} could not be removed", self.failed);
        }
        match self.refused {
            0 => Ok(()),
            1 => Err(Refused("the channel that was asked for is kept".to_owned()).into()),
            kept => Err(Refused(format!("{kept} that were asked for are kept")).into()),
        }
    }
}

/// Says what spoke against a removal that was forced.
pub fn against_force(against: &Kept, leftover: &Leftover) -> String {
    let what = describe(against);
    match (against, leftover.unread) {
        (Kept::Unread { .. }, _) | (_, 0) => what,
        (_, messages) => format!("{what}, with {}", unread(messages)),
    }
}

/// Says why something is kept, and what to do about it.
fn explain(reason: &Kept, target: &Target) -> String {
    let Target {
        argument, owner, ..
    } = target;
    let force = format!("`semring clean --force {argument}`");
    let what = describe(reason);
    match reason {
        Kept::Unread { .. } | Kept::EndUnseen => {
            format!("{what}: start one, or give up what waits with {force}")
        }
        Kept::Damaged(_) => format!("{what}; {force} removes it"),
        Kept::Unmarked => format!("{what}; if it is a channel's: `semring clean {argument}`"),
        Kept::NotOwner => format!("{what}, {owner}: run `semring clean` as that user, or as root"),
        Kept::SetMissing => {
            format!("{what}, {owner}: run `semring clean` as that user, or {force}")
        }
        _ => what,
    }
}

/// Says what is the matter, with the names of processes.
fn describe(reason: &Kept) -> String {
    match reason {
        Kept::InUse { producer, consumer } => {
            let named = |role: &str, pid: Option<i32>| {
                let process = Process::look_up(pid?);
                Some(process.map_or_else(
                    || format!("{role} PID {}, not of this PID namespace", pid.unwrap_or(0)),
                    |Process { pid, program, .. }| {
                        format!("{role} PID {pid} ({})", printable(&program))
                    },
                ))
            };
            let users = [named("producer", *producer), named("consumer", *consumer)];
            let users: Vec<String> = users.into_iter().flatten().collect();
            format!("in use by {}", users.join(" and "))
        }
        reason => reason.to_string(),
    }
}

/// Names a reason for other programs.
pub fn word(reason: &Kept) -> &'static str {
    match reason {
        Kept::NotFound => "not found",
        Kept::InUse { .. } => "in use",
        Kept::Attached { .. } => "attached",
        Kept::Busy { .. } => "busy",
        Kept::Unread { .. } => "unread",
        Kept::EndUnseen => "end unseen",
        Kept::Damaged(_) => "damaged",
        Kept::Unmarked => "unmarked",
        Kept::NotOwner => "not owner",
        Kept::SetMissing => "set missing",
        Kept::Refused(AttachReason::Foreign { .. }) => "foreign",
        Kept::Refused(AttachReason::Version { .. }) => "other version",
        _ => "refused",
    }
}
